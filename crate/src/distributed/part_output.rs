//! Splits a batch over devices, and joins the results.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::Tensor;

use crate::device::ComputeDevice;
use crate::network::Network;
use crate::step::forward_backward::StepOutput;

/// Splits a batch into parts of nearly equal size, in order and without empty ones.
pub(super) fn split_batch(batch: usize, devices: usize) -> Vec<Range<usize>> {
    let ends = (0..=devices).map(|at| at * batch / devices);
    let starts = ends.clone();
    starts.zip(ends.skip(1)).map(|(start, end)| start..end).filter(|part| !part.is_empty()).collect()
}

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

#[cfg(test)]
mod tests {
    use super::split_batch;

    #[test]
    fn parts_cover_the_batch_in_order() {
        assert_eq!(split_batch(5, 2), [0..2, 2..5]);
        assert_eq!(split_batch(2, 3), [0..1, 1..2]);
        assert_eq!(split_batch(64, 1).first(), Some(&(0..64)));
        for batch in 1..40 {
            for devices in 1..9 {
                let parts = split_batch(batch, devices);
                assert_eq!(parts.len(), devices.min(batch));
                assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, batch));
                assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            }
        }
    }
}
