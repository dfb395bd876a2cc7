//! A stage's folder, named by a hash of its inputs. `inputs.json` holds these inputs,
//! `weights.safetensors` the result, and `result.json`, written last, marks the stage as complete.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::checkpoint::{Checkpoint, safetensors};
use crate::cli::files;
use crate::cli::files::dataset_cache::hex;
use crate::data::standardization::InputMetadata;
use crate::error::{Error, Result};
use crate::train::evaluate::Evaluation;
use crate::workflow::observer::EpochCurve;
use crate::workflow::stage_report::{Epoch, StageResult};

/// Version of how stages compute; increased when the same inputs give different weights.
const FORMAT_VERSION: u32 = 1;
/// Hex digits of an ID: 64 bits, plenty for the stages of one store.
const ID_DIGITS: usize = 16;

/// The folder of one stage.
pub struct StageFolder {
    path: PathBuf,
}

/// The ID of a stage: equal inputs have equal IDs.
pub fn stage_id(inputs: &Value) -> String {
    // serde_json sorts the keys of objects, so equal objects are equal text.
    let text = format!("{FORMAT_VERSION}\n{inputs}");
    hex(&Sha256::digest(text.as_bytes()))[..ID_DIGITS].to_owned()
}

/// SHA-256 of a file's content.
pub fn content_hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

impl StageFolder {
    /// Opens the folder of a stage in a store, creating it if needed.
    ///
    /// # Errors
    /// If it can't be created.
    pub fn open(store: &Path, id: &str, inputs: &Value) -> Result<Self> {
        let path = store.join(id);
        fs::create_dir_all(&path).map_err(|why| {
            Error::file("creating a stage's folder", files::display_path(&path), &why).with_source(why)
        })?;
        let folder = Self { path };
        if !folder.file("inputs.json").exists() {
            folder.write("inputs.json", inputs.to_string().as_bytes())?;
        }
        Ok(folder)
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The weights' file of a stage with this identity.
    pub fn weights_path_in(store: &Path, id: &str) -> PathBuf {
        store.join(id).join("weights.safetensors")
    }

    /// The weights that a complete stage left.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn weights(&self) -> Result<Checkpoint> {
        files::read_weights(&self.weights_path())
    }

    fn weights_path(&self) -> PathBuf {
        self.file("weights.safetensors")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        files::write("writing a stage's result", &self.file(name), bytes)
    }

    /// The stage's result, if it is complete. A result that can't be parsed counts as missing.
    ///
    /// # Errors
    /// If the file exists but can't be read.
    pub fn result(&self) -> Result<Option<StageResult>> {
        let path = self.file("result.json");
        if !path.exists() || !self.weights_path().exists() {
            return Ok(None);
        }
        let bytes = files::read("reading a stage's result", &path)?;
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Writes the weights and then the result, which marks the stage as complete; deletes the checkpoints.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn complete(
        &self,
        weights: &Checkpoint,
        metadata: &InputMetadata,
        result: &StageResult,
    ) -> Result<()> {
        self.write("weights.safetensors", &safetensors::write_with_metadata(weights, &metadata.to_map())?)?;
        let text = serde_json::to_vec(result)
            .map_err(|why| Error::file("writing a stage's result", "result.json", &why).with_source(why))?;
        self.write("result.json", &text)?;
        drop(fs::remove_dir_all(self.file("checkpoints")));
        Ok(())
    }

    /// The epochs in `metrics.jsonl`, and the last evaluation.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn epochs(&self) -> Result<(Vec<Epoch>, Option<Evaluation>)> {
        let path = self.file("metrics.jsonl");
        let fail = |why| Error::file("reading metrics", files::display_path(&path), why);
        let mut curve = EpochCurve::default();
        for line in BufReader::new(File::open(&path).map_err(fail)?).lines() {
            let line = line.map_err(fail)?;
            if let Ok(line) = serde_json::from_str::<MetricsLine>(&line) {
                line.add_to(&mut curve);
            }
        }
        Ok(curve.finish())
    }
}

/// A line of `metrics.jsonl`: of a step or, if it has an evaluation, of an epoch.
#[derive(Deserialize)]
struct MetricsLine {
    step: u64,
    epoch: usize,
    loss: f64,
    regularizer: Option<f64>,
    accuracy: Option<f64>,
    top5: Option<f64>,
    images: Option<usize>,
}

impl MetricsLine {
    fn add_to(&self, curve: &mut EpochCurve) {
        let (loss, accuracy, top5, images) = (self.loss, self.accuracy, self.top5, self.images);
        let (Some(accuracy), Some(top5), Some(images)) = (accuracy, top5, images) else {
            return curve.add_step(loss, self.regularizer.unwrap_or(0.0));
        };
        curve.end_epoch(self.epoch, self.step, Evaluation { accuracy, top5, loss, images });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stage_id_depends_on_values_not_on_their_order() {
        let one = json!({ "lambda": 1e-3, "seed": 0 });
        let same: Value = serde_json::from_str(r#"{ "seed": 0, "lambda": 0.001 }"#).expect("JSON");
        assert_eq!(stage_id(&one), stage_id(&same));
        assert_ne!(stage_id(&one), stage_id(&json!({ "lambda": 1e-3, "seed": 1 })));
        assert_eq!(stage_id(&one).len(), ID_DIGITS);
    }

    #[test]
    fn a_damaged_result_counts_as_missing() {
        let store = tempfile::tempdir().expect("a folder");
        let folder = StageFolder::open(store.path(), "1", &json!({})).expect("makes");
        assert!(folder.result().expect("reads").is_none());
        folder.write("weights.safetensors", b"").expect("writes");
        folder.write("result.json", b"{\"schema_version\":1").expect("writes");
        assert!(folder.result().expect("reads").is_none());
    }

    #[test]
    fn an_epoch_averages_its_steps() {
        let store = tempfile::tempdir().expect("a folder");
        let folder = StageFolder::open(store.path(), "1", &json!({})).expect("makes");
        let lines = [
            json!({ "step": 1, "epoch": 0, "loss": 3.0, "regularizer": 0.5, "batch_accuracy": 1.0 }),
            json!({ "step": 2, "epoch": 0, "loss": 1.0, "regularizer": 1.5, "batch_accuracy": 1.0 }),
            json!({ "step": 2, "epoch": 0, "loss": 1.25, "accuracy": 40.0, "top5": 90.0, "images": 10 }),
        ];
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        folder.write("metrics.jsonl", text.as_bytes()).expect("writes");
        let (epochs, last) = folder.epochs().expect("reads");
        assert_eq!(epochs.len(), 1);
        assert_eq!((epochs[0].epoch, epochs[0].training_loss, epochs[0].regularizer), (1, 2.0, 1.0));
        assert_eq!(last.map(|e| (e.accuracy, e.loss)), Some((40.0, 1.25)));
    }
}
