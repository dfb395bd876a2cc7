//! The report of a run: one type for a single training, a recipe and the page's run. It is written to `report.json`, and
//! read back by the HTML report.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::recipe::Recipe;
use super::stage_report::{FinishedStage, StageReport};
use crate::config::{DataSource, HardwareConfig, Resolution, SCHEMA_VERSION, TrainConfig};
use crate::data::loader::DataLoader;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::network::NetworkSpec;
use crate::report::{Analysis, InferenceConfig, LayerMap, analyze, inference, view};
use crate::train::progress::HistoryEntry;
use crate::train::trainer::Trainer;

/// The data that a recipe ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct DataDescription {
    /// The data source, for example `builtin` or `cifar10`.
    pub name: String,
    /// Number of training images.
    pub train_images: usize,
    /// Number of held-out images.
    pub test_images: usize,
    /// Number of classes.
    pub classes: usize,
    /// SHA-256 of images, labels and class names; for image files, of their names and sizes. Empty if it was not taken.
    pub sha256: String,
}

impl DataDescription {
    /// Describes images without their hash.
    pub fn new(loader: &DataLoader, source: DataSource) -> Self {
        let name = serde_json::to_value(source).ok();
        Self {
            name: name.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            train_images: loader.train_len(),
            test_images: loader.test().len(),
            classes: loader.classes().len(),
            sha256: String::new(),
        }
    }
}

/// A summary of training, over all stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct TrainingSummary {
    /// Kind of the device, for example `cpu` or `webgpu`.
    pub device: String,
    /// Name of the processor or graphics adapter.
    pub adapter: String,
    /// Number of steps.
    #[serde(default)]
    pub step: u64,
    /// Number of complete epochs.
    #[serde(default)]
    pub epoch: usize,
    /// Cross-entropy of the last batch.
    pub loss: Option<f64>,
    /// Last measured accuracy on held-out images, in percent.
    pub accuracy: Option<f64>,
    /// Images per second over the last steps.
    #[serde(default)]
    pub images_per_second: Option<f64>,
    /// One entry per step; for a recipe, one per epoch.
    #[serde(default)]
    pub history: Vec<HistoryEntry>,
}

/// The report of a run: its configuration, its training, and the ADC energy that it saves.
///
/// `training` covers all stages; `analysis` and `maps` are of the final weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct RunReport {
    /// The name of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The description of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The seed of a recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The data of a recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataDescription>,
    /// Kind of the device of a recipe's last stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The stages, in order; empty for a single training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageReport>,
    /// Seconds of work of all stages of a recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The tiles of each layer: density, balance, level, bits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<LayerMap>,
    /// Version of this object.
    pub schema_version: u32,
    /// Version of Crossdub.
    pub version: String,
    /// The configuration.
    #[serde(rename = "spec")]
    pub config: TrainConfig,
    /// The hardware.
    pub hardware: HardwareConfig,
    /// A summary of training.
    pub training: TrainingSummary,
    /// The crossbars and their ADC energy.
    pub analysis: Analysis,
}

impl RunReport {
    /// The report of a single training; `layers` are its crossbar layers.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] pollster::block_on(async {
    /// # use crossdub::config::{ClassifierWidths, DeviceChoice, HardwareConfig, TrainConfig};
    /// # use crossdub::device::ComputeDevice;
    /// # use crossdub::train::trainer::Trainer;
    /// use crossdub::workflow::report::RunReport;
    ///
    /// # let config = TrainConfig { plan: "4 M".parse()?, classifier: ClassifierWidths::default(), batch: 8, ..TrainConfig::default() };
    /// # let data = crossdub::data::synthetic::generate(0, 8, 10);
    /// # let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
    /// # let mut trainer = Trainer::new(config, HardwareConfig::default(), data, device, 1 << 30, None)?;
    /// trainer.step().await?;
    /// let report = RunReport::from_trainer(&trainer, &trainer.matrices().await?);
    /// assert_eq!((report.training.step, report.analysis.zeros), (1, 0));
    /// # Ok::<(), crossdub::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn from_trainer(trainer: &Trainer, layers: &[Matrix]) -> Self {
        let history = trainer.history();
        let compute = trainer.compute();
        let training = TrainingSummary {
            device: compute.kind.to_owned(),
            adapter: compute.adapter.clone(),
            step: trainer.step_number(),
            epoch: trainer.epochs_done(),
            loss: history.last().map(|entry| entry.loss),
            accuracy: history.iter().rev().find_map(|entry| entry.accuracy),
            images_per_second: trainer.images_per_second(),
            history: history.to_vec(),
        };
        let hardware = trainer.hardware();
        Self::new(trainer.config().clone(), hardware.clone(), training, analyze(layers, hardware))
    }

    /// A report without stages.
    fn new(
        config: TrainConfig,
        hardware: HardwareConfig,
        training: TrainingSummary,
        analysis: Analysis,
    ) -> Self {
        Self {
            name: None,
            description: None,
            seed: None,
            data: None,
            device: None,
            stages: Vec::new(),
            seconds: None,
            maps: Vec::new(),
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config,
            hardware,
            training,
            analysis,
        }
    }

    /// The report of a recipe, from its finished stages and the crossbar layers of the final weights.
    ///
    /// # Errors
    /// When there is no stage, or the hardware's energy can't be computed.
    pub fn from_recipe(
        recipe: &Recipe,
        data: DataDescription,
        finished: &[FinishedStage<'_>],
        layers: &[Matrix],
    ) -> Result<Self> {
        let no_stage = || Error::field("stage", "", "the recipe has no stage");
        let last = finished.last().ok_or_else(no_stage)?;
        let before = |at: usize| at.checked_sub(1).and_then(|at| finished.get(at));
        let mut stages: Vec<StageReport> =
            finished.iter().enumerate().map(|(at, stage)| stage.report(before(at))).collect();
        // The recipe names a path; its data set is known only now.
        let source = serde_json::from_value(Value::from(&*data.name)).unwrap_or_default();
        let config = TrainConfig { data: source, ..recipe.config.clone() };
        stages.iter_mut().filter_map(|stage| stage.config.as_mut()).for_each(|config| config.data = source);
        let positions = NetworkSpec::from_config(&config, data.classes)?.output_positions(layers).ok();
        let inference = inference(layers, &recipe.hardware, &InferenceConfig::all(positions)?)?;
        // The page switches between resolutions, so the maps have the bits of all of them.
        let mapped = HardwareConfig { resolution: Resolution::LosslessSliced, ..recipe.hardware.clone() };
        let analysis = Analysis { inference: Some(inference), ..last.analysis.clone() };
        Ok(Self {
            name: Some(recipe.name.clone()),
            description: Some(recipe.description.clone()),
            seed: Some(config.seed),
            data: Some(data),
            device: Some(last.result.device.clone()),
            stages,
            seconds: Some(finished.iter().map(|stage| stage.result.seconds).sum()),
            maps: view(layers, layers, &mapped).maps,
            ..Self::new(config, recipe.hardware.clone(), summarize(finished, last), analysis)
        })
    }
}

/// All stages as one training, for the charts of a single run.
fn summarize(finished: &[FinishedStage<'_>], last: &FinishedStage<'_>) -> TrainingSummary {
    let mut history = Vec::new();
    let (mut step, mut epoch) = (0, 0);
    for stage in finished {
        let energy = &stage.analysis.energy;
        let epochs = &stage.result.epochs;
        for (at, each) in epochs.iter().enumerate() {
            let is_last = at + 1 == epochs.len();
            history.push(HistoryEntry {
                step: step + each.step,
                loss: each.training_loss,
                regularizer: each.regularizer,
                accuracy: Some(each.accuracy),
                improvement_paper: energy.paper.improvement.filter(|_| is_last),
                improvement_lossless: energy.lossless.improvement.filter(|_| is_last),
            });
        }
        step += epochs.last().map_or(0, |each| each.step);
        epoch += epochs.len();
    }
    TrainingSummary {
        device: last.result.device.clone(),
        adapter: last.result.adapter.clone(),
        step,
        epoch,
        loss: history.last().map(|entry| entry.loss),
        accuracy: Some(last.result.evaluation.accuracy),
        images_per_second: None,
        history,
    }
}
