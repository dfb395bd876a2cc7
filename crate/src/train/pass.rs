//! One batch forward and backward: on the device that holds the network, or in parts over several devices at once.
//!
//! Each further device gets a copy of the network and its part of the batch; losses and gradients count by the part's
//! share and are summed on the first device, which takes the step. Dropout masks are drawn for the whole batch, so that
//! the split changes nothing but rounding. Batch normalization is the exception: each part is normalized by itself, and
//! the running statistics follow the first part.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use crate::data::batch::Batch;
use crate::loss::cross_entropy::cross_entropy;
use crate::model::dropout::Dropout;
use crate::model::network::Network;
use crate::model::plan::CHANNELS;
use crate::spec::Trainable;

/// What a batch gave, all on the device that holds the network.
pub(super) struct Passed {
    /// Mean cross-entropy, one element.
    pub loss: Tensor<1>,
    /// `[batch, classes]`.
    pub logits: Tensor<2>,
    /// Of the loss; of the parameters that are trained.
    pub gradients: GradientsParams,
}

/// A batch and what is asked of it.
pub(super) struct Pass<'a> {
    pub batch: &'a Batch,
    /// Width and height of its images.
    pub side: usize,
    pub trainable: Trainable,
    /// The random numbers of its dropout.
    pub random: ChaCha8Rng,
}

impl Pass<'_> {
    /// The whole batch on one device, `device` with autodiff.
    pub fn whole(&self, network: &Network, device: &Device) -> Passed {
        self.part(network, device, 0..self.batch.labels.len())
    }

    fn part(&self, network: &Network, device: &Device, rows: std::ops::Range<usize>) -> Passed {
        let (count, side, batch) = (rows.len(), self.side, self.batch.labels.len());
        let pixels = CHANNELS * side * side;
        let images = self.batch.images[rows.start * pixels..rows.end * pixels].to_vec();
        let images = Tensor::from_data(TensorData::new(images, [count, CHANNELS, side, side]), device);
        let labels = &self.batch.labels[rows.clone()];
        let dropout = Dropout { random: self.random.clone(), rows, batch };
        let logits = network.forward(images, Some(dropout));
        let loss = cross_entropy(logits.clone(), labels);
        // The mean over the batch, not over the part.
        let loss = if count == batch { loss } else { loss * (count as f64 / batch as f64) };
        let mut all = loss.backward();
        let gradients = match self.trainable {
            Trainable::All => GradientsParams::from_grads(all, network),
            Trainable::Convolutions => {
                let ids: Vec<_> = network.convolutions().iter().map(|layer| layer.weight.id).collect();
                GradientsParams::from_params(&mut all, network, &ids)
            }
        };
        Passed { loss: loss.inner(), logits: logits.inner(), gradients }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod spread {
    use std::any::Any;
    use std::ops::Range;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    use burn::module::Module;
    use burn::optim::GradientsAccumulator;
    use burn::tensor::Tensor;

    use super::{Pass, Passed};
    use crate::device::{Compute, lost};
    use crate::error::{Error, Result};
    use crate::model::network::Network;

    impl Pass<'_> {
        /// The batch in parts: the first on `main`, which holds the network, the others on the further devices.
        ///
        /// # Errors
        /// When a device fails.
        pub fn spread(&self, network: &Network, main: &Compute, others: &[Compute]) -> Result<Passed> {
            let mut parts = parts(self.batch.labels.len(), 1 + others.len()).into_iter();
            let first = parts.next().unwrap_or(0..0);
            let passed: Vec<Result<Passed>> = thread::scope(|scope| {
                let further: Vec<_> = parts
                    .zip(others)
                    .map(|(rows, compute)| {
                        let network = network.clone();
                        scope.spawn(move || {
                            guarded(compute, || {
                                let device = compute.device.clone().autodiff();
                                let copy = network.clone().fork(&device);
                                let passed = self.part(&copy, &device, rows);
                                passed.moved(main, &network)
                            })
                        })
                    })
                    .collect();
                let own = guarded(main, || self.part(network, &main.device.clone().autodiff(), first));
                let joined = further.into_iter().zip(others).map(|(thread, compute)| {
                    thread.join().unwrap_or_else(|panic| Err(failed(compute, &*panic)))
                });
                std::iter::once(own).chain(joined).collect()
            });
            sum(network, passed.into_iter().collect::<Result<_>>()?, main)
        }
    }

    impl Passed {
        fn moved(self, main: &Compute, network: &Network) -> Self {
            Self {
                loss: self.loss.to_device(&main.device),
                logits: self.logits.to_device(&main.device),
                gradients: self.gradients.to_device(&main.device, network),
            }
        }
    }

    /// As equal as can be, in order; none is empty.
    pub(super) fn parts(batch: usize, devices: usize) -> Vec<Range<usize>> {
        let ends = (0..=devices).map(|at| at * batch / devices);
        let starts = ends.clone();
        starts.zip(ends.skip(1)).map(|(start, end)| start..end).filter(|part| !part.is_empty()).collect()
    }

    fn sum(network: &Network, parts: Vec<Passed>, main: &Compute) -> Result<Passed> {
        let mut gradients = GradientsAccumulator::<Network>::new();
        let (mut loss, mut logits): (Option<Tensor<1>>, Vec<Tensor<2>>) = (None, Vec::new());
        for part in parts {
            gradients.accumulate(network, part.gradients);
            loss = Some(match loss {
                Some(sum) => sum + part.loss,
                None => part.loss,
            });
            logits.push(part.logits);
        }
        let loss = loss.ok_or_else(|| Error::device(&*main.adapter, "the batch is empty"))?;
        Ok(Passed { loss, logits: Tensor::cat(logits, 0), gradients: gradients.grads() })
    }

    /// A backend says by a panic that its device is gone.
    fn guarded(compute: &Compute, work: impl FnOnce() -> Passed) -> Result<Passed> {
        catch_unwind(AssertUnwindSafe(work)).map_err(|panic| failed(compute, &*panic))
    }

    fn failed(compute: &Compute, panic: &(dyn Any + Send)) -> Error {
        match lost(panic) {
            Error::Device { why, .. } => Error::device(&*compute.adapter, why),
            other => other,
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
}
