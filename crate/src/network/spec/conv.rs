//! One convolution: channels, kernel, stride, and the sizes of its input and output images.

use super::param::ParamSpec;

/// Color planes of an image.
pub const CHANNELS: usize = 3;

/// A convolution on square images, padded by half its kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvSpec {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Width and height of the kernel.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// Width and height of the input, in pixels.
    pub input_side: usize,
    /// Width and height of the output, in pixels.
    pub output_side: usize,
}

impl ConvSpec {
    /// A convolution on images of `side` x `side` pixels.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize, side: usize) -> Self {
        Self { inputs, outputs, kernel, stride, input_side: side, output_side: side.div_ceil(stride) }
    }

    /// Number of output positions: the matrix-vector products one image takes.
    pub fn output_positions(&self) -> u64 {
        (self.output_side as u64).pow(2)
    }

    /// Its weight under this name, `[outputs, inputs, kernel, kernel]`.
    pub(super) fn weight(&self, name: String) -> ParamSpec {
        ParamSpec::convolution(name, [self.outputs, self.inputs, self.kernel, self.kernel])
    }

    /// Values that one image takes in training: the input, and `copies` of the output.
    pub(super) fn activations(&self, copies: u64) -> u64 {
        let square = |side: usize| (side as u64).pow(2);
        square(self.input_side) * self.inputs as u64 + copies * square(self.output_side) * self.outputs as u64
    }
}
