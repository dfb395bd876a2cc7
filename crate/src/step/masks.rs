//! Masks keep pruned weights at zero.
//!
//! Momentum and weight decay would move a pruned weight away from zero, so it is set back after every step, as the
//! authors do when they fine-tune.

#[cfg(any(feature = "cpu", feature = "cube"))]
use burn::module::ParamId;
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
#[cfg(not(target_arch = "wasm32"))]
use burn::tensor::Device;
use burn::tensor::Tensor;

#[cfg(not(target_arch = "wasm32"))]
use super::state::param_state_on;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::network::parameters::import_param_state;
use crate::network::{Network, NetworkSpec};

/// The masks of a network: for every convolution, 1 where a weight stays and 0 where it is pruned.
pub struct Masks {
    checkpoint: Checkpoint,
    by_id: GradientsParams,
}

impl Masks {
    /// Loads masks for a network that has these `weights`.
    ///
    /// # Errors
    /// When the masks belong to another network, or hold anything but 0 and 1.
    pub fn new(
        masks: &Checkpoint,
        weights: &Checkpoint,
        network: &Network,
        spec: &NetworkSpec,
    ) -> Result<Self> {
        check(masks, weights)?;
        let by_id = import_param_state(network, spec, masks)?;
        Ok(Self { checkpoint: masks.clone(), by_id })
    }

    /// The masks under PyTorch's names, in the weights' shapes.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// A copy on another device, for a copy of `network`.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn on(&self, device: &Device, network: &Network) -> Self {
        Self { checkpoint: self.checkpoint.clone(), by_id: param_state_on(device, network, &self.by_id) }
    }

    /// A parameter's mask, if it has one.
    #[cfg(any(feature = "cpu", feature = "cube"))]
    pub(super) fn get<const D: usize>(&self, id: ParamId) -> Option<Tensor<D>> {
        self.by_id.get(id)
    }

    /// The network with its pruned weights set to zero.
    pub fn apply(&self, network: Network) -> Network {
        network.map(&mut ApplyMasks { by_id: &self.by_id })
    }
}

/// Checks that there is one mask of the same shape for each 4-D weight, and no other.
fn check(masks: &Checkpoint, weights: &Checkpoint) -> Result<()> {
    let reject = |reason: String| Err(Error::file("reading masks", "", reason));
    let convolutions = || weights.tensors.iter().filter(|tensor| tensor.shape.len() == 4);
    for mask in &masks.tensors {
        match convolutions().find(|tensor| tensor.name == mask.name) {
            None => return reject(format!("the network has no convolution {}", mask.name)),
            Some(tensor) if tensor.shape != mask.shape => {
                let reason = format!(
                    "the mask of {} is {:?}, but the network expects {:?}",
                    mask.name, mask.shape, tensor.shape
                );
                return reject(reason);
            }
            Some(_) => {}
        }
        if let Some(bad) = mask.data.iter().find(|value| **value != 0.0 && **value != 1.0) {
            return reject(format!("the mask of {} holds {bad}; masks hold only 0 and 1", mask.name));
        }
    }
    match convolutions().find(|tensor| masks.get(&tensor.name).is_none()) {
        Some(missing) => reject(format!("there is no mask for {}", missing.name)),
        None => Ok(()),
    }
}

struct ApplyMasks<'a> {
    by_id: &'a GradientsParams,
}

impl ModuleMapper for ApplyMasks<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mask) = self.by_id.get::<D>(param.id) else { return param };
        param.map(|weight| {
            // Not a product, which would leave negative zeros and turn infinities into NaN.
            let weight = weight.inner().mask_fill(mask.equal_elem(0.0), 0.0);
            Tensor::from_inner(weight).require_grad()
        })
    }
}
