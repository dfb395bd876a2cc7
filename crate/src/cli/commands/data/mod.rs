//! `crossdub data`: inspects data sets and prepares ImageNet's archives.

mod imagenet;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::files;
use crate::cli::format;
use crate::cli::output;
use crate::config::{SCHEMA_VERSION, TrainConfig};
use crate::data::Dataset;
use crate::data::folders::notes::about;
use crate::data::imagenet::index::Listing;
use crate::data::imagenet::{ImageNet, LoaderConfig};
use crate::data::loader::DataLoader;
use crate::error::Result;

/// Image files whose first bytes are checked.
const MAX_CHECKED: usize = 10_000;

/// Inspect data sets, prepare ImageNet
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub data info cifar-10-batches-bin")]
pub struct DataArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Imagenet(imagenet::DataImagenetArgs),
    /// Count the images of a data set by class
    #[command(after_help = "Example: crossdub data info cifar-10-batches-bin")]
    Info {
        /// builtin, CIFAR's files, or images in class folders; a folder or an archive
        path: PathBuf,
        /// Hold out the last N training images for evaluation, instead of the test file
        #[arg(long, value_name = "N", default_value_t = 0)]
        holdout: usize,
        /// Seed of the built-in images
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct DataOutput {
    schema_version: u32,
    data: crate::config::DataSource,
    classes: Vec<String>,
    train: SplitCounts,
    test: SplitCounts,
    /// Remarks, one sentence each.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct SplitCounts {
    images: usize,
    per_class: Vec<usize>,
}

impl SplitCounts {
    fn from_dataset(data: &Dataset) -> Self {
        let mut per_class = vec![0; data.classes.len()];
        for &label in &data.labels {
            per_class[usize::from(label)] += 1;
        }
        Self { images: data.len(), per_class }
    }

    fn from_listing(listing: &Listing, classes: usize) -> Self {
        Self { images: listing.len(), per_class: listing.per_class(classes) }
    }
}

/// Runs the command.
pub fn run(args: &DataArgs) -> Result<()> {
    let (path, holdout, seed, json) = match &args.command {
        Command::Imagenet(args) => return imagenet::run(args),
        Command::Info { path, holdout, seed, json } => (path, *holdout, *seed, *json),
    };
    let mut config = TrainConfig { holdout, seed, ..TrainConfig::default() };
    config.validate()?;
    let mut notes = Vec::new();
    let (classes, train, test) = match files::open_dataset(path, &mut config, LoaderConfig::default())? {
        DataLoader::Memory(split, _) => {
            let (train, test) =
                (SplitCounts::from_dataset(&split.train), SplitCounts::from_dataset(&split.test));
            (split.train.classes, train, test)
        }
        DataLoader::Files(files) => {
            let index = files.index();
            notes.clone_from(&index.notes);
            notes.extend(unreadable_reasons(&files));
            let part = |listing| SplitCounts::from_listing(listing, index.classes.len());
            (index.classes.clone(), part(&index.train), part(&index.val))
        }
    };
    let result =
        DataOutput { schema_version: SCHEMA_VERSION, data: config.data, classes, train, test, notes };
    output::print_result(json, &result, || describe(&result))
}

/// What is wrong with the first bytes of image files, of at most [`MAX_CHECKED`].
fn unreadable_reasons(files: &ImageNet) -> Option<String> {
    let index = files.index();
    let images =
        [&index.train, &index.val].into_iter().flat_map(|part| (0..part.len()).map(|at| part.image(at)));
    let mut found = Vec::new();
    for image in images.take(MAX_CHECKED) {
        if let Some(why) = files.unreadable_reason(image) {
            let name = format!("{}/{}: {why}", image.container, image.name);
            // Training and evaluation may use the same files.
            if !found.contains(&name) {
                found.push(name);
            }
        }
    }
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let note = about("image files that can't be read", &found)?;
    output::status_once(&note);
    Some(note)
}

fn describe(result: &DataOutput) -> String {
    let mut rows = vec![["class", "train", "test"].map(str::to_owned).to_vec()];
    for (at, class) in result.classes.iter().enumerate() {
        let counts = [&result.train, &result.test].map(|part| part.per_class[at].to_string());
        rows.push([class.clone()].into_iter().chain(counts).collect());
    }
    rows.push(vec!["all".to_owned(), result.train.images.to_string(), result.test.images.to_string()]);
    format::table(&rows)
}
