//! The binary `crossdub`: hands over to the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    crossdub::cli_main()
}
