//! What the page asks a module that trains, whatever is run: its device, the settings, and published figures.

use js_sys::Float32Array;
use wasm_bindgen::prelude::*;

use super::convert::{JsResult, failure, from_js, to_js};
use crate::adc::AdcParams;
use crate::config::DeviceChoice;
use crate::device::ComputeDevice;
use crate::report;
use crate::workflow::interactive::settings::{
    InteractiveSettings, Schema, apply_prune_fields as apply_to_pruning,
};

/// Memory that a run in a browser may take, in bytes: a 32-bit module has 4 GiB for everything.
pub const MEMORY: u64 = 2 << 30;

/// The backend of this module.
pub const BACKEND: DeviceChoice =
    if cfg!(feature = "webgpu") { DeviceChoice::Webgpu(None) } else { DeviceChoice::Cpu };

/// Version of Crossdub.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The device of this module: `cpu` or `webgpu`.
#[wasm_bindgen]
pub fn backend() -> JsResult<JsValue> {
    to_js(&BACKEND)
}

/// Defaults of all fields, the names that fields choose from, and ranges for sliders.
#[wasm_bindgen]
pub fn schema() -> JsResult<JsValue> {
    to_js(&Schema::new())
}

/// The settings with flat fields applied and checked.
#[wasm_bindgen]
pub fn apply_fields(settings: JsValue, fields: JsValue) -> JsResult<JsValue> {
    let settings: InteractiveSettings = from_js(settings)?;
    to_js(&settings.with_fields(&from_js(fields)?).map_err(failure)?)
}

/// The settings with the valid ones of these fields applied; `ignored` names the others.
#[wasm_bindgen]
pub fn apply_valid_fields(settings: JsValue, fields: JsValue) -> JsResult<JsValue> {
    let settings: InteractiveSettings = from_js(settings)?;
    to_js(&settings.with_valid_fields(from_js(fields)?).map_err(failure)?)
}

/// Pruning settings with fields applied and checked; takes no other fields.
#[wasm_bindgen]
pub fn apply_prune_fields(pruning: JsValue, fields: JsValue) -> JsResult<JsValue> {
    to_js(&apply_to_pruning(from_js(pruning)?, &from_js(fields)?).map_err(failure)?)
}

/// The authors' 69 published runs and their improvement by every ADC model.
#[wasm_bindgen]
pub fn published() -> JsResult<JsValue> {
    to_js(&report::published().map_err(failure)?)
}

/// Energy of one conversion of 1 to 16 bits, by every ADC model.
#[wasm_bindgen]
pub fn converters() -> JsResult<JsValue> {
    let bits: Vec<u32> = (1..=16).collect();
    to_js(&report::compare(&bits, &AdcParams::default(), None).map_err(failure)?)
}

/// A gradient and two steps of a fixed small network on this module's device.
#[wasm_bindgen]
pub async fn self_test() -> JsResult<Float32Array> {
    let compute = ComputeDevice::open(&BACKEND).await.map_err(failure)?;
    let results = crate::train::self_test::run(&compute).await.map_err(failure)?;
    Ok(Float32Array::from(results.as_slice()))
}
