//! Between JavaScript's values and Rust's.

use std::collections::BTreeMap;

use js_sys::{Float32Array, Object, Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::prelude::*;

use crate::checkpoint::{Checkpoint, safetensors};
use crate::data::standardization::InputMetadata;
use crate::error::Error;
use crate::matrix::Matrix;

/// A result whose error is an object `{ code, message, field? }`.
pub type JsResult<T> = Result<T, JsValue>;

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

/// A layer's matrix, its numbers as typed arrays.
pub fn matrix_to_js(matrix: &Matrix) -> JsResult<Object> {
    let object = Object::new();
    let set = |key: &str, value: JsValue| Reflect::set(&object, &key.into(), &value);
    set("name", matrix.name.as_str().into())?;
    set("rows", matrix.rows.into())?;
    set("cols", matrix.cols.into())?;
    set("groups", matrix.groups.into())?;
    let steps = matrix.steps.as_ref().map(|steps| Float32Array::from(steps.as_slice()).into());
    set("steps", steps.unwrap_or(JsValue::NULL))?;
    set("data", Float32Array::from(matrix.data.as_slice()).into())?;
    Ok(object)
}

/// The inverse of [`matrix_to_js`].
pub fn matrix_from_js(object: &JsValue) -> JsResult<Matrix> {
    let get = |key: &str| Reflect::get(object, &key.into());
    let count = |key: &str| Ok::<_, JsValue>(get(key)?.as_f64().unwrap_or_default() as usize);
    let floats = |value: JsValue| Ok::<_, JsValue>(value.dyn_into::<Float32Array>()?.to_vec());
    let name = get("name")?.as_string().unwrap_or_default();
    let matrix = Matrix::new(name, count("rows")?, count("cols")?, floats(get("data")?)?);
    let matrix = matrix.and_then(|matrix| matrix.grouped(count("groups").unwrap_or(1))).map_err(failure)?;
    let steps = get("steps")?;
    if steps.is_falsy() { Ok(matrix) } else { matrix.with_steps(floats(steps)?).map_err(failure) }
}
