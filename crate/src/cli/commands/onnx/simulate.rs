//! `crossdub simulate` of a model.

use std::ops::Range;
use std::path::Path;

use indicatif::ProgressBar;

use crate::cli::commands::onnx::classify::evaluation;
use crate::cli::commands::onnx::images::{ImageInput, images_at_once};
use crate::cli::files;
use crate::cli::output;
use crate::config::HardwareConfig;
use crate::data::loader::DataLoader;
use crate::error::{Error, Result};
use crate::onnx::OnnxNetwork;
use crate::onnx::layers::LayerKind;
use crate::onnx::simulate::OnnxSimulator;
use crate::simulate::config::SimulationConfig;
use crate::simulate::report::{SeedReport, SimulationReport};

/// A model and what to simulate it on.
pub struct OnnxSimulation<'a> {
    pub network: &'a OnnxNetwork,
    pub path: &'a Path,
    pub input: ImageInput,
    pub hardware: &'a HardwareConfig,
    pub config: &'a SimulationConfig,
    pub seeds: usize,
}

impl OnnxSimulation<'_> {
    /// Runs the images of `range` on the crossbars, and without them.
    ///
    /// # Errors
    /// If the images can't be read, or the model can't run.
    pub fn run(
        &self,
        data: &mut DataLoader,
        seed: u64,
        range: &Range<usize>,
        bar: &ProgressBar,
    ) -> Result<SimulationReport> {
        let with_path = |error: Error| error.with_path(&files::display_path(self.path));
        let calibration = data.calibration(self.config.calibration, seed)?;
        let side = data.test().side();
        let calibration = self.input.tensors(&calibration, side);
        let simulator = OnnxSimulator::new(self.network, self.hardware, self.config, &calibration);
        let mut simulator = simulator.map_err(with_path)?;
        drop(calibration);
        simulator
            .notes()
            .iter()
            .for_each(|note| output::status(&format!("{}: {note}", files::display_path(self.path))));
        let mut report = self.simulate(&mut simulator, data, range, bar).map_err(with_path)?;
        let mut accuracies = vec![report.accuracy.unwrap_or(0.0)];
        for seed in 1..self.seeds as u64 {
            simulator.restart(self.config.noise_seed.wrapping_add(seed));
            let own = self.simulate(&mut simulator, data, range, bar).map_err(with_path)?;
            accuracies.push(own.accuracy.unwrap_or(0.0));
        }
        bar.finish_and_clear();
        report.seeds = (self.seeds > 1).then(|| SeedReport::new(accuracies));
        let scores =
            self.input.scores(self.network, data.test(), range.clone(), |_| {}).map_err(with_path)?;
        report.digital_accuracy = Some(evaluation(&scores)?.accuracy);
        if !self.config.linear && self.network.layers().iter().any(|layer| layer.kind == LayerKind::Linear) {
            output::status_once(&format!(
                "{}: fully connected layers are computed digitally",
                files::display_path(self.path)
            ));
        }
        Ok(report)
    }

    fn simulate(
        &self,
        simulator: &mut OnnxSimulator<'_>,
        data: &DataLoader,
        range: &Range<usize>,
        bar: &ProgressBar,
    ) -> Result<SimulationReport> {
        let (test, size) = (data.test(), images_at_once());
        let starts = range.clone().step_by(size);
        for (batch, start) in test.batches(range.clone(), size).zip(starts) {
            let batch = batch?;
            simulator.simulate(self.input.tensors(&batch, test.side()), &batch.labels, start)?;
            bar.inc(batch.labels.len() as u64);
        }
        Ok(simulator.report())
    }
}
