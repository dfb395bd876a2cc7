//! [`Matrix`]: a layer's weights as plain floats, the type that networks and crossbars share.

use crate::error::{Error, Result};

/// A layer's weights as a matrix.
///
/// A matrix **row** is an output channel and a matrix **column** an input, as in PyTorch's weight
/// `[out, in * kh * kw]` (row-major). On a crossbar it is the other way round: a crossbar *column*
/// (bit line) is an output, a crossbar *row* (word line) an input.
///
/// ```
/// use crossdub::matrix::Matrix;
///
/// // Two output channels of three inputs.
/// let layer = Matrix::new("conv1.weight", 2, 3, vec![0.5, 0.0, -1.0, 0.0, 0.25, 0.0])?;
/// assert_eq!(layer.row(1), [0.0, 0.25, 0.0]);
/// let error = Matrix::new("conv1.weight", 2, 3, vec![0.5]).unwrap_err();
/// assert!(error.to_string().ends_with("1 values do not fill 2 x 3"));
/// # Ok::<(), crossdub::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// The parameter's name, `features.3.weight`.
    pub name: String,
    /// Output channels.
    pub rows: usize,
    /// Inputs of each output.
    pub cols: usize,
    /// Groups of consecutive outputs, each with its own inputs, as in a grouped convolution; usually 1.
    pub groups: usize,
    /// `rows * cols` weights, row by row.
    pub data: Vec<f32>,
    /// Where the weights are integers times a step: the step of each output, or one for all.
    pub steps: Option<Vec<f32>>,
}

impl Matrix {
    /// A matrix of `rows * cols` finite weights.
    ///
    /// # Errors
    /// If the length does not match the shape, or a weight is NaN or infinite.
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
        Ok(Self { name, rows, cols, groups: 1, data, steps: None })
    }

    /// The same weights with the outputs divided into `groups` equal groups.
    ///
    /// # Errors
    /// If the number of outputs is not a multiple of `groups`, or `groups` is 0.
    pub fn grouped(self, groups: usize) -> Result<Self> {
        if groups == 0 || !self.rows.is_multiple_of(groups) {
            let why = format!("{} outputs can't be divided into {groups} groups", self.rows);
            return Err(Error::layer("reading a layer", self.name, why));
        }
        Ok(Self { groups, ..self })
    }

    /// The same weights, which are integers times `steps`: one step for each output, or one for all.
    ///
    /// # Errors
    /// If there is another number of steps.
    pub fn with_steps(self, steps: Vec<f32>) -> Result<Self> {
        if steps.len() != 1 && steps.len() != self.rows {
            let why = format!("{} steps for {} outputs", steps.len(), self.rows);
            return Err(Error::layer("reading a layer", self.name, why));
        }
        Ok(Self { steps: Some(steps), ..self })
    }

    /// The weights of one output: `cols` values.
    pub fn row(&self, output: usize) -> &[f32] {
        &self.data[output * self.cols..(output + 1) * self.cols]
    }

    /// The weights of one output, mutable.
    pub fn row_mut(&mut self, output: usize) -> &mut [f32] {
        &mut self.data[output * self.cols..(output + 1) * self.cols]
    }
}

/// The step of an output, of one step for each or one for all.
pub(crate) fn step_of(steps: &[f32], output: usize) -> f32 {
    steps[if steps.len() == 1 { 0 } else { output }]
}
