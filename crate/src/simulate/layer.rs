//! One layer: its products, and the digital operations after them.

use super::im2col::Window;
use super::pool::Pool;
use super::reference;
use crate::checkpoint::InputQuantizer;
use crate::matrix::Matrix;

/// One layer. Activations are indexed: 0 is the network's input, `n + 1` the output of layer `n`.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedLayer {
    /// The weights, with the normalization folded in.
    pub matrix: Matrix,
    /// One bias for each output.
    pub bias: Vec<f32>,
    /// The window that slides over the input.
    pub window: Window,
    /// Index of the input activation.
    pub input: usize,
    /// Index of the activation that is added to the sums, in a residual block.
    pub add: Option<usize>,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// The poolings that follow, in order.
    pub pools: Vec<Pool>,
    /// Whether the layer is mapped to crossbars.
    pub mapped: bool,
    /// The quantizer of its inputs that training has learned; without one, they are calibrated.
    pub inputs: Option<InputQuantizer>,
}

impl SimulatedLayer {
    /// The digital operations after the products and the bias: addition, ReLU and poolings.
    ///
    /// # Shapes
    /// - `sums` and `added`: `[outputs, side, side]`
    pub fn finish(&self, mut sums: Vec<f32>, added: Option<&[f32]>) -> Vec<f32> {
        if let Some(added) = added {
            sums.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
        }
        if self.relu {
            // Not `max`, which would turn NaN into 0 and hide it.
            sums.iter_mut().filter(|value| **value < 0.0).for_each(|value| *value = 0.0);
        }
        let mut side = self.window.output_side();
        for pool in &self.pools {
            sums = pool.apply(&sums, side);
            side = pool.output_side(side);
        }
        sums
    }

    /// The whole layer in floats, as in training.
    ///
    /// # Shapes
    /// - `input`: `[channels, side, side]` of the window; `added` as in [`SimulatedLayer::finish`]
    pub fn forward(&self, input: &[f32], added: Option<&[f32]>) -> Vec<f32> {
        let mut sums = reference::floats(&self.matrix, &self.window.patches(input, 0.0));
        for (plane, &bias) in sums.chunks_exact_mut(self.window.output_positions()).zip(&self.bias) {
            plane.iter_mut().for_each(|value| *value += bias);
        }
        self.finish(sums, added)
    }
}
