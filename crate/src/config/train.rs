//! `TrainConfig`: everything about a run that may vary between runs that are compared.

use serde::{Deserialize, Serialize};

use super::MAX_SEED;
use super::device::{DeviceChoice, DeviceList};
use super::precision::Precision;
use crate::error::{Error, Result};

/// Where images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum DataSource {
    /// The generated ten-class set; needs no files.
    #[default]
    Builtin,
    /// CIFAR-10 from its official binary files.
    Cifar10,
    /// Image files in the layouts of ImageNet, native builds only.
    ImageNet,
}

/// A term added to the loss that drives weights toward sparsity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum RegularizerKind {
    /// No term.
    None,
    /// Variance of the columns' densities; only columns denser than their tile's mean are pushed.
    #[default]
    Gated,
    /// Variance of the columns' densities; sparse columns are filled up too.
    Ungated,
    /// Mean density plus variance, ungated.
    MeanAndVariance,
    /// Mean density plus variance, the gate on the variance's gradient only.
    MeanAndGatedVariance,
    /// L2 norm of every tile.
    GroupLassoTile,
    /// L2 norm of every row across a tile's columns.
    GroupLassoRow,
    /// L2 norm of every column.
    GroupLassoColumn,
}

impl RegularizerKind {
    /// All kinds, in the order shown.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Gated,
        Self::Ungated,
        Self::MeanAndVariance,
        Self::MeanAndGatedVariance,
        Self::GroupLassoTile,
        Self::GroupLassoRow,
        Self::GroupLassoColumn,
    ];
}

/// What the optimizer moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Trainable {
    /// Every parameter.
    #[default]
    All,
    /// The convolutions' weights alone, as the authors fine-tune: no bias, normalization or fully
    /// connected layer. (Running statistics still follow the batches.)
    Convolutions,
}

/// Everything about a run that may vary between runs that are compared.
///
/// ```
/// use crossdub::config::TrainConfig;
///
/// let mut train = TrainConfig { epochs: 3, ..TrainConfig::default() };
/// train.set_model("vgg11_bn")?;
/// assert!(train.batch_norm && train.validate().is_ok());
/// assert_eq!(train.for_finetuning().learning_rate, 0.01);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Where images come from.
    pub data: DataSource,
    /// The network's name, or `custom` when `plan`, `classifier` and `batch_norm` say it.
    pub model: String,
    /// Convolution widths and poolings, `"32 M 64 M 128 M"`.
    pub plan: String,
    /// Widths of the hidden fully connected layers, `"128"` or `"512,512"`; empty for none.
    pub classifier: String,
    /// Whether a batch normalization follows each convolution; a ResNet has them anyway.
    pub batch_norm: bool,
    /// Width and height of the images, 0 for those that the data has: 32, or 224 for ImageNet.
    pub side: usize,
    /// Share of each hidden fully connected layer's outputs set to zero while training, 0 to below 1.
    pub dropout: f64,
    /// The device asked for.
    pub device: DeviceChoice,
    /// Devices that share each batch, with commas, in the place of `device`; the first holds the network. Empty for one.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub devices: DeviceList,
    /// Whether several devices gather gradients on the first one even where they could sum them between them.
    pub gather: bool,
    /// The numbers that a training pass computes in.
    pub precision: Precision,
    /// The regularizer.
    pub regularizer: RegularizerKind,
    /// Its weight (lambda_var; for group lasso lambda_g).
    pub lambda: f64,
    /// Weight of the mean density in the kinds that have it.
    pub lambda_mean: f64,
    /// Coupled weight decay (lambda_l2), PyTorch's formula.
    pub weight_decay: f64,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Momentum, 0 to below 1.
    pub momentum: f64,
    /// Images a step.
    pub batch: usize,
    /// Passes over the training images.
    pub epochs: usize,
    /// Epochs after which the learning rate falls to a tenth.
    pub milestones: Vec<usize>,
    /// Whether training images are shifted (pad 4, crop) and flipped.
    pub augment: bool,
    /// Keeps the last N training images for evaluation, instead of the test file.
    pub holdout: usize,
    /// Trains on only the first N training images; 0 for all. Evaluation is unaffected.
    pub limit: usize,
    /// What the optimizer moves.
    pub trainable: Trainable,
    /// Seed of everything random: weights, order, augmentation, dropout, built-in images.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            data: DataSource::Builtin,
            model: "vgg-small".to_owned(),
            plan: "32 M 64 M 128 M".to_owned(),
            classifier: "128".to_owned(),
            batch_norm: false,
            side: 0,
            dropout: 0.5,
            device: DeviceChoice::Auto,
            devices: DeviceList::default(),
            gather: false,
            precision: Precision::F32,
            regularizer: RegularizerKind::Gated,
            lambda: 1e-3,
            lambda_mean: 0.0,
            weight_decay: 5e-4,
            learning_rate: 0.05,
            momentum: 0.9,
            batch: 128,
            epochs: 20,
            milestones: Vec::new(),
            augment: true,
            holdout: 0,
            limit: 0,
            trainable: Trainable::All,
            seed: 0,
        }
    }
}

/// Networks for images of 32 x 32, each also with batch normalization: name, plan, classifier.
const MODELS: [(&str, &str, &str); 4] = [
    ("vgg-small", "32 M 64 M 128 M", "128"),
    ("vgg11", "64 M 128 M 256 256 M 512 512 M 512 512 M", "512,512"),
    ("vgg13", "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M", "512,512"),
    ("vgg16", "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M", "512,512"),
];

/// torchvision's networks for ImageNet.
const IMAGENET_MODELS: [(&str, &str, &str); 4] = [
    ("resnet18", "basic 2x64 2x128 2x256 2x512", ""),
    ("resnet34", "basic 3x64 4x128 6x256 3x512", ""),
    ("resnet50", "bottleneck 3x64 4x128 6x256 3x512", ""),
    ("vgg11-imagenet", "64 M 128 M 256 256 M 512 512 M 512 512 M A7", "4096,4096"),
];

/// The largest image.
const MAX_SIDE: usize = 1024;

/// Names of the networks that `model` takes, apart from `custom`.
pub fn model_names() -> Vec<String> {
    let bases = MODELS.iter().map(|(name, _, _)| (*name).to_owned());
    let small = bases.flat_map(|name| [name.clone(), format!("{name}_bn")]);
    small.chain(IMAGENET_MODELS.iter().map(|(name, _, _)| (*name).to_owned())).collect()
}

impl TrainConfig {
    /// Takes plan, classifier and batch normalization from the network's name.
    ///
    /// # Errors
    /// When no network has that name.
    pub fn set_model(&mut self, name: &str) -> Result<()> {
        let base = name.strip_suffix("_bn").unwrap_or(name);
        let small = MODELS.iter().find(|(known, _, _)| *known == base);
        let large = || IMAGENET_MODELS.iter().find(|(known, _, _)| *known == name);
        let Some((_, plan, classifier)) = small.or_else(large) else {
            let why = format!("known are {}, or a plan of your own", model_names().join(", "));
            return Err(Error::field("model", name, why));
        };
        self.model = name.to_owned();
        self.plan = (*plan).to_owned();
        self.classifier = (*classifier).to_owned();
        self.batch_norm = base != name;
        Ok(())
    }

    /// Whether the network is one of torchvision's for ImageNet.
    pub fn is_for_imagenet(&self) -> bool {
        IMAGENET_MODELS.iter().any(|(name, _, _)| *name == self.model)
    }

    /// The devices that compute: `devices`, or `device` alone if that list is empty.
    pub fn device_choices(&self) -> Vec<DeviceChoice> {
        if self.devices.is_empty() { vec![self.device.clone()] } else { self.devices.as_slice().to_vec() }
    }

    /// Width and height of the images.
    pub fn input_side(&self) -> usize {
        match (self.side, self.data) {
            (0, DataSource::ImageNet) => 224,
            (0, DataSource::Builtin | DataSource::Cifar10) => 32,
            (side, _) => side,
        }
    }

    /// What the page starts with: small batches, so that the first result comes at once, and a push
    /// that the maps show within a minute.
    pub fn for_page() -> Self {
        Self { batch: 16, learning_rate: 0.02, dropout: 0.2, lambda: 0.02, epochs: 10, ..Self::default() }
    }

    /// The same network and data as the authors fine-tune after pruning: a constant rate of 0.01, no
    /// momentum, no weight decay, no regularizer, convolutions alone. Masks are the session's.
    #[must_use]
    pub fn for_finetuning(&self) -> Self {
        Self {
            regularizer: RegularizerKind::None,
            learning_rate: 0.01,
            momentum: 0.0,
            weight_decay: 0.0,
            milestones: Vec::new(),
            epochs: 5,
            trainable: Trainable::Convolutions,
            ..self.clone()
        }
    }

    /// Calls the network `custom` when its plan is not that of its name.
    pub fn settle_model(&mut self) {
        let mut named = self.clone();
        let same = named.set_model(&self.model).is_ok()
            && (named.plan.as_str(), named.classifier.as_str(), named.batch_norm)
                == (self.plan.as_str(), self.classifier.as_str(), self.batch_norm);
        if !same {
            "custom".clone_into(&mut self.model);
        }
    }

    /// Checks every field's range; the network's plan is checked where it is built.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        let rate = |field, value: f64, below: f64| match value {
            v if v.is_finite() && (0.0..below).contains(&v) => Ok(()),
            v => Err(Error::field(field, v, format!("takes 0 to below {below}"))),
        };
        rate("dropout", self.dropout, 1.0)?;
        rate("momentum", self.momentum, 1.0)?;
        rate("lambda", self.lambda, 1e6)?;
        rate("lambda_mean", self.lambda_mean, 1e6)?;
        rate("weight_decay", self.weight_decay, 1e3)?;
        rate("learning_rate", self.learning_rate, 1e3)?;
        if !(1..=65_536).contains(&self.batch) {
            return Err(Error::field("batch", self.batch, "takes 1 to 65536 images"));
        }
        if !(1..=100_000).contains(&self.epochs) {
            return Err(Error::field("epochs", self.epochs, "takes 1 to 100000"));
        }
        if self.side > MAX_SIDE {
            return Err(Error::field("side", self.side, format!("takes 0 to {MAX_SIDE}")));
        }
        if self.seed > MAX_SEED {
            return Err(Error::field(
                "seed",
                self.seed,
                "takes 0 to 2^53 - 1, so that JavaScript can name it",
            ));
        }
        Ok(())
    }
}
