//! A VGG: the convolutions of a [`VggPlan`] and fully connected layers, for images of one size.
//!
//! Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.

use super::conv::{CHANNELS, ConvSpec};
#[cfg(feature = "train")]
use super::param::torch_leaf;
use super::param::{Init, ParamSpec};
use crate::config::{NetworkPlan, TrainConfig, VggLayer, VggPlan};
use crate::error::{Error, Result};

/// A 3 x 3 convolution with its ReLU and the pooling after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VggConvSpec {
    /// The convolution; its output has the size of its input.
    pub conv: ConvSpec,
    /// Whether a 2 x 2 max pooling follows.
    pub pool: bool,
    /// The convolution's index in PyTorch's `features`, where every layer has one.
    pub index: usize,
}

/// A checked VGG for square color images.
#[derive(Debug, Clone, PartialEq)]
pub struct VggSpec {
    /// The convolutions, in order.
    pub convs: Vec<VggConvSpec>,
    /// Width and height that the last activations are averaged to.
    pub average: Option<usize>,
    /// Widths of the hidden fully connected layers.
    pub hidden: Vec<usize>,
    /// Whether a batch normalization follows each convolution.
    pub batch_norm: bool,
    /// Dropout probability after each hidden fully connected layer.
    pub dropout: f64,
    /// Number of classes.
    pub classes: usize,
    /// Width and height of an image, in pixels.
    pub side: usize,
}

impl VggSpec {
    /// The VGG of a plan, with the other fields of its configuration.
    ///
    /// # Errors
    /// When the plan pools the image away.
    pub(super) fn new(plan: &VggPlan, config: &TrainConfig, classes: usize) -> Result<Self> {
        let (batch_norm, dropout, side) = (config.batch_norm, config.dropout, config.input_side());
        let (convs, average) = (convolutions(plan, batch_norm, side)?, plan.average);
        let hidden = config.classifier.as_slice().to_vec();
        Ok(Self { convs, average, hidden, batch_norm, dropout, classes, side })
    }

    /// Number of values that enter the classifier.
    pub fn flattened_len(&self) -> usize {
        self.convs.last().map_or(0, |VggConvSpec { conv, pool, .. }| {
            let left = if *pool { conv.output_side() / 2 } else { conv.output_side() };
            let side = self.average.unwrap_or(left);
            conv.outputs * side * side
        })
    }

    /// Input and output width of each fully connected layer.
    pub fn linear_layers(&self) -> Vec<(usize, usize)> {
        let hidden = self.hidden.iter().copied();
        let widths: Vec<usize> =
            [self.flattened_len()].into_iter().chain(hidden).chain([self.classes]).collect();
        widths.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// The parameters under PyTorch's names.
    pub fn param_specs(&self) -> Vec<ParamSpec> {
        let mut params = Vec::new();
        for VggConvSpec { conv, index, .. } in &self.convs {
            params.push(conv.weight(format!("features.{index}.weight")));
            params.push(ParamSpec::constant(format!("features.{index}.bias"), conv.outputs, 0.0));
            if self.batch_norm {
                params.extend(ParamSpec::batch_norm(&format!("features.{}", index + 1), conv.outputs));
            }
        }
        for (at, (inputs, outputs)) in self.linear_layers().into_iter().enumerate() {
            let name = format!("classifier.{}", 3 * at);
            let (shape, init) = (vec![outputs, inputs], Init::Normal(0.01));
            params.push(ParamSpec { name: format!("{name}.weight"), shape, init });
            params.push(ParamSpec::constant(format!("{name}.bias"), outputs, 0.0));
        }
        params
    }

    /// Values that one image takes in training: input, output and activation of every convolution.
    pub(super) fn activations_per_image(&self) -> u64 {
        self.convs.iter().map(|layer| layer.conv.activations(2)).sum()
    }

    /// PyTorch's name for the parameter at a path through [`Vgg`](crate::network::vgg::Vgg), such as
    /// `features.1.conv.weight` or `features.1.norm.gamma`.
    #[cfg(feature = "train")]
    pub(super) fn torch_name(&self, path: &[&str]) -> String {
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        match path {
            ["features", block, part, name] => {
                let index = self.convs[number(block)].index + usize::from(*part == "norm");
                format!("features.{index}.{}", torch_leaf(name))
            }
            // Each hidden layer is followed by a ReLU and a dropout, which have numbers too.
            ["classifier", layer, _, name] => format!("classifier.{}.{name}", 3 * number(layer)),
            _ => path.join("."),
        }
    }
}

/// The convolutions of a plan on images of `image` x `image` pixels.
fn convolutions(plan: &VggPlan, batch_norm: bool, image: usize) -> Result<Vec<VggConvSpec>> {
    let mut convs: Vec<VggConvSpec> = Vec::new();
    let (mut side, mut inputs, mut index) = (image, CHANNELS, 0);
    for layer in &plan.layers {
        match (*layer, convs.last_mut()) {
            (VggLayer::Conv(outputs), _) => {
                let conv = ConvSpec { inputs, outputs, kernel: 3, stride: 1, input_side: side };
                convs.push(VggConvSpec { conv, pool: false, index });
                inputs = outputs;
                // PyTorch numbers the convolution, its normalization and its ReLU.
                index += if batch_norm { 3 } else { 2 };
            }
            (VggLayer::MaxPool, Some(last)) if side >= 2 => {
                last.pool = true;
                side /= 2;
                index += 1;
            }
            (VggLayer::MaxPool, _) => {
                let reason = format!("pools a {image} x {image} image away");
                return Err(Error::field("plan", NetworkPlan::Vgg(plan.clone()), reason));
            }
        }
    }
    Ok(convs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NetworkName;
    use crate::network::NetworkSpec;

    fn spec(config: &TrainConfig) -> Result<VggSpec> {
        match NetworkSpec::from_config(config, 10)? {
            NetworkSpec::Vgg(vgg) => Ok(vgg),
            NetworkSpec::ResNet(_) => panic!("{} is a ResNet", config.plan),
        }
    }

    fn vgg(plan: &str) -> Result<VggSpec> {
        spec(&TrainConfig { plan: plan.parse()?, ..TrainConfig::default() })
    }

    fn named(name: NetworkName) -> VggSpec {
        let mut config = TrainConfig::default();
        config.set_model(name);
        spec(&config).expect("valid")
    }

    #[test]
    fn vgg11_has_its_published_size() {
        let vgg11 = named(NetworkName::Vgg11);
        let weights: usize = vgg11.convs.iter().map(|layer| layer.conv.inputs * layer.conv.outputs * 9).sum();
        assert_eq!(weights, 9_217_728);
        assert_eq!(vgg11.flattened_len(), 512);
        let indices: Vec<usize> = vgg11.convs.iter().map(|layer| layer.index).collect();
        assert_eq!(indices, [0, 3, 6, 8, 11, 13, 16, 18]);
        assert_eq!(named(NetworkName::Vgg11Bn).convs[1].index, 4);
        assert_eq!(named(NetworkName::Vgg16).convs.len(), 13);
        assert_eq!(named(NetworkName::VggSmall).linear_layers(), [(2048, 128), (128, 10)]);
    }

    #[test]
    fn a_plan_leaves_a_pixel() {
        let error = vgg("8 M 8 M 8 M 8 M 8 M 8 M").expect_err("six poolings of 32 pixels").to_string();
        assert!(error.contains("pools a 32 x 32 image away"), "{error}");
        assert_eq!(vgg("8 M 8 M 8 M 8 M 8 M").expect("1 x 1 is left").flattened_len(), 8);
    }

    #[test]
    fn the_average_sets_the_classifier_s_input() {
        assert_eq!(vgg("8 M 8 A7").expect("valid").flattened_len(), 8 * 7 * 7);
    }

    #[test]
    fn memory_is_checked_before_allocation() {
        let huge = NetworkSpec::Vgg(vgg(&"16384 ".repeat(64)).expect("a plan"));
        assert!(huge.check_memory(65_536, 1 << 40).is_err());
        assert!(NetworkSpec::Vgg(named(NetworkName::Vgg11)).check_memory(128, 2 << 30).is_ok());
    }
}
