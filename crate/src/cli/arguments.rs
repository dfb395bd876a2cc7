//! Options that several commands share. Their names are the specification's field names.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::spec::{self, HardwareSpec, RunSpec};

/// The crossbar.
#[derive(Debug, Clone, Args)]
pub struct HardwareOptions {
    /// Rows of a crossbar
    #[arg(long, default_value_t = 32)]
    pub tile: usize,
    /// Cells a weight takes, side by side
    #[arg(long, default_value_t = 1)]
    pub weight_bits: usize,
    /// Weights of at most this magnitude count as almost zero
    #[arg(long, default_value_t = 1e-3)]
    pub tol: f64,
}

impl HardwareOptions {
    /// The specification, checked.
    pub fn spec(&self) -> Result<HardwareSpec> {
        let hardware = HardwareSpec { tile: self.tile, weight_bits: self.weight_bits, tol: self.tol };
        hardware.validate()?;
        Ok(hardware)
    }
}

/// The network.
#[derive(Debug, Clone, Args)]
pub struct ModelOptions {
    /// vgg-small, vgg11, vgg13 or vgg16, each also with _bn
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// A plan of your own: widths of convolutions, M for a pooling
    #[arg(long, value_name = "PLAN", conflicts_with = "model")]
    pub plan: Option<String>,
    /// Widths of the hidden fully connected layers of your plan, separated by commas
    #[arg(long, value_name = "WIDTHS", requires = "plan")]
    pub classifier: Option<String>,
    /// Batch normalization after each convolution of your plan
    #[arg(long, requires = "plan")]
    pub batch_norm: bool,
}

impl ModelOptions {
    /// Puts the network into flat fields.
    pub fn fields(&self, fields: &mut Map<String, Value>) {
        put(fields, "model", self.model.clone());
        put(fields, "plan", self.plan.clone());
        if self.plan.is_some() {
            put(fields, "classifier", Some(self.classifier.as_deref().unwrap_or_default()));
            put(fields, "batch_norm", Some(self.batch_norm));
        }
    }

    /// A run of this network with defaults for the rest.
    pub fn spec(&self) -> Result<RunSpec> {
        if self.model.is_none() && self.plan.is_none() {
            return Err(Error::field("model", "", "name the network with --model or --plan"));
        }
        let mut fields = Map::new();
        self.fields(&mut fields);
        Ok(spec::apply(&RunSpec::default(), &HardwareSpec::default(), &fields)?.0)
    }
}

/// Images to evaluate on.
#[derive(Debug, Clone, Args)]
pub struct DataOptions {
    /// builtin, a folder of CIFAR-10 binary files, or their .tar.gz
    #[arg(long, value_name = "PATH")]
    pub data: PathBuf,
    /// Keeps the last N training images for evaluation, instead of the test file
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub holdout: usize,
    /// Seed of the built-in images
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Puts a field where the option was given.
pub fn put(fields: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}
