//! A prune stage: calibrates if needed, prunes, and evaluates. A recipe and the page both run it.

use crate::checkpoint::Checkpoint;
use crate::compress::calibration::ActivationStats;
use crate::compress::pruning::{PruneConfig, PruneContext};
use crate::config::HardwareConfig;
use crate::data::loader::DataLoader;
use crate::device::ComputeDevice;
use crate::error::Result;
use crate::network::parameters::import;
use crate::network::{Network, NetworkSpec};
use crate::prune::PruneStats;
use crate::train::evaluate::{Evaluation, evaluate};

/// What a network is pruned for, and evaluated on.
pub struct PruneStage<'a> {
    /// The network.
    pub network: &'a NetworkSpec,
    /// The hardware.
    pub hardware: &'a HardwareConfig,
    /// The images.
    pub data: &'a mut DataLoader,
    /// The device.
    pub compute: &'a ComputeDevice,
}

/// The result of a prune stage.
#[non_exhaustive]
pub struct PrunedNetwork {
    /// The pruned weights.
    pub weights: Checkpoint,
    /// What pruning did to the tiles.
    pub stats: PruneStats,
    /// The pruned weights on held-out images.
    pub evaluation: Evaluation,
}

impl PruneStage<'_> {
    /// Prunes these weights, after calibration if the config needs it, and evaluates on at most `images` held-out images.
    ///
    /// # Errors
    /// When the weights belong to another network, there is not one ratio per layer, a target can't be met, or the
    /// device fails.
    pub async fn run(
        &mut self,
        config: &PruneConfig,
        dense: &Checkpoint,
        images: usize,
    ) -> Result<PrunedNetwork> {
        let Some(calibration) = config.calibration() else {
            return self.run_on_weights(config, dense, images).await;
        };
        // Under the network's own names, as what is measured in it is.
        let dense = &*self.network.adapt(dense)?;
        let network = self.load(dense)?;
        let inputs = ActivationStats::collect(&network, self.network, self.data, calibration, self.compute);
        let inputs = inputs.await?;
        let positions = self.positions(config, dense)?;
        let context = PruneContext { positions: positions.as_deref(), inputs: Some(&inputs) };
        let (weights, stats) = config.prune(dense, self.hardware, context, Some(self.compute)).await?;
        let evaluation = self.evaluate(&weights, images).await?;
        Ok(PrunedNetwork { weights, stats, evaluation })
    }

    /// The same without calibration. The page calls this one, so that its module does not contain calibration and
    /// compensation.
    ///
    /// # Errors
    /// When the config needs calibration; otherwise as for [`run`](Self::run).
    pub async fn run_on_weights(
        &self,
        config: &PruneConfig,
        dense: &Checkpoint,
        images: usize,
    ) -> Result<PrunedNetwork> {
        let positions = self.positions(config, dense)?;
        let context = PruneContext { positions: positions.as_deref(), inputs: None };
        let (weights, stats) = config.prune_weights(dense, self.hardware, context)?;
        let evaluation = self.evaluate(&weights, images).await?;
        Ok(PrunedNetwork { weights, stats, evaluation })
    }

    /// The output positions of each layer, if the config needs them.
    fn positions(&self, config: &PruneConfig, dense: &Checkpoint) -> Result<Option<Vec<u64>>> {
        match config.needs_positions() {
            true => self.network.output_positions(&dense.matrices(false)?).map(Some),
            false => Ok(None),
        }
    }

    /// Evaluates the network with these weights on at most `images` held-out images.
    ///
    /// # Errors
    /// When the weights belong to another network, or the device fails.
    pub async fn evaluate(&self, weights: &Checkpoint, images: usize) -> Result<Evaluation> {
        let test = self.data.test();
        evaluate(&self.load(weights)?, test, 0..images.min(test.len()), self.compute).await
    }

    /// The network with these weights, for inference.
    fn load(&self, weights: &Checkpoint) -> Result<Network> {
        import(Network::new(self.network, &self.compute.device), self.network, weights)
    }
}
