//! `crossdub run`: a recipe from its first stage to its report.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::MultiProgress;

use crate::cli::files;
use crate::cli::files::dataset_cache::DatasetCache;
use crate::cli::format;
use crate::cli::options::recipe::RecipeOptions;
use crate::cli::output;
use crate::cli::runs::dry_run_recipe;
use crate::cli::runs::results::{check_weights_exist, save_results};
use crate::cli::runs::stages::{RunOutcome, StageRunner};
use crate::cli::runs::training::stop_flag;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::workflow::recipe::Recipe;
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
    shared: RecipeOptions,
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

/// Runs the command.
pub fn run(args: &RunArgs) -> Result<()> {
    let (text, mut changes) = args.shared.read(&args.recipe)?;
    for set in &args.set {
        changes.push(sweep::parse_change(set)?);
    }
    let recipe =
        Recipe::read(&text, &changes).map_err(|error| error.with_path(&files::display_path(&args.recipe)))?;
    check_weights_exist([&recipe])?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&recipe.name));
    let images = DatasetCache::new(args.shared.reading.into()).open(&recipe)?;
    let compute = pollster::block_on(ComputeDevice::from_config(&recipe.spec))?;
    if args.dry_run {
        return dry_run_recipe::run(&recipe, &images, &compute, args.json);
    }
    let stop = stop_flag()?;
    let runner = StageRunner {
        recipe: &recipe,
        images: &images,
        compute: &compute,
        store: &args.shared.store(&out),
        stop: &stop,
        bars: &MultiProgress::new(),
        label: "",
        checkpoint_every: args.shared.checkpoint_every,
        wait_for_others: true,
    };
    let RunOutcome::Finished(report, weights) = runner.run()? else {
        return Err(Error::operation("running", files::display_path(&out), "another process works on it"));
    };
    save_results(&out, &report, &weights)?;
    output::print_result(args.json, &report, || describe(&report, &out))
}

fn describe(report: &RecipeReport, out: &Path) -> String {
    let head = ["stage", "kind", "accuracy", "loss", "zeros", "paper", "lossless", "time"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for stage in &report.stages {
        rows.push(vec![
            stage.name.clone(),
            stage.kind.to_string(),
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
