//! Masks: weights that are zero and stay zero, whatever the optimizer does with them.
//!
//! Momentum and weight decay move a pruned weight away from zero; so it is set back after every
//! step, as the authors do when they fine-tune.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
#[cfg(not(target_arch = "wasm32"))]
use burn::tensor::Device;
use burn::tensor::Tensor;

#[cfg(not(target_arch = "wasm32"))]
use crate::distributed::all_reduce::held_on;

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::network::parameters::import_param_state;
use crate::network::{Network, NetworkSpec};

/// The masks of a network: for every convolution 1 where a weight stays and 0 where it is pruned.
pub struct Masks {
    stored: Checkpoint,
    held: GradientsParams,
}

impl Masks {
    /// Takes masks up for a network with these `weights`.
    ///
    /// # Errors
    /// When they are another network's, or hold anything but 0 and 1.
    pub fn new(
        masks: &Checkpoint,
        weights: &Checkpoint,
        network: &Network,
        plan: &NetworkSpec,
    ) -> Result<Self> {
        check(masks, weights)?;
        let held = import_param_state(network, plan, masks)?;
        Ok(Self { stored: masks.clone(), held })
    }

    /// The masks under PyTorch's names, in the weights' shapes.
    pub fn stored(&self) -> &Checkpoint {
        &self.stored
    }

    /// The same on another device, for a copy of the `network`.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn on(&self, device: &Device, network: &Network) -> Self {
        Self { stored: self.stored.clone(), held: held_on(device, network, &self.held) }
    }

    /// The network with its pruned weights at zero.
    pub fn apply(&self, network: Network) -> Network {
        network.map(&mut Apply { held: &self.held })
    }
}

/// Masks fit when they name each 4-D weight, and nothing else, in its shape.
fn check(masks: &Checkpoint, weights: &Checkpoint) -> Result<()> {
    let refuse = |why: String| Err(Error::file("reading masks", "", why));
    let convolutions = || weights.tensors.iter().filter(|tensor| tensor.shape.len() == 4);
    for mask in &masks.tensors {
        match convolutions().find(|tensor| tensor.name == mask.name) {
            None => return refuse(format!("the network has no convolution {}", mask.name)),
            Some(tensor) if tensor.shape != mask.shape => {
                let why = format!(
                    "the mask of {} is {:?} and the network wants {:?}",
                    mask.name, mask.shape, tensor.shape
                );
                return refuse(why);
            }
            Some(_) => {}
        }
        if let Some(bad) = mask.data.iter().find(|value| **value != 0.0 && **value != 1.0) {
            return refuse(format!("the mask of {} holds {bad} where only 0 and 1 are known", mask.name));
        }
    }
    match convolutions().find(|tensor| masks.get(&tensor.name).is_none()) {
        Some(missing) => refuse(format!("there is no mask for {}", missing.name)),
        None => Ok(()),
    }
}

struct Apply<'a> {
    held: &'a GradientsParams,
}

impl ModuleMapper for Apply<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mask) = self.held.get::<D>(param.id) else { return param };
        param.map(|weight| {
            // Not a product: that would leave negative zeros, and whatever infinity times 0 is.
            let weight = weight.inner().mask_fill(mask.equal_elem(0.0), 0.0);
            Tensor::from_inner(weight).require_grad()
        })
    }
}
