//! The layers that may be quantized, with their weights in one layout.

use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

/// A layer that may be quantized. Its weight is `[out, in, kh, kw]`, as its matrix has it; that of a fully connected
/// layer, which Burn keeps as `[in, out]`, is `[out, in, 1, 1]`.
#[derive(Clone, Copy)]
pub(crate) enum QuantizableLayer<'a> {
    Convolution(&'a Conv2d),
    FullyConnected(&'a Linear),
}

impl QuantizableLayer<'_> {
    /// Its weight, without autodiff.
    pub fn weight(self) -> Tensor<4> {
        match self {
            Self::Convolution(layer) => layer.weight.val().inner(),
            Self::FullyConnected(layer) => outputs_first(layer.weight.val().inner()),
        }
    }

    /// Takes out what is kept for its weight, such as its gradient.
    pub fn take(self, state: &mut GradientsParams) -> Option<Tensor<4>> {
        match self {
            Self::Convolution(layer) => state.remove::<4>(layer.weight.id),
            Self::FullyConnected(layer) => state.remove::<2>(layer.weight.id).map(outputs_first),
        }
    }

    /// Keeps something for its weight.
    ///
    /// # Shapes
    /// - `tensor`: that of [`QuantizableLayer::weight`]
    pub fn put(self, state: &mut GradientsParams, tensor: Tensor<4>) {
        match self {
            Self::Convolution(layer) => state.register(layer.weight.id, tensor),
            Self::FullyConnected(layer) => {
                let [outputs, inputs, ..] = tensor.dims();
                state.register(layer.weight.id, tensor.reshape([outputs, inputs]).transpose());
            }
        }
    }

    /// Keeps values for its weight, in the order of its matrix.
    pub fn put_values(self, state: &mut GradientsParams, values: Vec<f32>) {
        let (shape, device) = match self {
            Self::Convolution(layer) => (layer.weight.val().dims(), layer.weight.val().device()),
            Self::FullyConnected(layer) => {
                let [inputs, outputs] = layer.weight.val().dims();
                ([outputs, inputs, 1, 1], layer.weight.val().device())
            }
        };
        self.put(state, Tensor::from_data(TensorData::new(values, shape), &device.without_autodiff()));
    }
}

/// `[in, out]` as `[out, in, 1, 1]`.
fn outputs_first(weight: Tensor<2>) -> Tensor<4> {
    let [inputs, outputs] = weight.dims();
    weight.transpose().reshape([outputs, inputs, 1, 1])
}
