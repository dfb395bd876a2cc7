//! Opens the inputs of a command: a network with its weights, and images.

use crate::checkpoint::Checkpoint;
use crate::cli::files;
use crate::cli::options::data::DataOptions;
use crate::cli::options::network::NetworkOptions;
use crate::cli::system;
use crate::config::TrainConfig;
use crate::data::loader::DataLoader;
use crate::device::ComputeDevice;
use crate::error::Result;
use crate::network::parameters::import;
use crate::network::{Network, NetworkSpec};

/// The configuration of the network and the images that the options name.
///
/// # Errors
/// If an option is invalid or a file can't be read.
pub fn open_model_and_data(
    network: &NetworkOptions,
    data: &DataOptions,
) -> Result<(TrainConfig, DataLoader)> {
    let mut spec = network.config()?;
    spec.holdout = data.holdout;
    spec.seed = data.seed;
    spec.validate()?;
    let source = files::open_dataset(&data.data, &mut spec, data.reading.into())?;
    Ok((spec, source))
}

/// The network with these weights, for inference.
///
/// # Errors
/// If the weights don't fit the network, or the network doesn't fit the memory.
pub fn load_network(
    spec: &TrainConfig,
    classes: usize,
    weights: &Checkpoint,
    compute: &ComputeDevice,
) -> Result<Network> {
    let plan = NetworkSpec::from_config(spec, classes)?;
    plan.check_memory(1, system::available_memory())?;
    import(Network::new(&plan, &compute.device), &plan, weights)
}
