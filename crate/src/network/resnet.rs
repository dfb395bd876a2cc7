//! ResNet (He et al. 2016) as torchvision builds it, as a Burn module.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use super::fully_connected::FullyConnected;
use super::hook::{ConvHook, no_hook};
use super::precision::with_f32;
use super::quantizer::LayerQuantizer;
use super::spec::{ConvSpec, ResNetSpec, ResidualBlockSpec};
use crate::config::Kernels;

/// A convolution without bias and its normalization.
#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
    quantizer: Option<LayerQuantizer>,
}

impl ConvNorm {
    fn new(spec: &ConvSpec, device: &Device) -> Self {
        let pad = spec.kernel / 2;
        let conv = Conv2dConfig::new([spec.inputs, spec.outputs], [spec.kernel; 2])
            .with_stride([spec.stride; 2])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(false)
            .with_initializer(Initializer::Zeros)
            .init(device);
        Self { conv, norm: BatchNormConfig::new(spec.outputs).init(device), quantizer: None }
    }

    /// The normalized output, and ReLU with `cut`.
    fn forward(&self, x: Tensor<4>, cut: bool, kernels: Kernels, hook: &mut ConvHook<'_>) -> Tensor<4> {
        hook(&self.conv, &x);
        let x = match &self.quantizer {
            Some(quantizer) => quantizer.quantize(x),
            None => x,
        };
        with_f32(kernels.convolution(&self.conv, x, false), |x| kernels.batch_norm(&self.norm, x, cut))
    }
}

/// A residual block.
#[derive(Module, Debug)]
struct ResidualBlock {
    convs: Vec<ConvNorm>,
    downsample: Option<ConvNorm>,
}

impl ResidualBlock {
    fn new(spec: &ResidualBlockSpec, device: &Device) -> Self {
        Self {
            convs: spec.convs.iter().map(|conv| ConvNorm::new(conv, device)).collect(),
            downsample: spec.downsample.as_ref().map(|conv| ConvNorm::new(conv, device)),
        }
    }

    fn forward(&self, x: Tensor<4>, kernels: Kernels, hook: &mut ConvHook<'_>) -> Tensor<4> {
        let skip = match &self.downsample {
            Some(downsample) => downsample.forward(x.clone(), false, kernels, hook),
            None => x.clone(),
        };
        let last = self.convs.len() - 1;
        let residual =
            self.convs.iter().enumerate().fold(x, |x, (at, conv)| conv.forward(x, at < last, kernels, hook));
        kernels.add_relu(residual, skip)
    }
}

/// Blocks of one width.
#[derive(Module, Debug)]
struct BlockGroup {
    blocks: Vec<ResidualBlock>,
}

/// A ResNet. Its weights are zero until they are initialized or loaded.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: ConvNorm,
    pool: MaxPool2d,
    stages: Vec<BlockGroup>,
    fc: FullyConnected,
    #[module(skip)]
    kernels: Kernels,
}

impl ResNet {
    /// Builds the network with zero weights.
    pub fn new(spec: &ResNetSpec, device: &Device) -> Self {
        let stage = |blocks: &Vec<ResidualBlockSpec>| BlockGroup {
            blocks: blocks.iter().map(|block| ResidualBlock::new(block, device)).collect(),
        };
        Self {
            stem: ConvNorm::new(&spec.stem, device),
            pool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            stages: spec.stages.iter().map(stage).collect(),
            fc: FullyConnected::new((spec.features(), spec.classes), device),
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

    /// Class scores (logits).
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, side, side]`
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_from_segment(0, images)
    }

    /// Class scores from the input of a segment: segment 0 is the stem, every block is one.
    pub(super) fn forward_from_segment(&self, segment: usize, x: Tensor<4>) -> Tensor<2> {
        let x = if segment == 0 { self.forward_segment(0, x, &mut no_hook) } else { x };
        let blocks = self.blocks().skip(segment.saturating_sub(1));
        let x = blocks.fold(x, |x, block| block.forward(x, self.kernels, &mut no_hook));
        let x: Tensor<3> = x.flatten(2, 3);
        let x: Tensor<2> = with_f32(x, |x| x.mean_dim(2).squeeze_dim(2));
        self.fc.forward(x, self.kernels)
    }

    /// The output of a segment.
    pub(super) fn forward_segment(&self, segment: usize, x: Tensor<4>, hook: &mut ConvHook<'_>) -> Tensor<4> {
        match segment.checked_sub(1).and_then(|block| self.blocks().nth(block)) {
            Some(block) => block.forward(x, self.kernels, hook),
            // ReLU and max pooling commute.
            None => self.kernels.max_pool(&self.pool, self.stem.forward(x, false, self.kernels, hook), true),
        }
    }

    /// The segment of each convolution, in the order of [`ResNet::convolutions`].
    pub(super) fn segments(&self) -> Vec<usize> {
        let blocks = self.blocks().enumerate().flat_map(|(at, block)| {
            let count = block.convs.len() + usize::from(block.downsample.is_some());
            vec![at + 1; count]
        });
        [0].into_iter().chain(blocks).collect()
    }

    /// The convolutions, which are the layers on crossbars; in a block, the skip connection's comes last.
    pub fn convolutions(&self) -> Vec<&Conv2d> {
        let blocks = self.blocks().flat_map(|block| block.convs.iter().chain(&block.downsample));
        [&self.stem].into_iter().chain(blocks).map(|layer| &layer.conv).collect()
    }

    /// The fully connected layer.
    pub(super) fn linear_layers(&self) -> Vec<&Linear> {
        vec![&self.fc.linear]
    }

    /// Where each layer's quantizer is kept: those of [`ResNet::convolutions`], then that of the fully connected layer.
    pub(super) fn quantizer_slots(&mut self) -> Vec<&mut Option<LayerQuantizer>> {
        let blocks = self.stages.iter_mut().flat_map(|stage| &mut stage.blocks);
        let convs = blocks.flat_map(|block| block.convs.iter_mut().chain(&mut block.downsample));
        let convs = [&mut self.stem].into_iter().chain(convs).map(|layer| &mut layer.quantizer);
        convs.chain([&mut self.fc.quantizer]).collect()
    }

    /// Each layer's quantizer, in the order of [`ResNet::quantizer_slots`].
    pub(super) fn quantizers(&self) -> Vec<Option<&LayerQuantizer>> {
        let convs = self.blocks().flat_map(|block| block.convs.iter().chain(&block.downsample));
        let convs = [&self.stem].into_iter().chain(convs).map(|layer| layer.quantizer.as_ref());
        convs.chain([self.fc.quantizer.as_ref()]).collect()
    }

    fn blocks(&self) -> impl Iterator<Item = &ResidualBlock> {
        self.stages.iter().flat_map(|stage| &stage.blocks)
    }
}
