//! `cargo xtask`: sets Crossdub up and runs its development tasks. This file only reads the arguments.
//!
//! | module | contents |
//! | --- | --- |
//! | [`error`], [`cmd`], [`processes`], [`progress`] | the one error type; running and stopping programs; showing progress |
//! | [`env`] | the checkout, the caches, and how programs are called in them |
//! | [`steps`] | numbered steps, their dependencies and the summary |
//! | [`setup`] | installs what a step needs |
//! | [`modules`] | the four WebAssembly modules |
//! | [`demo`], [`test`], [`build`], [`bundle`], [`bench`], [`figures`], [`fuzz`] | the tasks |
//! | [`api`] | the recorded public API |
//! | [`checks`] | the checks of `test` and `check` |
//! | [`notices`] | licences of what the site ships |
#![expect(clippy::print_stdout, reason = "this program reports to the terminal")]

mod api;
mod bench;
mod build;
mod bundle;
mod checks;
mod cmd;
mod demo;
mod env;
mod error;
mod figures;
mod fuzz;
mod modules;
mod notices;
mod processes;
mod progress;
mod setup;
mod steps;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development tasks of Crossdub. Each installs what it needs first and skips what is already there.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the page, serve it and open it; the WebGPU module is built while the page is already open
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
        /// Leave out what needs the WebGPU module, native WGSL or cargo-deny, which take longest to build
        #[arg(long)]
        quick: bool,
    },
    /// Run the checks that take seconds: formatting, lints, types, unit tests
    Check,
    /// Write the static site to dist/, with its modules and the third-party notices
    Build {
        /// Make the modules smaller with wasm-opt (takes several minutes)
        #[arg(long)]
        optimize: bool,
    },
    /// Make one folder, and its archive, that checks and times Crossdub on another machine's graphics processor
    Bundle {
        /// Build the binaries with WebGPU and Vulkan, and put all that they need beside them
        #[arg(long)]
        gpu: bool,
        /// Leave out the WGSL-only binary (it builds Burn anew)
        #[arg(long)]
        quick: bool,
        /// Pack CIFAR-10's binary files from this folder in parts that can be sent
        #[arg(long, value_name = "PATH")]
        cifar: Option<PathBuf>,
    },
    /// Measure beside other tools, print the ratios, and write docs/measurements.md
    Bench {
        /// Measure only this, and write nothing
        #[arg(long, value_enum, value_name = "NAME")]
        only: Option<bench::Group>,
        /// Print one JSON object, and write nothing
        #[arg(long)]
        json: bool,
    },
    /// Draw the chart of docs/bit-planes.md from its measured figures
    Figures,
    /// Compare the crate's public API with the recorded one
    Api {
        /// Record the current API instead
        #[arg(long)]
        accept: bool,
    },
    /// Feed random input to everything that reads untrusted bytes
    Fuzz {
        /// Run only this target [default: all of them]
        target: Option<String>,
        /// Run each target this long
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    processes::stop_descendants_on_signal();
    let task = Arguments::parse().task;
    let result = env::BuildEnv::find().and_then(|mut env| match task {
        Task::Demo { data, port, no_open } => demo::run(&mut env, data, port, !no_open),
        Task::Test { quick } => test::run(&mut env, quick),
        Task::Check => test::check(&mut env),
        Task::Build { optimize } => build::run(&mut env, optimize),
        Task::Bundle { gpu, quick, cifar } => bundle::run(&mut env, gpu, quick, cifar),
        Task::Bench { only, json } => bench::run(&mut env, only, json),
        Task::Figures => figures::run(&env),
        Task::Api { accept } => api::run(&mut env, accept),
        Task::Fuzz { target, seconds } => fuzz::run(&mut env, target, seconds),
    });
    processes::stop_descendants();
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
