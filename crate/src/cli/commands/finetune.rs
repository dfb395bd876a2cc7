//! `crossdub finetune`: trains pruned weights further while zeros stay zero.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::options::network::NetworkOptions;
use crate::cli::options::train::TrainOptions;
use crate::cli::runs::run_settings::{FROM_ZEROS_OF_FLOATS, RunFiles, RunSettings};
use crate::cli::runs::training::{self, RunFolderArgs};
use crate::config::TrainConfig;
use crate::error::Result;

/// Train pruned weights further; zeros stay zero
///
/// The defaults are those of the paper's authors: learning rate 0.01, no momentum, no weight decay, no
/// regularizer, only the convolutions' weights, 5 epochs. The options of crossdub train change them. Without
/// --model or --plan the network is vgg-small.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub finetune pruned.safetensors --model vgg-small --data cifar-10-batches-bin --out tuned\n         \
    crossdub finetune --out tuned --resume",
    mut_arg("regularizer", |arg| arg.help("Regularizer added to the loss [default: none]")),
    mut_arg("learning_rate", |arg| arg.help("Learning rate [default: 0.01]")),
    mut_arg("momentum", |arg| arg.help("Momentum [default: 0]")),
    mut_arg("weight_decay", |arg| arg.help("Weight decay [default: 0]")),
    mut_arg("epochs", |arg| arg.help("Passes over the training images [default: 5]")),
    mut_arg("trainable", |arg| arg.help("What to train: all, or only the convolutions' weights [default: convolutions]"))
)]
pub struct FinetuneArgs {
    /// Pruned weights: a PyTorch or safetensors file, its folder, the index of its shards, or an ONNX model
    #[arg(required_unless_present = "resume")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkOptions,
    /// builtin, CIFAR's files, or images in class folders: a folder or an archive
    #[arg(long, value_name = "PATH", required_unless_present = "resume")]
    data: Option<PathBuf>,
    /// Masks, 1 where a weight is trained and 0 where it stays zero [default: the zeros of the weights,
    /// unless these are quantized: they keep their precisions and caps]
    #[arg(long, value_name = "M.safetensors")]
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
pub fn run(args: &FinetuneArgs) -> Result<()> {
    let base = TrainConfig::default().for_finetuning();
    let data = args.data.as_deref();
    training::run(&args.folder, &base, data, &args.fields.devices(), || {
        let files = RunFiles {
            data,
            weights: args.weights.as_deref(),
            masks: Some(args.masks.as_deref().unwrap_or_else(|| Path::new(FROM_ZEROS_OF_FLOATS))),
            teacher: args.teacher.as_deref(),
        };
        Ok(RunSettings::from_options(args.fields.fields(&args.network), files))
    })
}
