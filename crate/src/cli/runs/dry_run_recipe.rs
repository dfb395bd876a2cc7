//! Estimates what a recipe needs, stage by stage. Writes nothing, and ignores finished stages.

use serde::Serialize;
use serde_json::{Value, json};

use crate::checkpoint::Checkpoint;
use crate::cli::files;
use crate::cli::files::dataset_cache::CachedDataset;
use crate::cli::format;
use crate::cli::output;
use crate::cli::runs::dry_run::{Estimate, measure};
use crate::cli::runs::run_folder::DEFAULT_CHECKPOINTS_KEPT;
use crate::cli::system;
use crate::config::{SCHEMA_VERSION, TrainConfig};
use crate::device::ComputeDevice;
use crate::error::Result;
use crate::train::trainer::Trainer;
use crate::workflow::recipe::Recipe;
use crate::workflow::stage::{Stage, StageKind};

#[derive(Debug, Serialize)]
struct RecipeDryRunOutput {
    schema_version: u32,
    stages: Vec<StageEstimate>,
    /// Of the stage that needs the most.
    memory_bytes: u64,
    /// The most memory that this process has used so far, if known.
    peak_memory_bytes: Option<u64>,
    /// Seconds for all stages.
    total_seconds: f64,
    /// For all stages' results, and one stage's checkpoints.
    disk_bytes: u64,
}

#[derive(Debug, Serialize)]
struct StageEstimate {
    name: String,
    kind: StageKind,
    /// Only of stages that train.
    #[serde(flatten)]
    training: Option<Estimate>,
    /// Seconds to evaluate the pruned network; the pruning itself is not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruning_seconds: Option<f64>,
}

/// Measures and prints the estimate.
///
/// # Errors
/// If a stage can't start; the run would fail in the same way.
pub fn run(recipe: &Recipe, images: &CachedDataset, compute: &ComputeDevice, json: bool) -> Result<()> {
    let mut measured: Vec<(Value, Estimate)> = Vec::new();
    let mut before = None;
    let mut stages = Vec::new();
    for stage in &recipe.stages {
        let training = match stage.train_config() {
            Some(config) => {
                let known = (&mut measured, &mut before);
                Some(stage_estimate(recipe, stage, config, (images, compute), known)?)
            }
            None => None,
        };
        stages.push(StageEstimate {
            name: stage.name.clone(),
            kind: stage.kind(),
            training,
            pruning_seconds: None,
        });
    }
    // The time of an evaluation is known only from a training stage, which may come later.
    let evaluation = measured.first().map(|(_, estimate)| estimate.evaluation_seconds);
    for stage in stages.iter_mut().filter(|stage| stage.training.is_none()) {
        stage.pruning_seconds = evaluation;
    }
    let result = total(stages);
    output::print_result(json, &result, || describe(&result))
}

/// The estimate of a stage; measured once for all stages whose steps cost the same. It starts from weights like those
/// `before` it, which it then becomes.
fn stage_estimate(
    recipe: &Recipe,
    stage: &Stage,
    config: &TrainConfig,
    (images, compute): (&CachedDataset, &ComputeDevice),
    (measured, before): (&mut Vec<(Value, Estimate)>, &mut Option<Checkpoint>),
) -> Result<Estimate> {
    let named = stage.weights.as_ref().map(|file| files::read_weights(file.as_ref())).transpose()?;
    let weights = named.as_ref().or(before.as_ref());
    let cost = json!([
        config.batch,
        config.regularizer,
        config.trainable,
        config.precision,
        config.augment,
        config.epochs,
        stage.teacher.is_some(),
        config.quantize_precision,
        config.quantize_linear,
        config.quantize_precision.is_empty() && weights.is_some_and(Checkpoint::is_quantized)
    ]);
    let known = measured.iter().find(|(known, _)| *known == cost).map(|(_, estimate)| estimate.clone());
    if let (Some(estimate), None) = (known, &named) {
        return Ok(estimate);
    }
    let memory = system::available_memory();
    let hardware = recipe.hardware.clone();
    let trainer = Trainer::new(config.clone(), hardware, images.open()?, compute.clone(), memory, weights);
    let mut trainer = trainer.map_err(|error| error.with_stage(&stage.name))?;
    if let Some(name) = &stage.teacher {
        // Any weights take the time of an earlier stage's.
        let teacher = match recipe.weight_files().any(|file| file == name) {
            true => files::read_weights(name.as_ref())?,
            false => pollster::block_on(trainer.weights())?,
        };
        trainer.set_teacher(&teacher).map_err(|error| error.with_path(name).with_stage(&stage.name))?;
    }
    let estimate = pollster::block_on(measure(&mut trainer, usize::from(DEFAULT_CHECKPOINTS_KEPT)))?;
    *before = Some(pollster::block_on(trainer.weights())?);
    measured.push((cost, estimate.clone()));
    Ok(estimate)
}

fn total(stages: Vec<StageEstimate>) -> RecipeDryRunOutput {
    let trainings = || stages.iter().filter_map(|stage| stage.training.as_ref());
    let most = |of: fn(&Estimate) -> u64| trainings().map(of).max().unwrap_or(0);
    let weights = 4 * most(|estimate| estimate.parameters);
    let seconds = trainings().map(|estimate| estimate.total_seconds).sum::<f64>();
    RecipeDryRunOutput {
        schema_version: SCHEMA_VERSION,
        memory_bytes: most(|estimate| estimate.memory_bytes),
        peak_memory_bytes: system::peak_memory(),
        total_seconds: seconds + stages.iter().filter_map(|stage| stage.pruning_seconds).sum::<f64>(),
        // A finished stage leaves its weights; the largest stage's share covers the metrics of all.
        disk_bytes: most(|estimate| estimate.disk_bytes) + stages.len() as u64 * weights,
        stages,
    }
}

fn describe(result: &RecipeDryRunOutput) -> String {
    let head = ["stage", "kind", "steps", "time per step", "waiting", "time", "memory, estimated"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for stage in &result.stages {
        let own = [stage.name.clone(), stage.kind.to_string()];
        let rest = match (&stage.training, stage.pruning_seconds) {
            (Some(estimate), _) => vec![
                estimate.steps.to_string(),
                format!("{:.3} s", estimate.step_seconds),
                format!("{:.0} %", estimate.data_wait_percent),
                format::duration(estimate.total_seconds),
                format::mebibytes(estimate.memory_bytes),
            ],
            (None, seconds) => {
                let time = seconds.map_or_else(String::new, format::duration);
                [String::new(), String::new(), String::new(), time].to_vec()
            }
        };
        rows.push(own.into_iter().chain(rest).collect());
    }
    let peak = result.peak_memory_bytes.map_or_else(|| "unknown".to_owned(), format::mebibytes);
    format!(
        "{}\nall stages: {}; disk at most {}; memory {} estimated, {peak} used so far\n",
        format::table(&rows),
        format::duration(result.total_seconds),
        format::mebibytes(result.disk_bytes),
        format::mebibytes(result.memory_bytes),
    )
}
