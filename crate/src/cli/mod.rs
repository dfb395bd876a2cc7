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
mod system;

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
    Analyze(Box<analyze::AnalyzeArgs>),
    Regularize(regularize::RegularizeArgs),
    Energy(energy::EnergyArgs),
    Adc(Box<adc::AdcArgs>),
    Train(Box<train::TrainArgs>),
    Finetune(Box<finetune::FinetuneArgs>),
    Run(run::RunArgs),
    Sweep(sweep::SweepArgs),
    Report(report::ReportArgs),
    Evaluate(evaluate::EvaluateArgs),
    Predict(predict::PredictArgs),
    Prune(Box<prune::PruneArgs>),
    Sensitivity(sensitivity::SensitivityArgs),
    Published(published::PublishedArgs),
    Simulate(Box<simulate::SimulateArgs>),
    Data(data::DataArgs),
    Bench(bench::BenchArgs),
    Devices(devices::DevicesArgs),
    #[cfg(feature = "remote")]
    Worker(worker::WorkerArgs),
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
    output::init_logging(arguments.verbose);
    // A lost device is told by a panic, whatever was being done on it.
    match catch_unwind(AssertUnwindSafe(|| run(arguments.command))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            output::print_error(&error);
            ExitCode::FAILURE
        }
        Err(panic) if crate::device::may_disconnect() => {
            output::print_error(&crate::device::device_error(&*panic));
            ExitCode::FAILURE
        }
        // A bug, which the panic itself has said where it is.
        Err(panic) => resume_unwind(panic),
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Analyze(args) => analyze::run(&args),
        Command::Regularize(args) => regularize::run(&args),
        Command::Energy(args) => energy::run(&args),
        Command::Adc(args) => adc::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Finetune(args) => finetune::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Prune(args) => prune::run(&args),
        Command::Sensitivity(args) => sensitivity::run(&args),
        Command::Published(args) => published::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Devices(args) => devices::run(&args),
        #[cfg(feature = "remote")]
        Command::Worker(args) => worker::run(&args),
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
