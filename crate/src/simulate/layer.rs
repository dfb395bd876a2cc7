//! One layer: its products, and what follows them digitally.

use super::im2col::Window;
use super::pool::Pool;
use super::reference;
use crate::matrix::Matrix;

/// One layer. Places count the values of a network: 0 is its images, `n + 1` what layer `n` gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Its weights, the normalization folded in.
    pub matrix: Matrix,
    /// One for each output.
    pub bias: Vec<f32>,
    /// What it slides over its input.
    pub window: Window,
    /// The place of its input.
    pub input: usize,
    /// The place of what is added to its sums: a residual block's other way.
    pub add: Option<usize>,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// The poolings behind it, in order.
    pub pools: Vec<Pool>,
    /// Whether it lies on crossbars.
    pub mapped: bool,
}

impl Layer {
    /// What follows the layer's products and bias: addition, ReLU and poolings.
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

    /// The layer in floats, as the network was trained.
    ///
    /// # Shapes
    /// - `input`: `[channels, side, side]` of the window; `added` as in [`Layer::finish`]
    pub fn forward(&self, input: &[f32], added: Option<&[f32]>) -> Vec<f32> {
        let mut sums = reference::floats(&self.matrix, &self.window.patches(input, 0.0));
        for (plane, &bias) in sums.chunks_exact_mut(self.window.positions()).zip(&self.bias) {
            plane.iter_mut().for_each(|value| *value += bias);
        }
        self.finish(sums, added)
    }
}
