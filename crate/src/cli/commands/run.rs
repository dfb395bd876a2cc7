//! `crossdub run`: a recipe from its first stage to its report.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::MultiProgress;
use serde_json::Value;

use crate::cli::files;
use crate::cli::files::dataset_cache::DatasetCache;
use crate::cli::format;
use crate::cli::options::shared::ReadingOptions;
use crate::cli::output;
use crate::cli::runs::dry_run_recipe;
use crate::cli::runs::stages::{Ended, Runner};
use crate::cli::runs::training::stop_flag;
use crate::device::Compute;
use crate::error::{Error, Result};
use crate::workflow::recipe::{Change, Recipe};
use crate::workflow::report::RecipeReport;
use crate::workflow::sweep;

/// Runs a recipe: trains, prunes, fine-tunes, and reports
///
/// Each stage is kept by what it depends on: run again, the recipe goes on where it was stopped, and
/// does only what a change in it makes necessary.
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub run recipes/builtin-quick.toml --out quick\n         \
    crossdub run recipes/vgg-small-cifar10-dub.toml --data cifar-10-batches-bin --set dub.lambda=2e-3")]
pub struct RunArgs {
    /// The recipe, a TOML file
    #[arg(value_name = "RECIPE.toml")]
    recipe: PathBuf,
    #[command(flatten)]
    how: How,
    /// Folder for stages, weights and report.json [default: runs/NAME of the recipe]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Sets a field in all stages that have it, or in one of them; as in the recipe
    #[arg(long, value_name = "[STAGE.]FIELD=VALUE")]
    set: Vec<String>,
    /// Goes on with a run that was stopped, which is what happens anyway
    #[arg(long)]
    resume: bool,
    /// Says what each stage needs in memory, time (by measured steps) and disk, and does nothing else
    #[arg(long)]
    dry_run: bool,
    /// Prints the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// What runs and sweeps share.
#[derive(Debug, Args)]
pub struct How {
    /// builtin, a folder of CIFAR-10 binary files or their .tar.gz, or a folder of ImageNet's images,
    /// instead of the recipe's
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Folder of finished and unfinished stages, to share with other runs [default: stages in the output folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Also saves a checkpoint every N steps, not only after each epoch and minute
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub checkpoint_every: u64,
    #[command(flatten)]
    pub reading: ReadingOptions,
}

impl How {
    /// The recipe's text, and the change that `--data` makes.
    pub fn read(&self, recipe: &Path) -> Result<(String, Vec<Change>)> {
        let bytes = files::read("reading the recipe", recipe)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::file("reading the recipe", files::display_path(recipe), "it is no text"))?;
        let data =
            self.data.as_deref().map(|path| Change::new("data", Value::from(files::display_path(path))));
        Ok((text, data.into_iter().collect()))
    }

    /// Where stages lie.
    pub fn store(&self, out: &Path) -> PathBuf {
        self.store.clone().unwrap_or_else(|| out.join("stages"))
    }
}

/// Runs the command.
pub fn run(args: &RunArgs) -> Result<()> {
    let (text, mut changes) = args.how.read(&args.recipe)?;
    for set in &args.set {
        changes.push(sweep::change(set)?);
    }
    let recipe =
        Recipe::read(&text, &changes).map_err(|error| error.with_path(&files::display_path(&args.recipe)))?;
    weights_are_there([&recipe])?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&recipe.name));
    let images = DatasetCache::new(args.how.reading.into()).open(&recipe)?;
    let compute = pollster::block_on(Compute::of(&recipe.spec))?;
    if args.dry_run {
        return dry_run_recipe::run(&recipe, &images, &compute, args.json);
    }
    let stop = stop_flag()?;
    let runner = Runner {
        recipe: &recipe,
        images: &images,
        compute: &compute,
        store: &args.how.store(&out),
        stop: &stop,
        bars: &MultiProgress::new(),
        label: "",
        checkpoint_every: args.how.checkpoint_every,
        patient: true,
    };
    let Ended::Done(report, weights) = runner.run()? else {
        return Err(Error::operation("running", files::display_path(&out), "another process works on it"));
    };
    keep(&out, &report, &weights)?;
    output::print_result(args.json, &report, || describe(&report, &out))
}

/// Whether the weights that stages start from can be read: said before hours of training, not after.
/// Each file is read once, however many runs of a sweep name it.
pub fn weights_are_there<'a>(recipes: impl IntoIterator<Item = &'a Recipe>) -> Result<()> {
    let stages = recipes.into_iter().flat_map(|recipe| &recipe.stages);
    let paths: BTreeSet<&str> = stages.filter_map(|stage| stage.weights.as_deref()).collect();
    paths.into_iter().try_for_each(|path| files::read_weights(Path::new(path)).map(drop))
}

/// Writes a run's report, and its final weights beside it.
pub fn keep(out: &Path, report: &RecipeReport, weights: &Path) -> Result<()> {
    fs::create_dir_all(out).map_err(|why| {
        Error::file("making a run's folder", files::display_path(out), &why).with_source(why)
    })?;
    let link = out.join("weights.safetensors");
    // The stage's file under a second name, where the file system can; a copy elsewhere.
    drop(fs::remove_file(&link));
    if fs::hard_link(weights, &link).is_err() {
        files::write("writing weights", &link, &files::read("reading weights", weights)?)?;
    }
    let text = serde_json::to_vec(report)
        .map_err(|why| Error::file("writing a result", "report.json", &why).with_source(why))?;
    files::write("writing a result", &out.join("report.json"), &text)
}

fn describe(report: &RecipeReport, out: &Path) -> String {
    let head = ["stage", "kind", "accuracy", "loss", "zeros", "paper", "lossless", "time"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for stage in &report.stages {
        rows.push(vec![
            stage.name.clone(),
            stage.kind.to_owned(),
            format!("{:.2} %", stage.accuracy),
            format!("{:.4}", stage.loss),
            format::percentage(stage.zeros, stage.weights),
            format::improvement(stage.energy.paper.improvement),
            format::improvement(stage.energy.lossless.improvement),
            format::duration(stage.seconds),
        ]);
    }
    format!(
        "{}\n\nresults in {}; draw them with: crossdub report {}\n",
        format::table(&rows).trim_end(),
        files::display_path(out),
        files::display_path(out)
    )
}
