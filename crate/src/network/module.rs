//! A network of any known architecture, as one Burn module.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, FloatDType, Tensor};

use super::dropout::DropoutRng;
use super::hook::{ConvHook, no_hook};
use super::precision::CastToBf16;
use super::quantizable_layer::QuantizableLayer;
use super::quantizer::LayerQuantizer;
use super::resnet::ResNet;
use super::spec::NetworkSpec;
use super::vgg::Vgg;
use crate::config::{Kernels, Precision};

/// A network. Its weights are zero until they are initialized or loaded.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use burn::tensor::{Device, Tensor};
/// use crossdub::config::{ClassifierWidths, TrainConfig};
/// use crossdub::network::parameters::import;
/// use crossdub::network::spec::initialize;
/// use crossdub::network::{Network, NetworkSpec};
///
/// let config = TrainConfig { plan: "4 M 8 M".parse()?, classifier: ClassifierWidths::default(), ..TrainConfig::default() };
/// let spec = NetworkSpec::from_config(&config, 10)?;
/// let device = Device::flex();
/// let network = import(Network::new(&spec, &device), &spec, &initialize(&spec, 0))?;
/// let images = Tensor::zeros([2, 3, 32, 32], &device);
/// assert_eq!(network.forward(images, None).dims(), [2, 10]);
/// # }
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a run has one network")]
pub enum Network {
    /// A VGG.
    Vgg(Vgg),
    /// A ResNet.
    ResNet(ResNet),
}

impl Network {
    /// Builds the network with zero weights.
    pub fn new(spec: &NetworkSpec, device: &Device) -> Self {
        match spec {
            NetworkSpec::Vgg(spec) => Self::Vgg(Vgg::new(spec, device)),
            NetworkSpec::ResNet(spec) => Self::ResNet(ResNet::new(spec, device)),
        }
    }

    /// Computes with other kernels.
    #[must_use]
    pub fn with_kernels(self, kernels: Kernels) -> Self {
        match self {
            Self::Vgg(network) => Self::Vgg(network.with_kernels(kernels)),
            Self::ResNet(network) => Self::ResNet(network.with_kernels(kernels)),
        }
    }

    /// The kernels it computes with.
    pub fn kernels(&self) -> Kernels {
        match self {
            Self::Vgg(network) => network.kernels(),
            Self::ResNet(network) => network.kernels(),
        }
    }

    /// Class scores (logits). `dropout` is for training; without it the result is deterministic.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, side, side]`
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>, dropout: Option<DropoutRng>) -> Tensor<2> {
        match self {
            Self::Vgg(network) => network.forward(images, dropout),
            Self::ResNet(network) => network.forward(images),
        }
    }

    /// Class scores in float32 of a training pass that computes in `precision`.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, side, side]`
    /// - output: `[batch, classes]`
    pub fn forward_in(&self, images: Tensor<4>, dropout: DropoutRng, precision: Precision) -> Tensor<2> {
        match precision {
            Precision::F32 => self.forward(images, Some(dropout)),
            Precision::Bf16 => {
                let network = self.clone().map(&mut CastToBf16::default());
                network.forward(images.cast(FloatDType::BF16), Some(dropout)).cast(FloatDType::F32)
            }
        }
    }

    /// The segment of each convolution, in the order of [`Network::convolutions`]. Segments run one after another: a
    /// VGG has one a convolution, a ResNet one for the stem and one a residual block.
    pub fn segments(&self) -> Vec<usize> {
        match self {
            Self::Vgg(network) => (0..network.convolutions().count()).collect(),
            Self::ResNet(network) => network.segments(),
        }
    }

    /// The output of a segment; images are the input of segment 0.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, channels, height, width]`
    pub fn forward_segment(&self, segment: usize, x: Tensor<4>) -> Tensor<4> {
        self.forward_with_hook(segment, x, &mut no_hook)
    }

    /// The output of a segment; `hook` sees its convolutions and their inputs.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, channels, height, width]`
    pub fn forward_with_hook(&self, segment: usize, x: Tensor<4>, hook: &mut ConvHook<'_>) -> Tensor<4> {
        match self {
            Self::Vgg(network) => network.forward_segment(segment, x, hook),
            Self::ResNet(network) => network.forward_segment(segment, x, hook),
        }
    }

    /// Class scores from the input of a segment, without dropout.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - output: `[batch, classes]`
    pub fn forward_from_segment(&self, segment: usize, x: Tensor<4>) -> Tensor<2> {
        match self {
            Self::Vgg(network) => network.forward_from_segment(segment, x, None),
            Self::ResNet(network) => network.forward_from_segment(segment, x),
        }
    }

    /// The convolutions, which are the layers on crossbars unless others are asked for, in the order of
    /// [`NetworkSpec::conv_shapes`].
    pub fn convolutions(&self) -> Vec<&Conv2d> {
        match self {
            Self::Vgg(network) => network.convolutions().collect(),
            Self::ResNet(network) => network.convolutions(),
        }
    }

    /// The layers that may be quantized: the convolutions, then the fully connected layers.
    pub(crate) fn quantizable_layers(&self) -> Vec<QuantizableLayer<'_>> {
        let linear = match self {
            Self::Vgg(network) => network.linear_layers(),
            Self::ResNet(network) => network.linear_layers(),
        };
        let convolutions = self.convolutions().into_iter().map(QuantizableLayer::Convolution);
        convolutions.chain(linear.into_iter().map(QuantizableLayer::FullyConnected)).collect()
    }

    /// Where the quantizer of each of [`Network::quantizable_layers`] is kept.
    pub(super) fn quantizer_slots(&mut self) -> Vec<&mut Option<LayerQuantizer>> {
        match self {
            Self::Vgg(network) => network.quantizer_slots(),
            Self::ResNet(network) => network.quantizer_slots(),
        }
    }

    /// The quantizer of each of [`Network::quantizable_layers`], if it is quantized.
    pub(crate) fn quantizers(&self) -> Vec<Option<&LayerQuantizer>> {
        match self {
            Self::Vgg(network) => network.quantizers(),
            Self::ResNet(network) => network.quantizers(),
        }
    }
}
