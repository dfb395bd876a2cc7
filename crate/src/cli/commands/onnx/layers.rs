//! The crossbar layers of a model, with what a reader must know of them.

use std::path::Path;

use crate::checkpoint::{CheckpointAccount, FULLY_CONNECTED, LeftOut, TakenTensor};
use crate::cli::files;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::onnx::OnnxNetwork;
use crate::onnx::layers::{LayerKind, OnnxLayer};

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
        let in_file = |error: Error| error.with_path(&files::display_path(path));
        let (layers, others): (Vec<_>, Vec<_>) =
            network.layers().iter().partition(|layer| linear || layer.kind == LayerKind::Convolution);
        if layers.is_empty() {
            return Err(in_file(Error::no_layers(linear)));
        }
        let mut account = CheckpointAccount { format: "onnx".to_owned(), ..CheckpointAccount::default() };
        account.taken.extend(layers.iter().map(|layer| TakenTensor {
            name: layer.name.clone(),
            shape: layer.shape.clone(),
            dtype: layer.element.to_string(),
        }));
        account.left_out.extend(others.iter().map(|layer| LeftOut {
            name: layer.name.clone(),
            shape: layer.shape.clone(),
            dtype: layer.element.to_string(),
            why: FULLY_CONNECTED.to_owned(),
        }));
        account.left_out.extend(network.left_out().iter().map(|layer| LeftOut {
            name: layer.name.clone(),
            shape: layer.shape.clone(),
            dtype: layer.element.to_string(),
            why: layer.why.clone(),
        }));
        let matrices =
            layers.iter().map(|layer| network.matrix(layer)).collect::<Result<_>>().map_err(in_file)?;
        Ok(Self { layers, matrices, account })
    }

    /// The output positions of each layer.
    ///
    /// # Errors
    /// Names the first layer whose positions can't be told, and why.
    pub fn positions(&self, path: &Path) -> Result<Vec<u64>> {
        let of = |layer: &&OnnxLayer| {
            layer.positions.clone().map_err(|why| {
                let error = Error::layer("counting output positions", &*layer.name, why);
                error.with_path(&files::display_path(path))
            })
        };
        self.layers.iter().map(of).collect()
    }
}
