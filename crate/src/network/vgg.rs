//! VGG (Simonyan and Zisserman 2015), from a plan.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::dropout::Dropout;
use super::precision::in_f32;
use super::spec::VggPlan;
use crate::network::Look;

/// A convolution with its normalization and pooling.
#[derive(Module, Debug)]
struct Block {
    conv: Conv2d,
    norm: Option<BatchNorm>,
    pool: Option<MaxPool2d>,
}

/// The network. Weights are zero until they are initialized or loaded.
#[derive(Module, Debug)]
pub struct Vgg {
    features: Vec<Block>,
    average: Option<AdaptiveAvgPool2d>,
    classifier: Vec<Linear>,
    dropout: f64,
}

impl Block {
    fn forward(&self, x: Tensor<4>, look: &mut Look<'_>) -> Tensor<4> {
        look(&self.conv, &x);
        let mut x = self.conv.forward(x);
        if let Some(norm) = &self.norm {
            x = in_f32(x, |x| norm.forward(x));
        }
        x = relu(x);
        match &self.pool {
            Some(pool) => pool.forward(x),
            None => x,
        }
    }
}

impl Vgg {
    /// Builds the network of a plan.
    pub fn new(plan: &VggPlan, device: &Device) -> Self {
        let features = plan.stages.iter().map(|stage| Block {
            conv: Conv2dConfig::new([stage.inputs, stage.outputs], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_initializer(Initializer::Zeros)
                .init(device),
            norm: plan.batch_norm.then(|| BatchNormConfig::new(stage.outputs).init(device)),
            pool: stage.pool.then(|| MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init()),
        });
        let linear = |(inputs, outputs)| {
            LinearConfig::new(inputs, outputs).with_initializer(Initializer::Zeros).init(device)
        };
        Self {
            features: features.collect(),
            average: plan.average.map(|side| AdaptiveAvgPool2dConfig::new([side; 2]).init()),
            classifier: plan.linear_layers().into_iter().map(linear).collect(),
            dropout: plan.dropout,
        }
    }

    /// Class scores.
    ///
    /// `dropout` gives the random stream while training; without it the network is deterministic.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, side, side]`
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>, dropout: Option<Dropout>) -> Tensor<2> {
        self.forward_from(0, images, dropout)
    }

    /// Class scores from the activations that enter a block: a convolution with what follows it.
    pub(super) fn forward_from(&self, block: usize, x: Tensor<4>, mut dropout: Option<Dropout>) -> Tensor<2> {
        let mut x = self.features.iter().skip(block).fold(x, |x, block| block.forward(x, &mut |_, _| {}));
        // At the size it was made for, the average would change nothing.
        if let Some(average) = self.average.as_ref().filter(|a| x.dims()[2..] != a.output_size) {
            x = in_f32(x, |x| average.forward(x));
        }
        let mut x: Tensor<2> = x.flatten(1, 3);
        let last = self.classifier.len() - 1;
        for (at, layer) in self.classifier.iter().enumerate() {
            x = layer.forward(x);
            if at < last {
                x = relu(x);
                if let Some(random) = &mut dropout {
                    x = self.drop(x, random);
                }
            }
        }
        x
    }

    /// The activations that leave a block, from those that enter it.
    pub(super) fn through(&self, block: usize, x: Tensor<4>, look: &mut Look<'_>) -> Tensor<4> {
        self.features[block].forward(x, look)
    }

    /// The convolutions, in order: the layers that lie on crossbars.
    pub fn convolutions(&self) -> impl Iterator<Item = &Conv2d> {
        self.features.iter().map(|block| &block.conv)
    }

    /// Zeroes each value with the probability `dropout`.
    fn drop(&self, x: Tensor<2>, dropout: &mut Dropout) -> Tensor<2> {
        if self.dropout == 0.0 {
            return x;
        }
        let mask = dropout.mask(self.dropout, x.dims()[1], &x.device());
        let mask = mask.cast(x.dtype());
        x * mask
    }
}
