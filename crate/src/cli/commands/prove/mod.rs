//! `crossdub prove`: checks and times a GPU within a time limit.
//!
//! Every step is a process of its own and writes what it finds at once, so that whatever happens costs one step. A
//! second call with the same folder resumes where the first stopped.

mod context;
mod peer;
mod plan;
mod record;
mod report;
mod runner;
mod steps;
mod summary;
mod vulkan;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use clap::Args;

use self::context::Context;
use self::plan::{ProveStep, StepKind, Target};
use self::record::{Recorder, Status, StepRecord};
use self::report::Report;
use self::runner::Runner;
use self::vulkan::VulkanSetup;
use crate::cli::files;
use crate::cli::output;
use crate::cli::runs::training::stop_flag;
use crate::config::DeviceChoice;
use crate::error::{Error, Result};

/// Check and time everything on this machine's graphics processor, and write a report
///
/// Each step runs by itself and keeps what it found. Called again with the same folder, it resumes where it
/// stopped; steps that failed are not repeated unless you delete their file in steps/.
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub prove --minutes 15 --python python3 --data cifar-10-batches-bin")]
pub struct ProveArgs {
    /// Minutes to use; the recipe takes what the other steps leave
    #[arg(long, value_name = "M", default_value_t = 15.0)]
    minutes: f64,
    /// Python with PyTorch, to run the same steps there
    #[arg(long, value_name = "P")]
    python: Option<PathBuf>,
    /// CIFAR-10's binary files, packed or unpacked, all or some of them [default: data beside the binary, or built-in images]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for the report, the steps' results and their logs
    #[arg(long, value_name = "DIR", default_value = "crossdub-proof")]
    out: PathBuf,
    /// Chromium, for the page's modules
    #[arg(long, value_name = "CHROMIUM")]
    browser: Option<PathBuf>,
    /// Device to check, as in `crossdub devices`; may be repeated [default: all graphics devices of this build]
    #[arg(long, value_name = "D")]
    device: Vec<String>,
    /// Run only the steps whose names begin with one of these, separated by commas
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// Folder of peers.py, golden/, lib/, pkg/ and bench/ [default: that of the binary]
    #[arg(long, value_name = "DIR", hide = true)]
    bundle: Option<PathBuf>,
    /// Run this step in this process
    #[arg(long, value_name = "NAME", hide = true, requires = "seconds")]
    step: Option<String>,
    /// What the step may take
    #[arg(long, value_name = "S", hide = true)]
    seconds: Option<f64>,
    /// A second process of the step
    #[arg(long, value_name = "NAME", hide = true)]
    helper: Option<String>,
}

/// Runs the command.
pub fn run(args: &ProveArgs) -> Result<()> {
    let bundle = match &args.bundle {
        Some(bundle) => bundle.clone(),
        None => runner::own_binary()?.parent().map(Path::to_owned).unwrap_or_default(),
    };
    let targets = match args.device.as_slice() {
        [] => Target::defaults(&bundle),
        labels => labels.iter().map(|label| Target::new(label, &bundle)).collect::<Result<_>>()?,
    };
    match (&args.step, args.seconds) {
        (Some(name), Some(seconds)) => run_step(args, name, seconds, &bundle, &targets),
        _ => run_all(args, &bundle, &targets),
    }
}

/// One step, in the process that [`Runner`] has started for it.
fn run_step(args: &ProveArgs, name: &str, seconds: f64, bundle: &Path, targets: &[Target]) -> Result<()> {
    runner::end_with_parent();
    let steps = plan::steps(targets, args.browser.is_some());
    let step = steps.into_iter().find(|step| step.name == name);
    let step = step.ok_or_else(|| Error::field("step", name, "there is no such step"))?;
    let target = step.target.clone().or_else(|| targets.first().cloned());
    let context = Context::new(args, &step, bundle, target, seconds);
    if let Some(helper) = &args.helper {
        return steps::help(helper, &step, &context);
    }
    let mut record = Recorder::new(&args.out, StepRecord::new(&step.name, &step.title, step.part))?;
    let (status, why) = steps::run(&step, &context, &mut record)?;
    record.end(status, why)
}

fn run_all(args: &ProveArgs, bundle: &Path, targets: &[Target]) -> Result<()> {
    if !(args.minutes.is_finite() && args.minutes > 0.0) {
        return Err(Error::field("minutes", args.minutes, "must be a number over 0"));
    }
    if let Some(data) = args.data.as_deref().filter(|data| fs::read_dir(data).is_err()) {
        // Minutes on a card are too few to spend them on other images.
        return Err(Error::file("opening", files::display_path(data), "not a folder that can be read"));
    }
    let began = Instant::now();
    for folder in ["steps", "logs", "work"] {
        let folder = args.out.join(folder);
        let fail = |why| Error::file("creating a folder", files::display_path(&folder), why);
        fs::create_dir_all(&folder).map_err(fail)?;
    }
    // Steps run elsewhere; their paths must not depend on where.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let out = absolute(&args.out);
    let bundle = absolute(bundle);
    let vulkan = VulkanSetup::find(&bundle);
    let stop = stop_flag()?;
    let mut options = Vec::new();
    let data = args.data.clone().or_else(|| Some(bundle.join("data")).filter(|data| data.is_dir()));
    if let Some(data) = data {
        options.extend(["--data".to_owned(), files::display_path(&absolute(&data))]);
    }
    // These may be names to look up in PATH.
    for (option, program) in [("--python", &args.python), ("--browser", &args.browser)] {
        if let Some(program) = program {
            options.extend([option.to_owned(), files::display_path(program)]);
        }
    }
    let runner = Runner { out: &out, bundle: &bundle, vulkan: &vulkan, options, stop: &stop };
    let chosen =
        |step: &ProveStep| args.only.is_empty() || args.only.iter().any(|text| step.name.starts_with(text));
    let with_browser = |step: &ProveStep| args.browser.is_some() || !matches!(step.work, StepKind::Browser);
    let chosen = |step: &ProveStep| with_browser(step) && chosen(step);
    let steps: Vec<ProveStep> = plan::steps(targets, true).into_iter().filter(chosen).collect();
    if steps.is_empty() {
        return Err(Error::field("only", args.only.join(","), "no step's name begins like this"));
    }
    // What earlier calls found stays in the report.
    let known = |step: &ProveStep| chosen(step) || StepRecord::read(&out, &step.name).is_some();
    let reported: Vec<ProveStep> = plan::steps(targets, true).into_iter().filter(known).collect();
    let mut report = Report::new(&out, &reported, args.minutes, vulkan.problem.as_deref());
    let open =
        |step: &&ProveStep| StepRecord::read(&out, &step.name).is_none_or(|record| !is_final(record.status));
    for (at, step) in steps.iter().enumerate() {
        if !open(&step) {
            continue;
        }
        let left = 60.0 * args.minutes - began.elapsed().as_secs_f64();
        let rest: Vec<ProveStep> = steps[at..].iter().filter(open).cloned().collect();
        let target = match step.work {
            StepKind::Recipe => begun_target(&out, targets).or_else(|| best_target(&out, targets)),
            StepKind::Pipeline => best_target(&out, targets),
            _ => step.target.clone(),
        };
        let obstacle = target.as_ref().and_then(|target| obstacle(&out, step, target, &vulkan));
        let record = match (obstacle, plan::seconds_for(&rest, left)) {
            (Some(why), _) => Some(not_run(step, Status::Skipped, why)),
            (None, None) => {
                let why =
                    format!("not started: {:.0} s are left, and it takes {:.0} s", left.max(0.0), step.least);
                Some(not_run(step, Status::OutOfTime, why))
            }
            (None, Some(seconds)) => {
                output::status(&format!("[{}/{}] {}: up to {seconds:.0} s", at + 1, steps.len(), step.name));
                runner.run(step, target.as_ref(), seconds)?
            }
        };
        let Some(record) = record else { break };
        record.write(&out)?;
        output::status(&format!("[{}/{}] {}: {}", at + 1, steps.len(), step.name, describe(&record)));
        report.write()?;
    }
    let summary = report.write()?;
    if stop.load(Ordering::Relaxed) {
        return Err(Error::operation(
            "proving",
            files::display_path(&args.out),
            "interrupted; run the same command again to resume",
        ));
    }
    output::print(&format!("{summary}\nreport: {}\n", files::display_path(&args.out.join("report.md"))))?;
    match report.failure() {
        Some(failure) => Err(Error::operation("proving", files::display_path(&args.out), failure)),
        None => Ok(()),
    }
}

/// Whether a second call leaves such a step alone.
fn is_final(status: Status) -> bool {
    matches!(status, Status::Done | Status::Skipped | Status::Failed)
}

/// Why a step can't run: its device can't be opened.
fn obstacle(out: &Path, step: &ProveStep, target: &Target, vulkan: &VulkanSetup) -> Option<String> {
    if matches!(step.work, StepKind::Device) {
        return None;
    }
    let opened = StepRecord::read(out, &format!("device-{}", plan::file_name_label(&target.label)))?;
    if opened.status == Status::Done {
        let repeats_it = matches!(step.work, StepKind::Gradient);
        let crash = if repeats_it { None } else { crash(out, target) };
        return crash.map(|why| format!("{} can't compute a gradient: {why}", target.label));
    }
    let needs_vulkan = matches!(target.device, DeviceChoice::Vulkan(_) | DeviceChoice::Webgpu(_));
    let problem = vulkan.problem.clone().filter(|_| needs_vulkan).or(opened.why);
    let problem = problem.unwrap_or_else(|| "it can't be opened".to_owned());
    Some(format!("there is no device {}: {problem}", target.label))
}

/// How the small network's gradient has crashed this device's driver, if it has. Whatever else runs there would crash, too.
fn crash(out: &Path, target: &Target) -> Option<String> {
    let gradient = StepRecord::read(out, &format!("gradient-{}", plan::file_name_label(&target.label)))?;
    let crashed = gradient.status == Status::Failed;
    gradient.why.filter(|why| crashed && why.starts_with(runner::CRASHED))
}

/// The device to run the remaining steps on: among those in agreement with the CPU, the one with the fastest VGG11 step;
/// without such a measurement, the first that opens.
fn best_target(out: &Path, targets: &[Target]) -> Option<Target> {
    let record = |name: &str, target: &Target| {
        StepRecord::read(out, &format!("{name}-{}", plan::file_name_label(&target.label)))
    };
    let done = |name: &str, target: &&Target| record(name, target).is_some_and(|r| r.status == Status::Done);
    let agreeing: Vec<&Target> = targets.iter().filter(|target| done("gradient", target)).collect();
    let time = |target: &&&Target| {
        let first = record("training-vgg11-b128-f32", target).and_then(|record| record.value("step"));
        first.unwrap_or(f64::INFINITY)
    };
    let best = agreeing.iter().min_by(|a, b| time(a).total_cmp(&time(b))).copied();
    let opened = || targets.iter().find(|target| done("device", target) && crash(out, target).is_none());
    best.or_else(opened).or(targets.first()).cloned()
}

/// The device that the recipe has begun on.
fn begun_target(out: &Path, targets: &[Target]) -> Option<Target> {
    let label = steps::recipe::begun_on(out)?;
    targets.iter().find(|target| target.label == label).cloned()
}

fn not_run(step: &ProveStep, status: Status, why: String) -> StepRecord {
    let mut record = StepRecord::new(&step.name, &step.title, step.part);
    (record.status, record.why) = (status, Some(why));
    record
}

fn describe(record: &StepRecord) -> String {
    let why = record.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    format!("{} in {:.1} s{why}", record.status.word(), record.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_crashes_costs_one_step() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path();
        fs::create_dir(out.join("steps")).expect("made");
        let write = |name: &str, status, why: Option<&str>| {
            let mut record = StepRecord::new(name, name, 1);
            (record.status, record.why) = (status, why.map(str::to_owned));
            record.write(out).expect("writes");
        };
        let target =
            |label: &str| Target { label: label.to_owned(), device: DeviceChoice::Cpu, binary: None };
        let targets = [target("vulkan"), target("webgpu")];
        for target in &targets {
            write(&format!("device-{}", target.label), Status::Done, None);
        }
        write("gradient-vulkan", Status::Failed, Some("crashed (signal: 11 (SIGSEGV))"));
        write("gradient-webgpu", Status::Failed, Some("the gradient differs by 1e-2"));
        let why = |name: &str, target: &Target| {
            let steps = plan::steps(&targets, false);
            let step = steps.into_iter().find(|step| step.name == name).expect("known");
            obstacle(out, &step, target, &VulkanSetup::default())
        };
        let skipped = why("losses-vulkan", &targets[0]).expect("it would crash");
        assert!(skipped.contains("vulkan can't compute a gradient: crashed"), "{skipped}");
        assert_eq!(why("gradient-vulkan", &targets[0]), None, "it may be tried again");
        assert_eq!(why("losses-webgpu", &targets[1]), None, "wrong numbers are no crash");
        assert_eq!(best_target(out, &targets).map(|target| target.label).as_deref(), Some("webgpu"));
    }
}
