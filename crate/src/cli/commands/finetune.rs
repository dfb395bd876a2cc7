//! `crossdub finetune`: trains pruned weights on, and what is zero stays zero.

use std::path::PathBuf;

use clap::Args;
use serde_json::Map;

use crate::cli::files;
use crate::cli::options::shared::{ModelOptions, put};
use crate::cli::options::train::RunOptions;
use crate::cli::runs::training::{self, DATA, FROM_ZEROS, MASKS, RunFolderArgs, WEIGHTS};
use crate::config::TrainConfig;
use crate::error::Result;

/// Trains pruned weights on; what is zero stays zero
///
/// Defaults are the authors': learning rate 0.01, no momentum, no weight decay, no regularizer, the
/// convolutions' weights alone; 5 epochs. Every option of crossdub train changes them. Without
/// --model or --plan the network is vgg-small.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub finetune pruned.safetensors --model vgg-small --data cifar-10-batches-bin --out tuned\n         \
    crossdub finetune --out tuned --resume",
    mut_arg("regularizer", |arg| arg.help("Term added to the loss [default: none]")),
    mut_arg("learning_rate", |arg| arg.help("Learning rate [default: 0.01]")),
    mut_arg("momentum", |arg| arg.help("Momentum [default: 0]")),
    mut_arg("weight_decay", |arg| arg.help("Weight decay [default: 0]")),
    mut_arg("epochs", |arg| arg.help("Passes over the training images [default: 5]")),
    mut_arg("trainable", |arg| arg.help("What is trained: all, or the convolutions' weights alone [default: convolutions]"))
)]
pub struct FinetuneArgs {
    /// Pruned weights: .safetensors, or a PyTorch .pt or .pth state dict
    #[arg(required_unless_present = "resume")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    model: ModelOptions,
    /// builtin, a folder of CIFAR-10 binary files or their .tar.gz, or a folder of ImageNet's images
    #[arg(long, value_name = "PATH", required_unless_present = "resume")]
    data: Option<PathBuf>,
    /// Masks to keep, 1 where a weight stays [default: the zeros of the weights]
    #[arg(long, value_name = "M.safetensors")]
    masks: Option<PathBuf>,
    #[command(flatten)]
    fields: RunOptions,
    #[command(flatten)]
    job: RunFolderArgs,
}

/// Runs the command.
pub fn run(args: &FinetuneArgs) -> Result<()> {
    let base = TrainConfig::default().for_finetuning();
    training::run(&args.job, &base, args.data.as_deref(), &args.fields.devices(), || {
        let mut fields = Map::new();
        args.model.fields(&mut fields);
        args.fields.put(&mut fields)?;
        put(&mut fields, DATA, args.data.as_deref().map(files::display_path));
        put(&mut fields, WEIGHTS, args.weights.as_deref().map(files::display_path));
        let masks = args.masks.as_deref().map_or_else(|| FROM_ZEROS.to_owned(), files::display_path);
        put(&mut fields, MASKS, Some(masks));
        Ok(fields)
    })
}
