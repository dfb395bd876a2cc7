//! `crossdub predict`: class scores of images.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use image::imageops::FilterType;
use serde::Serialize;

use super::arguments::ModelOptions;
use super::evaluate::{device, network};
use super::{files, human, output};
use crate::data::{Dataset, IMAGE, PIXELS, SIDE, cifar10};
use crate::device::Compute;
use crate::error::{Error, Result};
use crate::spec::SCHEMA_VERSION;
use crate::train::evaluate::{ranked_probabilities, scores};

/// Classes shown for each image.
const TOP: usize = 5;

/// Gives the class scores of images
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub predict run/weights.safetensors --model vgg-small cat.png\n         \
    crossdub predict run/weights.safetensors --model vgg-small --data cifar-10-batches-bin --range 0..8 --json"
)]
pub struct Options {
    /// Weights: .safetensors, or a PyTorch .pt or .pth state dict
    weights: PathBuf,
    #[command(flatten)]
    model: ModelOptions,
    /// Images: PNG or JPEG, scaled to 32 x 32
    #[arg(value_name = "IMAGE", required_unless_present = "data")]
    images: Vec<PathBuf>,
    /// Takes images of a data set: builtin, a folder of CIFAR-10 binary files, or their .tar.gz
    #[arg(long, value_name = "PATH", conflicts_with = "images")]
    data: Option<PathBuf>,
    /// test or train
    #[arg(long, default_value = "test", value_parser = ["test", "train"])]
    split: String,
    /// Which images of the data set, the end not included
    #[arg(long, value_name = "FROM..TO")]
    range: Option<String>,
    /// Keeps the last N training images for the test split, instead of the test file
    #[arg(long, value_name = "N", default_value_t = 0)]
    holdout: usize,
    /// cpu, webgpu or auto
    #[arg(long, default_value = "auto")]
    device: String,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    schema_version: u32,
    predictions: Vec<Prediction>,
}

#[derive(Serialize)]
struct Prediction {
    image: String,
    label: Option<u8>,
    logits: Vec<f32>,
    top: Vec<Ranked>,
}

#[derive(Serialize)]
struct Ranked {
    class: usize,
    name: String,
    probability: f64,
}

/// Runs the command.
pub fn run(options: &Options) -> Result<()> {
    let mut spec = options.model.spec()?;
    spec.holdout = options.holdout;
    let (data, names, labelled): (_, Vec<String>, _) = match &options.data {
        Some(path) => {
            let split = files::open_data(path, &mut spec)?;
            let data = if options.split == "train" { split.train } else { split.test };
            let names = (0..data.len()).map(|at| format!("{}:{at}", options.split)).collect();
            (data, names, true)
        }
        None => {
            (pictures(&options.images)?, options.images.iter().map(|path| files::name(path)).collect(), false)
        }
    };
    let range = range(options.range.as_deref(), data.len())?;
    let weights = files::read_weights(&options.weights)?;
    let compute = pollster::block_on(Compute::open(device(&options.device)?))?;
    let classes = data.classes.len();
    let network = network(&spec, classes, &weights, &compute)
        .map_err(|error| error.in_file(&files::name(&options.weights)))?;
    let scores = pollster::block_on(scores(&network, &data, range.clone(), &compute))?;
    let rows = scores.chunks_exact(classes).zip(range);
    let predictions = rows.map(|(logits, at)| prediction(logits, at, &data, &names, labelled)).collect();
    let answer = Answer { schema_version: SCHEMA_VERSION, predictions };
    output::report(options.json, &answer, || describe(&answer))
}

fn prediction(logits: &[f32], at: usize, data: &Dataset, names: &[String], labelled: bool) -> Prediction {
    let ranked = ranked_probabilities(logits).into_iter().take(TOP);
    let top =
        ranked.map(|(class, probability)| Ranked { class, name: data.classes[class].clone(), probability });
    Prediction {
        image: names[at].clone(),
        label: labelled.then(|| data.labels[at]),
        logits: logits.to_vec(),
        top: top.collect(),
    }
}

fn describe(answer: &Answer) -> String {
    let mut rows = vec![["image", "label", "best", "probability"].map(str::to_owned).to_vec()];
    for prediction in &answer.predictions {
        let best = prediction.top.first();
        rows.push(vec![
            prediction.image.clone(),
            prediction.label.map_or_else(String::new, |label| label.to_string()),
            best.map_or_else(String::new, |best| format!("{} ({})", best.name, best.class)),
            best.map_or_else(String::new, |best| format!("{:.1} %", 100.0 * best.probability)),
        ]);
    }
    human::table(&rows)
}

/// `FROM..TO` within the images there are.
fn range(text: Option<&str>, images: usize) -> Result<Range<usize>> {
    let Some(text) = text else { return Ok(0..images) };
    let parse = || {
        let (from, to) = text.split_once("..")?;
        let from = if from.is_empty() { 0 } else { from.parse().ok()? };
        let to = if to.is_empty() { images } else { to.parse().ok()? };
        (from < to && to <= images).then_some(from..to)
    };
    parse().ok_or_else(|| Error::field("range", text, format!("takes FROM..TO within 0..{images}")))
}

/// Decodes picture files into the planes of a data set without labels.
fn pictures(paths: &[PathBuf]) -> Result<Dataset> {
    let mut images = Vec::with_capacity(paths.len() * IMAGE);
    for path in paths {
        images.extend(picture(path)?);
    }
    let classes = cifar10::CLASSES.map(str::to_owned).to_vec();
    Ok(Dataset { classes, images, labels: vec![0; paths.len()] })
}

fn picture(path: &Path) -> Result<Vec<u8>> {
    let bytes = files::read("reading an image", path)?;
    let fail = |why: image::ImageError| Error::file("reading an image", files::name(path), why);
    let decoded = image::load_from_memory(&bytes).map_err(fail)?.to_rgb8();
    let side = SIDE as u32;
    let scaled = if decoded.dimensions() == (side, side) {
        decoded
    } else {
        image::imageops::resize(&decoded, side, side, FilterType::Triangle)
    };
    let mut planes = vec![0; IMAGE];
    for (at, pixel) in scaled.pixels().enumerate() {
        for (plane, value) in pixel.0.into_iter().enumerate() {
            planes[plane * PIXELS + at] = value;
        }
    }
    Ok(planes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_within_the_images() {
        assert_eq!(range(Some("2..5"), 8), Ok(2..5));
        assert_eq!(range(None, 8), Ok(0..8));
        assert_eq!(range(Some(".."), 8), Ok(0..8));
        for bad in ["5..2", "0..9", "3", "a..b", "-1..2"] {
            assert!(range(Some(bad), 8).is_err(), "{bad}");
        }
    }
}
