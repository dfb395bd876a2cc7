//! What the converters make of the run's network: energy by every model, and a live simulation.

use super::InteractiveRun;
use crate::error::{Error, Result};
use crate::report::Inference;
use crate::simulate::column_trace::ColumnExample;
use crate::simulate::options::SimulationConfig;
use crate::simulate::report::SimulationReport;
use crate::workflow::interactive::preview::Choice;
use crate::workflow::interactive::simulator::Live;

impl InteractiveRun {
    /// Energy of an inference by every model and policy: of the layers pruned as previewed, or as
    /// they are once they are pruned.
    ///
    /// # Errors
    /// When the choice is out of range.
    pub fn inference(&mut self, choice: Choice) -> Result<Inference> {
        let previewed = self.previewed(choice);
        let positions = self.session.plan().positions().into_iter().map(|(name, _, count)| (name, count));
        let positions: std::collections::HashMap<String, u64> = positions.collect();
        let of = |name: &str| positions.get(name).copied();
        let positions = self.layers.present().iter().map(|layer| of(&layer.name)).collect();
        self.layers.inference(self.session.hardware(), previewed, positions)
    }

    /// Puts the network on simulated crossbars, pruned as previewed or as it is once it is pruned,
    /// on the present hardware. It stays so, whatever the run does meanwhile.
    ///
    /// # Errors
    /// When the choice is out of range, or the device fails.
    pub async fn open_proof(&mut self, choice: Choice) -> Result<()> {
        self.refresh().await?;
        let mut weights = self.session.weights().await?;
        if let Some(choice) = self.previewed(choice) {
            let (pruned, _) = self.layers.pruned(self.session.hardware(), choice)?;
            weights = weights.with_layers(pruned.to_vec());
        }
        self.proof = Some(Live::open(&self.session, &weights, &SimulationConfig::default())?);
        Ok(())
    }

    /// Simulates the next `count` held-out images, and reports on all so far.
    ///
    /// # Errors
    /// When no simulation is open, or the device fails.
    pub async fn advance_proof(&mut self, count: usize) -> Result<SimulationReport> {
        match &mut self.proof {
            Some(live) => live.advance(&self.session, count).await,
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
    ) -> Result<ColumnExample> {
        let live = self.proof.as_ref().ok_or_else(not_open)?;
        live.column_example(&self.session, at, (image, position))
    }
}

fn not_open() -> Error {
    Error::field("prove", "now", "nothing is simulated yet")
}
