//! A VGG network as text: `"32 M 64 M 128 M"` and the widths of its hidden classifier layers.
//!
//! `A7` at the end of a plan averages what is left to 7 x 7, whatever the image's size, as
//! torchvision's VGGs do.

use super::param_spec::{Blank, Fill};
use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::network::torch_leaf;

/// Color planes of an image.
pub const CHANNELS: usize = 3;
/// The largest width of a layer.
const MAX_WIDTH: usize = 16_384;
/// The most convolutions.
const MAX_CONVOLUTIONS: usize = 64;
/// The largest side that is averaged to.
const MAX_AVERAGE: usize = 16;

/// A convolution of 3 x 3, padded by 1, with what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Width and height of its input and output.
    pub side: usize,
    /// Whether a 2 x 2 maximum pooling follows.
    pub pool: bool,
    /// The convolution's place in PyTorch's `features`, where each layer has a number.
    pub index: usize,
}

/// A checked VGG plan for square colour images.
#[derive(Debug, Clone, PartialEq)]
pub struct VggPlan {
    /// The convolutions, in order.
    pub stages: Vec<Stage>,
    /// Width and height that the last stage's output is averaged to.
    pub average: Option<usize>,
    /// Widths of the hidden fully connected layers.
    pub hidden: Vec<usize>,
    /// Whether a batch normalization follows each convolution.
    pub batch_norm: bool,
    /// Dropout after each hidden fully connected layer.
    pub dropout: f64,
    /// Number of classes.
    pub classes: usize,
    /// Width and height of an image.
    pub side: usize,
}

impl VggPlan {
    /// Reads the network of a run.
    ///
    /// # Errors
    /// When the plan or classifier can't be read, pools the image away, or is too large to name.
    pub fn of(spec: &TrainConfig, classes: usize) -> Result<Self> {
        let side = spec.input_side();
        let (stages, average) = stages(&spec.plan, spec.batch_norm, side)?;
        let hidden = spec
            .classifier
            .split([',', ' '])
            .filter(|word| !word.is_empty())
            .map(|word| width("classifier", word))
            .collect::<Result<Vec<_>>>()?;
        if hidden.len() > MAX_CONVOLUTIONS {
            return Err(Error::field("classifier", &spec.classifier, "takes at most 64 layers"));
        }
        let (batch_norm, dropout) = (spec.batch_norm, spec.dropout);
        Ok(Self { stages, average, hidden, batch_norm, dropout, classes, side })
    }

    /// Values that the last stage hands to the classifier.
    pub fn flat(&self) -> usize {
        self.stages.last().map_or(0, |last| {
            let left = if last.pool { last.side / 2 } else { last.side };
            let side = self.average.unwrap_or(left);
            last.outputs * side * side
        })
    }

    /// Input and output width of each fully connected layer.
    pub fn linear_layers(&self) -> Vec<(usize, usize)> {
        let widths: Vec<usize> =
            [self.flat()].into_iter().chain(self.hidden.iter().copied()).chain([self.classes]).collect();
        widths.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// Its parameters under PyTorch's names.
    pub fn blanks(&self) -> Vec<Blank> {
        let mut blanks = Vec::new();
        for stage in &self.stages {
            let name = format!("features.{}", stage.index);
            let shape = [stage.outputs, stage.inputs, 3, 3];
            blanks.push(Blank::convolution(format!("{name}.weight"), shape));
            blanks.push(Blank::constant(format!("{name}.bias"), stage.outputs, 0.0));
            if self.batch_norm {
                blanks.extend(Blank::normalization(&format!("features.{}", stage.index + 1), stage.outputs));
            }
        }
        for (at, (inputs, outputs)) in self.linear_layers().into_iter().enumerate() {
            let name = format!("classifier.{}", 3 * at);
            let (shape, fill) = (vec![outputs, inputs], Fill::Normal(0.01));
            blanks.push(Blank { name: format!("{name}.weight"), shape, fill });
            blanks.push(Blank::constant(format!("{name}.bias"), outputs, 0.0));
        }
        blanks
    }

    /// Values that one image takes while training: input, output and activation of every convolution.
    pub(super) fn image_values(&self) -> u64 {
        let values = |s: &Stage| (s.side * s.side * (s.inputs + 2 * s.outputs)) as u64;
        self.stages.iter().map(values).sum()
    }

    /// PyTorch's name of the parameter at a path through [`super::vgg::Vgg`], such as
    /// `features.1.conv.weight` or `features.1.norm.gamma`.
    pub(super) fn torch_name(&self, path: &[&str]) -> String {
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        match path {
            ["features", block, part, name] => {
                let index = self.stages[number(block)].index + usize::from(*part == "norm");
                format!("features.{index}.{}", torch_leaf(name))
            }
            // Each hidden layer is followed by a ReLU and a dropout, which have numbers too.
            ["classifier", layer, name] => format!("classifier.{}.{name}", 3 * number(layer)),
            _ => path.join("."),
        }
    }
}

/// The convolutions of a plan, and the width that the last one's output is averaged to.
fn stages(plan: &str, batch_norm: bool, image: usize) -> Result<(Vec<Stage>, Option<usize>)> {
    let refuse = |why: &str| Err(Error::field("plan", plan, why));
    let mut stages: Vec<Stage> = Vec::new();
    let (mut side, mut inputs, mut index, mut average) = (image, CHANNELS, 0, None);
    for word in plan.split_whitespace() {
        if average.is_some() {
            return refuse("goes on after its average");
        }
        if let Some(to) = word.strip_prefix('A') {
            average = to.parse().ok().filter(|to| (1..=MAX_AVERAGE).contains(to));
            if average.is_none() {
                return refuse("takes an average of 1 to 16, such as A7");
            }
            continue;
        }
        if word.eq_ignore_ascii_case("m") {
            match stages.last_mut() {
                None => return refuse("starts with a pooling"),
                Some(stage) if stage.pool => return refuse("has two poolings in a row"),
                Some(_) if side < 2 => return refuse(&format!("pools a {image} x {image} image away")),
                Some(stage) => stage.pool = true,
            }
            side /= 2;
            index += 1;
            continue;
        }
        let outputs = width("plan", word)?;
        stages.push(Stage { inputs, outputs, side, pool: false, index });
        inputs = outputs;
        // Convolution and ReLU, and the normalization between them, each have a number.
        index += if batch_norm { 3 } else { 2 };
    }
    match stages.len() {
        0 => refuse("has no convolution"),
        n if n > MAX_CONVOLUTIONS => refuse("has more than 64 convolutions"),
        _ => Ok((stages, average)),
    }
}

/// A layer's width.
pub(super) fn width(field: &'static str, word: &str) -> Result<usize> {
    match word.parse() {
        Ok(width) if (1..=MAX_WIDTH).contains(&width) => Ok(width),
        _ => Err(Error::field(
            field,
            word,
            format!("takes widths of 1 to {MAX_WIDTH}, and M in the plan for a pooling"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Plan;

    fn plan(text: &str) -> Result<VggPlan> {
        VggPlan::of(&TrainConfig { plan: text.to_owned(), ..TrainConfig::default() }, 10)
    }

    fn named(name: &str) -> VggPlan {
        let mut spec = TrainConfig::default();
        spec.set_model(name).expect("known");
        VggPlan::of(&spec, 10).expect("valid")
    }

    #[test]
    fn vgg11_has_its_published_size() {
        let vgg11 = named("vgg11");
        let weights: usize = vgg11.stages.iter().map(|s| s.inputs * s.outputs * 9).sum();
        assert_eq!(weights, 9_217_728);
        assert_eq!(vgg11.flat(), 512);
        assert_eq!(vgg11.stages.iter().map(|s| s.index).collect::<Vec<_>>(), [0, 3, 6, 8, 11, 13, 16, 18]);
        assert_eq!(named("vgg11_bn").stages[1].index, 4);
        assert_eq!(named("vgg16").stages.len(), 13);
        assert_eq!(named("vgg-small").linear_layers(), [(2048, 128), (128, 10)]);
    }

    #[test]
    fn plans_that_make_no_network_are_refused() {
        for bad in ["", "M", "8 M M", "8 M 8 M 8 M 8 M 8 M 8 M", "8 x", "0", "99999999999999999999"] {
            assert!(plan(bad).is_err(), "{bad:?}");
        }
        assert_eq!(plan("8 M 8 M 8 M 8 M 8 M").map(|p| p.flat()), Ok(8));
    }

    #[test]
    fn an_average_ends_a_plan() {
        assert_eq!(plan("8 M 8 A7").map(|p| p.flat()), Ok(8 * 7 * 7));
        for bad in ["A7", "8 A7 8", "8 A0", "8 A17", "8 Ax", "8 A7 A7"] {
            assert!(plan(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_network_too_large_is_refused_by_arithmetic() {
        let huge = Plan::Vgg(plan(&"16384 ".repeat(64)).expect("a plan"));
        assert!(huge.check_memory(65_536, 1 << 40).is_err());
        assert!(Plan::Vgg(named("vgg11")).check_memory(128, 2 << 30).is_ok());
    }
}
