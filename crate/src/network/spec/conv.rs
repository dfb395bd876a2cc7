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
}

impl ConvSpec {
    /// Width and height of the output, in pixels.
    ///
    /// ```
    /// use crossdub::network::spec::ConvSpec;
    ///
    /// // The first convolution of ResNet18, on images of 224 x 224 pixels.
    /// let stem = ConvSpec { inputs: 3, outputs: 64, kernel: 7, stride: 2, input_side: 224 };
    /// assert_eq!((stem.output_side(), stem.output_positions()), (112, 12_544));
    /// ```
    pub fn output_side(&self) -> usize {
        self.input_side.div_ceil(self.stride)
    }

    /// Number of output positions: the matrix-vector products one image takes.
    pub fn output_positions(&self) -> u64 {
        (self.output_side() as u64).pow(2)
    }

    /// Its weight under this name, `[outputs, inputs, kernel, kernel]`.
    pub(super) fn weight(&self, name: String) -> ParamSpec {
        ParamSpec::convolution(name, [self.outputs, self.inputs, self.kernel, self.kernel])
    }

    /// Values that one image takes in training: the input, and `copies` of the output.
    pub(super) fn activations(&self, copies: u64) -> u64 {
        let square = |side: usize| (side as u64).pow(2);
        square(self.input_side) * self.inputs as u64
            + copies * square(self.output_side()) * self.outputs as u64
    }
}
