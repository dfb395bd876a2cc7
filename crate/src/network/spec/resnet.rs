//! A ResNet from text: the kind of its blocks, then the number and width of the blocks of each stage:
//! `"basic 2x64 2x128 2x256 2x512"` is ResNet-18.
//!
//! Source: He et al., "Deep Residual Learning for Image Recognition", 2016, with torchvision's parameter names and, as
//! there, the stride in the 3 x 3 convolution.

use super::conv::{CHANNELS, ConvSpec, parse_width};
#[cfg(feature = "train")]
use super::param::torch_leaf;
use super::param::{Init, ParamSpec};
use crate::config::TrainConfig;
use crate::error::{Error, Result};

/// The most blocks of a stage.
const MAX_BLOCKS: usize = 64;
/// The most stages.
const MAX_STAGES: usize = 8;

/// The kind of a residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockKind {
    /// Two 3 x 3 convolutions.
    Basic,
    /// A 1 x 1, a 3 x 3 and a 1 x 1 convolution, the last four times as wide.
    Bottleneck,
}

impl BlockKind {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "basic" => Some(Self::Basic),
            "bottleneck" => Some(Self::Bottleneck),
            _ => None,
        }
    }
}

/// A residual block: convolutions, each followed by a batch normalization, and a skip connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidualBlockSpec {
    /// The convolutions, in order.
    pub convs: Vec<ConvSpec>,
    /// The 1 x 1 convolution of the skip connection, if the block changes the shape.
    pub downsample: Option<ConvSpec>,
}

/// A checked ResNet for square color images.
#[derive(Debug, Clone, PartialEq)]
pub struct ResNetSpec {
    /// The first convolution, 7 x 7 with stride 2, before a 3 x 3 max pooling with stride 2.
    pub stem: ConvSpec,
    /// The blocks of each stage.
    pub stages: Vec<Vec<ResidualBlockSpec>>,
    /// Number of classes.
    pub classes: usize,
    /// Width and height of an image, in pixels.
    pub side: usize,
}

impl ResNetSpec {
    /// Whether a plan describes a ResNet.
    pub fn is_resnet(plan: &str) -> bool {
        plan.split_whitespace().next().is_some_and(|word| BlockKind::from_word(word).is_some())
    }

    /// Reads the network of a configuration.
    ///
    /// # Errors
    /// When the plan can't be parsed or exceeds a limit, or the configuration has hidden fully connected layers.
    pub fn from_config(config: &TrainConfig, classes: usize) -> Result<Self> {
        let reject = |reason: &str| Err(Error::field("plan", &config.plan, reason));
        let mut words = config.plan.split_whitespace();
        let Some(kind) = words.next().and_then(BlockKind::from_word) else {
            return reject("takes basic or bottleneck");
        };
        let sizes = words.map(StageSize::parse).collect::<Result<Vec<_>>>()?;
        if sizes.is_empty() || sizes.len() > MAX_STAGES {
            return reject("takes 1 to 8 stages after the kind of its blocks, such as 2x64");
        }
        if !config.classifier.trim().is_empty() {
            let reason = "a ResNet has no hidden fully connected layer";
            return Err(Error::field("classifier", &config.classifier, reason));
        }
        let side = config.input_side();
        let stem = ConvSpec::new(CHANNELS, sizes[0].width, 7, 2, side);
        // The pooling after the stem halves the image again.
        let (mut inputs, mut block_side) = (stem.outputs, stem.output_side.div_ceil(2));
        let mut stages = Vec::new();
        for (number, size) in sizes.into_iter().enumerate() {
            let mut stage = Vec::new();
            for block in 0..size.blocks {
                let stride = if number > 0 && block == 0 { 2 } else { 1 };
                let spec = ResidualBlockSpec::new(kind, inputs, size.width, stride, block_side);
                (inputs, block_side) = (spec.outputs(), spec.output_side());
                stage.push(spec);
            }
            stages.push(stage);
        }
        Ok(Self { stem, stages, classes, side })
    }

    /// Channels that enter the fully connected layer.
    pub fn features(&self) -> usize {
        let last = self.stages.last().and_then(|stage| stage.last());
        last.map_or(self.stem.outputs, ResidualBlockSpec::outputs)
    }

    /// The parameters under torchvision's names.
    pub fn param_specs(&self) -> Vec<ParamSpec> {
        let mut params = Vec::new();
        let mut add = |spec: &ConvSpec, conv: &str, norm: &str| {
            params.push(spec.weight(format!("{conv}.weight")));
            params.extend(ParamSpec::batch_norm(norm, spec.outputs));
        };
        add(&self.stem, "conv1", "bn1");
        for (stage, blocks) in self.stages.iter().enumerate() {
            for (block, spec) in blocks.iter().enumerate() {
                let at = format!("layer{}.{block}", stage + 1);
                for (conv, number) in spec.convs.iter().zip(1..) {
                    add(conv, &format!("{at}.conv{number}"), &format!("{at}.bn{number}"));
                }
                if let Some(downsample) = &spec.downsample {
                    add(downsample, &format!("{at}.downsample.0"), &format!("{at}.downsample.1"));
                }
            }
        }
        let features = self.features();
        let init = Init::Uniform(1.0 / (features as f64).sqrt());
        params.push(ParamSpec { name: "fc.weight".to_owned(), shape: vec![self.classes, features], init });
        params.push(ParamSpec { name: "fc.bias".to_owned(), shape: vec![self.classes], init });
        params
    }

    /// The convolutions; in a block, the skip connection's comes last.
    pub fn convs(&self) -> impl Iterator<Item = &ConvSpec> {
        let blocks = self.stages.iter().flatten();
        let convs = blocks.flat_map(|block| block.convs.iter().chain(&block.downsample));
        [&self.stem].into_iter().chain(convs)
    }

    /// Values that one image takes in training: input, output, normalization and activation of every convolution.
    pub(super) fn activations_per_image(&self) -> u64 {
        self.convs().map(|conv| conv.activations(3)).sum()
    }

    /// torchvision's name for the parameter at a path through [`ResNet`](crate::network::resnet::ResNet).
    #[cfg(feature = "train")]
    pub(super) fn torch_name(&self, path: &[&str]) -> String {
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        match path {
            ["stem", part, name] => {
                let part = if *part == "norm" { "bn1" } else { "conv1" };
                format!("{part}.{}", torch_leaf(name))
            }
            ["stages", stage, "blocks", block, "convs", conv, part, name] => {
                let part = if *part == "norm" { "bn" } else { "conv" };
                let (stage, conv) = (number(stage) + 1, number(conv) + 1);
                format!("layer{stage}.{block}.{part}{conv}.{}", torch_leaf(name))
            }
            ["stages", stage, "blocks", block, "downsample", part, name] => {
                let part = usize::from(*part == "norm");
                format!("layer{}.{block}.downsample.{part}.{}", number(stage) + 1, torch_leaf(name))
            }
            _ => path.join("."),
        }
    }
}

impl ResidualBlockSpec {
    /// A block on images of `side` x `side` pixels.
    fn new(kind: BlockKind, inputs: usize, width: usize, stride: usize, side: usize) -> Self {
        let after = side.div_ceil(stride);
        let convs = match kind {
            BlockKind::Basic => {
                vec![ConvSpec::new(inputs, width, 3, stride, side), ConvSpec::new(width, width, 3, 1, after)]
            }
            BlockKind::Bottleneck => vec![
                ConvSpec::new(inputs, width, 1, 1, side),
                ConvSpec::new(width, width, 3, stride, side),
                ConvSpec::new(width, 4 * width, 1, 1, after),
            ],
        };
        let outputs = convs.last().map_or(inputs, |last| last.outputs);
        let changes_shape = stride != 1 || inputs != outputs;
        let downsample = changes_shape.then(|| ConvSpec::new(inputs, outputs, 1, stride, side));
        Self { convs, downsample }
    }

    fn outputs(&self) -> usize {
        self.convs.last().map_or(0, |last| last.outputs)
    }

    fn output_side(&self) -> usize {
        self.convs.last().map_or(0, |last| last.output_side)
    }
}

/// The size of a stage: `2x64` means two blocks of width 64.
struct StageSize {
    blocks: usize,
    width: usize,
}

impl StageSize {
    fn parse(word: &str) -> Result<Self> {
        let reject =
            || Error::field("plan", word, format!("takes stages such as 2x64, at most {MAX_BLOCKS} blocks"));
        let (blocks, width) = word.split_once('x').ok_or_else(reject)?;
        let blocks = blocks.parse().ok().filter(|blocks| (1..=MAX_BLOCKS).contains(blocks));
        Ok(Self { blocks: blocks.ok_or_else(reject)?, width: parse_width("plan", width)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resnet(plan: &str) -> Result<ResNetSpec> {
        let (plan, classifier) = (plan.to_owned(), String::new());
        ResNetSpec::from_config(&TrainConfig { plan, classifier, side: 224, ..TrainConfig::default() }, 1000)
    }

    #[test]
    fn resnet18_has_its_published_convolutions() {
        let resnet18 = resnet("basic 2x64 2x128 2x256 2x512").expect("valid");
        let params = resnet18.param_specs();
        let weights: u64 = params.iter().filter(|p| p.shape.len() == 4).map(ParamSpec::num_values).sum();
        assert_eq!(weights, 11_166_912);
        for name in ["conv1.weight", "bn1.running_var", "layer2.0.downsample.0.weight", "layer4.1.bn2.bias"] {
            assert!(params.iter().any(|param| param.name == name), "{name}");
        }
        assert!(!params.iter().any(|param| param.name.starts_with("layer1.0.downsample")));
        let sides: Vec<usize> = resnet18.stages.iter().map(|stage| stage[0].output_side()).collect();
        assert_eq!((resnet18.stem.output_side, sides), (112, vec![56, 28, 14, 7]));
        let resnet50 = resnet("bottleneck 3x64 4x128 6x256 3x512").expect("valid");
        assert_eq!(resnet50.features(), 2048);
    }

    #[test]
    fn malformed_plans_are_rejected() {
        let too_many_stages = format!("basic{}", " 1x8".repeat(9));
        for bad in [
            "basic",
            "basic 2",
            "basic 0x8",
            "basic 2x",
            "basic x2",
            "basic 2x0",
            "basic 99x8",
            "basic 1x8 M",
            &too_many_stages,
        ] {
            assert!(resnet(bad).is_err(), "{bad:?}");
        }
    }
}
