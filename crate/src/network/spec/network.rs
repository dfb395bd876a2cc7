//! The description of any network this crate knows.

use std::fmt;

use super::conv::ConvSpec;
use super::param::ParamSpec;
use super::resnet::ResNetSpec;
use super::vgg::VggSpec;
use crate::checkpoint::Checkpoint;
use crate::config::{NetworkPlan, TrainConfig};
use crate::error::{Error, Result};

/// A checked network description. Displays as a summary of its parameters.
///
/// ```
/// use crossdub::config::{NetworkName, TrainConfig};
/// use crossdub::network::NetworkSpec;
///
/// let mut config = TrainConfig::default();
/// config.set_model(NetworkName::Vgg11);
/// let spec = NetworkSpec::from_config(&config, 10)?;
/// assert_eq!(spec.conv_shapes().len(), 8);
/// assert_eq!(spec.num_params(), 9_750_922);
/// println!("{spec}");
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum NetworkSpec {
    /// Convolutions one after another, then fully connected layers.
    Vgg(VggSpec),
    /// Residual blocks.
    ResNet(ResNetSpec),
}

/// A convolution's weight and how often one image uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConvShape {
    /// The weight's name, as in PyTorch.
    pub name: String,
    /// The weight's shape, `[out, in, kh, kw]`.
    pub shape: Vec<usize>,
    /// Output positions: width times height of the output image.
    pub output_positions: u64,
}

/// The name of a weight, as in PyTorch, and its shape.
#[cfg(feature = "train")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WeightShape {
    pub name: String,
    pub shape: Vec<usize>,
}

impl NetworkSpec {
    /// The network of a configuration.
    ///
    /// # Errors
    /// When its plan pools the image away, or a ResNet has hidden fully connected layers.
    pub fn from_config(config: &TrainConfig, classes: usize) -> Result<Self> {
        Ok(match &config.plan {
            NetworkPlan::Vgg(plan) => Self::Vgg(VggSpec::new(plan, config, classes)?),
            NetworkPlan::ResNet(plan) => Self::ResNet(ResNetSpec::new(plan, config, classes)?),
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        match self {
            Self::Vgg(spec) => spec.classes,
            Self::ResNet(spec) => spec.classes,
        }
    }

    /// Width and height of its images, in pixels.
    pub fn side(&self) -> usize {
        match self {
            Self::Vgg(spec) => spec.side,
            Self::ResNet(spec) => spec.side,
        }
    }

    /// The convolutions, in the order of the computation; in a residual block, the skip connection's comes last.
    pub fn conv_shapes(&self) -> Vec<ConvShape> {
        let convs: Vec<&ConvSpec> = match self {
            Self::Vgg(spec) => spec.convs.iter().map(|layer| &layer.conv).collect(),
            Self::ResNet(spec) => spec.convs().collect(),
        };
        // `param_specs` lists the convolutions in the same order.
        let weights = self.param_specs().into_iter().filter(|param| param.shape.len() == 4);
        let shape = |(ParamSpec { name, shape, .. }, conv): (_, &ConvSpec)| ConvShape {
            name,
            shape,
            output_positions: conv.output_positions(),
        };
        weights.zip(convs).map(shape).collect()
    }

    /// The weights of the convolutions, in the order of [`NetworkSpec::conv_shapes`], then those of the fully connected
    /// layers.
    #[cfg(feature = "train")]
    pub(crate) fn weight_shapes(&self) -> Vec<WeightShape> {
        let convolutions = self.conv_shapes().into_iter();
        let convolutions = convolutions.map(|ConvShape { name, shape, .. }| WeightShape { name, shape });
        let linear = self.param_specs().into_iter().filter(|param| param.shape.len() == 2);
        let linear = linear.map(|ParamSpec { name, shape, .. }| WeightShape { name, shape });
        convolutions.chain(linear).collect()
    }

    /// The parameters under PyTorch's names, in the order in which initial values are drawn.
    pub fn param_specs(&self) -> Vec<ParamSpec> {
        match self {
            Self::Vgg(spec) => spec.param_specs(),
            Self::ResNet(spec) => spec.param_specs(),
        }
    }

    /// Number of parameters, running statistics included.
    pub fn num_params(&self) -> u64 {
        self.param_specs().iter().map(ParamSpec::num_values).sum()
    }

    /// A lower bound on the bytes that training needs: every parameter with its gradient, momentum and one temporary,
    /// and for every image of a batch the input, output and activation of each convolution with their gradients, all
    /// in float32.
    pub fn training_bytes(&self, batch: usize) -> u64 {
        let activations = match self {
            Self::Vgg(spec) => spec.activations_per_image(),
            Self::ResNet(spec) => spec.activations_per_image(),
        };
        4 * (4 * self.num_params() + 2 * batch as u64 * activations)
    }

    /// Checks that training fits into `limit` bytes of memory.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_memory(&self, batch: usize, limit: u64) -> Result<()> {
        let needed = self.training_bytes(batch);
        if needed <= limit {
            return Ok(());
        }
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let (needed, limit) = (mib(needed), mib(limit));
        let reason = format!(
            "training with batch {batch} needs about {needed} MiB, and only {limit} MiB are available"
        );
        Err(Error::field("plan", format!("{} parameters", self.num_params()), reason))
    }

    /// PyTorch's name for the parameter at a path through our modules.
    #[cfg(feature = "train")]
    pub(in crate::network) fn torch_name(&self, path: &[String]) -> String {
        // The first step is the variant of `Network`.
        let path: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
        match self {
            Self::Vgg(spec) => spec.torch_name(&path),
            Self::ResNet(spec) => spec.torch_name(&path),
        }
    }
}

impl fmt::Display for NetworkSpec {
    /// One line a weight, with its shape and, for a convolution, its output positions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let architecture = match self {
            Self::Vgg(_) => "VGG",
            Self::ResNet(_) => "ResNet",
        };
        let (side, classes) = (self.side(), self.classes());
        writeln!(f, "{architecture}: 3 x {side} x {side} -> {classes} classes")?;
        for ConvShape { name, shape, output_positions } in self.conv_shapes() {
            writeln!(f, "  {name:<32} {:<20} {output_positions} positions", format!("{shape:?}"))?;
        }
        for ParamSpec { name, shape, .. } in self.param_specs().iter().filter(|param| param.shape.len() == 2)
        {
            writeln!(f, "  {name:<32} {shape:?}")?;
        }
        write!(f, "{} parameters", self.num_params())
    }
}

/// Number of classes that weights distinguish: outputs of their last fully connected layer, if they have one.
pub fn infer_classes(weights: &Checkpoint) -> Option<usize> {
    let heads = ["classifier", "fc", "linear", "head", "output"];
    let is_head = |name: &str| name.split('.').any(|part| heads.contains(&part));
    let mut layers = weights.tensors.iter().filter(|t| t.shape.len() == 2 && is_head(&t.name));
    layers.next_back().map(|layer| layer.shape[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NetworkName;

    fn named(name: NetworkName, classes: usize) -> NetworkSpec {
        let mut config = TrainConfig::default();
        config.set_model(name);
        config.side = 224;
        NetworkSpec::from_config(&config, classes).expect("valid")
    }

    /// Parameters as torchvision counts them, plus running statistics.
    #[test]
    fn torchvision_networks_have_their_published_sizes() {
        for (name, parameters, statistics) in [
            (NetworkName::ResNet18, 11_689_512, 9_600),
            (NetworkName::ResNet34, 21_797_672, 17_024),
            (NetworkName::ResNet50, 25_557_032, 53_120),
            (NetworkName::Vgg11ImageNet, 132_863_336, 0),
        ] {
            assert_eq!(named(name, 1000).num_params(), parameters + statistics, "{name}");
        }
    }

    #[test]
    fn memory_is_checked_before_allocation() {
        assert!(named(NetworkName::ResNet18, 1000).check_memory(65_536, 64 << 30).is_err());
        assert!(named(NetworkName::ResNet18, 1000).check_memory(4, 2 << 30).is_ok());
    }

    #[test]
    fn the_summary_lists_every_weight() {
        let summary = named(NetworkName::ResNet18, 1000).to_string();
        assert!(summary.starts_with("ResNet: 3 x 224 x 224 -> 1000 classes\n"), "{summary}");
        assert!(summary.contains("conv1.weight") && summary.contains("[64, 3, 7, 7]"), "{summary}");
        assert!(summary.contains("12544 positions") && summary.contains("fc.weight"), "{summary}");
        assert_eq!(summary.lines().count(), 1 + 20 + 1 + 1);
    }
}
