//! What the converters make of the run's network: energy by every model, and a live simulation.

use super::InteractiveRun;
use crate::error::{Error, Result};
use crate::report::Inference;
use crate::simulate::column_trace::ColumnTrace;
use crate::simulate::options::SimulationConfig;
use crate::simulate::report::SimulationReport;
use crate::workflow::interactive::incremental_simulation::IncrementalSimulation;
use crate::workflow::interactive::preview::PruneSettings;

impl InteractiveRun {
    /// Energy of an inference by every model and policy: of the layers pruned as previewed, or as
    /// they are once they are pruned.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn inference(&mut self, settings: PruneSettings) -> Result<Inference> {
        let previewed = self.preview_settings(settings);
        let positions = self.trainer.network_spec().output_positions(self.layers.current()).ok();
        self.layers.inference(self.trainer.hardware(), previewed, positions)
    }

    /// Puts the network on simulated crossbars, pruned as previewed or as it is once it is pruned,
    /// on the current hardware. It stays so, whatever the run does meanwhile.
    ///
    /// # Errors
    /// When the settings are out of range, or the device fails.
    pub async fn start_simulation(&mut self, settings: PruneSettings) -> Result<()> {
        self.sync_weights().await?;
        let mut weights = self.trainer.weights().await?;
        if let Some(settings) = self.preview_settings(settings) {
            let (pruned, _) = self.layers.pruned(self.trainer.hardware(), settings)?;
            weights = weights.with_layers(pruned.to_vec());
        }
        self.simulation =
            Some(IncrementalSimulation::new(&self.trainer, &weights, &SimulationConfig::default())?);
        Ok(())
    }

    /// Simulates the next `count` held-out images, and reports on all so far.
    ///
    /// # Errors
    /// When no simulation is open, or the device fails.
    pub async fn simulate_next(&mut self, count: usize) -> Result<SimulationReport> {
        match &mut self.simulation {
            Some(live) => live.simulate_next(&self.trainer, count).await,
            None => Err(not_open()),
        }
    }

    /// One column of a simulated tile worked through by hand, at a window of a held-out image.
    ///
    /// # Errors
    /// When no simulation is open, or one of these is beyond what there is.
    pub fn column_example(
        &self,
        at: (usize, usize, usize),
        (image, position): (usize, usize),
    ) -> Result<ColumnTrace> {
        let live = self.simulation.as_ref().ok_or_else(not_open)?;
        live.column_example(&self.trainer, at, (image, position))
    }
}

fn not_open() -> Error {
    Error::field("prove", "now", "nothing is simulated yet")
}
