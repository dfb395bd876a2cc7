//! `TrainConfig`: everything about a run that may vary between runs that are compared.

use serde::{Deserialize, Serialize};

use super::MAX_SEED;
use super::device::{DeviceChoice, DeviceList};
use super::network_name::NetworkName;
use super::network_plan::{ClassifierWidths, NetworkPlan};
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
    /// CIFAR-10 from its official files.
    Cifar10,
    /// CIFAR-100 from its official files, with its 100 fine labels.
    Cifar100,
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
/// use crossdub::config::{NetworkName, TrainConfig};
///
/// let mut train = TrainConfig { epochs: 3, ..TrainConfig::default() };
/// train.set_model(NetworkName::Vgg11Bn);
/// assert!(train.batch_norm && train.validate().is_ok());
/// assert_eq!(train.for_finetuning().learning_rate, 0.01);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Where images come from.
    pub data: DataSource,
    /// The network's name; [`NetworkName::Custom`] if plan, classifier and batch normalization are not that network's.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub model: NetworkName,
    /// The convolutions: widths and poolings, such as `32 M 64 M 128 M`, or the stages of a ResNet.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub plan: NetworkPlan,
    /// Widths of the hidden fully connected layers, such as `512,512`.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub classifier: ClassifierWidths,
    /// Whether a batch normalization follows each convolution of a VGG. A ResNet has them anyway.
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
            model: NetworkName::VggSmall,
            plan: NetworkPlan::default(),
            classifier: NetworkName::VggSmall.classifier(),
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

/// The largest image.
const MAX_SIDE: usize = 1024;

impl TrainConfig {
    /// Takes plan, classifier and batch normalization from a network; [`NetworkName::Custom`] has none and changes
    /// nothing.
    pub fn set_model(&mut self, name: NetworkName) {
        if let Some(plan) = name.plan() {
            (self.model, self.plan) = (name, plan);
            (self.classifier, self.batch_norm) = (name.classifier(), name.has_batch_norm());
        }
    }

    /// Names the network `custom` if it is no longer that of its name.
    pub(super) fn update_model(&mut self) {
        let same = self.model.plan().is_some_and(|plan| plan == self.plan)
            && (self.model.classifier(), self.model.has_batch_norm())
                == (self.classifier.clone(), self.batch_norm);
        if !same {
            self.model = NetworkName::Custom;
        }
    }

    /// The devices that compute: `devices`, or `device` alone if that list is empty.
    pub fn device_choices(&self) -> Vec<DeviceChoice> {
        if self.devices.is_empty() { vec![self.device.clone()] } else { self.devices.as_slice().to_vec() }
    }

    /// Width and height of the images.
    pub fn input_side(&self) -> usize {
        match (self.side, self.data) {
            (0, DataSource::ImageNet) => 224,
            (0, _) => 32,
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
