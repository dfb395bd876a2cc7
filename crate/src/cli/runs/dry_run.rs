//! What a run will need, from arithmetic and a few measured steps.

use std::time::Instant;

use serde::Serialize;

use crate::cli::format;
use crate::cli::output;
use crate::cli::system;
use crate::config::SCHEMA_VERSION;
use crate::error::Result;
use crate::train::trainer::Trainer;

/// Steps before the measured ones: the first allocates, the second finds images read ahead.
const WARM_UP_STEPS: usize = 2;
const MEASURED_STEPS: usize = 3;
/// Images of the measured evaluation.
const EVALUATED_IMAGES: usize = 64;
/// Bytes of a step in the history of a checkpoint, and in the two files of metrics.
const HISTORY_BYTES_PER_STEP: u64 = 24;
const METRICS_BYTES_PER_STEP: u64 = 700;

#[derive(Debug, Serialize)]
struct DryRunOutput {
    schema_version: u32,
    /// The most that this process has taken so far, where the system tells.
    peak_memory_bytes: Option<u64>,
    #[serde(flatten)]
    estimate: Estimate,
}

/// What one training needs.
#[derive(Debug, Clone, Serialize)]
pub struct Estimate {
    /// Values of the network.
    pub parameters: u64,
    /// Batches of all epochs.
    pub steps: u64,
    /// Weights, gradients, momentum and activations of a step, as if all were held at once.
    pub memory_bytes: u64,
    /// A measured step.
    pub step_seconds: f64,
    /// Of it waiting for images.
    pub data_wait_percent: f64,
    /// An evaluation on all held-out images, from one of a few.
    pub evaluation_seconds: f64,
    /// All steps, and an evaluation an epoch.
    pub total_seconds: f64,
    /// Checkpoints, weights and metrics.
    pub disk_bytes: u64,
}

/// Measures and tells.
///
/// # Errors
/// When a step fails, as it would in the run.
pub fn run(mut session: Trainer, keep: usize, json: bool) -> Result<()> {
    let estimate = pollster::block_on(measure(&mut session, keep))?;
    let result =
        DryRunOutput { schema_version: SCHEMA_VERSION, peak_memory_bytes: system::peak_memory(), estimate };
    output::print_result(json, &result, || describe(&result))
}

/// A few steps and a small evaluation, and what follows from them.
///
/// # Errors
/// When a step fails, as it would in the run.
pub async fn measure(session: &mut Trainer, keep: usize) -> Result<Estimate> {
    let spec = session.spec().clone();
    let mut seconds = Vec::new();
    let mut data_wait_percent = 0.0;
    for at in 0..(WARM_UP_STEPS + MEASURED_STEPS).min(session.total_steps() as usize) {
        let began = Instant::now();
        let progress = session.step().await?;
        seconds.push(began.elapsed().as_secs_f64());
        if at >= WARM_UP_STEPS {
            data_wait_percent = progress.data_wait_percent.unwrap_or(0.0);
        }
    }
    let measured = seconds.get(WARM_UP_STEPS..).filter(|some| !some.is_empty()).unwrap_or(&seconds);
    let step_seconds = measured.iter().sum::<f64>() / measured.len() as f64;
    let began = Instant::now();
    let evaluated = session.evaluate(EVALUATED_IMAGES).await?.images;
    let whole = session.data().test().len() as f64 / evaluated as f64;
    let evaluation_seconds = began.elapsed().as_secs_f64() * whole;
    let parameters = session.plan().num_params();
    let steps = session.total_steps();
    let copies = if spec.momentum == 0.0 { 1 } else { 2 };
    let checkpoint = 4 * parameters * copies + HISTORY_BYTES_PER_STEP * steps;
    Ok(Estimate {
        parameters,
        steps,
        memory_bytes: session.plan().training_bytes(spec.batch.min(session.data().train_len())),
        step_seconds,
        data_wait_percent,
        evaluation_seconds,
        total_seconds: steps as f64 * step_seconds + spec.epochs as f64 * evaluation_seconds,
        // A new checkpoint is whole before an old one goes.
        disk_bytes: (keep as u64 + 1) * checkpoint + 4 * parameters + METRICS_BYTES_PER_STEP * steps,
    })
}

fn describe(result: &DryRunOutput) -> String {
    let estimate = &result.estimate;
    let peak = result.peak_memory_bytes.map_or_else(|| "not known".to_owned(), format::mebibytes);
    let rows = [
        ["parameters".to_owned(), estimate.parameters.to_string()],
        ["memory, estimated".to_owned(), format::mebibytes(estimate.memory_bytes)],
        ["memory, taken so far".to_owned(), peak],
        ["a step".to_owned(), format!("{:.3} s", estimate.step_seconds)],
        ["of it waiting for images".to_owned(), format!("{:.0} %", estimate.data_wait_percent)],
        ["an evaluation".to_owned(), format::duration(estimate.evaluation_seconds)],
        [format!("{} steps and evaluations", estimate.steps), format::duration(estimate.total_seconds)],
        ["disk, at most".to_owned(), format::mebibytes(estimate.disk_bytes)],
    ];
    let rows: Vec<Vec<String>> =
        [["the run needs".to_owned(), String::new()]].into_iter().chain(rows).map(Vec::from).collect();
    format::table(&rows)
}
