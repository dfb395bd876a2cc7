//! Our kernels as operations of Burn's backends, with their gradients.
//!
//! `cpu/` has those of Burn's CPU backend, whose loops are in the crate `kernels/`; `gpu/` has shaders for graphics
//! processors. Only float32 tensors on these devices may come here: callers ask [`fits_cpu`] and [`fits_gpu`].

#[cfg(feature = "cpu")]
pub(crate) mod cpu;
#[cfg(feature = "cube")]
pub(crate) mod gpu;

#[cfg(feature = "cube")]
use burn::backend::DispatchDevice;
#[cfg(any(feature = "cpu", feature = "cube"))]
use burn::tensor::{DType, Tensor};

/// Whether our loops for the CPU take this tensor.
#[cfg(feature = "cpu")]
pub(crate) fn fits_cpu<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && x.device().inner() == burn::tensor::Device::flex()
}

/// Whether our shaders take this tensor.
#[cfg(feature = "cube")]
pub(crate) fn fits_gpu<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && matches!(x.device().inner().as_dispatch(), DispatchDevice::Cube(_))
}

/// Stride, padding and groups of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvolutionOptions {
    /// Step in each direction.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Groups of channels that don't mix.
    pub groups: usize,
    /// Whether ReLU follows.
    pub relu: bool,
}

/// Window, stride and padding of a pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Height and width of the window.
    pub window: [usize; 2],
    /// Step in each direction.
    pub stride: [usize; 2],
    /// Pixels on each side that never win.
    pub padding: [usize; 2],
    /// Whether ReLU follows.
    pub relu: bool,
}
