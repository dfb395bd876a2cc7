//! `crossdub data`: what a data set holds.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{files, human, output};
use crate::data::Dataset;
use crate::error::Result;
use crate::spec::{RunSpec, SCHEMA_VERSION};

/// Looks at data sets
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says what a data set holds
    ///
    /// Example: crossdub data info cifar-10-batches-bin
    Info {
        /// builtin, a folder of CIFAR-10 binary files, or their .tar.gz
        path: PathBuf,
        /// Keeps the last N training images for evaluation, instead of the test file
        #[arg(long, value_name = "N", default_value_t = 0)]
        holdout: usize,
        /// Seed of the built-in images
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Prints one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Answer {
    schema_version: u32,
    data: crate::spec::DataSource,
    classes: Vec<String>,
    train: Part,
    test: Part,
}

#[derive(Serialize)]
struct Part {
    images: usize,
    per_class: Vec<usize>,
}

impl Part {
    fn of(data: &Dataset) -> Self {
        let mut per_class = vec![0; data.classes.len()];
        for &label in &data.labels {
            per_class[usize::from(label)] += 1;
        }
        Self { images: data.len(), per_class }
    }
}

/// Runs the command.
pub fn run(options: &Options) -> Result<()> {
    let Command::Info { path, holdout, seed, json } = &options.command;
    let mut spec = RunSpec { holdout: *holdout, seed: *seed, ..RunSpec::default() };
    spec.validate()?;
    let split = files::open_data(path, &mut spec)?;
    let answer = Answer {
        schema_version: SCHEMA_VERSION,
        data: spec.data,
        classes: split.train.classes.clone(),
        train: Part::of(&split.train),
        test: Part::of(&split.test),
    };
    output::report(*json, &answer, || describe(&answer))
}

fn describe(answer: &Answer) -> String {
    let mut rows = vec![["class", "train", "test"].map(str::to_owned).to_vec()];
    for (at, class) in answer.classes.iter().enumerate() {
        let counts = [&answer.train, &answer.test].map(|part| part.per_class[at].to_string());
        rows.push([class.clone()].into_iter().chain(counts).collect());
    }
    rows.push(vec!["all".to_owned(), answer.train.images.to_string(), answer.test.images.to_string()]);
    human::table(&rows)
}
