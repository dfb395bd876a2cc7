//! Networks as Burn modules, and the only place where they become named tensors and matrices and back.

pub mod dropout;
pub mod param_spec;
pub mod parameters;
pub mod precision;
pub mod resnet;
pub mod resnet_spec;
pub mod spec;
pub mod vgg;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};

use self::dropout::Dropout;
use self::param_spec::Blank;
use self::resnet::ResNet;
use self::resnet_spec::ResNetPlan;
use self::spec::VggPlan;
use self::vgg::Vgg;
use crate::checkpoint::Checkpoint;
use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// A checked plan of a network, before anything is allocated.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Convolutions one after another, then fully connected layers.
    Vgg(VggPlan),
    /// Residual blocks.
    ResNet(ResNetPlan),
}

impl Plan {
    /// Reads the network of a run. A plan that begins with `basic` or `bottleneck` is a ResNet's.
    ///
    /// # Errors
    /// When the plan can't be read, shrinks the image away, or is too large to name.
    pub fn of(spec: &TrainConfig, classes: usize) -> Result<Self> {
        if ResNetPlan::is_meant(&spec.plan) {
            return Ok(Self::ResNet(ResNetPlan::of(spec, classes)?));
        }
        Ok(Self::Vgg(VggPlan::of(spec, classes)?))
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        match self {
            Self::Vgg(plan) => plan.classes,
            Self::ResNet(plan) => plan.classes,
        }
    }

    /// Width and height of the images it takes.
    pub fn side(&self) -> usize {
        match self {
            Self::Vgg(plan) => plan.side,
            Self::ResNet(plan) => plan.side,
        }
    }

    /// Every convolution's weight under PyTorch's name, its shape, and its output positions (width
    /// times height).
    pub fn positions(&self) -> Vec<(String, Vec<usize>, u64)> {
        let sides: Vec<usize> = match self {
            Self::Vgg(plan) => plan.stages.iter().map(|stage| stage.side).collect(),
            Self::ResNet(plan) => plan.convolutions().map(|convolution| convolution.side).collect(),
        };
        // Blanks stand in the order of the convolutions.
        let weights = self.blanks().into_iter().filter(|blank| blank.shape.len() == 4);
        weights.zip(sides).map(|(blank, side)| (blank.name, blank.shape, (side * side) as u64)).collect()
    }

    /// Output positions of each of the layers, which are found by name.
    ///
    /// # Errors
    /// When the network has no convolution of a layer's name and size.
    pub fn positions_of(&self, layers: &[Matrix]) -> Result<Vec<u64>> {
        let known = self.positions();
        let of_layer = |layer: &Matrix| {
            let size = |shape: &[usize]| (shape[0], shape[1..].iter().product::<usize>());
            let found = known
                .iter()
                .find(|(name, shape, _)| *name == layer.name && size(shape) == (layer.rows, layer.cols));
            let why = format!("the network has no convolution of this name, {} x {}", layer.rows, layer.cols);
            found.map(|(_, _, count)| *count).ok_or_else(|| Error::field("model", &layer.name, why))
        };
        layers.iter().map(of_layer).collect()
    }

    /// Its parameters under PyTorch's names, in the order in which initial values are drawn.
    pub fn blanks(&self) -> Vec<Blank> {
        match self {
            Self::Vgg(plan) => plan.blanks(),
            Self::ResNet(plan) => plan.blanks(),
        }
    }

    /// Number of parameters.
    pub fn parameters(&self) -> u64 {
        let count = |blank: &Blank| blank.shape.iter().map(|&n| n as u64).product::<u64>();
        self.blanks().iter().map(count).sum()
    }

    /// Bytes that training needs at least, before anything is allocated: each parameter with its
    /// gradient, momentum and one temporary, and for each image the input, output and activation
    /// of every convolution with their gradients.
    pub fn training_bytes(&self, batch: usize) -> u64 {
        let image = match self {
            Self::Vgg(plan) => plan.image_values(),
            Self::ResNet(plan) => plan.image_values(),
        };
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

    /// PyTorch's name of the parameter at a path through our modules.
    pub(super) fn torch_name(&self, path: &[String]) -> String {
        // The first step is the variant of [`Network`].
        let parts: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
        match self {
            Self::Vgg(plan) => plan.torch_name(&parts),
            Self::ResNet(plan) => plan.torch_name(&parts),
        }
    }
}

/// Classes that weights tell apart: outputs of their last fully connected layer.
pub fn classes_of(weights: &Checkpoint) -> Option<usize> {
    let is_head = |name: &str| name.starts_with("classifier.") || name.starts_with("fc.");
    let mut layers = weights.tensors.iter().filter(|t| t.shape.len() == 2 && is_head(&t.name));
    layers.next_back().map(|layer| layer.shape[0])
}

/// PyTorch's name of a leaf of one of Burn's modules.
pub(super) fn torch_leaf(name: &str) -> &str {
    match name {
        "gamma" => "weight",
        "beta" => "bias",
        other => other,
    }
}

/// Sees each convolution with its input, on the way of images through a network.
pub type Look<'a> = dyn FnMut(&Conv2d, &Tensor<4>) + 'a;

/// A network. Weights are zero until they are initialized or loaded.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a run has one network")]
pub enum Network {
    /// A VGG.
    Vgg(Vgg),
    /// A ResNet.
    ResNet(ResNet),
}

impl Network {
    /// Builds the network of a plan.
    pub fn new(plan: &Plan, device: &Device) -> Self {
        match plan {
            Plan::Vgg(plan) => Self::Vgg(Vgg::new(plan, device)),
            Plan::ResNet(plan) => Self::ResNet(ResNet::new(plan, device)),
        }
    }

    /// Class scores.
    ///
    /// `dropout` gives the random stream while training; without it the network is deterministic.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, side, side]`
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>, dropout: Option<Dropout>) -> Tensor<2> {
        match self {
            Self::Vgg(network) => network.forward(images, dropout),
            Self::ResNet(network) => network.forward(images),
        }
    }

    /// The part of the network that each convolution stands in, in the convolutions' order: its own
    /// one in a VGG, its residual block in a ResNet, which can't be entered half-way.
    pub fn parts(&self) -> Vec<usize> {
        match self {
            Self::Vgg(network) => (0..network.convolutions().count()).collect(),
            Self::ResNet(network) => network.parts(),
        }
    }

    /// The activations that leave a part, from those that enter it; images enter part 0.
    pub fn through(&self, part: usize, x: Tensor<4>) -> Tensor<4> {
        self.watch(part, x, &mut |_, _| {})
    }

    /// The same, while `look` sees the part's convolutions and what enters them.
    pub fn watch(&self, part: usize, x: Tensor<4>, look: &mut Look<'_>) -> Tensor<4> {
        match self {
            Self::Vgg(network) => network.through(part, x, look),
            Self::ResNet(network) => network.through(part, x, look),
        }
    }

    /// Class scores from the activations that enter a part, without dropout.
    ///
    /// # Shapes
    /// - output: `[batch, classes]`
    pub fn forward_from(&self, part: usize, x: Tensor<4>) -> Tensor<2> {
        match self {
            Self::Vgg(network) => network.forward_from(part, x, None),
            Self::ResNet(network) => network.forward_from(part, x),
        }
    }

    /// The convolutions, in the order of the computation: the layers that lie on crossbars.
    pub fn convolutions(&self) -> Vec<&Conv2d> {
        match self {
            Self::Vgg(network) => network.convolutions().collect(),
            Self::ResNet(network) => network.convolutions(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, classes: usize) -> Plan {
        let mut spec = TrainConfig::default();
        spec.set_model(name).expect("known");
        spec.side = 224;
        Plan::of(&spec, classes).expect("valid")
    }

    /// Parameters as torchvision counts them, without running statistics.
    #[test]
    fn torchvision_s_networks_have_their_published_sizes() {
        for (name, parameters, statistics) in [
            ("resnet18", 11_689_512, 9_600),
            ("resnet34", 21_797_672, 17_024),
            ("resnet50", 25_557_032, 53_120),
            ("vgg11-imagenet", 132_863_336, 0),
        ] {
            assert_eq!(named(name, 1000).parameters(), parameters + statistics, "{name}");
        }
    }

    #[test]
    fn a_network_too_large_is_refused_by_arithmetic() {
        assert!(named("resnet18", 1000).check_memory(65_536, 64 << 30).is_err());
        assert!(named("resnet18", 1000).check_memory(4, 2 << 30).is_ok());
    }
}
