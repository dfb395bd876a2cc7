//! What a regularizer adds to the loss.

use burn::tensor::Tensor;

/// A regularizer's value for one layer, and its gradient.
pub struct Penalty {
    /// The value, one element.
    pub loss: Tensor<1>,
    /// The gradient, in the shape of the weight: `[out, in, kh, kw]`.
    pub gradient: Tensor<4>,
}
