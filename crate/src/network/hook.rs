//! The callback that sees each convolution of a forward pass.

use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

/// Called with each convolution and its input, `[batch, channels, height, width]`, just before it computes. What
/// `register_forward_pre_hook` is in PyTorch.
pub type ConvHook<'a> = dyn FnMut(&Conv2d, &Tensor<4>) + 'a;

/// A hook that does nothing.
pub(super) fn no_hook(_: &Conv2d, _: &Tensor<4>) {}
