//! `crossdub predict`: class scores of images.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::checkpoint::Checkpoint;
use crate::cli::commands::onnx::check_computes_onnx;
use crate::cli::commands::onnx::images::ImageInput;
use crate::cli::files;
use crate::cli::files::image_files;
use crate::cli::files::pictures::decode_files;
use crate::cli::options::checkpoint::NetworkChoice;
use crate::cli::options::image_range::parse_range;
use crate::cli::options::network::NetworkOptions;
use crate::cli::options::onnx::OnnxOptions;
use crate::cli::output;
use crate::cli::runs::inputs::{follow_metadata, follow_size, input_metadata, load_network, match_outputs};
use crate::cli::{account, format};
use crate::config::{DataSource, DeviceChoice, NetworkPlan, SCHEMA_VERSION, Standardize, TrainConfig};
use crate::data::imagenet::LoaderConfig;
use crate::data::imagenet::outputs::wnids;
use crate::data::loader::{DataLoader, LabeledDataset};
use crate::data::standardization::{InputMetadata, Standardization};
use crate::data::{SIDE, TrainTest, cifar};
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::metrics::ranked_probabilities;
use crate::network::spec::infer_classes;
use crate::onnx::OnnxNetwork;
use crate::train::evaluate::scores;

/// Classes listed per image.
const TOP: usize = 5;

/// Classify images
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub predict run/weights.safetensors --model vgg-small cat.png\n         \
    crossdub predict run/weights.safetensors --model vgg-small --data cifar-10-batches-bin --range 0..8 --json"
)]
pub struct PredictArgs {
    /// Weights: a PyTorch or safetensors file, its folder, the index of its shards, or an ONNX model
    weights: PathBuf,
    #[command(flatten)]
    choice: NetworkChoice,
    #[command(flatten)]
    network: NetworkOptions,
    /// Images: PNG or JPEG, scaled to 32 x 32, or as ImageNet's for ImageNet networks
    #[arg(value_name = "IMAGE", required_unless_present = "data")]
    images: Vec<PathBuf>,
    /// Classify images of a data set: builtin, CIFAR's files, or images in class folders
    #[arg(long, value_name = "PATH", conflicts_with = "images")]
    data: Option<PathBuf>,
    /// Split of the data set
    #[arg(long, default_value = "test", value_parser = ["test", "train"])]
    split: String,
    /// Images of the data set, TO excluded [default: all]
    #[arg(long, value_name = "FROM..TO")]
    range: Option<String>,
    /// Use the last N training images as the test split, instead of the test file
    #[arg(long, value_name = "N", default_value_t = 0)]
    holdout: usize,
    /// Device: auto, cpu, or another one that crossdub devices lists
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    #[command(flatten)]
    onnx: OnnxOptions,
    /// Print one JSON object
    #[arg(long, help_heading = None::<&'static str>)]
    json: bool,
}

#[derive(Serialize)]
struct PredictOutput {
    schema_version: u32,
    predictions: Vec<Prediction>,
}

#[derive(Serialize)]
struct Prediction {
    image: String,
    label: Option<usize>,
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
pub fn run(args: &PredictArgs) -> Result<()> {
    if let Some(network) = files::open_onnx(&args.weights, &args.onnx.shapes())? {
        files::check_unused_choices(&args.choice.read_options())?;
        check_computes_onnx(&args.device)?;
        return run_onnx(args, &network);
    }
    let weights = files::read_weights_with(&args.weights, &args.choice.read_options())?;
    account::print_choice(&weights);
    let metadata = input_metadata(&weights, &args.weights)?;
    let (config, inputs) = open(args, &weights, &metadata)?;
    inputs.check()?;
    let range = parse_range(args.range.as_deref(), inputs.images().len())?;
    let compute = pollster::block_on(ComputeDevice::open(&args.device))?;
    let classes = infer_classes(&weights).unwrap_or_else(|| inputs.images().classes().len());
    let network = load_network(&config, classes, &weights, &compute)
        .map_err(|error| error.with_path(&files::display_path(&args.weights)))?;
    let scores = pollster::block_on(scores(&network, inputs.images(), range.clone(), &compute))?;
    let rows = scores.chunks_exact(classes).zip(range);
    let predictions = rows.map(|(logits, at)| prediction(logits, at, &inputs)).collect();
    let result = PredictOutput { schema_version: SCHEMA_VERSION, predictions };
    output::print_result(args.json, &result, || describe(&result))
}

/// Classifies images by a model.
fn run_onnx(args: &PredictArgs, network: &OnnxNetwork) -> Result<()> {
    let input = ImageInput::new(network, &args.weights, &args.network)?;
    let loader_config = LoaderConfig { max_bad: 0.0, ..LoaderConfig::default() };
    let loader = match &args.data {
        Some(path) => input.open_path(path, args.holdout, 0, loader_config)?,
        None => input.open_files(&args.images)?,
    };
    let train = args.data.is_some() && args.split == "train";
    let paths = args.images.iter().map(|path| files::display_path(path)).collect();
    let inputs = PredictImages { loader, train, paths };
    inputs.check()?;
    let range = parse_range(args.range.as_deref(), inputs.images().len())?;
    let scores = input.scores(network, inputs.images(), range.clone(), |_| {});
    let scores = scores.map_err(|error| error.with_path(&files::display_path(&args.weights)))?;
    if scores.len() < range.len() {
        let why = format!("{} of {} can't be read", range.len() - scores.len(), range.len());
        return Err(Error::file("reading images", "", why));
    }
    let predictions =
        scores.iter().zip(range).map(|((logits, _), at)| prediction(logits, at, &inputs)).collect();
    let result = PredictOutput { schema_version: SCHEMA_VERSION, predictions };
    output::print_result(args.json, &result, || describe(&result))
}

/// The images to classify.
struct PredictImages {
    loader: DataLoader,
    /// Whether these are the training images.
    train: bool,
    /// The image files; empty for a data set.
    paths: Vec<String>,
}

impl PredictImages {
    /// Image files are listed for training, but read here for evaluation only.
    fn check(&self) -> Result<()> {
        match self.loader {
            DataLoader::Files(_) if self.train => {
                let why = "of images in class folders only the validation images can be classified";
                Err(Error::field("split", "train", why))
            }
            _ => Ok(()),
        }
    }

    fn images(&self) -> &dyn LabeledDataset {
        match &self.loader {
            DataLoader::Memory(split, _) if self.train => &split.train,
            loader => loader.test(),
        }
    }

    fn name(&self, at: usize) -> String {
        let part = if self.train { "train" } else { "test" };
        match (self.paths.get(at), &self.loader) {
            (Some(path), _) => path.clone(),
            (None, DataLoader::Files(files)) => files.index().val.image(at).name.to_owned(),
            (None, DataLoader::Memory(..)) => format!("{part}:{at}"),
        }
    }

    fn label(&self, at: usize) -> Option<usize> {
        match &self.loader {
            _ if !self.paths.is_empty() => None,
            DataLoader::Files(files) => Some(files.index().val.label(at)),
            DataLoader::Memory(split, _) => {
                let data = if self.train { &split.train } else { &split.test };
                data.labels.get(at).map(|&label| usize::from(label))
            }
        }
    }
}

fn open(
    args: &PredictArgs,
    weights: &Checkpoint,
    metadata: &InputMetadata,
) -> Result<(TrainConfig, PredictImages)> {
    let mut config = args.network.config()?;
    config.holdout = args.holdout;
    follow_metadata(&mut config, metadata);
    follow_size(&mut config, metadata);
    config.validate()?;
    let train = args.data.is_some() && args.split == "train";
    let loader: DataLoader = match &args.data {
        Some(path) => {
            let loader_config = LoaderConfig { max_bad: 0.0, ..LoaderConfig::default() };
            let mut loader = files::open_dataset(path, &mut config, loader_config)?;
            match_outputs(&mut loader, weights, metadata)?;
            loader
        }
        None if is_for_image_files(&config, metadata) => {
            config.data = DataSource::ImageNet;
            let classes = infer_classes(weights).unwrap_or(1000);
            let standardization = Standardization::new(config.standardize, config.data, None);
            let images = image_files::open_single_images(
                &args.images,
                config.input_side(),
                output_names(classes, metadata),
            )?;
            images.standardized(standardization).into()
        }
        None => {
            let classes = infer_classes(weights).unwrap_or(cifar::CLASSES.len());
            let mut test = decode_files(&args.images, output_names(classes, metadata))?;
            test.standardization =
                Standardization::new(config.standardize, trained_on(&config, classes, metadata)?, None);
            TrainTest { train: test.clone(), test }.into()
        }
    };
    let paths = args.images.iter().map(|path| files::display_path(path)).collect();
    Ok((config, PredictImages { loader, train, paths }))
}

/// The data set whose constants standardize images of 32 x 32: the one that the weights name, or the CIFAR of as many
/// classes.
///
/// # Errors
/// If constants are asked for, and no published ones are those of the network's training images.
fn trained_on(config: &TrainConfig, classes: usize, metadata: &InputMetadata) -> Result<DataSource> {
    let known = match (metadata.data, classes) {
        (Some(data @ (DataSource::Cifar10 | DataSource::Cifar100)), _) => Some(data),
        (None, 10) => Some(DataSource::Cifar10),
        (None, 100) => Some(DataSource::Cifar100),
        _ => None,
    };
    match known {
        None if config.standardize == Standardize::Dataset => {
            let why = "the constants of the network's training images are unknown; give them as MEAN/STD";
            Err(Error::field("standardize", "dataset", why))
        }
        known => Ok(known.unwrap_or_default()),
    }
}

/// Whether images are brought to the network's input as image files are: resized, and the middle cut out.
fn is_for_image_files(config: &TrainConfig, metadata: &InputMetadata) -> bool {
    match metadata.data {
        // The other images are always 32 x 32.
        _ if ![0, SIDE].contains(&config.side) => true,
        Some(data) => data == DataSource::ImageNet,
        None => config.model.is_for_imagenet() || matches!(config.plan, NetworkPlan::ResNet(_)),
    }
}

/// Names of a network's outputs: as the weights say, or those of the data sets with as many classes.
fn output_names(outputs: usize, metadata: &InputMetadata) -> Vec<String> {
    let known = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    match outputs {
        _ if metadata.classes.len() == outputs => metadata.classes.clone(),
        10 => known(&cifar::CLASSES),
        100 => known(&cifar::CLASSES_100),
        1000 => wnids(),
        _ => (0..outputs).map(|output| output.to_string()).collect(),
    }
}

fn prediction(logits: &[f32], at: usize, inputs: &PredictImages) -> Prediction {
    let ranked = ranked_probabilities(logits).into_iter().take(TOP);
    let name = |class: usize| inputs.images().classes().get(class).cloned();
    let top = ranked.map(|(class, probability)| Ranked {
        class,
        name: name(class).unwrap_or_else(|| class.to_string()),
        probability,
    });
    Prediction {
        image: inputs.name(at),
        label: inputs.label(at),
        logits: logits.to_vec(),
        top: top.collect(),
    }
}

fn describe(result: &PredictOutput) -> String {
    let mut rows = vec![["image", "label", "best", "probability"].map(str::to_owned).to_vec()];
    for prediction in &result.predictions {
        let best = prediction.top.first();
        rows.push(vec![
            prediction.image.clone(),
            prediction.label.map_or_else(String::new, |label| label.to_string()),
            best.map_or_else(String::new, |best| format!("{} ({})", best.name, best.class)),
            best.map_or_else(String::new, |best| format!("{:.1} %", 100.0 * best.probability)),
        ]);
    }
    format::table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_say_what_images_they_were_trained_on() {
        let residual = TrainConfig { plan: "basic 1x8".parse().expect("a plan"), ..TrainConfig::default() };
        let of = |config: &TrainConfig, data| {
            is_for_image_files(config, &InputMetadata { data, ..InputMetadata::default() })
        };
        assert!(of(&residual, None) && !of(&residual, Some(DataSource::Cifar10)));
        let plain = TrainConfig::default();
        assert!(!of(&plain, None) && of(&plain, Some(DataSource::ImageNet)));
        assert!(
            of(&TrainConfig { side: 64, ..plain.clone() }, None)
                && !of(&TrainConfig { side: 32, ..plain }, None)
        );
    }

    #[test]
    fn constants_are_those_of_the_networks_own_data() {
        let source = |data, classes, standardize| {
            let config = TrainConfig { standardize, ..TrainConfig::default() };
            trained_on(&config, classes, &InputMetadata { data, ..InputMetadata::default() })
        };
        for (data, classes, expected) in [
            (None, 10, DataSource::Cifar10),
            (None, 100, DataSource::Cifar100),
            (Some(DataSource::Cifar100), 20, DataSource::Cifar100),
        ] {
            assert_eq!(source(data, classes, Standardize::Dataset), Ok(expected));
        }
        for (data, classes) in [(Some(DataSource::Builtin), 10), (Some(DataSource::Folder), 100), (None, 7)] {
            let why = source(data, classes, Standardize::Dataset).expect_err("unknown").to_string();
            assert!(why.ends_with("give them as MEAN/STD"), "{why}");
            assert!(source(data, classes, Standardize::Image).is_ok());
        }
    }
}
