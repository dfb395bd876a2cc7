//! A training run that the page takes from stage to stage.

use js_sys::{Array, Float32Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::checkpoint::{named_bytes, tile_to_js};
use super::convert::{JsResult, failure, from_js, to_js, to_safetensors, to_safetensors_with};
use super::module::{BACKEND, MEMORY};
use crate::config::TrainConfig;
use crate::data::open;
use crate::data::pictures::class_pictures;
use crate::device::ComputeDevice;
use crate::distributed::shared_batch::{BatchShare, Exchange};
use crate::error::Error;
use crate::train::checkpoint::TrainingCheckpoint;
use crate::workflow::interactive::{CompletedStages, InteractiveRun};
use crate::workflow::train_stage::RunSetup;

/// A training run: train, prune, fine-tune, undo.
#[wasm_bindgen]
pub struct Run {
    run: InteractiveRun,
}

#[wasm_bindgen]
impl Run {
    /// Prepares a run; `files` only for data that is not generated.
    pub async fn open(spec: JsValue, hardware: JsValue, files: Array) -> JsResult<Run> {
        let config: TrainConfig = from_js(spec)?;
        let setup = setup(&config, hardware, &files).await?;
        Ok(Self { run: InteractiveRun::start(config, setup).await.map_err(failure)? })
    }

    /// Continues from a checkpoint, and the completed stages that `completed_stages` returned.
    pub async fn resume(
        checkpoint: Uint8Array,
        hardware: JsValue,
        files: Array,
        completed: JsValue,
    ) -> JsResult<Run> {
        let checkpoint = TrainingCheckpoint::read(&checkpoint.to_vec()).map_err(failure)?;
        let setup = setup(checkpoint.config(), hardware, &files).await?;
        let completed = completed_from_js(&completed)?;
        Ok(Self { run: InteractiveRun::resume(checkpoint, completed, setup).await.map_err(failure)? })
    }

    /// The stages before the current one, to store beside a checkpoint; `null` before pruning.
    pub fn completed_stages(&self) -> JsResult<JsValue> {
        self.run.completed_stages().map_or(Ok(JsValue::NULL), completed_to_js)
    }

    /// Name of the processor or graphics adapter.
    pub fn adapter(&self) -> String {
        self.run.trainer().compute().adapter.clone()
    }

    /// Names of the classes, by label.
    pub fn classes(&self) -> Array {
        self.run.trainer().data().classes().iter().map(|class| JsValue::from_str(class)).collect()
    }

    /// The classes as `{ name, count, previews }`: how many images each has, and the planes of the first of them.
    pub fn class_pictures(&self, previews: usize) -> JsResult<Array> {
        let list = Array::new();
        let split = self.run.trainer().data().memory();
        for class in split.map(|split| class_pictures(split, previews)).unwrap_or_default() {
            let object = Object::new();
            let planes = class.previews.iter().map(|planes| Uint8Array::from(*planes));
            Reflect::set(&object, &"name".into(), &class.name.into())?;
            Reflect::set(&object, &"count".into(), &class.count.into())?;
            Reflect::set(&object, &"previews".into(), &planes.collect::<Array>())?;
            list.push(&object);
        }
        Ok(list)
    }

    /// Progress of the current stage.
    pub fn progress(&self) -> JsResult<JsValue> {
        to_js(&self.run.progress())
    }

    /// One training step.
    pub async fn step(&mut self) -> JsResult<JsValue> {
        to_js(&self.run.step().await.map_err(failure)?)
    }

    /// From here on this run is number `rank` of `count` replicas, each in a worker, that share each batch.
    /// `exchange` takes this one's values and resolves to the sum over all; a count of 1 ends that.
    pub fn share_batches(&mut self, rank: usize, count: usize, exchange: Function) {
        let exchange: Exchange = Box::new(move |values| {
            let sum = exchange.call1(&JsValue::NULL, &Float32Array::from(values.as_slice()));
            Box::pin(async move {
                let sum = async { JsFuture::from(Promise::resolve(&sum?)).await }.await;
                let sum =
                    sum.map_err(|thrown: JsValue| Error::device("another worker", thrown_message(&thrown)))?;
                Ok(Float32Array::from(sum).to_vec())
            })
        });
        self.run.share_batches((count > 1).then_some(BatchShare { rank, count, exchange }));
    }

    /// Accuracy on at most `images` held-out images.
    pub async fn evaluate(&mut self, images: usize) -> JsResult<JsValue> {
        to_js(&self.run.evaluate(images).await.map_err(failure)?)
    }

    /// Accuracy on at most `images` held-out images after pruning a copy.
    pub async fn evaluate_pruned(&mut self, pruning: JsValue, images: usize) -> JsResult<JsValue> {
        to_js(&self.run.evaluate_pruned(from_js(pruning)?, images).await.map_err(failure)?)
    }

    /// Prunes, and measures accuracy before and after.
    pub async fn prune(&mut self, pruning: JsValue, images: usize) -> JsResult<()> {
        self.run.prune(from_js(pruning)?, images).await.map_err(failure)
    }

    /// Begins fine-tuning with the authors' settings, changed by these fields.
    pub async fn finetune(&mut self, fields: JsValue) -> JsResult<()> {
        self.run.finetune(&from_js(fields)?).await.map_err(failure)
    }

    /// Returns to the trained weights.
    pub async fn undo(&mut self) -> JsResult<()> {
        self.run.undo().await.map_err(failure)
    }

    /// Loads the current weights from the device, for `view`, `tile` and `report`.
    pub async fn sync_weights(&mut self) -> JsResult<()> {
        self.run.sync_weights().await.map_err(failure)
    }

    /// Maps to other hardware.
    pub fn set_hardware(&mut self, hardware: JsValue) -> JsResult<()> {
        self.run.set_hardware(from_js(hardware)?).map_err(failure)
    }

    /// Analysis, preview and maps; recorded in the history.
    pub fn view(&mut self, pruning: JsValue) -> JsResult<JsValue> {
        to_js(&self.run.view(from_js(pruning)?).map_err(failure)?)
    }

    /// One tile's cells.
    pub fn tile(&mut self, layer: usize, tile: usize, pruning: JsValue) -> JsResult<Object> {
        tile_to_js(&self.run.tile((layer, tile), from_js(pruning)?).map_err(failure)?)
    }

    /// Energy of an inference by every model and resolution.
    pub fn inference(&mut self, pruning: JsValue) -> JsResult<JsValue> {
        to_js(&self.run.inference(from_js(pruning)?).map_err(failure)?)
    }

    /// The ADC bits that each tile needs, as CSV.
    pub fn adc_plan(&mut self, pruning: JsValue) -> JsResult<String> {
        Ok(self.run.adc_plan(from_js(pruning)?).map_err(failure)?.to_csv())
    }

    /// Masks of the pruned network, or of the previewed pruning before that, as safetensors.
    pub async fn masks(&mut self, pruning: JsValue) -> JsResult<Uint8Array> {
        to_safetensors(&self.run.masks(from_js(pruning)?).await.map_err(failure)?)
    }

    /// Maps the network to simulated crossbars.
    pub async fn start_simulation(&mut self, pruning: JsValue) -> JsResult<()> {
        self.run.start_simulation(from_js(pruning)?).await.map_err(failure)
    }

    /// Simulates the next `images` held-out images; reports on all simulated so far.
    pub async fn simulate_next(&mut self, images: usize) -> JsResult<JsValue> {
        to_js(&self.run.simulate_next(images).await.map_err(failure)?)
    }

    /// One column of a simulated tile, conversion by conversion.
    pub fn trace_column(
        &self,
        layer: usize,
        tile: usize,
        column: usize,
        image: usize,
        position: usize,
    ) -> JsResult<JsValue> {
        let example = self.run.trace_column((layer, tile, column), (image, position));
        to_js(&example.map_err(failure)?)
    }

    /// The run's report.
    pub fn report(&self) -> JsResult<JsValue> {
        to_js(&self.run.report())
    }

    /// Everything needed to continue the current stage.
    pub async fn checkpoint(&self) -> JsResult<Uint8Array> {
        Ok(Uint8Array::from(self.run.trainer().checkpoint().await.map_err(failure)?.as_slice()))
    }

    /// The weights as safetensors.
    pub async fn weights(&self) -> JsResult<Uint8Array> {
        let trainer = self.run.trainer();
        let metadata = trainer.data().input_metadata(trainer.config().data);
        to_safetensors_with(&trainer.weights().await.map_err(failure)?, &metadata)
    }
}

/// The message of what JavaScript threw.
fn thrown_message(thrown: &JsValue) -> String {
    let message = Reflect::get(thrown, &"message".into()).ok().and_then(|message| message.as_string());
    message.unwrap_or_else(|| "it failed".into())
}

/// Loads the data and opens the device.
async fn setup(config: &TrainConfig, hardware: JsValue, files: &Array) -> JsResult<RunSetup> {
    let data = open(config, named_bytes(files)?).map_err(failure)?.into();
    let compute = ComputeDevice::open(&BACKEND).await.map_err(failure)?;
    Ok(RunSetup { hardware: from_js(hardware)?, data, compute, memory: MEMORY })
}

/// Completed stages as `{ stages, trained }`: a JSON object, and the trained network's checkpoint as bytes.
fn completed_to_js(completed: &CompletedStages) -> JsResult<JsValue> {
    let object = Object::new();
    Reflect::set(&object, &"stages".into(), &to_js(completed)?)?;
    Reflect::set(&object, &"trained".into(), &Uint8Array::from(completed.trained.as_slice()))?;
    Ok(object.into())
}

/// The inverse of [`completed_to_js`]; `null` if no stage is completed.
fn completed_from_js(object: &JsValue) -> JsResult<Option<CompletedStages>> {
    if object.is_falsy() {
        return Ok(None);
    }
    let trained = Reflect::get(object, &"trained".into())?.dyn_into::<Uint8Array>()?.to_vec();
    let completed: CompletedStages = from_js(Reflect::get(object, &"stages".into())?)?;
    Ok(Some(completed.with_trained(trained)))
}
