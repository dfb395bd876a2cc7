//! `crossdub train`: a run in a folder, which can be stopped at any moment and goes on.

use std::path::PathBuf;

use clap::Args;
use serde_json::Map;

use crate::cli::files;
use crate::cli::options::shared::{ModelOptions, put};
use crate::cli::options::train::RunOptions;
use crate::cli::runs::run_folder::read_toml;
use crate::cli::runs::training::{self, DATA, MASKS, RunFolderArgs, WEIGHTS};
use crate::config::TrainConfig;
use crate::error::Result;

/// Trains a network, with D.U.B. regularization or another
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
    /// builtin, a folder of CIFAR-10 binary files or their .tar.gz, or a folder of ImageNet's images
    #[arg(long, value_name = "PATH", required_unless_present_any = ["resume", "config"])]
    data: Option<PathBuf>,
    /// TOML file with fields of the run; options go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Starts from these weights instead of random ones
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Keeps weights at zero: a file of masks, or from-zeros for the zeros of --weights
    #[arg(long, value_name = "M.safetensors|from-zeros")]
    masks: Option<PathBuf>,
    #[command(flatten)]
    fields: RunOptions,
    #[command(flatten)]
    job: RunFolderArgs,
}

/// Runs the command.
pub fn run(args: &TrainArgs) -> Result<()> {
    training::run(&args.job, &TrainConfig::default(), args.data.as_deref(), &args.fields.devices(), || {
        let mut fields = args.config.as_deref().map(read_toml).transpose()?.unwrap_or_else(Map::new);
        args.model.fields(&mut fields);
        args.fields.put(&mut fields)?;
        put(&mut fields, DATA, args.data.as_deref().map(files::display_path));
        put(&mut fields, WEIGHTS, args.weights.as_deref().map(files::display_path));
        put(&mut fields, MASKS, args.masks.as_deref().map(files::display_path));
        Ok(fields)
    })
}
