//! VGG11 with gated D.U.B. at the length that the time left allows: clean, regularized, pruned to a budget, fine-tuned.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use super::{DONE, StepOutcome, failed, out_of_time, skipped};
use crate::checkpoint::Checkpoint;
use crate::cli::commands::prove::context::{Context, device_memory, wait_for};
use crate::cli::commands::prove::record::Recorder;
use crate::cli::files;
use crate::cli::measure::timing::{median, timed};
use crate::cli::measure::training_step::{TrainingStep, measured_config};
use crate::config::{HardwareConfig, NetworkName, Precision, TrainConfig};
use crate::data::imagenet::LoaderConfig;
use crate::data::loader::DataLoader;
use crate::error::{Error, Result};

const TILE: usize = 32;
const BATCH: usize = 512;
/// Where an epoch of such steps would be too long.
const SMALL_BATCH: usize = 32;
/// What pruning aims for: the improvement of the paper's headline run, by its count.
const ENERGY_TARGET: f64 = 7.13;
/// Share of the time that training may take; pruning, evaluation and the report take the rest.
const TRAINING_SHARE: f64 = 0.7;
/// Shares of the epochs: clean, regularized, fine-tuned.
const SHARES: [f64; 3] = [0.45, 0.35, 0.2];
/// The line of the recipe that names the device under test.
const DEVICE: &str = "# device: ";
/// The largest file of final weights.
const MAX_BYTES: usize = 16 << 20;

/// The device that an earlier call made the recipe for: it goes on there.
pub fn begun_on(out: &Path) -> Option<String> {
    let text = files::read("reading the recipe", &out.join("recipe.toml")).ok()?;
    let text = String::from_utf8(text).ok()?;
    text.lines().find_map(|line| line.strip_prefix(DEVICE)).map(str::to_owned)
}

/// How long the recipe is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct RecipeLength {
    batch: usize,
    /// Training images; 0 for all.
    limit: usize,
    epochs: [usize; 3],
}

/// Runs or resumes it.
pub fn run(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let file = context.out.join("recipe.toml");
    if !file.is_file() {
        match plan(context, record)? {
            Ok(text) => files::write("writing a recipe", &file, text.as_bytes())?,
            Err(outcome) => return Ok(outcome),
        }
    }
    let text = files::read("reading the recipe", &file)?;
    // From the file: an earlier call may have made it.
    for line in String::from_utf8_lossy(&text).lines() {
        if let Some((name, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(": ")) {
            record.fact(name, value)?;
        }
    }
    let out = context.out.join("recipe");
    let mut command = context.crossdub(&["run"])?;
    command.arg(&file).arg("--out").arg(&out).args(["--json", "--checkpoint-every", "50"]);
    command.stdout(Stdio::null());
    let mut child = command.spawn().map_err(|why| Error::operation("starting", "crossdub run", why))?;
    match wait_for(&mut child, context.seconds_until(1.0))? {
        Some(status) if status.success() => {}
        Some(status) => return Ok(failed(format!("crossdub run: {status}; see its log"))),
        None => return Ok(out_of_time("the next call resumes it")),
    }
    results(&out, record)?;
    pack_weights(context, &out, record)?;
    Ok(DONE)
}

/// Where the images are, how many of them are for training, and how many of those are kept for evaluation: none where
/// there is a test file, or else so many, or a fifth of few.
///
/// # Errors
/// If the images can't be read.
pub fn images_and_holdout(context: &Context, wanted: usize) -> Result<(PathBuf, usize, usize)> {
    let path = context.images();
    let (loader, TrainConfig { holdout, .. }) = open_images(&path)?;
    let images = loader.train_len() + holdout;
    let holdout = holdout * wanted.min(images / 5).max(1);
    Ok((path, images, holdout))
}

/// Opens images, and tells how: with one held out if they come without a test file.
///
/// # Errors
/// If they can't be read either way; why the first way failed.
pub fn open_images(path: &Path) -> Result<(DataLoader, TrainConfig)> {
    let open = |holdout| {
        let mut config = TrainConfig { holdout, ..TrainConfig::default() };
        files::open_dataset(path, &mut config, LoaderConfig::default()).map(|loader| (loader, config))
    };
    open(0).or_else(|first| open(1).map_err(|_| first))
}

/// The recipe's text for the time that is left, from a few measured steps.
fn plan(context: &Context, record: &mut Recorder) -> Result<std::result::Result<String, StepOutcome>> {
    let (path, images, holdout) = images_and_holdout(context, 10_000)?;
    let images = images.saturating_sub(holdout);
    let small = match step_seconds(context, SMALL_BATCH)? {
        Ok(small) => small,
        Err(outcome) => return Ok(Err(outcome)),
    };
    let left = context.seconds_until(1.0);
    let whole = if small * 16.0 * 20.0 < left { step_seconds(context, BATCH)?.ok() } else { None };
    record.figure("step", &format!("a step of vgg11, batch {SMALL_BATCH}"), 1000.0 * small, "ms", 3)?;
    if let Some(whole) = whole {
        record.figure("step-512", &format!("a step of vgg11, batch {BATCH}"), 1000.0 * whole, "ms", 3)?;
    }
    let training = TRAINING_SHARE * context.seconds_until(1.0);
    let Some(schedule) = schedule(images, small, whole, training) else {
        let why = format!("{left:.0} s are too few: a step of {SMALL_BATCH} images takes {small:.2} s");
        return Ok(Err(out_of_time(why)));
    };
    // A short run does not evaluate on ten thousand images.
    let holdout = if schedule.limit > 0 { SMALL_BATCH * 4 } else { holdout };
    Ok(Ok(recipe_text(context, &path, holdout, schedule)))
}

/// The epochs that fit into `seconds`: as many as the paper at most, of a part of the images if not even three fit.
fn schedule(images: usize, small: f64, whole: Option<f64>, seconds: f64) -> Option<RecipeLength> {
    let fits = |batch: usize, step: f64| seconds / (step * (images as f64 / batch as f64).ceil());
    if let Some(step) = whole {
        let epochs = fits(BATCH, step);
        if epochs >= 3.0 {
            let epochs = epochs.min(520.0);
            let of = |share: f64| ((epochs * share).floor() as usize).max(1);
            return Some(RecipeLength { batch: BATCH, limit: 0, epochs: SHARES.map(of) });
        }
    }
    let steps = (seconds / small / SHARES.len() as f64).floor() as usize;
    let limit = (steps * SMALL_BATCH).min(images);
    (steps >= 1).then_some(RecipeLength { batch: SMALL_BATCH, limit, epochs: [1; 3] })
}

fn recipe_text(context: &Context, path: &Path, holdout: usize, schedule: RecipeLength) -> String {
    let RecipeLength { batch, limit, epochs: [clean, dub, finetune] } = schedule;
    let images =
        if limit > 0 { format!("{limit} training images") } else { "all training images".to_owned() };
    let path = Value::from(files::display_path(path));
    format!(
        "{DEVICE}{}\n\
         # schedule: epochs: {clean} clean, {dub} with gated D.U.B., {finetune} of fine-tuning; batch {batch}; {images}; \
         one-cycle learning rates\n\
         name = \"vgg11-proof\"\ndescription = \"VGG11 with gated D.U.B., cut to the time at hand\"\ndata = {path}\n\
         holdout = {holdout}\nlimit = {limit}\ndevice = \"{}\"\nmodel = \"vgg11\"\nbatch = {batch}\ntile = {TILE}\n\n\
         [[stage]]\nname = \"clean\"\nkind = \"train\"\nregularizer = \"none\"\nepochs = {clean}\n\
         learning_rate = 0.05\nschedule = \"one-cycle\"\nweight_decay = 5e-4\n\n\
         [[stage]]\nname = \"dub\"\nkind = \"train\"\nregularizer = \"gated\"\nlambda = 1e-3\nepochs = {dub}\n\
         learning_rate = 0.01\nschedule = \"one-cycle\"\nweight_decay = 1e-3\n\n\
         [[stage]]\nname = \"prune\"\nkind = \"prune\"\nrule = \"budget\"\ntarget = {ENERGY_TARGET}\n\n\
         [[stage]]\nname = \"finetune\"\nkind = \"finetune\"\nepochs = {finetune}\n",
        context.label, context.device,
    )
}

/// The median of three steps after one to warm up, in seconds; or why there are none.
fn step_seconds(context: &Context, batch: usize) -> Result<std::result::Result<f64, StepOutcome>> {
    let compute = context.open_device()?;
    let config = measured_config(NetworkName::Vgg11, batch, Precision::F32);
    let hardware = HardwareConfig { tile: TILE, ..HardwareConfig::default() };
    let mut step = match TrainingStep::new(&config, &hardware, 10, &compute, device_memory(&compute)) {
        Ok(step) => step,
        Err(error) => return Ok(Err(skipped(format!("too little memory: {error}")))),
    };
    step.whole(true)?;
    let mut times = Vec::new();
    for _ in 0..3 {
        let (loss, time) = timed(|| step.whole(true));
        loss?;
        times.push(time / 1000.0);
    }
    Ok(Ok(median(times)))
}

/// What each stage ended with.
fn results(out: &Path, record: &mut Recorder) -> Result<()> {
    let file = out.join("report.json");
    let report: Value = serde_json::from_slice(&files::read("reading the recipe's report", &file)?)
        .map_err(|why| Error::file("reading the recipe's report", files::display_path(&file), why))?;
    let images = report["stages"][0]["images"].as_u64();
    for stage in report["stages"].as_array().into_iter().flatten() {
        let name = stage["name"].as_str().unwrap_or("stage");
        let mut put = |id: &str, what: &str, value: &Value, unit: &str| -> Result<()> {
            let n = if id == "accuracy" { images.unwrap_or(1) } else { 1 };
            let (id, what) = (format!("{name}-{id}"), format!("{name}: {what}"));
            match value.as_f64() {
                Some(value) => record.figure(&id, &what, value, unit, n as usize).map(|_| ()),
                None => record.missing(&id, &what, unit, "the report has no value"),
            }
        };
        put("accuracy", "accuracy on held-out images", &stage["accuracy"], "%")?;
        put(
            "paper",
            "improvement in ADC energy, paper's count",
            &stage["energy"]["paper"]["improvement"],
            "x",
        )?;
        put(
            "lossless",
            "improvement in ADC energy, lossless",
            &stage["energy"]["lossless"]["improvement"],
            "x",
        )?;
        put("seconds", "time", &stage["seconds"], "s")?;
    }
    Ok(())
}

/// Writes the final weights in bf16, packed; pruned weights pack well.
fn pack_weights(context: &Context, out: &Path, record: &mut Recorder) -> Result<()> {
    let weights = files::read_weights(&out.join("weights.safetensors"))?;
    let packed = packed(&weights)?;
    let what = "final weights, bf16, packed";
    if packed.len() > MAX_BYTES {
        let why =
            format!("they have {} bytes, over {MAX_BYTES}; the whole ones are in recipe/", packed.len());
        return record.missing("weights", what, "MB", why);
    }
    let file = context.out.join("weights-bf16.safetensors.gz");
    files::write("writing weights", &file, &packed)?;
    record.figure("weights", what, packed.len() as f64 / 1e6, "MB", 1)?;
    record.note("weights-bf16.safetensors.gz")
}

fn packed(weights: &Checkpoint) -> Result<Vec<u8>> {
    let fail = |why: String| Error::file("packing weights", "weights-bf16.safetensors.gz", why);
    let bytes: Vec<Vec<u8>> = weights
        .tensors
        .iter()
        .map(|tensor| {
            tensor.data.iter().flat_map(|value| half::bf16::from_f32(*value).to_le_bytes()).collect()
        })
        .collect();
    let views = weights.tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let view = TensorView::new(Dtype::BF16, tensor.shape.clone(), bytes);
        view.map(|view| (tensor.name.clone(), view)).map_err(|why| fail(why.to_string()))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let plain = safetensors::serialize(views, None).map_err(|why| fail(why.to_string()))?;
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&plain).map_err(|why| fail(why.to_string()))?;
    packer.finish().map_err(|why| fail(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_fill_the_time_and_no_more() {
        // 98 steps of 0.1 s: 9.8 s an epoch.
        let long = schedule(50_000, 0.01, Some(0.1), 990.0).expect("fits");
        assert_eq!(long, RecipeLength { batch: BATCH, limit: 0, epochs: [45, 35, 20] });
        let short = schedule(50_000, 0.01, Some(0.1), 20.0).expect("fits");
        assert_eq!((short.batch, short.limit, short.epochs), (SMALL_BATCH, 666 * SMALL_BATCH, [1; 3]));
        assert_eq!(schedule(50_000, 5.0, None, 16.0).expect("a step each").limit, SMALL_BATCH);
        assert_eq!(schedule(50_000, 5.0, None, 14.0), None);
    }

    #[test]
    fn packed_weights_are_those_rounded() {
        use std::io::Read;
        let tensor =
            crate::checkpoint::NamedTensor { name: "a".into(), shape: vec![2], data: vec![1.0, -0.5] };
        let packed = packed(&Checkpoint::new(vec![tensor.clone()])).expect("packs");
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut plain).expect("unpacks");
        assert_eq!(Checkpoint::from_bytes(&plain).expect("reads").tensors, [tensor]);
    }
}
