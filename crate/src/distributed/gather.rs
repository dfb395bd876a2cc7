//! A batch in parts over several devices, gathered: each further device gets a copy of the network, and losses and
//! gradients are summed on the first device, which takes the step. This works on every backend.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use burn::module::Module;
use burn::optim::GradientsAccumulator;
use burn::tensor::Tensor;

use crate::device::{ComputeDevice, device_error};
use crate::error::{Error, ErrorKind, Result};
use crate::network::Network;
use crate::train::forward_backward::{StepInput, StepOutput};

impl StepInput<'_> {
    /// The batch in parts: the first on `main`, which holds the network, the others on the further devices.
    ///
    /// # Errors
    /// When a device fails.
    pub fn spread(
        &self,
        network: &Network,
        main: &ComputeDevice,
        others: &[ComputeDevice],
    ) -> Result<StepOutput> {
        let mut parts = parts(self.batch.labels.len(), 1 + others.len()).into_iter();
        let first = parts.next().unwrap_or(0..0);
        let passed: Vec<Result<StepOutput>> = thread::scope(|scope| {
            let further: Vec<_> = parts
                .zip(others)
                .map(|(rows, compute)| {
                    // What the threads share is let go of here; the copying is each thread's own.
                    let detached = network.valid();
                    scope.spawn(move || {
                        guarded(compute, || {
                            let copy = attached(detached, compute);
                            let passed = self.part(&copy, &compute.device.clone().autodiff(), rows);
                            passed.moved(main, &copy)
                        })
                    })
                })
                .collect();
            let own = guarded(main, || self.part(network, &main.device.clone().autodiff(), first));
            let joined = further
                .into_iter()
                .zip(others)
                .map(|(thread, compute)| thread.join().unwrap_or_else(|panic| Err(failed(compute, &*panic))));
            std::iter::once(own).chain(joined).collect()
        });
        sum(network, passed.into_iter().collect::<Result<_>>()?)
    }
}

impl StepOutput {
    fn moved(self, main: &ComputeDevice, network: &Network) -> Self {
        Self {
            loss: self.loss.to_device(&main.device),
            logits: self.logits.to_device(&main.device),
            gradients: self.gradients.to_device(&main.device, network),
        }
    }

    /// Loss and logits of all parts, in their order, with the gradients of `self`.
    pub(crate) fn with_parts(self, parts: Vec<(Tensor<1>, Tensor<2>)>) -> Self {
        let (mut loss, mut logits) = (self.loss, vec![self.logits]);
        for (of_part, scores) in parts {
            loss = loss + of_part;
            logits.push(scores);
        }
        Self { loss, logits: Tensor::cat(logits, 0), gradients: self.gradients }
    }
}

/// A copy on another device, to train there, of what a network's `valid` gave: the same parameters' ids, and running
/// statistics of its own. A mere clone shares those, and threads would change them at once.
pub(crate) fn attached(detached: Network, compute: &ComputeDevice) -> Network {
    detached.fork(&compute.device).train()
}

/// As equal as can be, in order; none is empty.
pub(crate) fn parts(batch: usize, devices: usize) -> Vec<Range<usize>> {
    let ends = (0..=devices).map(|at| at * batch / devices);
    let starts = ends.clone();
    starts.zip(ends.skip(1)).map(|(start, end)| start..end).filter(|part| !part.is_empty()).collect()
}

/// The parts' sums; there is at least one part.
fn sum(network: &Network, parts: Vec<StepOutput>) -> Result<StepOutput> {
    let mut gradients = GradientsAccumulator::<Network>::new();
    let mut rest = Vec::new();
    for part in parts {
        gradients.accumulate(network, part.gradients);
        rest.push((part.loss, part.logits));
    }
    if rest.is_empty() {
        return Err(Error::device("of the run", "the batch is empty"));
    }
    let (loss, logits) = rest.remove(0);
    Ok(StepOutput { loss, logits, gradients: gradients.grads() }.with_parts(rest))
}

/// A backend says by a panic that its device is gone.
pub(crate) fn guarded<T>(compute: &ComputeDevice, work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| failed(compute, &*panic))
}

pub(crate) fn failed(compute: &ComputeDevice, panic: &(dyn Any + Send)) -> Error {
    let error = device_error(panic);
    match error.kind() {
        ErrorKind::Device { reason, .. } => Error::device(&*compute.adapter, reason),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_cover_the_batch_in_order() {
        assert_eq!(parts(5, 2), [0..2, 2..5]);
        assert_eq!(parts(2, 3), [0..1, 1..2]);
        assert_eq!(parts(64, 1).first(), Some(&(0..64)));
        for batch in 1..40 {
            for devices in 1..9 {
                let parts = parts(batch, devices);
                assert_eq!(parts.len(), devices.min(batch));
                assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, batch));
                assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            }
        }
    }
}
