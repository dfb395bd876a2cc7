//! The crossbar layers of a model; every error names its file.

use std::path::Path;

use crate::checkpoint::CheckpointAccount;
use crate::cli::files;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::onnx::OnnxNetwork;
use crate::onnx::layers::OnnxLayer;
use crate::onnx::positions::positions;

/// The layers that are mapped, and their matrices.
pub struct MappedLayers<'a> {
    pub layers: Vec<&'a OnnxLayer>,
    pub matrices: Vec<Matrix>,
    pub account: CheckpointAccount,
}

impl<'a> MappedLayers<'a> {
    /// The convolutions, and with `linear` the fully connected layers.
    ///
    /// # Errors
    /// If there is no layer, or one can't be read.
    pub fn new(network: &'a OnnxNetwork, path: &Path, linear: bool) -> Result<Self> {
        let with_path = |error: Error| error.with_path(&files::display_path(path));
        let layers = network.crossbar_layers(linear).map_err(with_path)?;
        let matrices =
            layers.iter().map(|layer| network.matrix(layer)).collect::<Result<_>>().map_err(with_path)?;
        Ok(Self { layers, matrices, account: network.account(linear) })
    }

    /// The output positions of each layer.
    ///
    /// # Errors
    /// Names the first layer whose positions can't be told, and why.
    pub fn positions(&self, path: &Path) -> Result<Vec<u64>> {
        positions(&self.layers).map_err(|error| error.with_path(&files::display_path(path)))
    }
}
