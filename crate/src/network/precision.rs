//! Mixed precision: activations and products in bf16, parameters and long sums in float32.
//!
//! Parameters stay in float32 (the "master weights") and are cast for each pass within the autodiff graph, so that
//! their gradients come back in float32; the optimizer and the regularizer never see 16 bits. Normalizations, averages
//! and the loss are computed in float32, as in PyTorch's autocast.
//!
//! Sources: Micikevicius et al., "Mixed Precision Training", 2018; Kalamkar et al., "A Study of BFLOAT16 for Deep
//! Learning Training", 2019.

use burn::module::{ModuleMapper, Param};
use burn::tensor::{DType, FloatDType, Tensor};

/// Computes `f` in float32 and casts the result back to the type of `x`: 16 bits are too few for long sums.
pub(super) fn with_f32<const A: usize, const B: usize>(
    x: Tensor<A>,
    f: impl FnOnce(Tensor<A>) -> Tensor<B>,
) -> Tensor<B> {
    match x.dtype() {
        DType::F32 => f(x),
        narrow => f(x.cast(FloatDType::F32)).cast(narrow),
    }
}

/// Casts the weights and biases of convolutions and fully connected layers to bf16. Normalizations stay in float32; the
/// copy shares their running statistics with the original, so that these keep following the batches.
#[derive(Default)]
pub(super) struct CastToBf16 {
    path: Vec<String>,
}

impl ModuleMapper for CastToBf16 {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.path.last().map(String::as_str) {
            // A normalization's parameters are called `gamma`, `beta` and `running_*`.
            Some("weight" | "bias") => param.map(|value| value.cast(FloatDType::BF16)),
            _ => param,
        }
    }
}
