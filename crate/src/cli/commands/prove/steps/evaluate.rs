//! How fast VGG11 classifies.

use super::{DONE, StepOutcome, out_of_time};
use crate::cli::commands::prove::context::Context;
use crate::cli::commands::prove::record::Recorder;
use crate::cli::measure::timing::{median, timed};
use crate::config::{NetworkName, TrainConfig};
use crate::data::Dataset;
use crate::data::synthetic;
use crate::error::Result;
use crate::network::parameters::import;
use crate::network::spec::initialize;
use crate::network::{Network, NetworkSpec};
use crate::train::evaluate::evaluate;

/// Images of a forward pass of the evaluation.
const BATCH: usize = 250;
/// Images of a turn on a quick device.
const MANY: usize = 10_000;
const TURNS: usize = 5;

/// Measures it.
pub fn measure(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let compute = context.open_device()?;
    let mut config = TrainConfig::default();
    config.set_model(NetworkName::Vgg11);
    let spec = NetworkSpec::from_config(&config, 10)?;
    let network =
        import(Network::new(&spec, &compute.device.clone().autodiff()), &spec, &initialize(&spec, 0))?;
    let images = if context.is_slow(&compute) { BATCH } else { MANY };
    let data: Dataset = synthetic::generate(0, 10, images).test;
    let run = |count: usize| -> Result<f64> {
        let (evaluation, time) = timed(|| pollster::block_on(evaluate(&network, &data, 0..count, &compute)));
        evaluation.map(|_| time)
    };
    run(BATCH.min(images))?;
    let mut times = Vec::new();
    while times.len() < TURNS && context.seconds_until(0.8) > 0.0 {
        times.push(run(images)?);
    }
    let n = times.len();
    if n == 0 {
        return Ok(out_of_time("no turn ended in time"));
    }
    let speed = 1000.0 * images as f64 / median(times);
    record.figure("speed", "evaluation of vgg11, batches of 250", speed, "images/s", n)?;
    record.note(format!("{n} turns of {images} images, from memory to accuracy"))?;
    Ok(DONE)
}
