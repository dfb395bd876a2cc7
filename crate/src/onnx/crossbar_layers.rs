//! The layers of a network that are mapped to crossbars, with what a reader must know of the others.

use super::layers::{LayerKind, OnnxLayer};
use super::network::OnnxNetwork;
use crate::checkpoint::{Checkpoint, CheckpointAccount, FULLY_CONNECTED, LeftOut, NamedTensor, TakenTensor};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

impl OnnxNetwork {
    /// The convolutions, and with `linear` the fully connected layers.
    ///
    /// # Errors
    /// If there is no such layer.
    pub fn crossbar_layers(&self, linear: bool) -> Result<Vec<&OnnxLayer>> {
        let layers: Vec<_> = self.layers().iter().filter(|layer| is_taken(layer, linear)).collect();
        if layers.is_empty() { Err(Error::no_layers(linear)) } else { Ok(layers) }
    }

    /// What [`crossbar_layers`](Self::crossbar_layers) takes and leaves out.
    #[must_use]
    pub fn account(&self, linear: bool) -> CheckpointAccount {
        let (taken, others): (Vec<_>, Vec<_>) =
            self.layers().iter().partition(|layer| is_taken(layer, linear));
        let mut account = CheckpointAccount { format: "onnx".to_owned(), ..CheckpointAccount::default() };
        account.taken.extend(taken.iter().map(|layer| TakenTensor {
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
        account.left_out.extend(self.left_out().iter().map(|layer| LeftOut {
            name: layer.name.clone(),
            shape: layer.shape.clone(),
            dtype: layer.element.to_string(),
            why: layer.why.clone(),
        }));
        account
    }

    /// Masks of these layers in the shapes of their weights: 0 where a weight is zero, 1 elsewhere.
    ///
    /// # Errors
    /// If the model has no layer of a matrix's name and size.
    pub fn masks(&self, matrices: &[Matrix]) -> Result<Checkpoint> {
        let tensor = |matrix: &Matrix| {
            let found = self.layers().iter().find(|layer| layer.name == matrix.name);
            let layer = found.filter(|layer| layer.shape.iter().product::<usize>() == matrix.data.len());
            let layer = layer
                .ok_or_else(|| Error::layer("writing masks", &*matrix.name, "the model has no such layer"))?;
            let data = layer.in_weight_order(&matrix.data);
            Ok(NamedTensor { name: layer.name.clone(), shape: layer.shape.clone(), data })
        };
        Ok(Checkpoint::new(matrices.iter().map(tensor).collect::<Result<_>>()?).masks())
    }
}

fn is_taken(layer: &OnnxLayer, linear: bool) -> bool {
    linear || layer.kind == LayerKind::Convolution
}
