//! `crossdub run`: runs a recipe from its first stage to its report.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::MultiProgress;

use crate::cli::files;
use crate::cli::files::dataset_cache::DatasetCache;
use crate::cli::format;
use crate::cli::options::recipe::{RecipeOptions, attribute};
use crate::cli::output;
use crate::cli::runs::dry_run_recipe;
use crate::cli::runs::folder_store::{RunOutcome, StageRunner};
use crate::cli::runs::lease::LeaseMonitors;
use crate::cli::runs::results::{check_weights_exist, save_results};
use crate::cli::runs::training::stop_flag;
use crate::error::{Error, Result};
use crate::train::self_test::open_checked;
use crate::workflow::recipe::Recipe;
use crate::workflow::report::RunReport;
use crate::workflow::sweep;

/// Run a recipe: train, prune, fine-tune, report
///
/// The results of each stage are kept. An interrupted run resumes where it stopped, and after a change to the
/// recipe only the stages that depend on it run again.
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub run recipes/builtin-quick.toml --out quick\n         \
    crossdub run recipes/vgg-small-cifar10-dub.toml --data cifar-10-batches-bin --set dub.lambda=2e-3")]
pub struct RunArgs {
    /// The recipe, a TOML file
    #[arg(value_name = "RECIPE.toml")]
    recipe: PathBuf,
    #[command(flatten)]
    shared: RecipeOptions,
    /// Folder for stages, weights and report.json [default: runs/NAME, by the recipe's name]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Set a field in all stages that have it, or in one stage; overrides the recipe
    #[arg(long, value_name = "[STAGE.]FIELD=VALUE")]
    set: Vec<String>,
    /// Accepted for symmetry; runs always resume
    #[arg(long)]
    resume: bool,
    /// Only estimate the memory, time (from a few measured steps) and disk space of each stage
    #[arg(long)]
    dry_run: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &RunArgs) -> Result<()> {
    let (text, mut changes) = args.shared.read(&args.recipe)?;
    for set in &args.set {
        changes.push(sweep::parse_change(set)?);
    }
    let recipe = Recipe::read(&text, &changes)
        .map_err(|error| attribute(error, "reading the recipe", &args.recipe, &changes))?;
    check_weights_exist([&recipe])?;
    run_recipe(args, &recipe).map_err(|error| match error.field_name() {
        Some(_) => attribute(error, "running the recipe", &args.recipe, &changes),
        None => error,
    })
}

fn run_recipe(args: &RunArgs, recipe: &Recipe) -> Result<()> {
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&recipe.name));
    let images = DatasetCache::new(args.shared.loader.into()).open(recipe)?;
    let compute = pollster::block_on(open_checked(&recipe.config))?;
    if args.dry_run {
        return dry_run_recipe::run(recipe, &images, &compute, args.json);
    }
    let stop = stop_flag()?;
    let runner = StageRunner {
        recipe,
        images: &images,
        compute: &compute,
        store: &args.shared.store(&out),
        stop: &stop,
        bars: &MultiProgress::new(),
        label: "",
        checkpoint_every: args.shared.checkpoint_every,
        wait_for_others: true,
        leases: &LeaseMonitors::default(),
    };
    let RunOutcome::Finished(report, weights) = runner.run()? else {
        return Err(Error::operation(
            "running",
            files::display_path(&out),
            "another process is working on it",
        ));
    };
    save_results(&out, &report, &weights)?;
    output::print_result(args.json, &report, || describe(&report, &out))
}

fn describe(report: &RunReport, out: &Path) -> String {
    let head = ["stage", "kind", "accuracy", "loss", "zeros", "paper", "lossless", "time"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let quantized = report.stages.iter().any(|stage| stage.energy.lossless_sliced.is_some());
    if quantized {
        rows[0].push("lossless-sliced".to_owned());
    }
    for stage in &report.stages {
        let mut row = vec![
            stage.name.clone().unwrap_or_default(),
            stage.kind.to_string(),
            format!("{:.2} %", stage.accuracy.unwrap_or_default()),
            format!("{:.4}", stage.loss.unwrap_or_default()),
            format::percentage(stage.zeros, stage.weights),
            format::improvement(stage.energy.paper.improvement),
            format::improvement(stage.energy.lossless.improvement),
            format::duration(stage.seconds.unwrap_or_default()),
        ];
        if quantized {
            let energy = stage.energy.lossless_sliced;
            row.push(energy.map_or_else(|| "-".to_owned(), |energy| format::improvement(energy.improvement)));
        }
        rows.push(row);
    }
    format!(
        "{}\n\nresults in {}; to draw them: crossdub report {}\n",
        format::table(&rows).trim_end(),
        files::display_path(out),
        files::display_path(out)
    )
}
