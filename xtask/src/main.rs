//! `cargo xtask`: set-up and every chore of Crossdub. This file only reads the arguments.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`failure`], [`process`], [`progress`] | the one error type; running programs; saying how far they are |
//! | [`workshop`] | the checkout, the caches, and how each program is called in them |
//! | [`steps`] | numbered steps, what each needs, and the summary |
//! | [`setup`] | what must be installed first |
//! | [`modules`] | the two WebAssembly modules |
//! | [`demo`], [`test`], [`build`], [`bench`] | the chores |
//! | [`notices`] | licences of what the site ships |
#![expect(clippy::print_stdout, reason = "telling the person at the terminal is this program's work")]

mod bench;
mod build;
mod demo;
mod failure;
mod modules;
mod notices;
mod process;
mod progress;
mod setup;
mod steps;
mod test;
mod workshop;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Every chore of Crossdub. Each installs what it needs first, and skips what is already there.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build the page, serve it and open it; the WebGPU module follows while the page is already open
    Demo {
        /// Folder of CIFAR-10's binary files (data_batch_1.bin to data_batch_5.bin, test_batch.bin) to offer to the page
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Port to serve on [default: the first free one from 5173]
        #[arg(long, value_name = "N")]
        port: Option<u16>,
        /// Do not open a browser
        #[arg(long)]
        no_open: bool,
    },
    /// Run every check, cheapest first; the last line says how many passed
    Test {
        /// Leave out what needs the WebGPU module, which takes longest to build
        #[arg(long)]
        quick: bool,
    },
    /// Run the checks that take seconds: format, clippy, types, Rust tests
    Check,
    /// Write the static site to dist/, with both modules and the third-party notices
    Build {
        /// Make the modules smaller with wasm-opt (takes several minutes)
        #[arg(long)]
        optimize: bool,
    },
    /// Measure, print ratios, and write docs/measurements.md
    Bench,
}

fn main() -> ExitCode {
    process::stop_descendants_on_signal();
    let chore = Arguments::parse().chore;
    let result = workshop::Workshop::open().and_then(|mut workshop| match chore {
        Chore::Demo { data, port, no_open } => demo::run(&mut workshop, data, port, !no_open),
        Chore::Test { quick } => test::run(&mut workshop, quick),
        Chore::Check => test::check(&mut workshop),
        Chore::Build { optimize } => build::run(&mut workshop, optimize),
        Chore::Bench => bench::run(&mut workshop),
    });
    process::stop_descendants();
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
