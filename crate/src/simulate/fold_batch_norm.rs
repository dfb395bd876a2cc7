//! Reads a checkpoint into layers, batch normalizations folded in.
//!
//! A normalization after a convolution is a factor and a shift of each output channel, so it
//! vanishes in the weights: `w' = w * g`, `b' = (b - mean) * g + beta`, `g = gamma / sqrt(variance + 1e-5)`.
//! Zero weights stay zero.

use crate::checkpoint::{Checkpoint, NamedTensor};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// PyTorch's and Burn's default.
const EPSILON: f64 = 1e-5;

/// A checkpoint of which every parameter must be used.
pub struct ParameterReader<'a> {
    weights: &'a Checkpoint,
    taken: Vec<String>,
}

impl<'a> ParameterReader<'a> {
    /// Reads from these weights.
    pub fn new(weights: &'a Checkpoint) -> Self {
        Self { weights, taken: Vec::new() }
    }

    /// A layer's weight as a matrix, and its bias; zeros where it has none.
    ///
    /// # Errors
    /// When one is missing, of another shape, or not finite.
    pub fn layer(&mut self, name: &str, shape: &[usize], biased: bool) -> Result<(Matrix, Vec<f32>)> {
        let weight = self.take(format!("{name}.weight"), shape)?;
        let bias = match biased {
            true => self.take(format!("{name}.bias"), &shape[..1])?.data.clone(),
            false => vec![0.0; shape[0]],
        };
        let columns = shape[1..].iter().product();
        Ok((Matrix::new(&*weight.name, shape[0], columns, weight.data.clone())?, bias))
    }

    /// Puts a normalization into the layer before it.
    ///
    /// # Errors
    /// When one of its parameters is missing, of another shape, or not finite, or makes weights that are
    /// not.
    pub fn fold(&mut self, name: &str, weights: &mut Matrix, bias: &mut [f32]) -> Result<()> {
        let channels = bias.len();
        let mut leaf = |leaf: &str| Ok(&*self.take(format!("{name}.{leaf}"), &[channels])?.data);
        let (gamma, beta) = (leaf("weight")?, leaf("bias")?);
        let (mean, variance) = (leaf("running_mean")?, leaf("running_var")?);
        for (channel, bias) in bias.iter_mut().enumerate() {
            let row = &mut weights.data[channel * weights.cols..][..weights.cols];
            let factor = f64::from(gamma[channel]) / (f64::from(variance[channel]) + EPSILON).sqrt();
            row.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * factor) as f32);
            let centred = f64::from(*bias) - f64::from(mean[channel]);
            *bias = (centred * factor + f64::from(beta[channel])) as f32;
        }
        if weights.data.iter().chain(&*bias).all(|value| value.is_finite()) {
            return Ok(());
        }
        let why = format!("{name} makes weights that are not finite");
        Err(Error::file("loading weights", "", why))
    }

    /// Ends the reading. A parameter left over belongs to a layer that would silently be left out.
    ///
    /// # Errors
    /// When there is one.
    pub fn finish(self) -> Result<()> {
        let known = |tensor: &&NamedTensor| self.taken.contains(&tensor.name);
        match self.weights.tensors.iter().find(|tensor| !known(tensor)) {
            Some(extra) => {
                let why = format!("the simulated network has no parameter {}", extra.name);
                Err(Error::file("loading weights", "", why))
            }
            None => Ok(()),
        }
    }

    fn take(&mut self, name: String, shape: &[usize]) -> Result<&'a NamedTensor> {
        let fail = |why: String| Error::file("loading weights", "", why);
        let tensor = self.weights.get(&name).ok_or_else(|| fail(format!("parameter {name} is missing")))?;
        if tensor.shape != shape {
            return Err(fail(format!("{name} is {:?} and the network wants {shape:?}", tensor.shape)));
        }
        if let Some(bad) = tensor.data.iter().find(|value| !value.is_finite()) {
            return Err(fail(format!("{name} holds {bad}")));
        }
        self.taken.push(name);
        Ok(tensor)
    }
}
