//! `crossdub sweep`: runs a recipe for every combination of values, or for a list of them.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Args;
use indicatif::MultiProgress;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cli::files;
use crate::cli::files::dataset_cache::{DatasetCache, hex};
use crate::cli::format;
use crate::cli::options::recipe::{RecipeOptions, attribute, sets};
use crate::cli::output;
use crate::cli::runs::folder_store::{RunOutcome, StageRunner};
use crate::cli::runs::lease::LeaseMonitors;
use crate::cli::runs::results::{check_weights_exist, save_results};
use crate::cli::runs::training::stop_flag;
use crate::config::SCHEMA_VERSION;
use crate::error::{Error, ErrorKind, Result};
use crate::train::self_test::open_checked;
use crate::workflow::recipe::{Change, Recipe};
use crate::workflow::report::RunReport;
use crate::workflow::sweep::{self, Combination, SweptField};

/// How long a job waits if other processes work on all remaining runs.
const BUSY_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The longest folder name; longer names are cut and end in a hash.
const MAX_NAME_BYTES: usize = 120;

/// Run a recipe for every combination of values
///
/// Each run has a folder named after its values; stages that several runs share are computed once. A sweep can
/// be stopped and restarted, and run on several machines over a shared folder.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub sweep recipes/vgg-small-cifar10-dub.toml --out sweep \\\n           \
    --set dub.lambda=1e-3,1e-2 --set seed=0..3 --stage prune.rule=exact,paper --jobs 2\n         \
    crossdub sweep recipe.toml --set seed=0..32 --out shared/sweep --task $SLURM_ARRAY_TASK_ID"
)]
pub struct SweepArgs {
    /// The recipe, a TOML file
    #[arg(value_name = "RECIPE.toml")]
    recipe: PathBuf,
    #[command(flatten)]
    shared: RecipeOptions,
    /// A field and its values, in all stages that have it: a list, or integers FROM..TO (TO excluded)
    #[arg(long, value_name = "FIELD=VALUE,...")]
    set: Vec<String>,
    /// The same, in one stage
    #[arg(long, value_name = "STAGE.FIELD=VALUE,...")]
    stage: Vec<String>,
    /// File with one run per line, instead of all combinations: lambda=1e-3 prune.rule=exact
    #[arg(long, value_name = "FILE", conflicts_with_all = ["set", "stage"])]
    list: Option<PathBuf>,
    /// Folder for all runs [default: sweeps/NAME, by the recipe's name]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Run only number I (from 0), and wait for stages that other processes work on
    #[arg(long, value_name = "I")]
    task: Option<usize>,
    /// Accepted for symmetry; sweeps always resume
    #[arg(long)]
    resume: bool,
    /// Print the number of runs
    #[arg(long)]
    count: bool,
    /// Print the runs without running them
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// One run of the sweep.
#[derive(Debug, Clone)]
struct SweepRun {
    index: usize,
    name: String,
    recipe: Recipe,
    changes: Vec<Change>,
}

/// The outcome of a run.
#[derive(Debug, Clone, Serialize)]
struct RunSummary {
    index: usize,
    name: String,
    changes: Vec<(String, Value)>,
    /// `planned`, `done` or `failed`.
    state: &'static str,
    error: Option<String>,
    accuracy: Option<f64>,
    improvement_paper: Option<f64>,
    improvement_lossless: Option<f64>,
}

#[derive(Serialize)]
struct SweepOutput {
    schema_version: u32,
    recipe: String,
    runs: Vec<RunSummary>,
}

#[derive(Serialize)]
struct CountOutput {
    schema_version: u32,
    count: usize,
}

/// Runs the command.
pub fn run(args: &SweepArgs) -> Result<()> {
    let runs = plan(args)?;
    let recipe = runs.first().map(|run| run.recipe.name.clone()).unwrap_or_default();
    if args.count {
        let result = CountOutput { schema_version: SCHEMA_VERSION, count: runs.len() };
        return output::print_result(args.json, &result, || format!("{}\n", result.count));
    }
    let lines = if args.dry_run {
        runs.iter().map(|run| line(run, "planned", None, None)).collect()
    } else {
        let out = args.out.clone().unwrap_or_else(|| Path::new("sweeps").join(&recipe));
        Sweep::new(args, &out)?.run_all(selected(args, runs)?)?
    };
    let failed = lines.iter().filter(|line| line.state == "failed").count();
    let total = lines.len();
    let result = SweepOutput { schema_version: SCHEMA_VERSION, recipe, runs: lines };
    output::print_result(args.json, &result, || describe(&result))?;
    if failed == 0 {
        return Ok(());
    }
    let first = result.runs.iter().find_map(|line| line.error.as_ref().map(|why| (&line.name, why)));
    let why = first.map_or_else(String::new, |(name, why)| format!("; {name}: {why}"));
    Err(Error::file(
        "sweeping",
        files::display_path(&args.recipe),
        format!("{failed} of {total} runs failed{why}"),
    ))
}

/// All runs, each with its resolved recipe: a mistake in one is reported before any starts.
fn plan(args: &SweepArgs) -> Result<Vec<SweepRun>> {
    let (text, changes) = args.shared.read(&args.recipe)?;
    let combinations = match &args.list {
        Some(path) => {
            let bytes = files::read("reading the list", path)?;
            sweep::parse_list(&String::from_utf8_lossy(&bytes))
                .map_err(|error| error.with_path(&files::display_path(path)))?
        }
        None => {
            let parameters: Result<Vec<SweptField>> =
                args.set.iter().chain(&args.stage).map(|text| SweptField::parse(text)).collect();
            sweep::combinations(&parameters?)?
        }
    };
    let mut names = BTreeSet::new();
    let planned = |(index, combination): (usize, Combination)| {
        let all: Vec<Change> = changes.iter().cloned().chain(combination.changes.iter().cloned()).collect();
        let recipe = Recipe::read(&text, &all).map_err(|error| match (&args.list, error.field_name()) {
            (Some(list), Some(field)) if sets(&combination.changes, field) => {
                Error::file("reading the list", files::display_path(list), &error)
            }
            _ => attribute(error, "reading the recipe", &args.recipe, &all),
        })?;
        let mut name = folder_name(combination.name());
        if !names.insert(name.clone()) {
            name = format!("{name}-{index}");
            names.insert(name.clone());
        }
        Ok(SweepRun { index, name, recipe, changes: combination.changes })
    };
    let runs: Vec<SweepRun> = combinations.into_iter().enumerate().map(planned).collect::<Result<_>>()?;
    check_weights_exist(runs.iter().map(|run| &run.recipe))?;
    Ok(runs)
}

/// The run that `--task` selects, or all.
fn selected(args: &SweepArgs, runs: Vec<SweepRun>) -> Result<Vec<SweepRun>> {
    let Some(task) = args.task else { return Ok(runs) };
    let count = runs.len();
    let one = runs.into_iter().nth(task);
    let why = || Error::field("task", task, format!("must be 0 to {}", count.saturating_sub(1)));
    Ok(vec![one.ok_or_else(why)?])
}

/// A folder name for a run, short enough for file systems.
fn folder_name(name: String) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name;
    }
    // Names are ASCII, so that any index is a boundary.
    format!("{}-{}", &name[..MAX_NAME_BYTES], &hex(&Sha256::digest(name.as_bytes()))[..8])
}

/// What the jobs of a sweep share.
struct Sweep<'a> {
    args: &'a SweepArgs,
    out: PathBuf,
    store: PathBuf,
    datasets: DatasetCache,
    bars: MultiProgress,
    stop: std::sync::Arc<AtomicBool>,
    leases: LeaseMonitors,
    /// Whether it was said that all runs wait for other processes.
    told: AtomicBool,
    /// An error that ends the whole sweep.
    ended: Mutex<Option<Error>>,
}

impl<'a> Sweep<'a> {
    fn new(args: &'a SweepArgs, out: &Path) -> Result<Self> {
        Ok(Self {
            args,
            out: out.to_owned(),
            store: args.shared.store(out),
            datasets: DatasetCache::new(args.shared.loader.into()),
            bars: MultiProgress::new(),
            stop: stop_flag()?,
            leases: LeaseMonitors::default(),
            told: AtomicBool::new(false),
            ended: Mutex::new(None),
        })
    }

    /// Does all runs, `--jobs` at a time.
    fn run_all(&self, runs: Vec<SweepRun>) -> Result<Vec<RunSummary>> {
        let jobs = self.args.jobs.clamp(1, runs.len().max(1));
        let queue = Mutex::new(VecDeque::from(runs));
        let lines = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| self.worker(&queue, &lines));
            }
        });
        if let Some(error) = locked(&self.ended).take() {
            return Err(error);
        }
        let mut lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        lines.sort_by_key(|line: &RunSummary| line.index);
        Ok(lines)
    }

    /// Takes runs from the queue until it is empty. A run whose next stage another job works on goes back to
    /// the end of the queue, so that jobs can share a stage without waiting for it.
    fn worker(&self, queue: &Mutex<VecDeque<SweepRun>>, lines: &Mutex<Vec<RunSummary>>) {
        let mut busy = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let Some(run) = locked(queue).pop_front() else { return };
            match self.run_one(&run) {
                Ok(Some(report)) => {
                    busy = 0;
                    locked(lines).push(line(&run, "done", Some(&report), None));
                }
                Ok(None) => {
                    let mut queue = locked(queue);
                    queue.push_back(run);
                    busy += 1;
                    if busy >= queue.len() {
                        let left = queue.len();
                        drop(queue);
                        if !self.told.swap(true, Ordering::Relaxed) {
                            let text =
                                format!("other processes work on the {left} runs that are left; waiting");
                            self.bars.suspend(|| output::status(&text));
                        }
                        busy = 0;
                        thread::sleep(BUSY_RETRY_INTERVAL);
                    }
                }
                // A diverged run or an unreachable target is a result about its values; the other runs continue.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Diverged { .. } | ErrorKind::InvalidField { .. }
                    ) =>
                {
                    self.bars.suspend(|| output::status(&format!("[{}] failed: {error}", run.name)));
                    locked(lines).push(line(&run, "failed", None, Some(error.to_string())));
                }
                Err(error) => {
                    // Store the reason first: other jobs see the flag and report only that they were interrupted.
                    locked(&self.ended).get_or_insert(error);
                    self.stop.store(true, Ordering::Relaxed);
                }
            }
        }
        let why = "interrupted; run the same command again to resume";
        locked(&self.ended)
            .get_or_insert_with(|| Error::file("sweeping", files::display_path(&self.out), why));
    }

    /// Does one run; `None` if another process works on its next stage.
    fn run_one(&self, run: &SweepRun) -> Result<Option<RunReport>> {
        let compute = &pollster::block_on(open_checked(&run.recipe.config))?;
        let images = self.datasets.open(&run.recipe)?;
        let runner = StageRunner {
            recipe: &run.recipe,
            images: &images,
            compute,
            store: &self.store,
            stop: &self.stop,
            bars: &self.bars,
            label: &format!("[{}] ", run.name),
            checkpoint_every: self.args.shared.checkpoint_every,
            wait_for_others: self.args.task.is_some(),
            leases: &self.leases,
        };
        let RunOutcome::Finished(report, weights) = runner.run()? else { return Ok(None) };
        save_results(&self.out.join(&run.name), &report, &weights)?;
        Ok(Some(*report))
    }
}

/// Ignores poisoning: only complete values are ever stored, so a panicked thread left nothing half-done.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(
    run: &SweepRun,
    state: &'static str,
    report: Option<&RunReport>,
    error: Option<String>,
) -> RunSummary {
    let last = report.and_then(|report| report.stages.last());
    RunSummary {
        index: run.index,
        name: run.name.clone(),
        changes: run.changes.iter().map(|change| (change.name(), change.value.clone())).collect(),
        state,
        error,
        accuracy: last.and_then(|stage| stage.accuracy),
        improvement_paper: last.and_then(|stage| stage.energy.paper.improvement),
        improvement_lossless: last.and_then(|stage| stage.energy.lossless.improvement),
    }
}

fn describe(result: &SweepOutput) -> String {
    let head = ["run", "number", "state", "accuracy", "paper", "lossless"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for line in &result.runs {
        let done = line.state == "done";
        let ratio = |value| if done { format::improvement(value) } else { String::new() };
        rows.push(vec![
            line.name.clone(),
            line.index.to_string(),
            line.state.to_owned(),
            line.accuracy.map_or_else(String::new, |accuracy| format!("{accuracy:.2} %")),
            ratio(line.improvement_paper),
            ratio(line.improvement_lossless),
        ]);
    }
    format::table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_distinct() {
        let long = |end: &str| folder_name(format!("{}{end}", "x".repeat(300)));
        assert_ne!(long("a"), long("b"));
        assert!(long("a").len() < 140);
        assert_eq!(folder_name("seed=0".to_owned()), "seed=0");
    }
}
