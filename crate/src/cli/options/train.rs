//! The configuration fields of a run as options, for all commands that train.

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::options::shared::{put, tile_shape};
use crate::error::Result;

/// Configuration fields of a run; without an option, a field keeps the command's default.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// Regularizer: none, gated (default), ungated, mean-and-variance, mean-and-gated-variance, group-lasso-tile, -row or -column
    #[arg(long, value_name = "KIND")]
    regularizer: Option<String>,
    /// Weight of the regularizer [default: 1e-3]
    #[arg(long)]
    lambda: Option<f64>,
    /// Weight of the mean density, for the kinds that have it
    #[arg(long)]
    lambda_mean: Option<f64>,
    /// Weight decay [default: 5e-4]
    #[arg(long)]
    weight_decay: Option<f64>,
    /// Learning rate [default: 0.05]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Momentum [default: 0.9]
    #[arg(long)]
    momentum: Option<f64>,
    /// Dropout after each hidden fully connected layer [default: 0.5]
    #[arg(long)]
    dropout: Option<f64>,
    /// Images per step [default: 128]
    #[arg(long)]
    batch: Option<usize>,
    /// Passes over the training images [default: 20]
    #[arg(long)]
    epochs: Option<usize>,
    /// Epochs after which the learning rate drops to a tenth, separated by commas
    #[arg(long, value_delimiter = ',')]
    milestones: Option<Vec<usize>>,
    /// Whether to shift and flip training images [default: true]
    #[arg(long, value_name = "BOOL")]
    augment: Option<bool>,
    /// Hold out the last N training images for evaluation, instead of the test file
    #[arg(long, value_name = "N")]
    holdout: Option<usize>,
    /// Train on the first N training images only
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// What to train: all, or only the convolutions' weights
    #[arg(long, value_name = "all|convolutions")]
    trainable: Option<String>,
    /// Seed of everything random [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Device: auto, cpu, or another one that crossdub devices lists
    #[arg(long, conflicts_with = "devices")]
    device: Option<String>,
    /// Devices that share each batch, separated by commas; the first holds the network
    #[arg(long, value_name = "DEVICE,...")]
    devices: Option<String>,
    /// Sum the gradients on the first device, even if the devices could all-reduce them (CUDA)
    #[arg(long, requires = "devices")]
    gather: bool,
    /// Precision: f32, or bf16 (activations and products in 16 bits, weights in 32) [default: f32]
    #[arg(long, value_name = "f32|bf16")]
    precision: Option<String>,
    /// Rows of a crossbar, or rows and columns of cells (128x64) [default: 32]
    #[arg(long, value_name = "ROWS[xCOLUMNS]")]
    tile: Option<String>,
    /// Cells per weight [default: 1]
    #[arg(long)]
    weight_bits: Option<usize>,
    /// Weights of at most this magnitude count as almost zero [default: 1e-3]
    #[arg(long)]
    tol: Option<f64>,
}

impl RunOptions {
    /// The device fields that were given: a run may resume on other devices.
    pub fn devices(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        put(&mut fields, "device", self.device.clone());
        put(&mut fields, "devices", self.devices.clone());
        put(&mut fields, "gather", self.devices.is_some().then_some(self.gather));
        if self.device.is_some() {
            put(&mut fields, "devices", Some(""));
        }
        fields
    }

    /// Adds the fields that were given.
    ///
    /// # Errors
    /// If the tile's shape is invalid.
    pub fn put(&self, fields: &mut Map<String, Value>) -> Result<()> {
        put(fields, "regularizer", self.regularizer.clone());
        put(fields, "lambda", self.lambda);
        put(fields, "lambda_mean", self.lambda_mean);
        put(fields, "weight_decay", self.weight_decay);
        put(fields, "learning_rate", self.learning_rate);
        put(fields, "momentum", self.momentum);
        put(fields, "dropout", self.dropout);
        put(fields, "batch", self.batch);
        put(fields, "epochs", self.epochs);
        put(fields, "milestones", self.milestones.clone());
        put(fields, "augment", self.augment);
        put(fields, "holdout", self.holdout);
        put(fields, "limit", self.limit);
        put(fields, "trainable", self.trainable.clone());
        put(fields, "seed", self.seed);
        put(fields, "precision", self.precision.clone());
        fields.extend(self.devices());
        if let Some((tile, columns)) = self.tile.as_deref().map(tile_shape).transpose()? {
            put(fields, "tile", Some(tile));
            put(fields, "columns", Some(columns));
        }
        put(fields, "weight_bits", self.weight_bits);
        put(fields, "tol", self.tol);
        Ok(())
    }
}
