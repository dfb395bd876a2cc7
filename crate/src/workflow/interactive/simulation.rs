//! The run's network on converters: its energy by every model, and its simulation.

use super::InteractiveRun;
use crate::error::{Error, Result};
use crate::report::Inference;
use crate::simulate::column_trace::ColumnTrace;
use crate::simulate::config::SimulationConfig;
use crate::simulate::report::SimulationReport;
use crate::workflow::interactive::incremental_simulation::IncrementalSimulation;
use crate::workflow::interactive::preview::PruneSettings;

impl InteractiveRun {
    /// Energy of an inference by every model and resolution, with the previewed pruning until the network is pruned.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn inference(&mut self, settings: PruneSettings) -> Result<Inference> {
        let previewed = self.preview_settings(settings);
        let trainer = self.stage.trainer();
        let positions = trainer.network_spec().output_positions(self.layers.current()).ok();
        self.layers.inference(trainer.hardware(), previewed, positions)
    }

    /// Maps the network to simulated crossbars, with the previewed pruning until it is pruned. Later changes of the run
    /// do not affect the simulation.
    ///
    /// # Errors
    /// When the settings are out of range, or the device fails.
    pub async fn start_simulation(&mut self, settings: PruneSettings) -> Result<()> {
        self.sync_weights().await?;
        let trainer = self.stage.trainer();
        let mut weights = trainer.weights().await?;
        if let Some(settings) = self.preview_settings(settings) {
            weights = self.layers.pruned_checkpoint(&weights, trainer.hardware(), settings)?;
        }
        self.simulation = Some(IncrementalSimulation::new(trainer, &weights, &SimulationConfig::default())?);
        Ok(())
    }

    /// Simulates the next `count` held-out images, and reports on all simulated so far.
    ///
    /// # Errors
    /// When no simulation was started, or the device fails.
    pub async fn simulate_next(&mut self, count: usize) -> Result<SimulationReport> {
        let simulation = self.simulation.as_mut().ok_or_else(not_started)?;
        simulation.simulate_next(self.stage.trainer(), count).await
    }

    /// One column of a simulated tile, conversion by conversion: `at` are layer, tile and column, followed by the
    /// held-out image and the output position.
    ///
    /// # Errors
    /// When no simulation was started, or an index is out of range.
    pub fn trace_column(
        &self,
        at: (usize, usize, usize),
        (image, position): (usize, usize),
    ) -> Result<ColumnTrace> {
        let simulation = self.simulation.as_ref().ok_or_else(not_started)?;
        simulation.trace_column(self.trainer(), at, (image, position))
    }
}

fn not_started() -> Error {
    Error::invalid_state("simulating", "no simulation was started")
}
