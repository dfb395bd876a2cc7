//! Mixed precision: activations and products in bf16, parameters and what is summed over many values in f32.
//!
//! The parameters stay in f32 (the "master weights") and are cast anew for each pass, within the graph, so that their
//! gradients come back in f32; the optimizer and the regularizer never see 16 bits. Normalizations, averages and the
//! loss are computed in f32, as PyTorch's autocast does (Micikevicius et al. 2018; Kalamkar et al. 2019 for bf16).

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, FloatDType, Tensor};

use super::dropout::Dropout;
use crate::config::Precision;
use crate::network::Network;

/// Class scores in f32 of a training pass in this precision.
///
/// # Shapes
/// - `images`: `[batch, 3, side, side]`
/// - output: `[batch, classes]`
pub fn forward(network: &Network, images: Tensor<4>, dropout: Dropout, precision: Precision) -> Tensor<2> {
    match precision {
        Precision::F32 => network.forward(images, Some(dropout)),
        Precision::Bf16 => {
            let working = network.clone().map(&mut Lower { path: Vec::new() });
            working.forward(images.cast(FloatDType::BF16), Some(dropout)).cast(FloatDType::F32)
        }
    }
}

/// `work` in f32, whatever `x` is in: 16 bits are too few for a sum over many values.
pub(super) fn in_f32<const A: usize, const B: usize>(
    x: Tensor<A>,
    work: impl FnOnce(Tensor<A>) -> Tensor<B>,
) -> Tensor<B> {
    match x.dtype() {
        DType::F32 => work(x),
        lower => work(x.cast(FloatDType::F32)).cast(lower),
    }
}

/// Casts what convolutions and fully connected layers multiply with and add; a copy shares the normalizations'
/// running statistics with the network, so that these go on.
struct Lower {
    path: Vec<String>,
}

impl ModuleMapper for Lower {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.path.last().map(String::as_str) {
            Some("weight" | "bias") => param.map(|value| value.cast(FloatDType::BF16)),
            _ => param,
        }
    }
}
