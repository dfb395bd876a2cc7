//! Training in a folder, for every command that trains: a run can be stopped at any moment and resumed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use indicatif::MultiProgress;
use serde_json::json;

use crate::checkpoint::safetensors;
use crate::cli::account;
use crate::cli::files;
use crate::cli::format;
use crate::cli::options::data::LoaderOptions;
use crate::cli::output;
use crate::cli::runs::dry_run;
use crate::cli::runs::folder_lock::FolderLock;
use crate::cli::runs::inputs::{follow_metadata, input_metadata};
use crate::cli::runs::observer::FolderObserver;
use crate::cli::runs::run_folder::{DEFAULT_CHECKPOINTS_KEPT, RunFolder};
use crate::cli::runs::run_settings::RunSettings;
use crate::cli::system;
use crate::config::{TrainConfig, TrainFields};
use crate::data::imagenet::LoaderConfig;
use crate::error::{Error, Result};
use crate::train::self_test::open_checked;
use crate::train::trainer::Trainer;
use crate::workflow::report::{DataDescription, RunReport};
use crate::workflow::stage::StageKind;
use crate::workflow::train_stage::TrainStage;

/// Where a run is kept, and how it reports.
#[derive(Debug, Args)]
pub struct RunFolderArgs {
    /// Folder for configuration, metrics, checkpoints and weights
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Resume the run in the folder from its last checkpoint
    #[arg(long)]
    resume: bool,
    /// Also save a checkpoint every N steps, not only after each epoch
    #[arg(long, value_name = "N", default_value_t = 0)]
    checkpoint_every: u64,
    /// Keep the newest N checkpoints
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CHECKPOINTS_KEPT, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    /// Only estimate the memory, time (from a few measured steps) and disk space of the run
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    #[command(flatten)]
    loader: LoaderOptions,
    /// Print the run's report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Starts a run with the settings that `settings` reads, or resumes the one in the folder. To resume, `data` is where
/// its images are now, if they have moved, and `devices` where it continues.
pub fn run(
    args: &RunFolderArgs,
    base: &TrainConfig,
    data: Option<&Path>,
    devices: &TrainFields,
    settings: impl FnOnce() -> Result<RunSettings>,
) -> Result<()> {
    if args.dry_run {
        let trainer = open(base, &settings()?, args)?;
        return dry_run::run(trainer, usize::from(args.keep), args.json);
    }
    let mut folder = RunFolder::open(&args.out)?.with_checkpoints_kept(usize::from(args.keep));
    let _lock = FolderLock::acquire(&args.out)?;
    let trainer = settings().and_then(|settings| {
        // One that was stopped before it wrote its settings begins again, if the options say with what.
        // A folder that was not there is a wrong name.
        let has_begun = folder.config_path().exists() || settings.data.is_none() || folder.is_new();
        if args.resume && has_begun {
            resume(args, &mut folder, data, devices, &settings)
        } else {
            if args.resume {
                output::status("the run had not begun: it starts with these options");
            }
            start(args, &folder, base, settings)
        }
    });
    let trainer = trainer.inspect_err(|_| folder.remove_if_empty())?;
    let stop = stop_flag()?;
    let bars = MultiProgress::new();
    let screen = (&bars, "");
    let mut observer = FolderObserver::new(folder, args.out.clone(), screen, args.checkpoint_every, &stop);
    let mut stage = TrainStage::new(StageKind::Train, trainer);
    pollster::block_on(stage.run(&mut observer))?;
    let report = pollster::block_on(finish(stage.trainer(), &observer.folder))?;
    drop(observer);
    output::print_result(args.json, &report, || describe(&report, args))
}

/// Starts a run.
fn start(
    args: &RunFolderArgs,
    folder: &RunFolder,
    base: &TrainConfig,
    mut settings: RunSettings,
) -> Result<Trainer> {
    if folder.config_path().exists() {
        let why = "there is a run already; use --resume to continue it";
        return Err(Error::file("starting a run", files::display_path(&args.out), why));
    }
    let trainer = open(base, &settings, args)?;
    settings.max_bad = args.loader.max_bad.or(settings.max_bad);
    folder.write_config(&settings.to_map(trainer.config(), trainer.hardware()))?;
    Ok(trainer)
}

/// Resumes a run, or starts it again if it was stopped before its first checkpoint.
fn resume(
    args: &RunFolderArgs,
    folder: &mut RunFolder,
    data: Option<&Path>,
    devices: &TrainFields,
    asked: &RunSettings,
) -> Result<Trainer> {
    // A bad file, not a bad option.
    let path = files::display_path(&folder.config_path());
    let with_path = |error: Error| Error::file("reading the configuration", &*path, &error);
    let mut settings = RunSettings::from_map(folder.read_config()?).map_err(with_path)?;
    settings.configs(&TrainConfig::default()).map_err(with_path)?;
    settings.check_unchanged(asked, devices)?;
    settings.fields.train.extend(devices.clone());
    let Some(checkpoint) = folder.newest_checkpoint()? else {
        folder.truncate_metrics(0)?;
        if let Some(data) = data {
            settings.data = Some(files::display_path(data));
        }
        return open(&TrainConfig::default(), &settings, args);
    };
    folder.truncate_metrics(checkpoint.step())?;
    let named = data.map(Path::to_owned).or_else(|| settings.data.as_ref().map(PathBuf::from));
    let path = named.unwrap_or_else(|| "builtin".into());
    let mut moved = checkpoint.config().clone();
    devices.fill(&mut moved);
    let checkpoint = checkpoint.with_devices_of(&moved);
    let mut config = checkpoint.config().clone();
    let data = files::open_dataset(&path, &mut config, loader_config(args, &settings))?;
    let started = checkpoint.config().data;
    if config.data != started {
        let why = format!("the run was started on {}; --resume needs the same images", json!(started));
        return Err(Error::field("data", path.display(), why));
    }
    let compute = pollster::block_on(open_checked(&config))?;
    checkpoint.resume(data, compute, system::available_memory())
}

/// How images are read: as this command's options say, else as the run was started.
fn loader_config(args: &RunFolderArgs, settings: &RunSettings) -> LoaderConfig {
    LoaderOptions { max_bad: args.loader.max_bad.or(settings.max_bad), ..args.loader }.into()
}

/// A trainer with these settings.
fn open(base: &TrainConfig, settings: &RunSettings, args: &RunFolderArgs) -> Result<Trainer> {
    let (mut config, hardware) = settings.configs(base)?;
    let weights = settings.weights.as_ref().map(|path| files::read_weights(path.as_ref())).transpose()?;
    weights.iter().for_each(account::print_choice);
    if let (Some(weights), Some(path)) = (&weights, &settings.weights) {
        follow_metadata(&mut config, &input_metadata(weights, path.as_ref())?);
    }
    let data = files::open_dataset(&settings.data_path()?, &mut config, loader_config(args, settings))?;
    let compute = pollster::block_on(open_checked(&config))?;
    let memory = system::available_memory();
    let trainer = Trainer::new(config, hardware, data, compute, memory, weights.as_ref());
    let mut trainer = trainer.map_err(|error| match &settings.weights {
        Some(path) => error.with_path(path),
        None => error,
    })?;
    if let Some(path) = &settings.teacher {
        let teacher = files::read_weights(path.as_ref())?;
        account::print_choice(&teacher);
        trainer.set_teacher(&teacher).map_err(|error| error.with_path(path))?;
    }
    if let Some((masks, name)) = settings.read_masks(weights.as_ref(), trainer.network_spec())? {
        pollster::block_on(trainer.set_masks(&masks)).map_err(|error| error.with_path(&name))?;
    }
    Ok(trainer)
}

/// A flag that Ctrl-C or a termination signal sets; the run then saves itself and stops.
pub fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(|why| Error::operation("listening for signals", "process", why))?;
    Ok(stop)
}

/// Writes weights and report.
async fn finish(trainer: &Trainer, folder: &RunFolder) -> Result<RunReport> {
    let weights = trainer.weights().await?;
    let layers = weights.matrices(false)?;
    let mut report = RunReport::from_trainer(trainer, &layers);
    report.data = Some(DataDescription::new(trainer.data(), trainer.config().data));
    let metadata = trainer.data().input_metadata(trainer.config().data).to_map();
    folder.write("weights.safetensors", &safetensors::write_with_metadata(&weights, &metadata)?)?;
    let text = serde_json::to_vec(&report)
        .map_err(|why| Error::file("writing a result", "report.json", &why).with_source(why))?;
    folder.write("report.json", &text)?;
    Ok(report)
}

fn describe(report: &RunReport, args: &RunFolderArgs) -> String {
    let accuracy =
        report.training.accuracy.map_or_else(|| "not measured".to_owned(), |a| format!("{a:.2} %"));
    format!(
        "trained {} epochs on {}; accuracy {accuracy}; results in {}\n\n{}\n{}",
        report.training.epoch,
        report.training.adapter,
        files::display_path(&args.out),
        format::level_table(&report.analysis.histogram, Some(&report.analysis.almost_zero_histogram)),
        format::energy_table(&report.analysis.energy),
    )
}
