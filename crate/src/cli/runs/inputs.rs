//! Opens the inputs of a command: a network with its weights, and images.

use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::cli::files;
use crate::cli::options::data::DataOptions;
use crate::cli::options::network::NetworkOptions;
use crate::cli::output;
use crate::cli::system;
use crate::config::{DataSource, Standardize, TrainConfig};
use crate::data::loader::DataLoader;
use crate::data::standardization::InputMetadata;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::parameters::import;
use crate::network::spec::infer_classes;
use crate::network::{Network, NetworkSpec};

/// The configuration of the network and the images that the options name, as these weights want them: standardized as
/// in their training and, of image files, with the labels of their outputs.
///
/// # Errors
/// If an option is invalid or a file can't be read.
pub fn open_model_and_data(
    network: &NetworkOptions,
    data: &DataOptions,
    path: &Path,
    weights: &Checkpoint,
) -> Result<(TrainConfig, DataLoader)> {
    let mut config = network.config()?;
    config.holdout = data.holdout;
    config.seed = data.seed;
    let metadata = input_metadata(weights, path)?;
    follow_metadata(&mut config, &metadata);
    follow_size(&mut config, &metadata);
    config.validate()?;
    let mut loader = files::open_dataset(&data.data, &mut config, data.loader.into())?;
    match_outputs(&mut loader, weights, &metadata)?;
    Ok((config, loader))
}

/// What weights say about the images of their training.
///
/// # Errors
/// If the file names an unknown standardization.
pub fn input_metadata(weights: &Checkpoint, path: &Path) -> Result<InputMetadata> {
    // A bad file, not a bad option.
    let unusable = |error: Error| Error::file("reading weights", files::display_path(path), &error);
    InputMetadata::from_map(weights.metadata()).map_err(unusable)
}

/// Takes from the metadata of weights what the options leave open.
pub fn follow_metadata(config: &mut TrainConfig, metadata: &InputMetadata) {
    if config.standardize == Standardize::Auto && metadata.standardize != Standardize::Auto {
        config.standardize = metadata.standardize;
        // What a data set's own default gives is not worth a line.
        if metadata.standardize != Standardize::Image {
            output::status_once(&format!("pixels are standardized as in training: {}", metadata.standardize));
        }
    }
    follow_images(config, metadata);
}

/// Takes the images of training from the metadata of weights, and their size if the options leave it open. A name such
/// as resnet18 says neither: it may have been trained on small images.
pub fn follow_images(config: &mut TrainConfig, metadata: &InputMetadata) {
    let Some(data) = metadata.data else { return };
    config.data = data;
    if config.side == 0 && data == DataSource::ImageNet {
        config.side = metadata.side.unwrap_or(0);
    }
}

/// Takes the size of the images of training where the options leave it open, whatever images follow: a network that was
/// trained on small ones sees the pictures of a folder small too.
pub fn follow_size(config: &mut TrainConfig, metadata: &InputMetadata) {
    if config.side == 0 {
        config.side = metadata.side.unwrap_or(0);
    }
}

/// Gives image files the labels of the outputs of these weights, and says so.
///
/// # Errors
/// If there are too many classes.
pub fn match_outputs(loader: &mut DataLoader, weights: &Checkpoint, metadata: &InputMetadata) -> Result<()> {
    let outputs = infer_classes(weights).unwrap_or_else(|| loader.classes().len());
    if let Some(note) = loader.match_outputs(outputs, &metadata.classes)? {
        output::status_once(&note);
    }
    Ok(())
}

/// The network with these weights, for inference.
///
/// # Errors
/// If the weights don't fit the network, or the network doesn't fit the memory.
pub fn load_network(
    config: &TrainConfig,
    classes: usize,
    weights: &Checkpoint,
    compute: &ComputeDevice,
) -> Result<Network> {
    let spec = NetworkSpec::from_config(config, classes)?;
    spec.check_memory(1, system::available_memory())?;
    Ok(import(Network::new(&spec, &compute.device), &spec, weights)?.with_kernels(config.kernels))
}
