//! Reads layers from a checkpoint and folds batch normalizations into them.
//!
//! A normalization after a convolution scales and shifts each output channel, so the weights can absorb it:
//! `w' = w * g`, `b' = (b - mean) * g + beta`, `g = gamma / sqrt(variance + 1e-5)`. Zero weights stay zero.

use crate::checkpoint::{Checkpoint, InputQuantizer, NamedTensor};
use crate::error::{Error, Result};
use crate::matrix::{Matrix, step_of};

/// The default of PyTorch and Burn.
const EPSILON: f64 = 1e-5;

/// Reads a checkpoint's parameters, and checks that all of them are used.
pub struct ParameterReader<'a> {
    weights: &'a Checkpoint,
    used: Vec<String>,
}

impl<'a> ParameterReader<'a> {
    /// A reader of these weights.
    pub fn new(weights: &'a Checkpoint) -> Self {
        Self { weights, used: Vec::new() }
    }

    /// A layer's weight as a matrix, and its bias, which is zero unless `biased`.
    ///
    /// # Errors
    /// If one is missing, of another shape, or not finite.
    pub fn layer(&mut self, name: &str, shape: &[usize], biased: bool) -> Result<(Matrix, Vec<f32>)> {
        let weight = self.take(format!("{name}.weight"), shape)?;
        let bias = match biased {
            true => self.take(format!("{name}.bias"), &shape[..1])?.data.clone(),
            false => vec![0.0; shape[0]],
        };
        let columns = shape[1..].iter().product();
        let mut matrix = Matrix::new(&*weight.name, shape[0], columns, weight.data.clone())?;
        if let Some(steps) = self.weights.steps(&weight.name) {
            matrix = matrix.with_steps(steps.to_vec())?;
        }
        Ok((matrix, bias))
    }

    /// The quantizer of a layer's inputs that training has learned, if it has.
    ///
    /// # Errors
    /// If its numbers are out of range.
    pub fn input_quantizer(&self, name: &str) -> Result<Option<InputQuantizer>> {
        let quantizers = self.weights.quantizers(&format!("{name}.weight"))?;
        Ok(quantizers.and_then(|quantizers| quantizers.inputs))
    }

    /// Folds a normalization into the layer before it.
    ///
    /// # Errors
    /// If one of its parameters is missing, of another shape, or not finite, or the folded weights are not
    /// finite.
    pub fn fold(&mut self, name: &str, weights: &mut Matrix, bias: &mut [f32]) -> Result<()> {
        let channels = bias.len();
        let mut leaf = |leaf: &str| Ok(&*self.take(format!("{name}.{leaf}"), &[channels])?.data);
        let (gamma, beta) = (leaf("weight")?, leaf("bias")?);
        let (mean, variance) = (leaf("running_mean")?, leaf("running_var")?);
        // Integers stay integers: their steps are folded instead.
        let steps = weights.steps.take();
        let mut folded = Vec::new();
        for (channel, bias) in bias.iter_mut().enumerate() {
            let row = &mut weights.data[channel * weights.cols..][..weights.cols];
            let factor = f64::from(gamma[channel]) / (f64::from(variance[channel]) + EPSILON).sqrt();
            row.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * factor) as f32);
            if let Some(steps) = &steps {
                folded.push((f64::from(step_of(steps, channel)) * factor.abs()) as f32);
            }
            let centred = f64::from(*bias) - f64::from(mean[channel]);
            *bias = (centred * factor + f64::from(beta[channel])) as f32;
        }
        weights.steps = steps.map(|_| folded);
        if weights.data.iter().chain(&*bias).all(|value| value.is_finite()) {
            return Ok(());
        }
        let why = format!("weights are not finite after folding {name}");
        Err(Error::file("loading weights", "", why))
    }

    /// Checks that every parameter was used: one left over belongs to a layer that would be silently
    /// ignored.
    ///
    /// # Errors
    /// Names a parameter that was not used.
    pub fn finish(self) -> Result<()> {
        // PyTorch counts batches for normalizations without a momentum, some writers in floats.
        let is_counter = |tensor: &NamedTensor| tensor.name.ends_with(".num_batches_tracked");
        let known = |tensor: &&NamedTensor| {
            self.used.contains(&tensor.name) || is_counter(tensor) || self.weights.is_quantizer(&tensor.name)
        };
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
            return Err(fail(format!("{name} is {:?}, but the network expects {shape:?}", tensor.shape)));
        }
        if let Some(bad) = tensor.data.iter().find(|value| !value.is_finite()) {
            return Err(fail(format!("{name} holds {bad}")));
        }
        self.used.push(name);
        Ok(tensor)
    }
}
