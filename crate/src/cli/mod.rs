//! The command line's door: arguments, files, progress bars. It blocks on the same futures that
//! the page awaits, and is the only room that opens files.
//!
//! The exit code is decided here: 0 on success, 2 on wrong usage, 1 on anything else, with one
//! line on stderr.

mod commands;
mod files;
mod format;
mod options;
mod output;
mod runs;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[cfg(feature = "remote")]
use self::commands::worker;
use self::commands::{
    adc, analyze, bench, data, devices, energy, evaluate, finetune, predict, prune, published, regularize,
    report, run, sensitivity, simulate, sweep, train,
};
use crate::error::Result;

/// Shows, trains and measures how sparsity makes analog in-memory computing cheaper.
#[derive(Debug, Parser)]
#[command(name = "crossdub", version, arg_required_else_help = true)]
struct Arguments {
    /// Says more on stderr; twice for Burn's own messages.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 900)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Analyze(Box<analyze::Options>),
    Regularize(regularize::Options),
    Energy(energy::Options),
    Adc(Box<adc::Options>),
    Train(Box<train::Options>),
    Finetune(Box<finetune::Options>),
    Run(run::Options),
    Sweep(sweep::Options),
    Report(report::Options),
    Evaluate(evaluate::Options),
    Predict(predict::Options),
    Prune(Box<prune::Options>),
    Sensitivity(sensitivity::Options),
    Published(published::Options),
    Simulate(Box<simulate::Options>),
    Data(data::Options),
    Bench(bench::Options),
    Devices(devices::Options),
    #[cfg(feature = "remote")]
    Worker(worker::Options),
    /// Prints a completion script for a shell
    ///
    /// Example: crossdub completions bash > ~/.local/share/bash-completion/completions/crossdub
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    // clap prints usage errors itself and leaves with 2.
    let arguments = Arguments::parse();
    output::start_log(arguments.verbose);
    // A lost device is told by a panic, whatever was being done on it.
    match catch_unwind(AssertUnwindSafe(|| run(arguments.command))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
        Err(panic) if crate::device::may_be_lost() => {
            output::complain(&crate::device::lost(&*panic));
            ExitCode::FAILURE
        }
        // A bug, which the panic itself has said where it is.
        Err(panic) => resume_unwind(panic),
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Analyze(options) => analyze::run(&options),
        Command::Regularize(options) => regularize::run(&options),
        Command::Energy(options) => energy::run(&options),
        Command::Adc(options) => adc::run(&options),
        Command::Train(options) => train::run(&options),
        Command::Finetune(options) => finetune::run(&options),
        Command::Run(options) => run::run(&options),
        Command::Sweep(options) => sweep::run(&options),
        Command::Report(options) => report::run(&options),
        Command::Evaluate(options) => evaluate::run(&options),
        Command::Predict(options) => predict::run(&options),
        Command::Prune(options) => prune::run(&options),
        Command::Sensitivity(options) => sensitivity::run(&options),
        Command::Published(options) => published::run(&options),
        Command::Simulate(options) => simulate::run(&options),
        Command::Data(options) => data::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Devices(options) => devices::run(&options),
        #[cfg(feature = "remote")]
        Command::Worker(options) => worker::run(&options),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "crossdub", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
        // What clap itself checks only in builds with debug assertions, which there are none of.
        fn check(command: &clap::Command) {
            let ids: Vec<_> = command.get_arguments().map(clap::Arg::get_id).collect();
            let once: std::collections::BTreeSet<_> = ids.iter().collect();
            assert_eq!(
                once.len(),
                ids.len(),
                "an argument of {} is there twice: {ids:?}",
                command.get_name()
            );
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }
}
