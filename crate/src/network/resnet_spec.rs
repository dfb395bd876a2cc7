//! A ResNet as text: the kind of its blocks, then how many of which width stand in each stage,
//! `"basic 2x64 2x128 2x256 2x512"` for ResNet18.

use super::param_spec::{Blank, Fill};
use super::spec::{CHANNELS, width};
use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::network::torch_leaf;

/// The most blocks of a stage and stages of a network.
const MAX_BLOCKS: usize = 64;
const MAX_STAGES: usize = 8;

/// The kind of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Two convolutions of 3 x 3.
    Basic,
    /// Convolutions of 1 x 1, 3 x 3, 1 x 1, the last one four times as wide.
    Bottleneck,
}

/// A convolution with the normalization behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvPlan {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Width and height of its window; it is padded by half of it.
    pub kernel: usize,
    /// Step of its window.
    pub stride: usize,
    /// Width and height of its input.
    pub before: usize,
    /// Width and height of its output.
    pub side: usize,
}

/// A residual block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPlan {
    /// The convolutions, in order.
    pub convolutions: Vec<ConvPlan>,
    /// What brings the block's input to the shape of its output, where that differs.
    pub downsample: Option<ConvPlan>,
}

/// A checked ResNet plan (He et al. 2016, with torchvision's names and stride in the 3 x 3).
#[derive(Debug, Clone, PartialEq)]
pub struct ResNetPlan {
    /// The first convolution, 7 x 7, followed by a pooling that halves the image again.
    pub stem: ConvPlan,
    /// The blocks of each stage.
    pub stages: Vec<Vec<BlockPlan>>,
    /// Number of classes.
    pub classes: usize,
    /// Width and height of an image.
    pub side: usize,
}

impl ResNetPlan {
    /// Whether a plan is a ResNet's.
    pub fn is_meant(plan: &str) -> bool {
        plan.split_whitespace().next().is_some_and(|word| kind(word).is_some())
    }

    /// Reads the network of a run.
    ///
    /// # Errors
    /// When the plan can't be read or is too large to name.
    pub fn of(spec: &TrainConfig, classes: usize) -> Result<Self> {
        let refuse = |why: &str| Err(Error::field("plan", &spec.plan, why));
        let mut words = spec.plan.split_whitespace();
        let Some(kind) = words.next().and_then(kind) else { return refuse("takes basic or bottleneck") };
        let counts = words.map(stage).collect::<Result<Vec<_>>>()?;
        if counts.is_empty() || counts.len() > MAX_STAGES {
            return refuse("takes 1 to 8 stages after the kind of its blocks, such as 2x64");
        }
        if !spec.classifier.trim().is_empty() {
            let why = "a ResNet has no hidden fully connected layer";
            return Err(Error::field("classifier", &spec.classifier, why));
        }
        let side = spec.input_side();
        let stem = ConvPlan::new(CHANNELS, counts[0].1, 7, 2, side);
        let (mut inputs, mut at) = (stem.outputs, halved(stem.side));
        let mut stages = Vec::new();
        for (number, (blocks, width)) in counts.into_iter().enumerate() {
            let mut stage = Vec::new();
            for block in 0..blocks {
                let stride = if number > 0 && block == 0 { 2 } else { 1 };
                let plan = BlockPlan::new(kind, inputs, width, stride, at);
                (inputs, at) = (plan.outputs(), plan.side());
                stage.push(plan);
            }
            stages.push(stage);
        }
        Ok(Self { stem, stages, classes, side })
    }

    /// Channels that the last stage hands to the fully connected layer.
    pub fn features(&self) -> usize {
        let last = self.stages.last().and_then(|stage| stage.last());
        last.map_or(self.stem.outputs, BlockPlan::outputs)
    }

    /// Its parameters under torchvision's names.
    pub fn blanks(&self) -> Vec<Blank> {
        let mut blanks = Vec::new();
        self.stem.blanks("conv1", "bn1", &mut blanks);
        for (stage, blocks) in self.stages.iter().enumerate() {
            for (block, plan) in blocks.iter().enumerate() {
                let at = format!("layer{}.{block}", stage + 1);
                for (number, convolution) in plan.convolutions.iter().enumerate() {
                    let (conv, norm) = (format!("{at}.conv{}", number + 1), format!("{at}.bn{}", number + 1));
                    convolution.blanks(&conv, &norm, &mut blanks);
                }
                if let Some(downsample) = &plan.downsample {
                    let (conv, norm) = (format!("{at}.downsample.0"), format!("{at}.downsample.1"));
                    downsample.blanks(&conv, &norm, &mut blanks);
                }
            }
        }
        let features = self.features();
        let fill = Fill::Uniform(1.0 / (features as f64).sqrt());
        blanks.push(Blank { name: "fc.weight".to_owned(), shape: vec![self.classes, features], fill });
        blanks.push(Blank { name: "fc.bias".to_owned(), shape: vec![self.classes], fill });
        blanks
    }

    /// The convolutions, a block's own before what brings its input to its shape.
    pub fn convolutions(&self) -> impl Iterator<Item = &ConvPlan> {
        let blocks = self.stages.iter().flatten();
        let convolutions = blocks.flat_map(|block| block.convolutions.iter().chain(&block.downsample));
        [&self.stem].into_iter().chain(convolutions)
    }

    /// Values that one image takes while training: input, output, normalization and activation of
    /// every convolution.
    pub(super) fn image_values(&self) -> u64 {
        self.convolutions().map(ConvPlan::image_values).sum()
    }

    /// torchvision's name of the parameter at a path through [`super::resnet::ResNet`].
    pub(super) fn torch_name(&self, path: &[&str]) -> String {
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        match path {
            ["stem", part, name] => {
                let part = if *part == "norm" { "bn1" } else { "conv1" };
                format!("{part}.{}", torch_leaf(name))
            }
            ["stages", stage, "blocks", block, "convolutions", convolution, part, name] => {
                let part = if *part == "norm" { "bn" } else { "conv" };
                let (stage, convolution) = (number(stage) + 1, number(convolution) + 1);
                format!("layer{stage}.{block}.{part}{convolution}.{}", torch_leaf(name))
            }
            ["stages", stage, "blocks", block, "downsample", part, name] => {
                let part = usize::from(*part == "norm");
                format!("layer{}.{block}.downsample.{part}.{}", number(stage) + 1, torch_leaf(name))
            }
            _ => path.join("."),
        }
    }
}

impl ConvPlan {
    /// A convolution on images of `side`, padded by half its window.
    fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize, side: usize) -> Self {
        Self { inputs, outputs, kernel, stride, before: side, side: side.div_ceil(stride) }
    }

    fn blanks(&self, conv: &str, norm: &str, blanks: &mut Vec<Blank>) {
        let shape = [self.outputs, self.inputs, self.kernel, self.kernel];
        blanks.push(Blank::convolution(format!("{conv}.weight"), shape));
        blanks.extend(Blank::normalization(norm, self.outputs));
    }

    fn image_values(&self) -> u64 {
        let square = |side: usize| (side as u64).pow(2);
        let (before, after) = (square(self.before), square(self.side));
        before * self.inputs as u64 + 3 * after * self.outputs as u64
    }
}

impl BlockPlan {
    fn new(kind: Kind, inputs: usize, width: usize, stride: usize, side: usize) -> Self {
        let after = side.div_ceil(stride);
        let convolutions = match kind {
            Kind::Basic => {
                vec![ConvPlan::new(inputs, width, 3, stride, side), ConvPlan::new(width, width, 3, 1, after)]
            }
            Kind::Bottleneck => vec![
                ConvPlan::new(inputs, width, 1, 1, side),
                ConvPlan::new(width, width, 3, stride, side),
                ConvPlan::new(width, 4 * width, 1, 1, after),
            ],
        };
        let outputs = convolutions.last().map_or(inputs, |last| last.outputs);
        let changes = stride != 1 || inputs != outputs;
        let downsample = changes.then(|| ConvPlan::new(inputs, outputs, 1, stride, side));
        Self { convolutions, downsample }
    }

    fn outputs(&self) -> usize {
        self.convolutions.last().map_or(0, |last| last.outputs)
    }

    fn side(&self) -> usize {
        self.convolutions.last().map_or(0, |last| last.side)
    }
}

fn kind(word: &str) -> Option<Kind> {
    match word {
        "basic" => Some(Kind::Basic),
        "bottleneck" => Some(Kind::Bottleneck),
        _ => None,
    }
}

/// `2x64`: two blocks of width 64.
fn stage(word: &str) -> Result<(usize, usize)> {
    let refuse =
        || Error::field("plan", word, format!("takes stages such as 2x64, at most {MAX_BLOCKS} blocks"));
    let (blocks, channels) = word.split_once('x').ok_or_else(refuse)?;
    let blocks = blocks.parse().ok().filter(|blocks| (1..=MAX_BLOCKS).contains(blocks)).ok_or_else(refuse)?;
    Ok((blocks, width("plan", channels)?))
}

/// Width after a pooling of 3 x 3 by steps of 2, padded by 1.
fn halved(side: usize) -> usize {
    side.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<ResNetPlan> {
        let (plan, classifier) = (text.to_owned(), String::new());
        ResNetPlan::of(&TrainConfig { plan, classifier, side: 224, ..TrainConfig::default() }, 1000)
    }

    #[test]
    fn resnet18_has_its_published_convolutions() {
        let resnet18 = plan("basic 2x64 2x128 2x256 2x512").expect("valid");
        let weights = |blank: &Blank| match *blank.shape.as_slice() {
            [outputs, inputs, height, width] => outputs * inputs * height * width,
            _ => 0,
        };
        assert_eq!(resnet18.blanks().iter().map(weights).sum::<usize>(), 11_166_912);
        let names: Vec<String> = resnet18.blanks().into_iter().map(|blank| blank.name).collect();
        for name in ["conv1.weight", "bn1.running_var", "layer2.0.downsample.0.weight", "layer4.1.bn2.bias"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        assert!(!names.iter().any(|name| name.starts_with("layer1.0.downsample")));
        let sides: Vec<usize> = resnet18.stages.iter().map(|stage| stage[0].side()).collect();
        assert_eq!((resnet18.stem.side, sides), (112, vec![56, 28, 14, 7]));
        assert_eq!(plan("bottleneck 3x64 4x128 6x256 3x512").map(|p| p.features()), Ok(2048));
    }

    #[test]
    fn plans_that_make_no_network_are_refused() {
        for bad in [
            "basic",
            "basic 2",
            "basic 0x8",
            "basic 2x",
            "basic x2",
            "basic 2x0",
            "basic 99x8",
            "basic 1x8 M",
        ] {
            assert!(plan(bad).is_err(), "{bad:?}");
        }
        assert!(plan(&format!("basic{}", " 1x8".repeat(9))).is_err());
    }
}
