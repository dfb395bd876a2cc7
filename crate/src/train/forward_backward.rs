//! One batch forward and backward, whole or a part of it.
//!
//! Several devices share a batch in parts, gathered on one device (`spread.rs`) or each with a network of its own
//! (`together.rs`). A part's loss and gradients count by its share, so that the parts' sum is the whole. Dropout masks
//! are drawn for the whole batch, so that the split changes nothing but rounding. Batch normalization is the exception:
//! each part is normalized by itself, and the running statistics follow the first part.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use crate::config::{Precision, Trainable};
use crate::data::batch::Batch;
use crate::loss::cross_entropy::cross_entropy;
use crate::network::Network;
use crate::network::dropout::DropoutRng;
use crate::network::spec::CHANNELS;

/// What a batch gave, all on the device that holds the network.
pub(crate) struct StepOutput {
    /// Mean cross-entropy, one element.
    pub loss: Tensor<1>,
    /// `[batch, classes]`.
    pub logits: Tensor<2>,
    /// Of the loss; of the parameters that are trained.
    pub gradients: GradientsParams,
}

/// A batch and what is asked of it.
pub(crate) struct StepInput<'a> {
    pub batch: &'a Batch,
    /// Width and height of its images.
    pub side: usize,
    pub trainable: Trainable,
    pub precision: Precision,
    /// The random numbers of its dropout.
    pub random: ChaCha8Rng,
}

impl StepInput<'_> {
    /// The whole batch on one device, `device` with autodiff.
    pub fn whole(&self, network: &Network, device: &Device) -> StepOutput {
        self.part(network, device, 0..self.batch.labels.len())
    }

    /// The images of these `rows` alone.
    pub(crate) fn part(
        &self,
        network: &Network,
        device: &Device,
        rows: std::ops::Range<usize>,
    ) -> StepOutput {
        let (count, side, batch) = (rows.len(), self.side, self.batch.labels.len());
        let pixels = CHANNELS * side * side;
        let images = self.batch.images[rows.start * pixels..rows.end * pixels].to_vec();
        let images = Tensor::from_data(TensorData::new(images, [count, CHANNELS, side, side]), device);
        let labels = &self.batch.labels[rows.clone()];
        let dropout = DropoutRng { rng: self.random.clone(), rows, batch };
        let logits = network.forward_in(images, dropout, self.precision);
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
        StepOutput { loss: loss.inner(), logits: logits.inner(), gradients }
    }
}
