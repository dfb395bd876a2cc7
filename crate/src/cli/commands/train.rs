//! `crossdub train`: one training run in a folder; it can be stopped at any moment and resumed.

use std::path::PathBuf;

use clap::Args;

use crate::cli::files;
use crate::cli::options::network::NetworkOptions;
use crate::cli::options::train::TrainOptions;
use crate::cli::runs::run_folder::read_toml;
use crate::cli::runs::run_settings::{RunFiles, RunSettings};
use crate::cli::runs::training::{self, RunFolderArgs};
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
    network: NetworkOptions,
    /// builtin, CIFAR's files, or images in class folders: a folder or an archive
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
    /// Learn from this trained network of the same plan, too (see --distill-weight)
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,
    #[command(flatten)]
    fields: TrainOptions,
    #[command(flatten)]
    folder: RunFolderArgs,
}

/// Runs the command.
pub fn run(args: &TrainArgs) -> Result<()> {
    let settings = || {
        let mut settings = args.file_settings()?;
        settings.extend(args.option_settings());
        Ok(settings)
    };
    let (data, devices) = (args.data.as_deref(), args.fields.devices());
    training::run(&args.folder, &TrainConfig::default(), data, &devices, settings)
        .map_err(|error| args.attribute(error))
}

impl TrainArgs {
    /// The settings in the configuration file.
    fn file_settings(&self) -> Result<RunSettings> {
        let fields = self.config.as_deref().map(read_toml).transpose()?;
        RunSettings::from_map(fields.unwrap_or_default())
    }

    /// The settings in the options.
    fn option_settings(&self) -> RunSettings {
        let files = RunFiles {
            data: self.data.as_deref(),
            weights: self.weights.as_deref(),
            masks: self.masks.as_deref(),
            teacher: self.teacher.as_deref(),
        };
        RunSettings::from_options(self.fields.fields(&self.network), files)
    }

    /// The same error, as one of the configuration file if the invalid field stands there and no option
    /// overrides it.
    fn attribute(&self, error: Error) -> Error {
        let (Some(path), Some(field)) = (&self.config, error.field_name()) else { return error };
        let in_file = read_toml(path).is_ok_and(|fields| fields.contains_key(field));
        if in_file && !self.option_settings().sets(field) {
            return Error::file("reading the configuration", files::display_path(path), &error);
        }
        error
    }
}
