//! `crossdub train`: one training run in a folder; it can be stopped at any moment and resumed.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::files;
use crate::cli::options::shared::{ModelOptions, put};
use crate::cli::options::train::RunOptions;
use crate::cli::runs::run_folder::read_toml;
use crate::cli::runs::training::{self, DATA, MASKS, RunFolderArgs, WEIGHTS};
use crate::config::TrainConfig;
use crate::error::{Error, Result};

/// Train a network with D.U.B. or another regularization
///
/// Without --model, --plan or --config the network is vgg-small.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub train --model vgg-small --data builtin --out run --epochs 3\n         \
    crossdub train --out run --resume"
)]
pub struct TrainArgs {
    #[command(flatten)]
    model: ModelOptions,
    /// builtin, CIFAR-10's binary files (a folder or .tar.gz), or a folder of images as in ImageNet
    #[arg(long, value_name = "PATH", required_unless_present_any = ["resume", "config"])]
    data: Option<PathBuf>,
    /// TOML file with configuration fields; options override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Start from these weights instead of random ones
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Keep weights at zero: a file of masks, or from-zeros for the zeros of --weights
    #[arg(long, value_name = "M.safetensors|from-zeros")]
    masks: Option<PathBuf>,
    #[command(flatten)]
    fields: RunOptions,
    #[command(flatten)]
    job: RunFolderArgs,
}

/// Runs the command.
pub fn run(args: &TrainArgs) -> Result<()> {
    let fields = || {
        let mut fields = args.config.as_deref().map(read_toml).transpose()?.unwrap_or_else(Map::new);
        fields.extend(args.option_fields()?);
        Ok(fields)
    };
    let (data, devices) = (args.data.as_deref(), args.fields.devices());
    training::run(&args.job, &TrainConfig::default(), data, &devices, fields)
        .map_err(|error| args.attribute(error))
}

impl TrainArgs {
    /// The fields that options set.
    fn option_fields(&self) -> Result<Map<String, Value>> {
        let mut fields = Map::new();
        self.model.fields(&mut fields);
        self.fields.put(&mut fields)?;
        put(&mut fields, DATA, self.data.as_deref().map(files::display_path));
        put(&mut fields, WEIGHTS, self.weights.as_deref().map(files::display_path));
        put(&mut fields, MASKS, self.masks.as_deref().map(files::display_path));
        Ok(fields)
    }

    /// The same error, as one of the configuration file if the invalid field stands there and no option
    /// overrides it.
    fn attribute(&self, error: Error) -> Error {
        let (Some(path), Some(field)) = (&self.config, error.field_name()) else { return error };
        let in_file = read_toml(path).is_ok_and(|fields| fields.contains_key(field));
        if in_file && self.option_fields().is_ok_and(|fields| !fields.contains_key(field)) {
            return Error::file("reading the configuration", files::display_path(path), &error);
        }
        error
    }
}
