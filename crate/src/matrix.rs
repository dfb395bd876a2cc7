//! The hinge between networks and crossbars: a named matrix of plain floats, no Burn type.

use crate::error::{Error, Result};

/// A layer's weights as a matrix.
///
/// A matrix **row** is an output channel and a matrix **column** an input, as in PyTorch's weight
/// `[out, in * kh * kw]` (row-major). On a crossbar it lies the other way: a crossbar *column*
/// (bit line) is an output, a crossbar *row* (word line) an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// The parameter's name, `features.3.weight`.
    pub name: String,
    /// Outputs.
    pub rows: usize,
    /// Inputs of one output.
    pub cols: usize,
    /// Groups of consecutive outputs with inputs of their own, as in a grouped convolution; 1 for one.
    pub groups: usize,
    /// `rows * cols` weights, row after row.
    pub data: Vec<f32>,
}

impl Matrix {
    /// A matrix of `rows * cols` finite weights.
    ///
    /// # Errors
    /// When the length does not fit the shape, or a weight is NaN or infinite.
    pub fn new(name: impl Into<String>, rows: usize, cols: usize, data: Vec<f32>) -> Result<Self> {
        let name = name.into();
        if rows.checked_mul(cols) != Some(data.len()) {
            let why = format!("{} values do not fill {rows} x {cols}", data.len());
            return Err(Error::layer("reading a layer", name, why));
        }
        if let Some(at) = data.iter().position(|w| !w.is_finite()) {
            let why = format!("weight {at} is {}", data[at]);
            return Err(Error::layer("reading a layer", name, why));
        }
        Ok(Self { name, rows, cols, groups: 1, data })
    }

    /// The same weights with their outputs in `groups` groups, as many of them in each.
    ///
    /// # Errors
    /// When the outputs can't be divided so.
    pub fn grouped(self, groups: usize) -> Result<Self> {
        if groups == 0 || !self.rows.is_multiple_of(groups) {
            let why = format!("{} outputs do not fall into {groups} groups", self.rows);
            return Err(Error::layer("reading a layer", self.name, why));
        }
        Ok(Self { groups, ..self })
    }

    /// The inputs' weights of one output.
    pub fn row(&self, output: usize) -> &[f32] {
        &self.data[output * self.cols..(output + 1) * self.cols]
    }

    /// The same, to change.
    pub fn row_mut(&mut self, output: usize) -> &mut [f32] {
        &mut self.data[output * self.cols..(output + 1) * self.cols]
    }
}
