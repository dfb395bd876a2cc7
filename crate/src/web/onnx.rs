//! An ONNX model that someone opened. Its layers go to the module that maps and prunes; what that changed comes back
//! here to be written into the model.

use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use super::convert::{JsResult, failure, from_js, matrix_from_js, matrix_to_js, to_js, to_safetensors};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::onnx::layers::LayerKind;
use crate::onnx::positions::positions;
use crate::onnx::{OnnxModel, OnnxNetwork, parse_input_shape};

/// A model for inputs of known shapes.
#[wasm_bindgen]
pub struct OnnxFile {
    network: OnnxNetwork,
    name: String,
}

/// How to read a model.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OpenOptions {
    /// Shapes of inputs that the model leaves open, as text.
    input_shape: Vec<String>,
}

#[wasm_bindgen]
impl OnnxFile {
    /// Reads a model. `read` gives the bytes of a file beside it, by its path from the model's folder, or `null`.
    pub fn open(name: String, bytes: Vec<u8>, read: &Function, options: JsValue) -> JsResult<OnnxFile> {
        let OpenOptions { input_shape } = from_js(options)?;
        let network = network(bytes, read, &input_shape);
        Ok(Self { network: network.map_err(|error| failure(error.with_path(&name)))?, name })
    }

    /// Whether it has both convolutions and fully connected layers, so that the latter are optional.
    pub fn linear_is_optional(&self) -> bool {
        let has = |kind| self.network.layers().iter().any(|layer| layer.kind == kind);
        has(LayerKind::Convolution) && has(LayerKind::Linear)
    }

    /// What a mapping takes and leaves out, with a remark if the conversions of an inference can't be counted.
    pub fn account(&self, linear: bool) -> JsResult<JsValue> {
        let mut account = self.network.account(linear);
        if let Err(why) = self.network.crossbar_layers(linear).and_then(|layers| positions(&layers)) {
            account.notes.push(format!("the energy is that of each tile read once: {why}"));
        }
        to_js(&account)
    }

    /// The layers, as the training module takes them: convolutions, and with `linear` fully connected ones.
    pub fn layers(&self, linear: bool) -> JsResult<Array> {
        let layers = self.network.crossbar_layers(linear).map_err(|error| self.failure(error))?;
        let of = |layer| matrix_to_js(&self.network.matrix(layer).map_err(|error| self.failure(error))?);
        layers.into_iter().map(of).collect()
    }

    /// The output positions of the same layers; `null` if one is not known.
    pub fn positions(&self, linear: bool) -> JsResult<JsValue> {
        let layers = self.network.crossbar_layers(linear).map_err(|error| self.failure(error))?;
        to_js(&positions(&layers).ok())
    }

    /// The model with other weights, and the files beside it that hold weights, as `{ name, bytes }`.
    pub fn with_layers(&self, layers: &Array) -> JsResult<Array> {
        let model = self.network.with_layers(&matrices(layers)?).map_err(|error| self.failure(error))?;
        let files = Array::new();
        for (name, bytes) in [(self.name.clone(), model.bytes)].into_iter().chain(model.external) {
            let file = Object::new();
            Reflect::set(&file, &"name".into(), &name.into())?;
            Reflect::set(&file, &"bytes".into(), &Uint8Array::from(bytes.as_slice()))?;
            files.push(&file);
        }
        Ok(files)
    }

    /// Masks of these layers, as safetensors.
    pub fn masks(&self, layers: &Array) -> JsResult<Uint8Array> {
        to_safetensors(&self.network.masks(&matrices(layers)?).map_err(|error| self.failure(error))?)
    }

    fn failure(&self, error: Error) -> JsValue {
        failure(error.with_path(&self.name))
    }
}

fn network(bytes: Vec<u8>, read: &Function, input_shape: &[String]) -> Result<OnnxNetwork> {
    let shapes = input_shape.iter().map(|text| parse_input_shape(text)).collect::<Result<Vec<_>>>()?;
    let beside = |location: &str| {
        let given = read.call1(&JsValue::NULL, &location.into()).unwrap_or(JsValue::NULL);
        let bytes = given.dyn_into::<Uint8Array>().map(|bytes| bytes.to_vec());
        let why = format!("its weights are in {location}: open that file together with it");
        bytes.map_err(|_| Error::file("reading ONNX", "", why))
    };
    OnnxModel::from_bytes(bytes, beside)?.network(&shapes)
}

fn matrices(layers: &Array) -> JsResult<Vec<Matrix>> {
    layers.iter().map(|layer| matrix_from_js(&layer)).collect()
}
