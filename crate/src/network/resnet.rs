//! ResNet (He et al. 2016) as torchvision builds it, from a plan.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::precision::in_f32;
use super::resnet_spec::{BlockPlan, ConvPlan, ResNetPlan};
use crate::network::Look;

/// A convolution without bias and its normalization.
#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    fn new(plan: &ConvPlan, device: &Device) -> Self {
        let pad = plan.kernel / 2;
        let conv = Conv2dConfig::new([plan.inputs, plan.outputs], [plan.kernel; 2])
            .with_stride([plan.stride; 2])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(false)
            .with_initializer(Initializer::Zeros)
            .init(device);
        Self { conv, norm: BatchNormConfig::new(plan.outputs).init(device) }
    }

    fn forward(&self, x: Tensor<4>, look: &mut Look<'_>) -> Tensor<4> {
        look(&self.conv, &x);
        in_f32(self.conv.forward(x), |x| self.norm.forward(x))
    }
}

/// Convolutions and the way around them.
#[derive(Module, Debug)]
struct Block {
    convolutions: Vec<ConvNorm>,
    downsample: Option<ConvNorm>,
}

impl Block {
    fn new(plan: &BlockPlan, device: &Device) -> Self {
        Self {
            convolutions: plan.convolutions.iter().map(|plan| ConvNorm::new(plan, device)).collect(),
            downsample: plan.downsample.as_ref().map(|plan| ConvNorm::new(plan, device)),
        }
    }

    fn forward(&self, x: Tensor<4>, look: &mut Look<'_>) -> Tensor<4> {
        let around = match &self.downsample {
            Some(downsample) => downsample.forward(x.clone(), look),
            None => x.clone(),
        };
        let last = self.convolutions.len() - 1;
        let through = self.convolutions.iter().enumerate().fold(x, |x, (at, convolution)| {
            let x = convolution.forward(x, look);
            if at < last { relu(x) } else { x }
        });
        relu(through + around)
    }
}

/// Blocks of one width.
#[derive(Module, Debug)]
struct Stage {
    blocks: Vec<Block>,
}

/// The network. Weights are zero until they are initialized or loaded.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: ConvNorm,
    pool: MaxPool2d,
    stages: Vec<Stage>,
    fc: Linear,
}

impl ResNet {
    /// Builds the network of a plan.
    pub fn new(plan: &ResNetPlan, device: &Device) -> Self {
        let stage = |blocks: &Vec<BlockPlan>| Stage {
            blocks: blocks.iter().map(|block| Block::new(block, device)).collect(),
        };
        let fc = LinearConfig::new(plan.features(), plan.classes).with_initializer(Initializer::Zeros);
        Self {
            stem: ConvNorm::new(&plan.stem, device),
            pool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            stages: plan.stages.iter().map(stage).collect(),
            fc: fc.init(device),
        }
    }

    /// Class scores.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, side, side]`
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_from(0, images)
    }

    /// Class scores from the activations that enter a part: part 0 is what stands before the blocks,
    /// each block is one.
    pub(super) fn forward_from(&self, part: usize, x: Tensor<4>) -> Tensor<2> {
        let nothing: &mut Look<'_> = &mut |_, _| {};
        let x = if part == 0 { self.through(0, x, nothing) } else { x };
        let x = self.blocks().skip(part.saturating_sub(1)).fold(x, |x, block| block.forward(x, nothing));
        let x: Tensor<3> = x.flatten(2, 3);
        let x: Tensor<2> = in_f32(x, |x| x.mean_dim(2).squeeze_dim(2));
        self.fc.forward(x)
    }

    /// The activations that leave a part, from those that enter it.
    pub(super) fn through(&self, part: usize, x: Tensor<4>, look: &mut Look<'_>) -> Tensor<4> {
        match part.checked_sub(1).and_then(|block| self.blocks().nth(block)) {
            Some(block) => block.forward(x, look),
            None => self.pool.forward(relu(self.stem.forward(x, look))),
        }
    }

    /// The part that each convolution stands in, in the convolutions' order.
    pub(super) fn parts(&self) -> Vec<usize> {
        let parts = self.blocks().enumerate().flat_map(|(at, block)| {
            let count = block.convolutions.len() + usize::from(block.downsample.is_some());
            vec![at + 1; count]
        });
        [0].into_iter().chain(parts).collect()
    }

    /// The convolutions, each block's way around it last: the layers that lie on crossbars.
    pub fn convolutions(&self) -> Vec<&Conv2d> {
        let blocks = self.blocks().flat_map(|block| block.convolutions.iter().chain(&block.downsample));
        [&self.stem].into_iter().chain(blocks).map(|part| &part.conv).collect()
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.stages.iter().flat_map(|stage| &stage.blocks)
    }
}
