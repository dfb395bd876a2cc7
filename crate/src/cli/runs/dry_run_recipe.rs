//! What a recipe will need, stage by stage; nothing is written and no stage's result is looked for.

use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::files;
use crate::cli::files::dataset_cache::Images;
use crate::cli::format;
use crate::cli::output;
use crate::cli::runs::dry_run::{Needs, measure, mib};
use crate::cli::runs::run_folder::KEEP;
use crate::config::{SCHEMA_VERSION, TrainConfig};
use crate::device::Compute;
use crate::error::Result;
use crate::train::trainer::Trainer;
use crate::workflow::recipe::Recipe;
use crate::workflow::stage::Stage;

#[derive(Debug, Serialize)]
struct Answer {
    schema_version: u32,
    stages: Vec<StageNeeds>,
    /// Of the stage that takes most.
    memory_bytes: u64,
    /// The most that this process has taken so far, where the system tells.
    peak_memory_bytes: Option<u64>,
    /// Of all stages.
    total_seconds: f64,
    /// Of all stages' results, and one stage's checkpoints.
    disk_bytes: u64,
}

#[derive(Debug, Serialize)]
struct StageNeeds {
    name: String,
    kind: &'static str,
    /// Of a stage that trains.
    #[serde(flatten)]
    training: Option<Needs>,
    /// An evaluation of what a pruning leaves; the pruning itself is not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruning_seconds: Option<f64>,
}

/// Measures and tells.
///
/// # Errors
/// When a stage can't begin, as it could not in the run.
pub fn run(recipe: &Recipe, images: &Images, compute: &Compute, json: bool) -> Result<()> {
    let mut measured: Vec<(Value, Needs)> = Vec::new();
    let mut stages = Vec::new();
    for stage in &recipe.stages {
        let training = match stage.spec() {
            Some(spec) => Some(stage_needs(recipe, stage, spec, (images, compute), &mut measured)?),
            None => None,
        };
        stages.push(StageNeeds {
            name: stage.name.clone(),
            kind: stage.kind(),
            training,
            pruning_seconds: None,
        });
    }
    // What an evaluation takes is known only from a training stage, which may come later.
    let evaluation = measured.first().map(|(_, needs)| needs.evaluation_seconds);
    for stage in stages.iter_mut().filter(|stage| stage.training.is_none()) {
        stage.pruning_seconds = evaluation;
    }
    let answer = answer(stages);
    output::report(json, &answer, || describe(&answer))
}

/// What a stage needs; measured once for all stages whose steps cost the same.
fn stage_needs(
    recipe: &Recipe,
    stage: &Stage,
    spec: &TrainConfig,
    (images, compute): (&Images, &Compute),
    measured: &mut Vec<(Value, Needs)>,
) -> Result<Needs> {
    let weights = stage.weights.as_ref().map(|file| files::read_weights(file.as_ref())).transpose()?;
    let cost =
        json!([spec.batch, spec.regularizer, spec.trainable, spec.precision, spec.augment, spec.epochs]);
    let known = measured.iter().find(|(of, _)| *of == cost).map(|(_, needs)| needs.clone());
    if let (Some(needs), None) = (known, &weights) {
        return Ok(needs);
    }
    let memory = files::available_memory();
    let hardware = recipe.hardware.clone();
    let session =
        Trainer::new(spec.clone(), hardware, images.source()?, compute.clone(), memory, weights.as_ref());
    let mut session = session.map_err(|error| error.with_stage(&stage.name))?;
    let needs = pollster::block_on(measure(&mut session, usize::from(KEEP)))?;
    measured.push((cost, needs.clone()));
    Ok(needs)
}

fn answer(stages: Vec<StageNeeds>) -> Answer {
    let trainings = || stages.iter().filter_map(|stage| stage.training.as_ref());
    let most = |of: fn(&Needs) -> u64| trainings().map(of).max().unwrap_or(0);
    let weights = 4 * most(|needs| needs.parameters);
    let seconds = trainings().map(|needs| needs.total_seconds).sum::<f64>();
    Answer {
        schema_version: SCHEMA_VERSION,
        memory_bytes: most(|needs| needs.memory_bytes),
        peak_memory_bytes: files::peak_memory(),
        total_seconds: seconds + stages.iter().filter_map(|stage| stage.pruning_seconds).sum::<f64>(),
        // A finished stage leaves its weights; metrics of all stages are within the largest stage's share.
        disk_bytes: most(|needs| needs.disk_bytes) + stages.len() as u64 * weights,
        stages,
    }
}

fn describe(answer: &Answer) -> String {
    let head = ["stage", "kind", "steps", "a step", "waiting", "time", "memory, estimated"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for stage in &answer.stages {
        let own = [stage.name.clone(), stage.kind.to_owned()];
        let rest = match (&stage.training, stage.pruning_seconds) {
            (Some(needs), _) => vec![
                needs.steps.to_string(),
                format!("{:.3} s", needs.step_seconds),
                format!("{:.0} %", needs.data_wait_percent),
                format::time(needs.total_seconds),
                mib(needs.memory_bytes),
            ],
            (None, seconds) => {
                let time = seconds.map_or_else(String::new, format::time);
                [String::new(), String::new(), String::new(), time].to_vec()
            }
        };
        rows.push(own.into_iter().chain(rest).collect());
    }
    let peak = answer.peak_memory_bytes.map_or_else(|| "not known".to_owned(), mib);
    format!(
        "{}\nall stages: {}, disk at most {}, memory {} by estimate and {peak} taken so far\n",
        format::table(&rows),
        format::time(answer.total_seconds),
        mib(answer.disk_bytes),
        mib(answer.memory_bytes),
    )
}
