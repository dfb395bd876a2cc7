//! The results of a batch's parts, and how they are joined.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::device::ComputeDevice;
use crate::network::Network;
use crate::step::forward_backward::StepOutput;

/// The loss and class scores of one part of a batch.
pub(super) struct PartOutput {
    /// Weighted by the part's share of the batch, one element.
    pub loss: Tensor<1>,
    /// `[images of the part, classes]`.
    pub logits: Tensor<2>,
}

impl PartOutput {
    pub fn move_to(self, device: &ComputeDevice) -> Self {
        Self { loss: self.loss.to_device(&device.device), logits: self.logits.to_device(&device.device) }
    }
}

/// Adds the following parts' losses and appends their scores; the gradients stay those of `first`.
pub(super) fn join(first: StepOutput, rest: impl IntoIterator<Item = PartOutput>) -> StepOutput {
    let (mut loss, mut logits) = (first.loss, vec![first.logits]);
    for part in rest {
        loss = loss + part.loss;
        logits.push(part.logits);
    }
    StepOutput { loss, logits: Tensor::cat(logits, 0), gradients: first.gradients }
}

/// A copy of a detached network (`valid`), for training on another device: the same parameter ids, but running
/// statistics of its own. A plain clone would share those, and the threads would all update them.
pub(super) fn attach(detached: Network, device: &ComputeDevice) -> Network {
    detached.fork(&device.device).train()
}
