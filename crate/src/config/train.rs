//! [`TrainConfig`]: everything about a run that may vary between compared runs.

use serde::{Deserialize, Serialize};

use super::device::{DeviceChoice, DeviceList};
use super::field_value::MAX_INTEGER;
use super::kernels::Kernels;
use super::network_name::NetworkName;
use super::network_plan::{ClassifierWidths, NetworkPlan};
use super::per_layer::{LayerCaps, LayerPrecisions};
use super::precision::Precision;
use super::schedule::Schedule;
use super::standardize::Standardize;
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
    /// Pictures in class folders that the page was given, brought to 32 x 32.
    Folder,
    /// Image files in one of the layouts of ImageNet; native builds only.
    ImageNet,
}

/// A term added to the loss that drives weights toward sparsity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RegularizerKind {
    /// No regularizer.
    None,
    /// Variance of the columns' densities; the gradient is 0 for columns sparser than their tile's mean.
    #[default]
    Gated,
    /// Variance of the columns' densities; it makes sparse columns denser, too.
    Ungated,
    /// Mean density plus variance, ungated.
    MeanAndVariance,
    /// Mean density plus variance, with the gate on the variance's gradient only.
    MeanAndGatedVariance,
    /// L2 norm of every tile.
    GroupLassoTile,
    /// L2 norm of every row across a tile's columns.
    GroupLassoRow,
    /// L2 norm of every column.
    GroupLassoColumn,
}

impl RegularizerKind {
    /// All kinds, in display order.
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

/// Which parameters the optimizer updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Trainable {
    /// Every parameter.
    #[default]
    All,
    /// Only the convolutions' weights, as the paper's authors fine-tune: no bias, normalization or fully connected
    /// layer. Running statistics still follow the batches.
    Convolutions,
}

/// Everything about a run that may vary between compared runs.
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
    /// Width and height of the images in pixels; 0 for the data's own: 224 for ImageNet, else 32.
    pub side: usize,
    /// Dropout probability after each hidden fully connected layer, 0 to below 1.
    pub dropout: f64,
    /// The device to compute on.
    pub device: DeviceChoice,
    /// Devices that share each batch, instead of `device`; the first holds the network. Empty for a single device.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub devices: DeviceList,
    /// Whether to sum gradients on the first device, even if the devices could all-reduce them.
    pub gather: bool,
    /// Precision of the forward and backward pass.
    pub precision: Precision,
    /// Whose kernels compute.
    pub kernels: Kernels,
    /// The regularizer.
    pub regularizer: RegularizerKind,
    /// Weight of the regularizer (lambda_var; lambda_g for group lasso).
    pub lambda: f64,
    /// Weight of the mean density, for the kinds that have it.
    pub lambda_mean: f64,
    /// Weight decay coupled to the gradient (lambda_l2), as in PyTorch's SGD.
    pub weight_decay: f64,
    /// Learning rate: the initial one, or the largest of a one-cycle schedule.
    pub learning_rate: f64,
    /// Momentum, 0 to below 1.
    pub momentum: f64,
    /// Images per step.
    pub batch: usize,
    /// Passes over the training images.
    pub epochs: usize,
    /// How the learning rate changes over the run.
    pub schedule: Schedule,
    /// Epochs after which the learning rate drops to a tenth, with [`Schedule::MultiStep`].
    pub milestones: Vec<usize>,
    /// How pixels become the numbers that the network takes.
    pub standardize: Standardize,
    /// Whether training images are shifted (pad 4, crop) and flipped.
    pub augment: bool,
    /// Holds out the last N training images for evaluation, instead of the test file.
    pub holdout: usize,
    /// Trains on the first N training images only; 0 for all. Evaluation is unaffected.
    pub limit: usize,
    /// Which parameters the optimizer updates.
    pub trainable: Trainable,
    /// Bits of quantized weights, 2 to 8, their sign among them, for all layers that are quantized or for each; empty to
    /// train in floats.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub quantize_precision: LayerPrecisions,
    /// The most set cells of a tile's column in each weight slice and polarity of quantized weights; empty without a limit.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub quantize_cap: LayerCaps,
    /// Whether fully connected layers are quantized too, with their inputs: they come after the convolutions.
    pub quantize_linear: bool,
    /// Epochs over which the caps tighten from no limit to their values; 0 for at once.
    pub quantize_ramp: usize,
    /// Weight of what caps are missed by: half the squared distance to the weights that keep to them.
    pub quantize_lambda: f64,
    /// A teacher's share of the loss, 0 to 1, in a run that has one; the labels have the rest.
    pub distill_weight: f64,
    /// What both networks' scores are divided by before they are compared.
    pub distill_temperature: f64,
    /// Seed of everything random: initial weights, image order, augmentation, dropout, built-in images.
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
            kernels: Kernels::Crossdub,
            regularizer: RegularizerKind::Gated,
            lambda: 1e-3,
            lambda_mean: 0.0,
            weight_decay: 5e-4,
            learning_rate: 0.05,
            momentum: 0.9,
            batch: 128,
            epochs: 20,
            schedule: Schedule::MultiStep,
            milestones: Vec::new(),
            standardize: Standardize::Auto,
            augment: true,
            holdout: 0,
            limit: 0,
            trainable: Trainable::All,
            quantize_precision: LayerPrecisions::default(),
            quantize_cap: LayerCaps::default(),
            quantize_linear: false,
            quantize_ramp: 0,
            quantize_lambda: 0.0,
            distill_weight: 0.5,
            distill_temperature: 4.0,
            seed: 0,
        }
    }
}

/// The largest width and height of an image, in pixels.
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

    /// Names the network `custom` if it differs from the one of its name.
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

    /// The page's defaults: small batches, so that the first result comes at once, and a lambda whose effect the maps
    /// show within a minute.
    pub fn for_page() -> Self {
        Self { batch: 16, learning_rate: 0.02, dropout: 0.2, lambda: 0.02, epochs: 10, ..Self::default() }
    }

    /// The same network and data with the settings that the paper's authors fine-tune with after pruning: a constant
    /// learning rate of 0.01, no momentum, weight decay or regularizer, only the convolutions' weights. The trainer
    /// holds the masks, and caps stay as tight as they have become.
    #[must_use]
    pub fn for_finetuning(&self) -> Self {
        Self {
            regularizer: RegularizerKind::None,
            learning_rate: 0.01,
            momentum: 0.0,
            weight_decay: 0.0,
            schedule: Schedule::MultiStep,
            milestones: Vec::new(),
            epochs: 5,
            quantize_ramp: 0,
            trainable: Trainable::Convolutions,
            ..self.clone()
        }
    }

    /// Checks every field's range. Whether the plan fits the images is checked when
    /// its layers are planned.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        let rate = |field, value: f64, below: f64| match value {
            v if v.is_finite() && (0.0..below).contains(&v) => Ok(()),
            v => Err(Error::field(field, v, format!("must be 0 to below {below}"))),
        };
        rate("dropout", self.dropout, 1.0)?;
        rate("momentum", self.momentum, 1.0)?;
        rate("lambda", self.lambda, 1e6)?;
        rate("lambda_mean", self.lambda_mean, 1e6)?;
        rate("quantize_lambda", self.quantize_lambda, 1e6)?;
        rate("weight_decay", self.weight_decay, 1e3)?;
        rate("learning_rate", self.learning_rate, 1e3)?;
        if !(0.0..=1.0).contains(&self.distill_weight) {
            return Err(Error::field("distill_weight", self.distill_weight, "must be 0 to 1"));
        }
        if !(0.1..=100.0).contains(&self.distill_temperature) {
            return Err(Error::field("distill_temperature", self.distill_temperature, "must be 0.1 to 100"));
        }
        if !(1..=65_536).contains(&self.batch) {
            return Err(Error::field("batch", self.batch, "must be 1 to 65536 images"));
        }
        if !(1..=100_000).contains(&self.epochs) {
            return Err(Error::field("epochs", self.epochs, "must be 1 to 100000"));
        }
        if self.quantize_ramp > self.epochs {
            let why = format!("must be 0 to the {} epochs", self.epochs);
            return Err(Error::field("quantize_ramp", self.quantize_ramp, why));
        }
        if self.side > MAX_SIDE {
            return Err(Error::field("side", self.side, format!("must be 0 to {MAX_SIDE}")));
        }
        if self.seed > MAX_INTEGER {
            return Err(Error::field(
                "seed",
                self.seed,
                "must be 0 to 2^53 - 1, so that JavaScript can name it",
            ));
        }
        Ok(())
    }
}
