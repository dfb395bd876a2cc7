//! Options about images.

use std::path::PathBuf;

use clap::Args;

use crate::data::imagenet::LoaderConfig;

/// Images to evaluate on.
#[derive(Debug, Clone, Args)]
pub struct DataOptions {
    /// builtin, CIFAR's files, or images in class folders: a folder or an archive
    #[arg(long, value_name = "PATH")]
    pub data: PathBuf,
    /// Hold out the last N training images for evaluation, instead of the test file
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub holdout: usize,
    /// Seed of the built-in images
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub loader: LoaderOptions,
}

/// How image files are read.
#[derive(Debug, Clone, Copy, Args)]
pub struct LoaderOptions {
    /// Threads that decode image files [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// Share of the image files that may be unreadable, in percent [default: 0.1]
    #[arg(long, value_name = "PERCENT")]
    pub max_bad: Option<f64>,
}

impl From<LoaderOptions> for LoaderConfig {
    fn from(options: LoaderOptions) -> Self {
        let default = Self::default();
        let threads = options.workers.map_or(default.threads, usize::from);
        Self { threads, max_bad: options.max_bad.unwrap_or(default.max_bad), ..default }
    }
}
