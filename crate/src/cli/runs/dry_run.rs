//! Estimates what a run needs, from arithmetic and a few measured steps.

use std::time::Instant;

use serde::Serialize;

use crate::cli::format;
use crate::cli::output;
use crate::cli::system;
use crate::config::SCHEMA_VERSION;
use crate::error::Result;
use crate::train::trainer::Trainer;

/// Steps before the measured ones: the first allocates, the second still finds images read ahead.
const WARM_UP_STEPS: usize = 2;
const MEASURED_STEPS: usize = 3;
/// Images in the measured evaluation.
const EVALUATED_IMAGES: usize = 64;
/// Bytes per step in a checkpoint's history (16 floats), and in the two metrics files.
const HISTORY_BYTES_PER_STEP: u64 = 64;
const METRICS_BYTES_PER_STEP: u64 = 700;

#[derive(Debug, Serialize)]
struct DryRunOutput {
    schema_version: u32,
    /// The most memory that this process has used so far, if known.
    peak_memory_bytes: Option<u64>,
    #[serde(flatten)]
    estimate: Estimate,
}

/// What one training run needs.
#[derive(Debug, Clone, Serialize)]
pub struct Estimate {
    /// Weights of the network.
    pub parameters: u64,
    /// Steps of all epochs.
    pub steps: u64,
    /// Weights, gradients, momentum and activations of one step, as if all were kept at once.
    pub memory_bytes: u64,
    /// Seconds per step, measured.
    pub step_seconds: f64,
    /// Share of a step spent waiting for images.
    pub data_wait_percent: f64,
    /// Seconds per evaluation on all held-out images, scaled up from a few.
    pub evaluation_seconds: f64,
    /// Seconds for all steps and one evaluation per epoch.
    pub total_seconds: f64,
    /// Checkpoints, weights and metrics.
    pub disk_bytes: u64,
}

/// Measures a few steps and prints the estimate; `keep` is the number of checkpoints kept.
///
/// # Errors
/// If a step fails; the run would fail in the same way.
pub fn run(mut trainer: Trainer, keep: usize, json: bool) -> Result<()> {
    let estimate = pollster::block_on(measure(&mut trainer, keep))?;
    let result =
        DryRunOutput { schema_version: SCHEMA_VERSION, peak_memory_bytes: system::peak_memory(), estimate };
    output::print_result(json, &result, || describe(&result))
}

/// Estimates from a few steps and a small evaluation.
///
/// # Errors
/// If a step fails; the run would fail in the same way.
pub async fn measure(trainer: &mut Trainer, keep: usize) -> Result<Estimate> {
    let config = trainer.config().clone();
    let mut seconds = Vec::new();
    let mut data_wait_percent = 0.0;
    for at in 0..(WARM_UP_STEPS + MEASURED_STEPS).min(trainer.total_steps() as usize) {
        let began = Instant::now();
        let progress = trainer.step().await?;
        seconds.push(began.elapsed().as_secs_f64());
        if at >= WARM_UP_STEPS {
            data_wait_percent = progress.data_wait_percent.unwrap_or(0.0);
        }
    }
    let measured = seconds.get(WARM_UP_STEPS..).filter(|some| !some.is_empty()).unwrap_or(&seconds);
    let step_seconds = measured.iter().sum::<f64>() / measured.len() as f64;
    let began = Instant::now();
    let evaluated = trainer.evaluate(EVALUATED_IMAGES).await?.images;
    let whole = trainer.data().test().len() as f64 / evaluated as f64;
    let evaluation_seconds = began.elapsed().as_secs_f64() * whole;
    let parameters = trainer.network_spec().num_params();
    let steps = trainer.total_steps();
    // Weights, momentum, masks of the convolutions, a teacher.
    let parts = [true, config.momentum != 0.0, trainer.has_masks(), trainer.has_teacher()];
    let copies = parts.into_iter().filter(|part| *part).count() as u64;
    let checkpoint = 4 * parameters * copies + HISTORY_BYTES_PER_STEP * steps;
    Ok(Estimate {
        parameters,
        steps,
        memory_bytes: trainer.network_spec().training_bytes(config.batch.min(trainer.data().train_len())),
        step_seconds,
        data_wait_percent,
        evaluation_seconds,
        total_seconds: steps as f64 * step_seconds + config.epochs as f64 * evaluation_seconds,
        // A new checkpoint is written before an old one is deleted.
        disk_bytes: (keep as u64 + 1) * checkpoint + 4 * parameters + METRICS_BYTES_PER_STEP * steps,
    })
}

fn describe(result: &DryRunOutput) -> String {
    let estimate = &result.estimate;
    let peak = result.peak_memory_bytes.map_or_else(|| "unknown".to_owned(), format::mebibytes);
    let rows = [
        ["parameters".to_owned(), estimate.parameters.to_string()],
        ["memory, estimated".to_owned(), format::mebibytes(estimate.memory_bytes)],
        ["memory, used so far".to_owned(), peak],
        ["time per step".to_owned(), format!("{:.3} s", estimate.step_seconds)],
        ["of that, waiting for images".to_owned(), format!("{:.0} %", estimate.data_wait_percent)],
        ["time per evaluation".to_owned(), format::duration(estimate.evaluation_seconds)],
        [format!("all {} steps, and evaluations", estimate.steps), format::duration(estimate.total_seconds)],
        ["disk, at most".to_owned(), format::mebibytes(estimate.disk_bytes)],
    ];
    let rows: Vec<Vec<String>> =
        [["the run needs".to_owned(), String::new()]].into_iter().chain(rows).map(Vec::from).collect();
    format::table(&rows)
}
