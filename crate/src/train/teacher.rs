//! The network that a run learns from, beside the labels.

use crate::checkpoint::Checkpoint;
use crate::config::Standardize;
use crate::data::batch::Batch;
use crate::data::standardization::InputMetadata;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::parameters::import;
use crate::network::{Network, NetworkSpec};
use crate::train::evaluate::{read, to_tensor};
use crate::train::trainer::Trainer;

/// A trained network of the same plan.
pub(super) struct Teacher {
    /// A checkpoint of the run holds them, so that it resumes without the file that they came from.
    pub weights: Checkpoint,
    network: Network,
}

impl Trainer {
    /// Lets the run learn from this network, too: `distill_weight` is its share of the loss.
    ///
    /// # Errors
    /// When the weights are of another network, or say that they were trained on other images than the run's: one batch
    /// feeds both.
    pub fn set_teacher(&mut self, weights: &Checkpoint) -> Result<()> {
        let own = self.data.input_metadata(self.config.data);
        let trained = InputMetadata::from_map(weights.metadata());
        let trained = trained.map_err(|error| Error::file("reading a teacher", "", &error))?;
        if trained.standardize != Standardize::Auto && trained.standardize != own.standardize {
            let why = format!("the teacher was trained with {}", trained.standardize);
            return Err(Error::field("standardize", own.standardize, why));
        }
        if let (Some(trained), Some(side)) = (trained.side, own.side)
            && trained != side
        {
            return Err(Error::field(
                "side",
                side,
                format!("the teacher was trained on images of {trained}"),
            ));
        }
        let network = Network::new(&self.network_spec, &self.compute.device);
        let network = import(network, &self.network_spec, weights)?.with_kernels(self.config.kernels);
        // Under the network's own names: a checkpoint keeps no order by which others could be told again.
        let weights = self.network_spec.adapt(weights)?.into_owned();
        self.teacher = Some(Teacher { weights, network });
        Ok(())
    }
}

impl Teacher {
    /// Its scores of a batch, `[batch, classes]` row-major: without dropout, and with the running statistics of batch
    /// normalization.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn scores(
        &self,
        batch: &Batch,
        spec: &NetworkSpec,
        compute: &ComputeDevice,
    ) -> Result<Vec<f32>> {
        read(self.network.forward(to_tensor(batch, spec.side(), compute), None), compute).await
    }
}
