//! Between JavaScript's values and Rust's.

use std::collections::BTreeMap;

use js_sys::{Array, Float32Array, Object, Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::prelude::*;

use crate::checkpoint::{Checkpoint, safetensors};
use crate::config::TrainConfig;
use crate::data::standardization::InputMetadata;
use crate::data::{TrainTest, open};
use crate::error::{Error, Result};
use crate::report::TileDetail;
use crate::workflow::interactive::CompletedStages;

/// A result whose error is an object `{ code, message, field? }`.
pub type JsResult<T> = std::result::Result<T, JsValue>;

#[derive(Serialize)]
struct Failure {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// An error as JavaScript gets it.
#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
pub fn failure(error: Error) -> JsValue {
    let field = error.field_name().map(str::to_owned);
    to_js(&Failure { code: error.code(), message: error.to_string(), field }).unwrap_or(JsValue::NULL)
}

pub fn to_js(value: &impl Serialize) -> JsResult<JsValue> {
    Ok(value.serialize(&serde_wasm_bindgen::Serializer::json_compatible())?)
}

/// Goes through a JSON value: one reader of JavaScript's objects for all types keeps the module small.
pub fn from_js<T: DeserializeOwned>(value: JsValue) -> JsResult<T> {
    let invalid = |reason: String| failure(Error::field("fields", "an object", reason));
    let json: Value = serde_wasm_bindgen::from_value(value).map_err(|error| invalid(error.to_string()))?;
    serde_json::from_value(json).map_err(|error| invalid(error.to_string()))
}

/// Weights as a safetensors file.
pub fn to_safetensors(weights: &Checkpoint) -> JsResult<Uint8Array> {
    to_safetensors_with(weights, &InputMetadata::default())
}

/// Weights as a safetensors file that says which images they were trained on.
pub fn to_safetensors_with(weights: &Checkpoint, metadata: &InputMetadata) -> JsResult<Uint8Array> {
    let notes = if *metadata == InputMetadata::default() { BTreeMap::new() } else { metadata.to_map() };
    let bytes = safetensors::write_with_metadata(weights, &notes).map_err(failure)?;
    Ok(Uint8Array::from(bytes.as_slice()))
}

/// A tile's cells, its values and mask as typed arrays.
pub fn tile_to_js(detail: &TileDetail) -> JsResult<Object> {
    let object: Object = to_js(detail)?.unchecked_into();
    let kept: Vec<u8> = detail.kept.iter().map(|&kept| u8::from(kept)).collect();
    Reflect::set(&object, &"values".into(), &Float32Array::from(detail.values.as_slice()))?;
    Reflect::set(&object, &"kept".into(), &Uint8Array::from(kept.as_slice()))?;
    Ok(object)
}

/// Completed stages as `{ stages, trained }`: a JSON object, and the trained network's checkpoint as bytes.
pub fn completed_to_js(completed: &CompletedStages) -> JsResult<JsValue> {
    let object = Object::new();
    Reflect::set(&object, &"stages".into(), &to_js(completed)?)?;
    Reflect::set(&object, &"trained".into(), &Uint8Array::from(completed.trained.as_slice()))?;
    Ok(object.into())
}

/// The inverse of [`completed_to_js`]; `null` if no stage is completed.
pub fn completed_from_js(object: &JsValue) -> JsResult<Option<CompletedStages>> {
    if object.is_falsy() {
        return Ok(None);
    }
    let trained = Reflect::get(object, &"trained".into())?.dyn_into::<Uint8Array>()?.to_vec();
    let completed: CompletedStages = from_js(Reflect::get(object, &"stages".into())?)?;
    Ok(Some(completed.with_trained(trained)))
}

/// Files from `{ name, bytes }` objects.
pub fn named_bytes(files: &Array) -> Result<Vec<(String, Vec<u8>)>> {
    let part = |file: &JsValue, key: &str| Reflect::get(file, &key.into()).unwrap_or(JsValue::UNDEFINED);
    let named = files.iter().map(|file| {
        let name = part(&file, "name").as_string().unwrap_or_default();
        let bytes = part(&file, "bytes").dyn_into::<Uint8Array>();
        let bytes = bytes.map_err(|_| Error::file("reading data", &*name, "the file has no bytes"))?;
        Ok((name, bytes.to_vec()))
    });
    named.collect()
}

/// The data of a run from `{ name, bytes }` objects; generated data needs none.
pub fn load_data(config: &TrainConfig, files: &Array) -> Result<TrainTest> {
    open(config, &named_bytes(files)?)
}
