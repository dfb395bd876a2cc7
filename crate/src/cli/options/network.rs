//! Options about the network.

use std::collections::BTreeMap;

use clap::Args;

use crate::cli::runs::inputs::follow_images;
use crate::config::{DataSource, HardwareConfig, NetworkFields, TrainConfig};
use crate::data::standardization::InputMetadata;
use crate::error::{Error, Result};
use crate::network::NetworkSpec;

/// Classes of a network that is described without data; its convolutions don't depend on them.
const CLASSES: usize = 10;

/// The network.
#[derive(Debug, Clone, Args)]
pub struct NetworkOptions {
    #[command(flatten)]
    fields: NetworkFields,
}

impl NetworkOptions {
    /// Whether the options name a network.
    pub fn is_given(&self) -> bool {
        self.fields.model.is_some() || self.fields.plan.is_some()
    }

    /// The fields that the options set. A plan of one's own has no hidden layers and no normalization unless options
    /// say so.
    pub fn fields(&self) -> NetworkFields {
        let mut fields = self.fields.clone();
        if fields.plan.is_some() {
            fields.classifier.get_or_insert_default();
            fields.batch_norm.get_or_insert_default();
        }
        fields
    }

    /// The configuration of this network, with defaults for the rest. Networks for ImageNet get its images until a data
    /// set is opened.
    ///
    /// # Errors
    /// If no network is named, or a field is out of range.
    pub fn config(&self) -> Result<TrainConfig> {
        if !self.is_given() {
            return Err(Error::field("model", "", "name the network with --model or --plan"));
        }
        let fields = crate::config::ConfigFields { network: self.fields(), ..Default::default() };
        let (mut config, _) = fields.apply(&TrainConfig::default(), &HardwareConfig::default())?;
        if config.model.is_for_imagenet() {
            config.data = DataSource::ImageNet;
        }
        Ok(config)
    }

    /// The network of weights with this metadata, for what does not depend on its classes.
    ///
    /// # Errors
    /// As [`NetworkOptions::config`], or if the network does not fit its images.
    pub fn network(&self, metadata: &BTreeMap<String, String>) -> Result<NetworkSpec> {
        let mut config = self.config()?;
        follow_images(&mut config, &InputMetadata::images_from_map(metadata));
        config.validate()?;
        NetworkSpec::from_config(&config, CLASSES)
    }
}
