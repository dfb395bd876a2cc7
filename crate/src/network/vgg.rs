//! VGG (Simonyan and Zisserman 2015) as a Burn module.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::dropout::DropoutRng;
use super::fully_connected::FullyConnected;
use super::hook::{ConvHook, no_hook};
use super::precision::with_f32;
use super::quantizer::LayerQuantizer;
use super::spec::{VggConvSpec, VggSpec};
use crate::config::Kernels;

/// A convolution with its normalization, ReLU and pooling: one segment.
#[derive(Module, Debug)]
struct Block {
    conv: Conv2d,
    norm: Option<BatchNorm>,
    pool: Option<MaxPool2d>,
    quantizer: Option<LayerQuantizer>,
}

/// A VGG. Its weights are zero until they are initialized or loaded.
#[derive(Module, Debug)]
pub struct Vgg {
    features: Vec<Block>,
    average: Option<AdaptiveAvgPool2d>,
    classifier: Vec<FullyConnected>,
    dropout: f64,
    #[module(skip)]
    kernels: Kernels,
}

impl Block {
    fn new(VggConvSpec { conv, pool, .. }: &VggConvSpec, batch_norm: bool, device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([conv.inputs, conv.outputs], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_initializer(Initializer::Zeros)
                .init(device),
            norm: batch_norm.then(|| BatchNormConfig::new(conv.outputs).init(device)),
            pool: pool.then(|| MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init()),
            quantizer: None,
        }
    }

    fn forward(&self, x: Tensor<4>, kernels: Kernels, hook: &mut ConvHook<'_>) -> Tensor<4> {
        hook(&self.conv, &x);
        let x = match &self.quantizer {
            Some(quantizer) => quantizer.quantize(x),
            None => x,
        };
        // ReLU and max pooling commute, and after pooling ReLU has a quarter of the work.
        let pooled = self.pool.is_some();
        let x = match &self.norm {
            Some(norm) => {
                with_f32(kernels.convolution(&self.conv, x, false), |x| kernels.batch_norm(norm, x, !pooled))
            }
            None => kernels.convolution(&self.conv, x, !pooled),
        };
        match &self.pool {
            Some(pool) => kernels.max_pool(pool, x, true),
            None => x,
        }
    }
}

impl Vgg {
    /// Builds the network with zero weights.
    pub fn new(spec: &VggSpec, device: &Device) -> Self {
        let linear = |sizes| FullyConnected::new(sizes, device);
        Self {
            features: spec.convs.iter().map(|conv| Block::new(conv, spec.batch_norm, device)).collect(),
            average: spec.average.map(|side| AdaptiveAvgPool2dConfig::new([side; 2]).init()),
            classifier: spec.linear_layers().into_iter().map(linear).collect(),
            dropout: spec.dropout,
            kernels: Kernels::default(),
        }
    }

    /// Computes with other kernels.
    #[must_use]
    pub fn with_kernels(self, kernels: Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// The kernels it computes with.
    pub(super) fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Class scores (logits). `dropout` is for training; without it the result is deterministic.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, side, side]`
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>, dropout: Option<DropoutRng>) -> Tensor<2> {
        self.forward_from_segment(0, images, dropout)
    }

    /// Class scores from the input of a segment.
    pub(super) fn forward_from_segment(
        &self,
        segment: usize,
        x: Tensor<4>,
        mut dropout: Option<DropoutRng>,
    ) -> Tensor<2> {
        let mut x = self
            .features
            .iter()
            .skip(segment)
            .fold(x, |x, block| block.forward(x, self.kernels, &mut no_hook));
        // Averaging to the size it already has would change nothing.
        if let Some(average) = self.average.as_ref().filter(|a| x.dims()[2..] != a.output_size) {
            x = with_f32(x, |x| average.forward(x));
        }
        let mut x: Tensor<2> = x.flatten(1, 3);
        let last = self.classifier.len() - 1;
        for (at, layer) in self.classifier.iter().enumerate() {
            x = layer.forward(x, self.kernels);
            if at < last {
                x = relu(x);
                if let Some(rng) = &mut dropout {
                    x = self.apply_dropout(x, rng);
                }
            }
        }
        x
    }

    /// The output of a segment.
    pub(super) fn forward_segment(&self, segment: usize, x: Tensor<4>, hook: &mut ConvHook<'_>) -> Tensor<4> {
        self.features[segment].forward(x, self.kernels, hook)
    }

    /// The convolutions, which are the layers on crossbars, in order.
    pub fn convolutions(&self) -> impl Iterator<Item = &Conv2d> {
        self.features.iter().map(|block| &block.conv)
    }

    /// The fully connected layers, in order.
    pub(super) fn linear_layers(&self) -> Vec<&Linear> {
        self.classifier.iter().map(|layer| &layer.linear).collect()
    }

    /// Where each layer's quantizer is kept: those of the convolutions, then those of the fully connected layers.
    pub(super) fn quantizer_slots(&mut self) -> Vec<&mut Option<LayerQuantizer>> {
        let convolutions = self.features.iter_mut().map(|block| &mut block.quantizer);
        convolutions.chain(self.classifier.iter_mut().map(|layer| &mut layer.quantizer)).collect()
    }

    /// Each layer's quantizer, in the order of [`Vgg::quantizer_slots`].
    pub(super) fn quantizers(&self) -> Vec<Option<&LayerQuantizer>> {
        let convolutions = self.features.iter().map(|block| block.quantizer.as_ref());
        convolutions.chain(self.classifier.iter().map(|layer| layer.quantizer.as_ref())).collect()
    }

    /// Sets each value to zero with the probability `dropout`.
    fn apply_dropout(&self, x: Tensor<2>, rng: &mut DropoutRng) -> Tensor<2> {
        if self.dropout == 0.0 {
            return x;
        }
        let mask = rng.mask(self.dropout, x.dims()[1], &x.device());
        let mask = mask.cast(x.dtype());
        x * mask
    }
}
