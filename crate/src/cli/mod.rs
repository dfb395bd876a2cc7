//! The command line: arguments, files, progress bars. It blocks on the futures that the page awaits, and
//! it is the only module that opens files.
//!
//! `commands` uses `runs` and `measure`, `runs` uses `options` and `files`, and these use `output`, `account` and `format`;
//! nothing goes the other way, and no command uses another.
//!
//! Exit codes: 0 on success, 2 on wrong usage (an unknown option or an invalid value), 1 on any other error. An error is one line on stderr.

mod account;
mod advice;
mod commands;
mod files;
mod format;
mod http;
mod measure;
mod options;
mod output;
mod runs;
mod system;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

#[cfg(feature = "remote")]
use self::commands::worker;
use self::commands::{
    adc, analyze, bench, data, devices, energy, evaluate, export, finetune, predict, prove, prune, published,
    regularize, report, run, sensitivity, serve, simulate, sweep, train,
};
use crate::error::{Error, ErrorKind, Result};

/// Show, train and measure how sparsity makes analog in-memory computing cheaper
#[derive(Debug, Parser)]
#[command(
    name = "crossdub",
    version,
    arg_required_else_help = true,
    after_help = "Example: crossdub analyze resnet18.pth --tile 64\n         \
                  crossdub run recipes/builtin-quick.toml --out quick"
)]
struct Cli {
    /// Log more to stderr; twice, also Burn's messages
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
    Export(export::ExportArgs),
    Predict(predict::PredictArgs),
    Prune(Box<prune::PruneArgs>),
    Sensitivity(sensitivity::SensitivityArgs),
    Published(published::PublishedArgs),
    Simulate(Box<simulate::SimulateArgs>),
    Data(data::DataArgs),
    Bench(bench::BenchArgs),
    Devices(devices::DevicesArgs),
    Prove(Box<prove::ProveArgs>),
    Serve(serve::ServeArgs),
    #[cfg(feature = "remote")]
    Worker(worker::WorkerArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example: crossdub completions bash > ~/.local/share/bash-completion/completions/crossdub"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Exit code of wrong usage, the same as clap's.
const USAGE: u8 = 2;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage_error(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage_error(&error),
    };
    output::init_logging(cli.verbose);
    crate::device::silence_panics();
    // Burn reports a lost device by a panic, wherever it happens.
    let error = match catch_unwind(AssertUnwindSafe(|| run(cli.command))) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => error,
        Err(panic) if crate::device::may_disconnect() => crate::device::device_error(&*panic),
        // A bug; the panic hook has printed where.
        Err(panic) => resume_unwind(panic),
    };
    let name = matches.subcommand_name().unwrap_or_default();
    output::print_error(&error, advice::advice(&error, |option| has_option(name, option)).as_deref());
    exit_code(&error)
}

/// Prints the requested help, or what clap says about wrong usage. An invalid value of a field gives one line, as it
/// does in files.
fn usage_error(error: &clap::Error) -> ExitCode {
    let source = std::error::Error::source(error);
    if let Some(error) = source.and_then(|source| source.downcast_ref::<Error>()) {
        output::print_error(error, None);
        return exit_code(error);
    }
    // If the terminal is gone, there is nothing left to do.
    drop(error.print());
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Whether a command has an option.
fn has_option(command: &str, option: &str) -> bool {
    let cli = Cli::command();
    cli.find_subcommand(command).is_some_and(|found| found.get_arguments().any(|arg| arg.get_id() == option))
}

/// An invalid value of an option is wrong usage; an invalid field in a file is an [`ErrorKind::File`] here.
fn exit_code(error: &Error) -> ExitCode {
    match error.kind() {
        ErrorKind::InvalidField { .. } | ErrorKind::OutsideModelRange { .. } => ExitCode::from(USAGE),
        _ => ExitCode::FAILURE,
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
        Command::Export(args) => export::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Prune(args) => prune::run(&args),
        Command::Sensitivity(args) => sensitivity::run(&args),
        Command::Published(args) => published::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Prove(args) => prove::run(&args),
        Command::Serve(args) => serve::run(&args),
        #[cfg(feature = "remote")]
        Command::Worker(args) => worker::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "crossdub", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All commands and subcommands, by their full names.
    fn commands() -> Vec<(String, clap::Command)> {
        fn collect(name: &str, command: &clap::Command, found: &mut Vec<(String, clap::Command)>) {
            found.push((name.to_owned(), command.clone()));
            for inner in command.get_subcommands() {
                collect(&format!("{name} {}", inner.get_name()), inner, found);
            }
        }
        let mut found = Vec::new();
        collect("crossdub", &Cli::command(), &mut found);
        found
    }

    #[test]
    fn no_command_has_an_argument_twice() {
        Cli::command().debug_assert();
        // In release builds clap does not check this itself.
        for (name, command) in commands() {
            let ids: Vec<_> = command.get_arguments().map(clap::Arg::get_id).collect();
            let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
            assert_eq!(distinct.len(), ids.len(), "{name} has an argument twice: {ids:?}");
        }
    }

    #[test]
    fn every_command_s_help_has_an_example() {
        for (name, mut command) in commands() {
            let help = command.render_long_help().to_string();
            assert!(help.contains(&format!("Example: {name}")), "{name}");
        }
    }

    #[test]
    fn advice_names_options_that_exist() {
        for (command, option) in [
            ("analyze", "linear"),
            ("adc", "extrapolate"),
            ("train", "max_bad"),
            ("train", "gather"),
            ("prune", "model"),
            ("prune", "data"),
        ] {
            assert!(has_option(command, option), "{command} {option}");
        }
        assert!(!has_option("regularize", "linear"));
    }
}
