//! The network that is simulated: layers of plain numbers, batch normalizations folded in.
//!
//! A normalization after a convolution is a factor and a shift of each output channel, so it
//! vanishes in the weights: `w' = w * g`, `b' = (b - mean) * g + beta`, `g = gamma / sqrt(variance + 1e-5)`.
//! Zero weights stay zero. Biases are added digitally.

use super::digital;
use super::window::Window;
use crate::data::SIDE;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::model::network::Plan;
use crate::model::plan::VggPlan;
use crate::weights::{NamedTensor, Weights};

/// PyTorch's and Burn's default.
const EPSILON: f64 = 1e-5;

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Its weights, the normalization folded in.
    pub matrix: Matrix,
    /// One for each output.
    pub bias: Vec<f32>,
    /// What it slides over its input.
    pub window: Window,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// Whether a 2 x 2 maximum pooling follows.
    pub pool: bool,
    /// Whether it lies on crossbars.
    pub mapped: bool,
}

impl Layer {
    /// What follows the layer's sums: ReLU and pooling.
    ///
    /// # Shapes
    /// - `sums`: `[outputs, side, side]`
    pub fn finish(&self, mut sums: Vec<f32>) -> Vec<f32> {
        if self.relu {
            // Not `max`, which would turn NaN into 0 and hide it.
            sums.iter_mut().filter(|value| **value < 0.0).for_each(|value| *value = 0.0);
        }
        if self.pool { pooled(&sums, self.window.output_side()) } else { sums }
    }

    /// The layer in floats, as the network was trained.
    pub fn forward(&self, input: &[f32]) -> Vec<f32> {
        let mut sums = digital::floats(&self.matrix, &self.window.patches(input, 0.0));
        for (plane, &bias) in sums.chunks_exact_mut(self.window.positions()).zip(&self.bias) {
            plane.iter_mut().for_each(|value| *value += bias);
        }
        self.finish(sums)
    }
}

/// The largest of every 2 x 2 values; a last odd row and column are left out, as PyTorch does.
fn pooled(planes: &[f32], side: usize) -> Vec<f32> {
    let half = side / 2;
    let mut pooled = Vec::with_capacity(planes.len() / 4);
    for plane in planes.chunks_exact(side * side) {
        for (y, x) in (0..half).flat_map(|y| (0..half).map(move |x| (2 * y, 2 * x))) {
            let at = |dy: usize, dx: usize| plane[(y + dy) * side + x + dx];
            pooled.push(at(0, 0).max(at(0, 1)).max(at(1, 0)).max(at(1, 1)));
        }
    }
    pooled
}

/// The layers of a network, in order; with `linear` the fully connected ones lie on crossbars too.
///
/// # Errors
/// When the network has layers that are not simulated, or a parameter is missing, superfluous, of
/// another shape or not finite.
pub fn layers(plan: &Plan, weights: &Weights, linear: bool) -> Result<Vec<Layer>> {
    let plan = supported(plan)?;
    let mut source = Source { weights, taken: Vec::new() };
    let mut layers = Vec::new();
    for stage in &plan.stages {
        let shape = [stage.outputs, stage.inputs, 3, 3];
        let (weight, mut bias) = source.parameters(&format!("features.{}", stage.index), &shape)?;
        let mut data = weight.data.clone();
        if plan.batch_norm {
            let name = format!("features.{}", stage.index + 1);
            fold(&mut data, &mut bias, &source.normalization(&name, stage.outputs)?);
        }
        layers.push(Layer {
            matrix: Matrix::new(&*weight.name, stage.outputs, stage.inputs * 9, data)?,
            bias,
            window: Window { channels: stage.inputs, side: stage.side, kernel: 3, padding: 1 },
            relu: true,
            pool: stage.pool,
            mapped: true,
        });
    }
    let last = plan.linear_layers().len() - 1;
    for (at, (inputs, outputs)) in plan.linear_layers().into_iter().enumerate() {
        let (weight, bias) = source.parameters(&format!("classifier.{}", 3 * at), &[outputs, inputs])?;
        layers.push(Layer {
            matrix: Matrix::new(&*weight.name, outputs, inputs, weight.data.clone())?,
            bias,
            window: Window::linear(inputs),
            relu: at < last,
            pool: false,
            mapped: linear,
        });
    }
    source.finish()?;
    Ok(layers)
}

/// The plan of a network whose layers are all simulated.
fn supported(plan: &Plan) -> Result<&VggPlan> {
    match plan {
        Plan::ResNet(_) => {
            Err(Error::field("model", "a ResNet", "simulated are VGGs; residual blocks are not"))
        }
        Plan::Vgg(plan) if plan.average.is_some() => {
            Err(Error::field("plan", "A", "simulated are VGGs without average pooling"))
        }
        Plan::Vgg(plan) if plan.side != SIDE => {
            let why = format!("simulated are networks for {SIDE} x {SIDE} images");
            Err(Error::field("model", format!("images of {0} x {0}", plan.side), why))
        }
        Plan::Vgg(plan) => Ok(plan),
    }
}

/// Gamma, beta, mean and variance of each channel.
type Normalization<'a> = [&'a [f32]; 4];

/// Puts a normalization into the weights and biases before it.
fn fold(weights: &mut [f32], bias: &mut [f32], [gamma, beta, mean, variance]: &Normalization<'_>) {
    let inputs = weights.len() / bias.len();
    for (channel, (row, bias)) in weights.chunks_exact_mut(inputs).zip(bias).enumerate() {
        let factor = f64::from(gamma[channel]) / (f64::from(variance[channel]) + EPSILON).sqrt();
        row.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * factor) as f32);
        let centred = f64::from(*bias) - f64::from(mean[channel]);
        *bias = (centred * factor + f64::from(beta[channel])) as f32;
    }
}

/// A checkpoint of which every parameter must be used.
struct Source<'a> {
    weights: &'a Weights,
    taken: Vec<String>,
}

impl<'a> Source<'a> {
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

    fn parameters(&mut self, layer: &str, shape: &[usize]) -> Result<(&'a NamedTensor, Vec<f32>)> {
        let weight = self.take(format!("{layer}.weight"), shape)?;
        Ok((weight, self.take(format!("{layer}.bias"), &shape[..1])?.data.clone()))
    }

    fn normalization(&mut self, layer: &str, channels: usize) -> Result<Normalization<'a>> {
        let mut leaf = |leaf: &str| Ok(&*self.take(format!("{layer}.{leaf}"), &[channels])?.data);
        Ok([leaf("weight")?, leaf("bias")?, leaf("running_mean")?, leaf("running_var")?])
    }

    /// A parameter left over belongs to a layer that would silently be left out.
    fn finish(self) -> Result<()> {
        let known = |tensor: &&NamedTensor| self.taken.contains(&tensor.name);
        match self.weights.tensors.iter().find(|tensor| !known(tensor)) {
            Some(extra) => {
                let why = format!("the simulated network has no parameter {}", extra.name);
                Err(Error::file("loading weights", "", why))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::initialize::initialize;
    use crate::spec::RunSpec;

    fn plan(batch_norm: bool) -> Plan {
        let (plan, classifier) = ("4 M 6".to_owned(), "5".to_owned());
        Plan::of(&RunSpec { plan, classifier, batch_norm, ..RunSpec::default() }, 3).expect("valid")
    }

    #[test]
    fn a_folded_normalization_gives_what_the_two_gave() {
        let plan = plan(true);
        let mut weights = initialize(&plan, 1);
        for tensor in &mut weights.tensors {
            let own: &[f32] = match tensor.name.as_str() {
                "features.1.weight" => &[2.0, -1.0, 0.0, 0.5],
                "features.1.running_var" => &[4.0, 1.0, 9.0, 0.25],
                "features.1.running_mean" => &[1.0, 2.0, 3.0, 4.0],
                "features.1.bias" | "features.0.bias" => &[0.1, 0.2, 0.3, 0.4],
                _ => continue,
            };
            tensor.data = own.to_vec();
        }
        let layer = &layers(&plan, &weights, false).expect("fits")[0];
        let before = weights.get("features.0.weight").expect("there");
        let ratio = f64::from(layer.matrix.row(0)[5]) / f64::from(before.data[5]);
        assert!((ratio - 2.0 / 4.000_01_f64.sqrt()).abs() < 1e-6);
        assert!(layer.matrix.row(2).iter().all(|&w| w == 0.0));
        // (0.2 - 2) * -1 / sqrt(1.00001) + 0.2
        assert!((layer.bias[1] - 1.999_991).abs() < 1e-5, "{:?}", layer.bias);
    }

    #[test]
    fn layers_follow_one_another() {
        let layers = layers(&plan(false), &initialize(&plan(false), 1), true).expect("fits");
        let mut values = vec![0.5; 3 * 1024];
        let mut sizes = Vec::new();
        for layer in &layers {
            values = layer.forward(&values);
            sizes.push(values.len());
        }
        assert_eq!(sizes, [4 * 256, 6 * 256, 5, 3]);
        assert!(layers[3].mapped && !layers[3].relu && layers[2].relu);
        assert_eq!(pooled(&[1.0, 5.0, 2.0, 0.0, 3.0, 4.0, 7.0, 8.0, 9.0], 3), [5.0]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let whole = initialize(&plan(false), 1);
        let refuse = |change: &dyn Fn(&mut Vec<NamedTensor>)| {
            let mut tensors = whole.tensors.clone();
            change(&mut tensors);
            let refused = layers(&plan(false), &Weights::new(tensors), false);
            refused.err().map(|why| why.to_string()).unwrap_or_default()
        };
        assert!(refuse(&|t| drop(t.remove(0))).contains("classifier.0.bias is missing"));
        assert!(refuse(&|t| t[0].data[1] = f32::INFINITY).contains("classifier.0.bias holds inf"));
        assert!(refuse(&|t| t[0].shape = vec![1]).contains("classifier.0.bias is [1]"));
        let (text, classifier) = ("basic 2x4".to_owned(), String::new());
        let resnet = RunSpec { plan: text, classifier, ..RunSpec::default() };
        let average = RunSpec { plan: "4 M A7".to_owned(), ..RunSpec::default() };
        for (spec, named) in [(average, "average"), (resnet, "residual")] {
            let plan = Plan::of(&spec, 3).expect("a network");
            let refused = layers(&plan, &whole, false).err().map(|why| why.to_string());
            assert!(refused.unwrap_or_default().contains(named), "{named}");
        }
        let extra = |t: &mut Vec<NamedTensor>| t.push(NamedTensor { name: "se.fc".into(), ..t[0].clone() });
        assert!(refuse(&extra).contains("no parameter se.fc"));
    }
}
