//! The binary `crossdub`: hands over to the command line.

use std::process::ExitCode;

/// A training step frees and takes again a hundred megabytes. glibc gives them back to the kernel in between, which
/// costs a fifth of a step of vgg-small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    crossdub::cli_main()
}
