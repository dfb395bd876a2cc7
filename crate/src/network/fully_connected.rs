//! A fully connected layer, whose inputs may be quantized.

use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::quantizer::LayerQuantizer;
use crate::config::Kernels;

/// A fully connected layer.
#[derive(Module, Debug)]
pub(super) struct FullyConnected {
    pub linear: Linear,
    pub quantizer: Option<LayerQuantizer>,
}

impl FullyConnected {
    /// A layer with zero weights.
    pub fn new((inputs, outputs): (usize, usize), device: &Device) -> Self {
        let linear = LinearConfig::new(inputs, outputs).with_initializer(Initializer::Zeros).init(device);
        Self { linear, quantizer: None }
    }

    /// # Shapes
    /// - `x`: `[batch, in]`
    /// - output: `[batch, out]`
    pub fn forward(&self, x: Tensor<2>, kernels: Kernels) -> Tensor<2> {
        let x = match &self.quantizer {
            Some(quantizer) => {
                let [batch, inputs] = x.dims();
                quantizer.quantize(x.reshape([batch, inputs, 1, 1])).reshape([batch, inputs])
            }
            None => x,
        };
        kernels.linear(&self.linear, x)
    }
}
