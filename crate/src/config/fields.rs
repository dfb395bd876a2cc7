//! Partial configurations: the fields given on a command line, in a file or in a URL.
//!
//! Each group of fields is declared once, as a struct of optional fields: the command line parses it (the doc comments
//! are help texts), and `fields!` adds a reader of JSON values by name.

use serde_json::{Map, Value};

use super::{
    AdcModel, ClassifierWidths, DataSource, DeviceChoice, DeviceList, Granularity, HardwareConfig, Kernels,
    LayerCaps, LayerPrecisions, NetworkName, NetworkPlan, Precision, RegularizerKind, Resolution, Schedule,
    Standardize, Subtraction, TrainConfig, Trainable, WeightScale,
};
use crate::error::{Error, Result};

/// Gives a struct of optional fields their names, a reader by name, and the step that puts them into a configuration.
macro_rules! fields {
    ($fields:ident of $config:ty { $($name:ident),+ $(,)? }) => {
        impl $fields {
            /// The names of all fields.
            pub const NAMES: &[&str] = &[$(stringify!($name)),+];

            /// Reads and sets the field of this name. False if there is none.
            ///
            /// # Errors
            /// Names the field if its value has the wrong type or is unknown.
            pub fn set(&mut self, name: &str, value: &serde_json::Value) -> $crate::error::Result<bool> {
                $(if name == stringify!($name) {
                    self.$name = Some($crate::config::read(name, value)?);
                    return Ok(true);
                })+
                Ok(false)
            }

            /// The names of the fields that are set.
            #[must_use]
            pub fn names(&self) -> Vec<&'static str> {
                // Without `..`, so that no field can be forgotten.
                let Self { $($name),+ } = self;
                let set = [$((stringify!($name), $name.is_some())),+];
                set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
            }

            /// Overrides fields with those set in `others`.
            pub fn extend(&mut self, others: Self) {
                $(if others.$name.is_some() {
                    self.$name = others.$name;
                })+
            }

            /// Puts the fields that are set into a configuration, whose ranges are checked afterwards.
            pub fn fill(&self, config: &mut $config) {
                $(if let Some(value) = &self.$name {
                    config.$name = value.clone().into();
                })+
            }
        }
    };
}

/// The network's fields.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct NetworkFields {
    /// vgg-small, vgg11, vgg13, vgg16, each also with _bn; resnet18, resnet34, resnet50, vgg11-imagenet
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME"))]
    pub model: Option<NetworkName>,
    /// Your own network: widths of convolutions, M for max pooling; or a ResNet such as "basic 2x64 2x128"
    #[cfg_attr(feature = "cli", arg(long, value_name = "PLAN", conflicts_with = "model"))]
    pub plan: Option<NetworkPlan>,
    /// Widths of the plan's hidden fully connected layers, separated by commas
    #[cfg_attr(feature = "cli", arg(long, value_name = "WIDTHS", requires = "plan"))]
    pub classifier: Option<ClassifierWidths>,
    /// Batch normalization after each convolution of the plan
    #[cfg_attr(feature = "cli", arg(long, num_args = 0, default_missing_value = "true", requires = "plan"))]
    pub batch_norm: Option<bool>,
    /// Width and height of the images; ImageNet's are scaled to it [default: 224, or 32 for other data]
    #[cfg_attr(feature = "cli", arg(long, value_name = "PIXELS"))]
    pub side: Option<usize>,
    /// How pixels are standardized: image, dataset, half, none, or MEAN/STD such as 0.49,0.48,0.45/0.25,0.24,0.26 [default: as
    /// the weights say; else image, or ImageNet's constants for image files]
    #[cfg_attr(feature = "cli", arg(long, value_name = "HOW"))]
    pub standardize: Option<Standardize>,
}

fields!(NetworkFields of TrainConfig { model, plan, classifier, batch_norm, side, standardize });

impl NetworkFields {
    /// The fields that a model, named later, takes the place of: a plan of one's own, with what goes with it.
    pub const REPLACED_BY_MODEL: [&str; 3] = ["plan", "classifier", "batch_norm"];

    /// Forgets the network if `later` names another.
    fn make_way_for(&mut self, later: &Self) {
        let names_another = later.model.is_some_and(|model| model != NetworkName::Custom);
        if names_another && later.plan.is_none() && self.plan.is_some() {
            (self.plan, self.classifier, self.batch_norm) = (None, None, None);
        }
    }
}

/// The fields of a training run, apart from its network.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct TrainFields {
    /// Set by the data that is opened, not by an option of this name.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub data: Option<DataSource>,
    /// Regularizer: none, gated (default), ungated, mean-and-variance, mean-and-gated-variance, group-lasso-tile, -row or -column
    #[cfg_attr(feature = "cli", arg(long, value_name = "KIND"))]
    pub regularizer: Option<RegularizerKind>,
    /// Weight of the regularizer [default: 1e-3]
    #[cfg_attr(feature = "cli", arg(long))]
    pub lambda: Option<f64>,
    /// Weight of the mean density, for the kinds that have it
    #[cfg_attr(feature = "cli", arg(long))]
    pub lambda_mean: Option<f64>,
    /// Weight decay [default: 5e-4]
    #[cfg_attr(feature = "cli", arg(long))]
    pub weight_decay: Option<f64>,
    /// Learning rate [default: 0.05]
    #[cfg_attr(feature = "cli", arg(long))]
    pub learning_rate: Option<f64>,
    /// Momentum [default: 0.9]
    #[cfg_attr(feature = "cli", arg(long))]
    pub momentum: Option<f64>,
    /// Dropout after each hidden fully connected layer [default: 0.5]
    #[cfg_attr(feature = "cli", arg(long))]
    pub dropout: Option<f64>,
    /// Images per step [default: 128]
    #[cfg_attr(feature = "cli", arg(long))]
    pub batch: Option<usize>,
    /// Passes over the training images [default: 20]
    #[cfg_attr(feature = "cli", arg(long))]
    pub epochs: Option<usize>,
    /// Learning rates: multi-step (constant, a tenth after each milestone) or one-cycle (rise and fall) [default: multi-step]
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME"))]
    pub schedule: Option<Schedule>,
    /// Epochs after which the learning rate drops to a tenth, separated by commas
    #[cfg_attr(feature = "cli", arg(long, value_delimiter = ','))]
    pub milestones: Option<Vec<usize>>,
    /// Whether to shift and flip training images [default: true]
    #[cfg_attr(feature = "cli", arg(long, value_name = "BOOL"))]
    pub augment: Option<bool>,
    /// Hold out the last N training images for evaluation, instead of the test file
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub holdout: Option<usize>,
    /// Train on the first N training images only
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub limit: Option<usize>,
    /// What to train: all, or only the convolutions' weights
    #[cfg_attr(feature = "cli", arg(long, value_name = "all|convolutions"))]
    pub trainable: Option<Trainable>,
    /// Train with weights of so many bits, 2 to 8: one number, or one for each layer on crossbars [default: floats]
    #[cfg_attr(feature = "cli", arg(long, value_name = "BITS,..."))]
    pub quantize_precision: Option<LayerPrecisions>,
    /// The most set cells of a column in each weight slice and polarity; one number, or one for each of these layers
    #[cfg_attr(feature = "cli", arg(long, value_name = "CELLS,..."))]
    pub quantize_cap: Option<LayerCaps>,
    /// Quantize fully connected layers too; in lists of bits or cells they come last
    #[cfg_attr(feature = "cli", arg(long, num_args = 0, default_missing_value = "true"))]
    pub quantize_linear: Option<bool>,
    /// Epochs over which the caps tighten [default: 0]
    #[cfg_attr(feature = "cli", arg(long, value_name = "EPOCHS"))]
    pub quantize_ramp: Option<usize>,
    /// Weight of half the squared distance to weights that keep to the caps [default: 0]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LAMBDA"))]
    pub quantize_lambda: Option<f64>,
    /// Share of the loss that compares with the teacher instead of the labels, 0 to 1 [default: 0.5]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub distill_weight: Option<f64>,
    /// What both networks' scores are divided by before they are compared [default: 4]
    #[cfg_attr(feature = "cli", arg(long, value_name = "TEMPERATURE"))]
    pub distill_temperature: Option<f64>,
    /// Seed of everything random [default: 0]
    #[cfg_attr(feature = "cli", arg(long))]
    pub seed: Option<u64>,
    /// Device: auto, cpu, or another one that crossdub devices lists
    #[cfg_attr(feature = "cli", arg(long, conflicts_with = "devices"))]
    pub device: Option<DeviceChoice>,
    /// Devices that share each batch, separated by commas; the first holds the network
    #[cfg_attr(feature = "cli", arg(long, value_name = "DEVICE,..."))]
    pub devices: Option<DeviceList>,
    /// Sum the gradients on the first device, even if the devices could all-reduce them (CUDA)
    #[cfg_attr(
        feature = "cli",
        arg(long, num_args = 0, default_missing_value = "true", requires = "devices")
    )]
    pub gather: Option<bool>,
    /// Precision: f32, or bf16 (activations and products in 16 bits, weights in 32) [default: f32]
    #[cfg_attr(feature = "cli", arg(long, value_name = "f32|bf16"))]
    pub precision: Option<Precision>,
    /// Kernels of the CPU and of graphics processors: crossdub, or burn for comparison (the same results but for rounding) [default:
    /// crossdub]
    #[cfg_attr(feature = "cli", arg(long, value_name = "crossdub|burn"))]
    pub kernels: Option<Kernels>,
}

fields!(TrainFields of TrainConfig {
    data, regularizer, lambda, lambda_mean, weight_decay, learning_rate, momentum, dropout, batch, epochs, schedule,
    milestones, augment, holdout, limit, trainable, quantize_precision, quantize_cap, quantize_linear, quantize_ramp,
    quantize_lambda, distill_weight, distill_temperature, seed, device, devices, gather, precision, kernels,
});

/// The fields of crossbars. On the command line one option, `--tile 128x64`, sets both `tile` and `columns`.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct CrossbarFields {
    /// Rows of a crossbar.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub tile: Option<usize>,
    /// Columns of a crossbar, in cells; 0 for as many as rows.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub columns: Option<usize>,
    /// Cells per weight, side by side in a row [default: 1]
    #[cfg_attr(feature = "cli", arg(long))]
    pub weight_bits: Option<usize>,
    /// Weights of at most this magnitude count as almost zero [default: 1e-3]
    #[cfg_attr(feature = "cli", arg(long))]
    pub tol: Option<f64>,
}

fields!(CrossbarFields of HardwareConfig { tile, columns, weight_bits, tol });

/// The fields of conversions: how weights and inputs are quantized and sliced, and what counts a conversion's bits.
/// Commands that need `adc`, `resolution` and `per` have options of their own for them.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Conversions"))]
pub struct ConversionFields {
    /// The published ADC model that counts energy.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub adc: Option<AdcModel>,
    /// Bits per conversion.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub resolution: Option<Resolution>,
    /// What shares one resolution.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub per: Option<Granularity>,
    /// Bits of a quantized weight, including its sign
    #[cfg_attr(feature = "cli", arg(long, value_name = "BITS"))]
    pub weight_precision: Option<u32>,
    /// What shares one scale of quantized weights: layer or channel
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHAT"))]
    pub weight_scale: Option<WeightScale>,
    /// Bits per cell
    #[cfg_attr(feature = "cli", arg(long, value_name = "BITS"))]
    pub cell_bits: Option<u32>,
    /// Bits of a quantized input
    #[cfg_attr(feature = "cli", arg(long, value_name = "BITS"))]
    pub input_bits: Option<u32>,
    /// Input bits applied at a time
    #[cfg_attr(feature = "cli", arg(long, value_name = "BITS"))]
    pub dac_bits: Option<u32>,
    /// How crossbars represent negative weights: digital, analog or offset
    #[cfg_attr(feature = "cli", arg(long, value_name = "HOW"))]
    pub subtraction: Option<Subtraction>,
    /// Rows active at the same time; 0 for all of a crossbar
    #[cfg_attr(feature = "cli", arg(long, value_name = "ROWS"))]
    pub active_rows: Option<usize>,
}

fields!(ConversionFields of HardwareConfig {
    adc, resolution, per, weight_precision, weight_scale, cell_bits, input_bits, dac_bits, subtraction, active_rows,
});

/// Any fields of [`TrainConfig`] and [`HardwareConfig`].
///
/// ```
/// use crossdub::config::{ConfigFields, HardwareConfig, TrainConfig};
///
/// let mut fields = ConfigFields::default();
/// fields.set("lambda", &serde_json::json!(2e-3))?;
/// fields.crossbar.tile = Some(64);
/// assert_eq!(fields.names(), ["lambda", "tile"]);
/// let (train, hardware) = fields.apply(&TrainConfig::default(), &HardwareConfig::default())?;
/// assert_eq!((train.lambda, hardware.tile), (2e-3, 64));
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigFields {
    /// The network's fields.
    pub network: NetworkFields,
    /// The training run's.
    pub train: TrainFields,
    /// The crossbars'.
    pub crossbar: CrossbarFields,
    /// The conversions'.
    pub conversions: ConversionFields,
}

impl ConfigFields {
    /// Reads flat fields.
    ///
    /// # Errors
    /// Names the field that is unknown or has the wrong type.
    pub fn from_map(map: &Map<String, Value>) -> Result<Self> {
        let mut fields = Self::default();
        map.iter().try_for_each(|(name, value)| fields.set(name, value))?;
        Ok(fields)
    }

    /// Reads and sets the field of this name.
    ///
    /// # Errors
    /// Names the field if it is unknown or has the wrong type.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        let known = self.network.set(name, value)?
            || self.train.set(name, value)?
            || self.crossbar.set(name, value)?
            || self.conversions.set(name, value)?;
        if known { Ok(()) } else { Err(Error::field(name, value, "there is no such field")) }
    }

    /// The names of the fields that are set.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let hardware = [self.crossbar.names(), self.conversions.names()];
        [self.network.names(), self.train.names()].into_iter().chain(hardware).flatten().collect()
    }

    /// Overrides fields with those set in `others`. A model there replaces a plan here.
    pub fn extend(&mut self, others: Self) {
        self.network.make_way_for(&others.network);
        self.network.extend(others.network);
        self.train.extend(others.train);
        self.crossbar.extend(others.crossbar);
        self.conversions.extend(others.conversions);
    }

    /// Both configurations with the fields put in and every range checked. A `model` sets plan, classifier and batch
    /// normalization, which the other fields then change; a network changed this way is `custom`.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn apply(
        &self,
        train: &TrainConfig,
        hardware: &HardwareConfig,
    ) -> Result<(TrainConfig, HardwareConfig)> {
        let (mut train, mut hardware) = (train.clone(), hardware.clone());
        let mut network = self.network.clone();
        if let Some(model) = network.model.take() {
            if model == NetworkName::Custom && network.plan.is_none() && train.model != model {
                return Err(Error::field("model", "custom", "needs a plan, which says the network"));
            }
            train.set_model(model);
        }
        network.fill(&mut train);
        train.update_model();
        self.train.fill(&mut train);
        self.crossbar.fill(&mut hardware);
        self.conversions.fill(&mut hardware);
        train.validate()?;
        hardware.validate()?;
        Ok((train, hardware))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names<T: serde::Serialize>(config: &T) -> Vec<String> {
        let object = serde_json::to_value(config).expect("JSON");
        object.as_object().expect("an object").keys().cloned().collect()
    }

    #[test]
    fn every_field_of_both_configurations_can_be_set() {
        let mut settable = [NetworkFields::NAMES, TrainFields::NAMES].concat();
        settable.sort_unstable();
        assert_eq!(settable, names(&TrainConfig::default()));
        let mut settable = [CrossbarFields::NAMES, ConversionFields::NAMES].concat();
        settable.sort_unstable();
        assert_eq!(settable, names(&HardwareConfig::default()));
    }

    #[test]
    fn a_configuration_s_own_values_change_nothing() {
        let mut train = TrainConfig { milestones: vec![3, 5], seed: 7, ..TrainConfig::default() };
        train.set_model(NetworkName::ResNet18);
        let hardware = HardwareConfig { tile: 48, columns: 64, ..HardwareConfig::default() };
        let mut all = Map::new();
        for config in [json!(train), json!(hardware)] {
            all.extend(config.as_object().expect("an object").clone());
        }
        let fields = ConfigFields::from_map(&all).expect("their own values");
        assert_eq!(fields.names().len(), all.len());
        let set = fields.apply(&TrainConfig::default(), &HardwareConfig::default());
        assert_eq!(set, Ok((train, hardware)));
    }

    #[test]
    fn later_fields_override_earlier_ones() {
        let read =
            |value: Value| ConfigFields::from_map(value.as_object().expect("an object")).expect("valid");
        let mut fields = read(json!({ "tile": 64, "batch": 8 }));
        fields.extend(read(json!({ "batch": 16, "per": "column" })));
        assert_eq!(fields, read(json!({ "tile": 64, "batch": 16, "per": "column" })));
    }
}
