//! One batch, or a part of it, forward and backward on one device.
//!
//! The loss and gradients of a part are weighted by its share of the batch, so that the sum over all parts is that of
//! the whole batch. Dropout masks are drawn for the whole batch, so that a split changes nothing but rounding. Batch
//! normalization is the exception: each part is normalized by its own statistics, and the running statistics follow
//! the first part.

use std::ops::Range;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use crate::config::{Precision, Trainable};
use crate::data::batch::Batch;
use crate::loss::cross_entropy::cross_entropy;
use crate::loss::distillation::Distillation;
use crate::network::Network;
use crate::network::dropout::DropoutRng;
use crate::network::spec::CHANNELS;

/// A batch and how to train on it.
pub(crate) struct StepInput<'a> {
    pub batch: &'a Batch,
    /// Width and height of the images, in pixels.
    pub side: usize,
    pub trainable: Trainable,
    pub precision: Precision,
    /// The random numbers of dropout.
    pub dropout_rng: ChaCha8Rng,
    /// A teacher's scores of the whole batch.
    pub teacher: Option<Distillation<'a>>,
}

/// The result of a forward and backward pass, on the device of the network.
pub(crate) struct StepOutput {
    /// Mean cross-entropy, of labels and teacher, one element.
    pub loss: Tensor<1>,
    /// `[batch, classes]`.
    pub logits: Tensor<2>,
    /// The gradients of the trained parameters.
    pub gradients: GradientsParams,
}

impl StepInput<'_> {
    /// The whole batch; `device` is without autodiff.
    pub fn forward_backward(&self, network: &Network, device: &Device) -> StepOutput {
        self.forward_backward_rows(network, device, 0..self.batch.labels.len())
    }

    /// The images at these positions of the batch.
    pub fn forward_backward_rows(
        &self,
        network: &Network,
        device: &Device,
        rows: Range<usize>,
    ) -> StepOutput {
        let device = device.clone().autodiff();
        let (count, side, batch) = (rows.len(), self.side, self.batch.labels.len());
        let pixels = CHANNELS * side * side;
        let images = self.batch.images[rows.start * pixels..rows.end * pixels].to_vec();
        let images = Tensor::from_data(TensorData::new(images, [count, CHANNELS, side, side]), &device);
        let labels = &self.batch.labels[rows.clone()];
        let dropout = DropoutRng { rng: self.dropout_rng.clone(), rows: rows.clone(), batch };
        let logits = network.forward_in(images, dropout, self.precision);
        let loss = self.loss(logits.clone(), labels, rows);
        // The mean over the batch, not over the part.
        let loss = if count == batch { loss } else { loss * (count as f64 / batch as f64) };
        let mut all = loss.backward();
        let gradients = match self.trainable {
            Trainable::All => GradientsParams::from_grads(all, network),
            Trainable::Convolutions => {
                let convolutions = network.convolutions();
                let quantizers = network.quantizers().into_iter().take(convolutions.len()).flatten();
                let weights = convolutions.into_iter().map(|layer| layer.weight.id);
                let ids: Vec<_> =
                    weights.chain(quantizers.map(|quantizer| quantizer.input_step.id)).collect();
                GradientsParams::from_params(&mut all, network, &ids)
            }
        };
        StepOutput { loss: loss.inner(), logits: logits.inner(), gradients }
    }

    /// The mean loss of the images at these positions of the batch.
    fn loss(&self, logits: Tensor<2>, labels: &[i32], rows: Range<usize>) -> Tensor<1> {
        let Some(teacher) = self.teacher else { return cross_entropy(logits, labels) };
        let [_, classes] = logits.dims();
        let scores = &teacher.scores[rows.start * classes..rows.end * classes];
        let soft = Distillation { scores, ..teacher }.divergence(logits.clone());
        cross_entropy(logits, labels) * (1.0 - teacher.weight) + soft * teacher.weight
    }
}
