//! A VGG network as text: `"32 M 64 M 128 M"` and the widths of its hidden classifier layers.

use crate::data::SIDE;
use crate::error::{Error, Result};
use crate::spec::RunSpec;

/// Color planes of an image.
pub const CHANNELS: usize = 3;
/// The largest width of a layer.
const MAX_WIDTH: usize = 16_384;
/// The most convolutions.
const MAX_CONVOLUTIONS: usize = 64;

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

/// A checked VGG plan for 32 x 32 colour images.
#[derive(Debug, Clone, PartialEq)]
pub struct VggPlan {
    /// The convolutions, in order.
    pub stages: Vec<Stage>,
    /// Widths of the hidden fully connected layers.
    pub hidden: Vec<usize>,
    /// Whether a batch normalization follows each convolution.
    pub batch_norm: bool,
    /// Dropout after each hidden fully connected layer.
    pub dropout: f64,
    /// Number of classes.
    pub classes: usize,
}

impl VggPlan {
    /// Reads the network of a run.
    ///
    /// # Errors
    /// When the plan or classifier can't be read, pools the image away, or is too large to name.
    pub fn of(spec: &RunSpec, classes: usize) -> Result<Self> {
        let stages = stages(&spec.plan, spec.batch_norm)?;
        let hidden = spec
            .classifier
            .split([',', ' '])
            .filter(|word| !word.is_empty())
            .map(|word| width("classifier", word))
            .collect::<Result<Vec<_>>>()?;
        if hidden.len() > MAX_CONVOLUTIONS {
            return Err(Error::field("classifier", &spec.classifier, "takes at most 64 layers"));
        }
        Ok(Self { stages, hidden, batch_norm: spec.batch_norm, dropout: spec.dropout, classes })
    }

    /// Values that the last stage hands to the classifier.
    pub fn flat(&self) -> usize {
        self.stages.last().map_or(0, |last| {
            let side = if last.pool { last.side / 2 } else { last.side };
            last.outputs * side * side
        })
    }

    /// Input and output width of each fully connected layer.
    pub fn linear_layers(&self) -> Vec<(usize, usize)> {
        let widths: Vec<usize> =
            [self.flat()].into_iter().chain(self.hidden.iter().copied()).chain([self.classes]).collect();
        widths.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// Number of parameters.
    pub fn parameters(&self) -> u64 {
        let norm = if self.batch_norm { 4 } else { 0 };
        let convolutions = self.stages.iter().map(|s| (s.inputs * 9 + 1 + norm) as u64 * s.outputs as u64);
        let linear = self.linear_layers().into_iter().map(|(i, o)| (i as u64 + 1) * o as u64);
        convolutions.sum::<u64>() + linear.sum::<u64>()
    }

    /// Bytes that training needs at least, before anything is allocated: each parameter with its
    /// gradient, momentum and one temporary, and for each image the input, output and activation
    /// of every convolution with their gradients.
    pub fn training_bytes(&self, batch: usize) -> u64 {
        let cells = |s: &Stage| (s.side * s.side * (s.inputs + 2 * s.outputs)) as u64;
        let image: u64 = self.stages.iter().map(cells).sum();
        4 * (4 * self.parameters() + 2 * batch as u64 * image)
    }

    /// Refuses a network that does not fit `limit` bytes of memory.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_memory(&self, batch: usize, limit: u64) -> Result<()> {
        let needed = self.training_bytes(batch);
        if needed <= limit {
            return Ok(());
        }
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let why = format!(
            "training it with batch {batch} needs about {} MiB and {} MiB are there",
            mib(needed),
            mib(limit)
        );
        Err(Error::field("plan", format!("{} parameters", self.parameters()), why))
    }
}

fn stages(plan: &str, batch_norm: bool) -> Result<Vec<Stage>> {
    let refuse = |why: &str| Err(Error::field("plan", plan, why));
    let mut stages: Vec<Stage> = Vec::new();
    let (mut side, mut inputs, mut index) = (SIDE, CHANNELS, 0);
    for word in plan.split_whitespace() {
        if word.eq_ignore_ascii_case("m") {
            match stages.last_mut() {
                None => return refuse("starts with a pooling"),
                Some(stage) if stage.pool => return refuse("has two poolings in a row"),
                Some(_) if side < 2 => return refuse("pools a 32 x 32 image away: at most five M"),
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
        _ => Ok(stages),
    }
}

fn width(field: &'static str, word: &str) -> Result<usize> {
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

    fn plan(text: &str) -> Result<VggPlan> {
        VggPlan::of(&RunSpec { plan: text.to_owned(), ..RunSpec::default() }, 10)
    }

    fn named(name: &str) -> VggPlan {
        let mut spec = RunSpec::default();
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
    fn a_network_too_large_is_refused_by_arithmetic() {
        let huge = plan(&"16384 ".repeat(64)).expect("a plan");
        assert!(huge.check_memory(65_536, 1 << 40).is_err());
        assert!(named("vgg11").check_memory(128, 2 << 30).is_ok());
    }
}
