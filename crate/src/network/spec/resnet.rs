//! A ResNet: the residual blocks of a [`ResNetPlan`], for images of one size.
//!
//! Source: He et al., "Deep Residual Learning for Image Recognition", 2016, with torchvision's parameter names and, as
//! there, the stride in the 3 x 3 convolution.

use super::conv::{CHANNELS, ConvSpec};
#[cfg(feature = "train")]
use super::param::torch_leaf;
use super::param::{Init, ParamSpec};
use crate::config::{BlockKind, ResNetPlan, TrainConfig};
use crate::error::{Error, Result};

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
    /// The ResNet of a plan, with the other fields of its configuration.
    ///
    /// # Errors
    /// When the configuration has hidden fully connected layers.
    pub(super) fn new(plan: &ResNetPlan, config: &TrainConfig, classes: usize) -> Result<Self> {
        if !config.classifier.is_empty() {
            let reason = "a ResNet has no hidden fully connected layer";
            return Err(Error::field("classifier", &config.classifier, reason));
        }
        let side = config.input_side();
        let width = plan.stages.first().map_or(0, |stage| stage.width);
        let stem = ConvSpec { inputs: CHANNELS, outputs: width, kernel: 7, stride: 2, input_side: side };
        // The pooling after the stem halves the image again.
        let (mut inputs, mut input_side) = (stem.outputs, stem.output_side().div_ceil(2));
        let mut stages = Vec::new();
        for (number, size) in plan.stages.iter().enumerate() {
            let mut stage = Vec::new();
            for block in 0..size.blocks {
                let stride = if number > 0 && block == 0 { 2 } else { 1 };
                let shape = BlockShape { inputs, width: size.width, stride, input_side };
                let spec = ResidualBlockSpec::new(plan.block, shape);
                (inputs, input_side) = (spec.outputs(), spec.output_side());
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
            ["fc", _, name] => format!("fc.{name}"),
            _ => path.join("."),
        }
    }
}

/// What determines the convolutions of a block.
#[derive(Clone, Copy)]
struct BlockShape {
    inputs: usize,
    /// Outputs, or a fourth of them in a bottleneck.
    width: usize,
    stride: usize,
    input_side: usize,
}

impl ResidualBlockSpec {
    fn new(kind: BlockKind, shape: BlockShape) -> Self {
        let BlockShape { inputs, width, stride, input_side } = shape;
        let first = ConvSpec { inputs, outputs: width, kernel: 3, stride, input_side };
        // On the output of the stride.
        let inner =
            ConvSpec { inputs: width, outputs: width, kernel: 3, stride: 1, input_side: first.output_side() };
        let convs = match kind {
            BlockKind::Basic => vec![first, inner],
            BlockKind::Bottleneck => vec![
                ConvSpec { kernel: 1, stride: 1, ..first },
                ConvSpec { inputs: width, ..first },
                ConvSpec { outputs: 4 * width, kernel: 1, ..inner },
            ],
        };
        let outputs = convs.last().map_or(inputs, |last| last.outputs);
        let changes_shape = stride != 1 || inputs != outputs;
        let downsample = changes_shape.then_some(ConvSpec { outputs, kernel: 1, ..first });
        Self { convs, downsample }
    }

    fn outputs(&self) -> usize {
        self.convs.last().map_or(0, |last| last.outputs)
    }

    fn output_side(&self) -> usize {
        self.convs.last().map_or(0, ConvSpec::output_side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClassifierWidths;
    use crate::network::NetworkSpec;

    fn resnet(plan: &str) -> ResNetSpec {
        let plan = plan.parse().expect("a plan");
        let config = TrainConfig {
            plan,
            classifier: ClassifierWidths::default(),
            side: 224,
            ..TrainConfig::default()
        };
        match NetworkSpec::from_config(&config, 1000) {
            Ok(NetworkSpec::ResNet(resnet)) => resnet,
            other => panic!("not a ResNet: {other:?}"),
        }
    }

    #[test]
    fn resnet18_has_its_published_convolutions() {
        let resnet18 = resnet("basic 2x64 2x128 2x256 2x512");
        let params = resnet18.param_specs();
        let weights: u64 = params.iter().filter(|p| p.shape.len() == 4).map(ParamSpec::num_values).sum();
        assert_eq!(weights, 11_166_912);
        for name in ["conv1.weight", "bn1.running_var", "layer2.0.downsample.0.weight", "layer4.1.bn2.bias"] {
            assert!(params.iter().any(|param| param.name == name), "{name}");
        }
        assert!(!params.iter().any(|param| param.name.starts_with("layer1.0.downsample")));
        let sides: Vec<usize> = resnet18.stages.iter().map(|stage| stage[0].output_side()).collect();
        assert_eq!((resnet18.stem.output_side(), sides), (112, vec![56, 28, 14, 7]));
        let resnet50 = resnet("bottleneck 3x64 4x128 6x256 3x512");
        assert_eq!(resnet50.features(), 2048);
    }

    #[test]
    fn a_resnet_has_no_hidden_layers() {
        let config = TrainConfig { plan: "basic 1x8".parse().expect("a plan"), ..TrainConfig::default() };
        let error = NetworkSpec::from_config(&config, 10).expect_err("vgg-small's classifier");
        assert_eq!(error.field_name(), Some("classifier"));
    }
}
