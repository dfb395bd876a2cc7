//! Simulates a network on crossbars a few images at a time, and evaluates the float network on the same images.

use std::ops::Range;

use crate::checkpoint::Checkpoint;
use crate::data::batch::{Batch, evaluation_batch};
use crate::data::{Dataset, TrainTest};
use crate::error::{Error, Result};
use crate::network::Network;
use crate::network::parameters::import;
use crate::simulate::column_trace::{ColumnIndex, ColumnTrace, out_of_range};
use crate::simulate::config::SimulationConfig;
use crate::simulate::report::SimulationReport;
use crate::simulate::simulator::Simulator;
use crate::train::evaluate::evaluate;
use crate::train::trainer::Trainer;

/// A network on simulated crossbars, with weights of its own: later changes of the trainer do not affect it.
pub struct IncrementalSimulation {
    simulator: Simulator,
    network: Network,
    images: usize,
    digital_correct: f64,
}

impl IncrementalSimulation {
    /// Maps weights of the trainer's network to the trainer's hardware.
    ///
    /// # Errors
    /// When a field is out of range, the weights belong to another network or are not finite, or the images are not in
    /// memory.
    pub fn new(trainer: &Trainer, weights: &Checkpoint, config: &SimulationConfig) -> Result<Self> {
        let (spec, hardware) = (trainer.network_spec(), trainer.hardware());
        let train = &split(trainer)?.train;
        let calibration = images(train, 0..config.calibration.min(train.len()));
        let simulator = Simulator::new(spec, weights, hardware, config, &calibration)?;
        let network = import(Network::new(spec, &trainer.compute().device), spec, weights)?;
        Ok(Self { simulator, network, images: 0, digital_correct: 0.0 })
    }

    /// Simulates the next `count` held-out images, or all that are left, and reports on all simulated so far.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn simulate_next(&mut self, trainer: &Trainer, count: usize) -> Result<SimulationReport> {
        let test = &split(trainer)?.test;
        let range = self.images..self.images.saturating_add(count).min(test.len());
        if !range.is_empty() {
            self.simulator.simulate(&images(test, range.clone()), range.start)?;
            let digital = evaluate(&self.network, test, range.clone(), trainer.compute()).await?;
            self.digital_correct += digital.accuracy * range.len() as f64;
            self.images = range.end;
        }
        let mut report = self.simulator.report();
        report.digital_accuracy = (self.images > 0).then(|| self.digital_correct / self.images as f64);
        Ok(report)
    }

    /// Number of held-out images that are not simulated yet.
    ///
    /// # Errors
    /// When the images are not in memory.
    pub fn images_left(&self, trainer: &Trainer) -> Result<usize> {
        Ok(split(trainer)?.test.len() - self.images)
    }

    /// One column, conversion by conversion; see [`Simulator::trace_column`].
    ///
    /// # Errors
    /// When the layer, tile, column, image or position is out of range.
    pub fn trace_column(
        &self,
        trainer: &Trainer,
        (layer, tile, column): (usize, usize, usize),
        (image, position): (usize, usize),
    ) -> Result<ColumnTrace> {
        let test = &split(trainer)?.test;
        if image >= test.len() {
            return Err(out_of_range("image", image));
        }
        let pixels = images(test, image..image + 1).images;
        self.simulator.trace_column(ColumnIndex { layer, tile, column, position }, &pixels, image)
    }
}

fn images(data: &Dataset, range: Range<usize>) -> Batch {
    let mut batch = Batch::default();
    evaluation_batch(data, range, &mut batch.images, &mut batch.labels);
    batch
}

fn split(trainer: &Trainer) -> Result<&TrainTest> {
    let reason = "only images in memory can be simulated";
    trainer.data().memory().ok_or_else(|| Error::field("data", "image files", reason))
}
