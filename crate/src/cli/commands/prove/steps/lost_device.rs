//! A graphics device that is lost in the middle of a run: one clear line, and a checkpoint to go on from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use indicatif::MultiProgress;

use super::resume::newest_checkpoint;
use super::{DONE, StepOutcome, failed, out_of_time, skipped};
use crate::cli::commands::prove::context::{Context, wait_for};
use crate::cli::commands::prove::record::Recorder;
use crate::cli::files;
use crate::cli::files::dataset_cache::DatasetCache;
use crate::cli::runs::folder_store::StageRunner;
use crate::cli::runs::lease::LeaseMonitors;
use crate::cli::runs::training::stop_flag;
use crate::data::imagenet::LoaderConfig;
use crate::device::{ComputeDevice, graphics_destroyers};
use crate::error::{Error, Result};
use crate::workflow::recipe::Recipe;

/// The device is lost after the checkpoint of this step.
const LOST_AFTER: u64 = 3;
const CHECKPOINT_EVERY: u64 = 3;
/// A lost device is noticed within this, or it hangs.
const LOSS_SECONDS: f64 = 30.0;

fn recipe(context: &Context) -> String {
    format!(
        "name = \"lost-device\"\ndata = \"builtin\"\nplan = \"4 M 8 M 8 M\"\nclassifier = \"16\"\nbatch = 128\n\
         device = \"{}\"\nlearning_rate = 0.02\n\n[[stage]]\nname = \"train\"\nkind = \"train\"\nepochs = 1\n",
        context.device
    )
}

/// Lets a second process lose its device, and resumes its run.
pub fn provoke(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let compute = context.open_device()?;
    if !["webgpu", "vulkan"].contains(&compute.kind) {
        return Ok(skipped("only graphics devices can be destroyed from here"));
    }
    let folder = context.fresh_folder()?;
    let file = folder.join("recipe.toml");
    files::write("writing a recipe", &file, recipe(context).as_bytes())?;
    let fail = |why| Error::operation("starting", "a helper", why);
    let mut victim = context.helper("victim")?;
    let log = folder.join("victim.log");
    let errors =
        fs::File::create(&log).map_err(|why| Error::file("writing a log", files::display_path(&log), why))?;
    let mut victim = victim.stdout(Stdio::null()).stderr(errors).spawn().map_err(fail)?;
    let Some(status) = wait_for(&mut victim, context.seconds_until(0.6).min(LOSS_SECONDS))? else {
        return Ok(match checkpoint(&folder) {
            0 => out_of_time("no checkpoint appeared in time"),
            _ => failed("the run hangs when its device is lost"),
        });
    };
    let said = fs::read_to_string(&log).unwrap_or_default();
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    record.fact("how it ended", status.to_string())?;
    record.fact("what it said", errors.first().copied().unwrap_or("nothing").to_owned())?;
    if status.success() {
        return Ok(failed("the run goes on as if its device were there"));
    }
    if status.code().is_none() {
        return Ok(failed(format!("the run crashes: {status}")));
    }
    if status.code() != Some(1) || errors.len() != 1 || said.contains("panicked at") {
        return Ok(failed(format!(
            "it does not end in one line: {}",
            said.lines().next_back().unwrap_or("nothing")
        )));
    }
    let at = checkpoint(&folder);
    if at == 0 {
        return Ok(failed("the run left no checkpoint"));
    }
    record.figure("checkpoint", "checkpoint that the run left", at as f64, "steps", 1)?;
    let mut again = context.crossdub(&["run"])?;
    again.arg(&file).arg("--out").arg(&folder).args(["--json"]).stdout(Stdio::null());
    let mut again = again.spawn().map_err(fail)?;
    match wait_for(&mut again, context.seconds_until(1.0))? {
        Some(status) if status.success() => Ok(DONE),
        Some(status) => Ok(failed(format!("the run does not resume: {status}"))),
        None => Ok(out_of_time("the resumed run did not end in time")),
    }
}

/// Trains, and destroys its own device after a checkpoint.
///
/// # Errors
/// Always, if all is well: the device is lost.
pub fn be_the_victim(context: &Context) -> Result<()> {
    let recipe = Recipe::read(&recipe(context), &[])?;
    let compute = context.open_device()?;
    let out = context.folder();
    let watched = out.clone();
    let destroyers = graphics_destroyers();
    std::thread::spawn(move || {
        while checkpoint(&watched) < LOST_AFTER {
            std::thread::sleep(Duration::from_millis(5));
        }
        destroyers.into_iter().for_each(|destroy| destroy());
    });
    train(&recipe, &compute, &out)
}

fn train(recipe: &Recipe, compute: &ComputeDevice, out: &Path) -> Result<()> {
    let images = DatasetCache::new(LoaderConfig::default()).open(recipe)?;
    let runner = StageRunner {
        recipe,
        images: &images,
        compute,
        store: &out.join("stages"),
        stop: &*stop_flag()?,
        bars: &MultiProgress::new(),
        label: "",
        checkpoint_every: CHECKPOINT_EVERY,
        wait_for_others: true,
        leases: &LeaseMonitors::default(),
    };
    runner.run().map(|_| ())
}

/// The step of the newest checkpoint of the only stage.
fn checkpoint(out: &Path) -> u64 {
    let stages = fs::read_dir(out.join("stages")).into_iter().flatten().flatten();
    let folders = stages.map(|stage| stage.path());
    folders.map(|stage: PathBuf| newest_checkpoint(&stage)).max().unwrap_or(0)
}
