//! Options that several commands share, named like the configuration's fields.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use crate::config::{self, DataSource, HardwareConfig, TrainConfig};
use crate::data::imagenet::LoaderConfig;
use crate::error::{Error, Result};

/// The crossbar.
#[derive(Debug, Clone, Args)]
pub struct HardwareOptions {
    /// Rows of a crossbar, or rows and columns of cells (128x64)
    #[arg(long, default_value = "32", value_name = "ROWS[xCOLUMNS]")]
    pub tile: String,
    /// Cells per weight, side by side in a row
    #[arg(long, default_value_t = 1)]
    pub weight_bits: usize,
    /// Weights of at most this magnitude count as almost zero
    #[arg(long, default_value_t = 1e-3)]
    pub tol: f64,
}

impl HardwareOptions {
    /// The configuration, validated.
    pub fn spec(&self) -> Result<HardwareConfig> {
        let (tile, columns) = tile_shape(&self.tile)?;
        let (weight_bits, tol) = (self.weight_bits, self.tol);
        let hardware = HardwareConfig { tile, columns, weight_bits, tol, ..HardwareConfig::default() };
        hardware.validate()?;
        Ok(hardware)
    }
}

/// Rows and columns of a crossbar: `64` (0 columns: as many as rows) or `128x64`.
pub fn tile_shape(text: &str) -> Result<(usize, usize)> {
    let number = |part: &str| part.trim().parse::<usize>().ok();
    let (rows, columns) = text.split_once('x').map_or((text, None), |(rows, columns)| (rows, Some(columns)));
    match (number(rows), columns.map(number)) {
        (Some(rows), None) => Ok((rows, 0)),
        // 0 columns would silently mean a square.
        (Some(rows), Some(Some(columns))) if columns > 0 => Ok((rows, columns)),
        _ => Err(Error::field("tile", text, "takes rows, or rows and columns as in 128x64")),
    }
}

/// The network.
#[derive(Debug, Clone, Args)]
pub struct ModelOptions {
    /// vgg-small, vgg11, vgg13, vgg16, each also with _bn; resnet18, resnet34, resnet50, vgg11-imagenet
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Your own network: widths of convolutions, M for max pooling; or a ResNet such as "basic 2x64 2x128"
    #[arg(long, value_name = "PLAN", conflicts_with = "model")]
    pub plan: Option<String>,
    /// Widths of the plan's hidden fully connected layers, separated by commas
    #[arg(long, value_name = "WIDTHS", requires = "plan")]
    pub classifier: Option<String>,
    /// Batch normalization after each convolution of the plan
    #[arg(long, requires = "plan")]
    pub batch_norm: bool,
    /// Width and height of the images; ImageNet's are scaled to it [default: 224, or 32 for other data]
    #[arg(long, value_name = "PIXELS")]
    pub side: Option<usize>,
}

impl ModelOptions {
    /// Adds the network's fields.
    pub fn fields(&self, fields: &mut Map<String, Value>) {
        put(fields, "model", self.model.clone());
        put(fields, "plan", self.plan.clone());
        if self.plan.is_some() {
            put(fields, "classifier", Some(self.classifier.as_deref().unwrap_or_default()));
            put(fields, "batch_norm", Some(self.batch_norm));
        }
        put(fields, "side", self.side);
    }

    /// The configuration of this network, with defaults for the rest.
    pub fn spec(&self) -> Result<TrainConfig> {
        if self.model.is_none() && self.plan.is_none() {
            return Err(Error::field("model", "", "name the network with --model or --plan"));
        }
        let mut fields = Map::new();
        self.fields(&mut fields);
        let mut spec = config::apply(&TrainConfig::default(), &HardwareConfig::default(), &fields)?.0;
        if spec.model.is_for_imagenet() {
            // Until a data set says otherwise.
            spec.data = DataSource::ImageNet;
        }
        Ok(spec)
    }
}

/// Images to evaluate on.
#[derive(Debug, Clone, Args)]
pub struct DataOptions {
    /// builtin, CIFAR-10's binary files (a folder or .tar.gz), or a folder of images as in ImageNet
    #[arg(long, value_name = "PATH")]
    pub data: PathBuf,
    /// Hold out the last N training images for evaluation, instead of the test file
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub holdout: usize,
    /// Seed of the built-in images
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub reading: ReadingOptions,
}

/// How image files are read.
#[derive(Debug, Clone, Copy, Args)]
pub struct ReadingOptions {
    /// Threads that decode image files [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// Share of the image files that may be unreadable, in percent [default: 0.1]
    #[arg(long, value_name = "PERCENT")]
    pub max_bad: Option<f64>,
}

impl From<ReadingOptions> for LoaderConfig {
    fn from(options: ReadingOptions) -> Self {
        let default = Self::default();
        let threads = options.workers.map_or(default.threads, usize::from);
        Self { threads, max_bad: options.max_bad.unwrap_or(default.max_bad), ..default }
    }
}

/// Adds a field if the option was given.
pub fn put(fields: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}
