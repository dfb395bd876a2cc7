//! The page's door: wasm-bindgen exports that convert and forward, without logic of their own.
//!
//! The interface is described for JavaScript in `web/types/types.d.ts`. Every failure is an object
//! `{ code, message, field? }` with one clear line.

use js_sys::{Array, Float32Array, Object, Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::prelude::*;

use crate::adc::AdcParams;
use crate::checkpoint::{self, safetensors};
use crate::config;
use crate::config::{DeviceChoice, HardwareConfig, Precision, TrainConfig};
use crate::data::{TrainTest, open};
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::NetworkSpec;
use crate::report::{self, TileDetail, adc_plan};
use crate::train::checkpoint::TrainingCheckpoint;
use crate::train::trainer::Trainer;
use crate::workflow::interactive::preview::LayerCache;
use crate::workflow::interactive::{CompletedStages, InteractiveRun};

/// Memory that a run in a browser may plan with: a 32-bit module has 4 GiB for everything.
const MEMORY: u64 = 2 << 30;

type JsResult<T> = std::result::Result<T, JsValue>;

/// The backend of this module.
const BACKEND: DeviceChoice =
    if cfg!(feature = "webgpu") { DeviceChoice::Webgpu(None) } else { DeviceChoice::Cpu };

/// Panics are bugs; they should at least say where.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// Version of Crossdub.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// `cpu` or `webgpu`.
#[wasm_bindgen]
pub fn backend() -> JsResult<JsValue> {
    to_js(&BACKEND)
}

/// Both specifications as the page starts with them.
#[wasm_bindgen]
pub fn defaults() -> JsResult<JsValue> {
    both_to_js(&TrainConfig::for_page(), &HardwareConfig::default())
}

/// Both specifications with flat fields applied and checked.
#[wasm_bindgen]
pub fn apply(run: JsValue, hardware: JsValue, fields: JsValue) -> JsResult<JsValue> {
    let (run, hardware) = (from_js(run)?, from_js(hardware)?);
    let (run, hardware) = config::apply(&run, &hardware, &from_js(fields)?).map_err(failure)?;
    let here = matches!(run.device, DeviceChoice::Auto | DeviceChoice::Cpu | DeviceChoice::Webgpu(None));
    if !here || !run.devices.is_empty() {
        let asked = if here { run.devices } else { run.device.to_string() };
        return Err(failure(Error::field("device", asked, "the page takes auto, webgpu and cpu")));
    }
    if run.precision != Precision::F32 {
        return Err(failure(Error::field("precision", "bf16", "the page takes f32")));
    }
    NetworkSpec::from_config(&run, 10).map_err(failure)?;
    both_to_js(&run, &hardware)
}

/// What the authors' 69 published runs save, by every model.
#[wasm_bindgen]
pub fn published() -> JsResult<JsValue> {
    to_js(&report::published().map_err(failure)?)
}

/// Energy of a conversion by every model, over all bits.
#[wasm_bindgen]
pub fn converters() -> JsResult<JsValue> {
    let bits: Vec<u32> = (1..=16).collect();
    to_js(&report::compare(&bits, &AdcParams::default(), None).map_err(failure)?)
}

/// The gradient of a fixed small network on this module's device.
#[wasm_bindgen]
pub async fn self_test() -> JsResult<Float32Array> {
    let compute = ComputeDevice::open(&BACKEND).await.map_err(failure)?;
    let gradient = crate::train::self_test::gradient(&compute).await.map_err(failure)?;
    Ok(Float32Array::from(gradient.as_slice()))
}

/// A training run, taken through its story.
#[wasm_bindgen]
pub struct Run {
    story: InteractiveRun,
}

#[wasm_bindgen]
impl Run {
    /// Prepares a run; `files` only for data that is not generated.
    pub async fn open(run: JsValue, hardware: JsValue, files: Array) -> JsResult<Run> {
        let (run, hardware): (TrainConfig, HardwareConfig) = (from_js(run)?, from_js(hardware)?);
        let data = data(&run, &files).map_err(failure)?;
        let compute = ComputeDevice::open(&BACKEND).await.map_err(failure)?;
        let session = Trainer::new(run, hardware, data, compute, MEMORY, None).map_err(failure)?;
        Ok(Self { story: InteractiveRun::new(session, None).await.map_err(failure)? })
    }

    /// Goes on from a checkpoint, and what was behind it, as `earlier` gave it.
    pub async fn resume(
        checkpoint: Uint8Array,
        hardware: JsValue,
        files: Array,
        earlier: JsValue,
    ) -> JsResult<Run> {
        let saved = TrainingCheckpoint::read(&checkpoint.to_vec()).map_err(failure)?;
        let data = data(saved.spec(), &files).map_err(failure)?;
        let compute = ComputeDevice::open(&BACKEND).await.map_err(failure)?;
        let mut session = saved.resume(data, compute, MEMORY).map_err(failure)?;
        session.set_hardware(from_js(hardware)?).map_err(failure)?;
        let earlier = if earlier.is_falsy() { None } else { Some(earlier_from_js(&earlier)?) };
        Ok(Self { story: InteractiveRun::new(session, earlier).await.map_err(failure)? })
    }

    /// What is behind the present phase, to be kept beside its checkpoint; nothing before pruning.
    pub fn earlier(&self) -> JsResult<JsValue> {
        let Some(earlier) = self.story.completed_stages() else { return Ok(JsValue::NULL) };
        let object = Object::new();
        Reflect::set(&object, &"phases".into(), &to_js(earlier)?)?;
        Reflect::set(&object, &"trained".into(), &Uint8Array::from(earlier.trained.as_slice()))?;
        Ok(object.into())
    }

    /// The processor's or adapter's name.
    pub fn adapter(&self) -> String {
        self.story.trainer().compute().adapter.clone()
    }

    /// How far the present phase is.
    pub fn position(&self) -> JsResult<JsValue> {
        to_js(&self.story.progress())
    }

    /// One training step.
    pub async fn step(&mut self) -> JsResult<JsValue> {
        to_js(&self.story.step().await.map_err(failure)?)
    }

    /// Accuracy on at most so many held-out images.
    pub async fn evaluate(&mut self, images: usize) -> JsResult<JsValue> {
        to_js(&self.story.evaluate(images).await.map_err(failure)?)
    }

    /// Accuracy if pruned so, without doing it.
    pub async fn evaluate_pruned(&mut self, choice: JsValue, images: usize) -> JsResult<JsValue> {
        to_js(&self.story.evaluate_pruned(from_js(choice)?, images).await.map_err(failure)?)
    }

    /// Prunes, and measures before and after.
    pub async fn prune(&mut self, choice: JsValue, images: usize) -> JsResult<()> {
        self.story.prune(from_js(choice)?, images).await.map_err(failure)
    }

    /// Begins fine-tuning, with these fields besides the authors' settings.
    pub async fn finetune(&mut self, fields: JsValue) -> JsResult<()> {
        self.story.finetune(&from_js(fields)?).await.map_err(failure)
    }

    /// Back to the trained weights.
    pub async fn undo(&mut self) -> JsResult<()> {
        self.story.undo().await.map_err(failure)
    }

    /// Takes up the present weights.
    pub async fn refresh(&mut self) -> JsResult<()> {
        self.story.sync_weights().await.map_err(failure)
    }

    /// Maps to other hardware.
    pub fn set_hardware(&mut self, hardware: JsValue) -> JsResult<()> {
        self.story.set_hardware(from_js(hardware)?).map_err(failure)
    }

    /// Analysis, preview and maps; noted in the history.
    pub fn view(&mut self, choice: JsValue) -> JsResult<JsValue> {
        to_js(&self.story.view(from_js(choice)?).map_err(failure)?)
    }

    /// One tile's cells.
    pub fn tile(&mut self, layer: usize, tile: usize, choice: JsValue) -> JsResult<Object> {
        tile_to_js(&self.story.tile((layer, tile), from_js(choice)?).map_err(failure)?)
    }

    /// Energy of an inference by every model and policy.
    pub fn inference(&mut self, choice: JsValue) -> JsResult<JsValue> {
        to_js(&self.story.inference(from_js(choice)?).map_err(failure)?)
    }

    /// What each tile's converters need, as CSV.
    pub fn adc_plan(&mut self, choice: JsValue) -> JsResult<String> {
        Ok(self.story.adc_plan(from_js(choice)?).map_err(failure)?.to_csv())
    }

    /// Masks of the network as previewed, or as pruned, as safetensors.
    pub async fn masks(&mut self, choice: JsValue) -> JsResult<Uint8Array> {
        to_bytes(&self.story.masks(from_js(choice)?).await.map_err(failure)?)
    }

    /// Puts the network on simulated crossbars.
    pub async fn start_simulation(&mut self, choice: JsValue) -> JsResult<()> {
        self.story.start_simulation(from_js(choice)?).await.map_err(failure)
    }

    /// Simulates so many more held-out images; the report on all.
    pub async fn simulate_next(&mut self, images: usize) -> JsResult<JsValue> {
        to_js(&self.story.simulate_next(images).await.map_err(failure)?)
    }

    /// One column of a simulated tile, worked through by hand.
    pub fn column_example(
        &self,
        layer: usize,
        tile: usize,
        column: usize,
        image: usize,
        position: usize,
    ) -> JsResult<JsValue> {
        let example = self.story.column_example((layer, tile, column), (image, position));
        to_js(&example.map_err(failure)?)
    }

    /// The run's report.
    pub fn report(&self) -> JsResult<JsValue> {
        to_js(&self.story.report())
    }

    /// Everything needed to go on.
    pub async fn checkpoint(&self) -> JsResult<Uint8Array> {
        Ok(Uint8Array::from(self.story.trainer().checkpoint().await.map_err(failure)?.as_slice()))
    }

    /// The weights as safetensors.
    pub async fn weights(&self) -> JsResult<Uint8Array> {
        to_bytes(&self.story.trainer().weights().await.map_err(failure)?)
    }
}

/// Someone's weights, without their network.
#[wasm_bindgen]
pub struct Checkpoint {
    weights: checkpoint::Checkpoint,
    layers: LayerCache,
    hardware: HardwareConfig,
}

#[wasm_bindgen]
impl Checkpoint {
    /// Reads a safetensors or PyTorch file; `linear` takes its 2-D layers as well.
    pub fn parse(name: &str, bytes: &[u8], linear: bool) -> JsResult<Checkpoint> {
        let unfit = |why: Error| failure(why.with_path(name));
        let weights = checkpoint::Checkpoint::from_bytes(bytes).map_err(unfit)?;
        let layers = LayerCache::new(weights.matrices(linear).map_err(unfit)?);
        Ok(Self { weights, layers, hardware: HardwareConfig::default() })
    }

    /// Whether there are both convolutions and 2-D layers: those can be taken or left.
    pub fn has_both(&self) -> bool {
        let count = |linear| self.weights.matrices(linear).map_or(0, |layers| layers.len());
        (1..count(true)).contains(&count(false))
    }

    /// Maps to other hardware.
    pub fn set_hardware(&mut self, hardware: JsValue) -> JsResult<()> {
        let hardware: HardwareConfig = from_js(hardware)?;
        hardware.validate().map_err(failure)?;
        self.hardware = hardware;
        Ok(())
    }

    /// Analysis, preview and maps.
    pub fn view(&mut self, choice: JsValue) -> JsResult<JsValue> {
        to_js(&self.layers.view(&self.hardware, Some(from_js(choice)?)).map_err(failure)?)
    }

    /// Energy of an inference by every model and policy, every crossbar counted once.
    pub fn inference(&mut self, choice: JsValue) -> JsResult<JsValue> {
        let choice = Some(from_js(choice)?);
        to_js(&self.layers.inference(&self.hardware, choice, None).map_err(failure)?)
    }

    /// What each tile's converters need, as CSV.
    pub fn adc_plan(&mut self, choice: JsValue) -> JsResult<String> {
        let layers =
            self.layers.pruned_or_current(&self.hardware, Some(from_js(choice)?)).map_err(failure)?;
        Ok(adc_plan(layers, &self.hardware).to_csv())
    }

    /// The weights pruned as previewed, all other tensors as they were, as safetensors.
    pub fn pruned(&mut self, choice: JsValue) -> JsResult<Uint8Array> {
        let layers =
            self.layers.pruned_or_current(&self.hardware, Some(from_js(choice)?)).map_err(failure)?;
        to_bytes(&self.weights.clone().with_layers(layers.to_vec()))
    }

    /// Masks of the weights pruned as previewed, as safetensors.
    pub fn masks(&mut self, choice: JsValue) -> JsResult<Uint8Array> {
        let layers =
            self.layers.pruned_or_current(&self.hardware, Some(from_js(choice)?)).map_err(failure)?;
        to_bytes(&self.weights.clone().with_layers(layers.to_vec()).masks())
    }

    /// One tile's cells.
    pub fn tile(&mut self, layer: usize, tile: usize, choice: JsValue) -> JsResult<Object> {
        let detail = self.layers.tile(&self.hardware, (layer, tile), Some(from_js(choice)?));
        tile_to_js(&detail.map_err(failure)?)
    }
}

fn to_bytes(weights: &checkpoint::Checkpoint) -> JsResult<Uint8Array> {
    let bytes = safetensors::write(weights).map_err(failure)?;
    Ok(Uint8Array::from(bytes.as_slice()))
}

/// As [`Run::earlier`] gives it.
fn earlier_from_js(object: &JsValue) -> JsResult<CompletedStages> {
    let trained = Reflect::get(object, &"trained".into())?.dyn_into::<Uint8Array>()?.to_vec();
    Ok(CompletedStages { trained, ..from_js(Reflect::get(object, &"phases".into())?)? })
}

/// The data of a run, from the files at hand.
fn data(run: &TrainConfig, files: &Array) -> Result<TrainTest> {
    let part = |file: &JsValue, key: &str| Reflect::get(file, &key.into()).unwrap_or(JsValue::UNDEFINED);
    let named = files.iter().map(|file| {
        let name = part(&file, "name").as_string().unwrap_or_default();
        let bytes = part(&file, "bytes").dyn_into::<Uint8Array>();
        let bytes = bytes.map_err(|_| Error::file("reading data", &*name, "it came without bytes"))?;
        Ok((name, bytes.to_vec()))
    });
    open(run, &named.collect::<Result<Vec<_>>>()?)
}

fn tile_to_js(detail: &TileDetail) -> JsResult<Object> {
    let object: Object = to_js(detail)?.unchecked_into();
    let kept: Vec<u8> = detail.kept.iter().map(|&kept| u8::from(kept)).collect();
    Reflect::set(&object, &"values".into(), &Float32Array::from(detail.values.as_slice()))?;
    Reflect::set(&object, &"kept".into(), &Uint8Array::from(kept.as_slice()))?;
    Ok(object)
}

#[derive(Serialize)]
struct Failure {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

fn failure(error: Error) -> JsValue {
    let (code, message) = (error.code(), error.to_string());
    let field = error.field_name().map(str::to_owned);
    to_js(&Failure { code, message, field }).unwrap_or(JsValue::NULL)
}

fn both_to_js(run: &TrainConfig, hardware: &HardwareConfig) -> JsResult<JsValue> {
    #[derive(Serialize)]
    struct Both<'a> {
        spec: &'a TrainConfig,
        hardware: &'a HardwareConfig,
    }
    to_js(&Both { spec: run, hardware })
}

fn to_js(value: &impl Serialize) -> JsResult<JsValue> {
    Ok(value.serialize(&serde_wasm_bindgen::Serializer::json_compatible())?)
}

/// By way of a JSON value: one reader of JavaScript's objects for all types keeps the module small.
fn from_js<T: DeserializeOwned>(value: JsValue) -> JsResult<T> {
    let unfit = |why: String| failure(Error::field("fields", "an object", why));
    let json: Value = serde_wasm_bindgen::from_value(value).map_err(|why| unfit(why.to_string()))?;
    serde_json::from_value(json).map_err(|why| unfit(why.to_string()))
}
