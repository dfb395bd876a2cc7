//! A checkpoint file that someone opened: weights without their network.

use js_sys::{Array, Float32Array, Int16Array, Object, Reflect, Uint8Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use super::convert::{JsResult, failure, from_js, matrix_from_js, matrix_to_js, to_js, to_safetensors};
use crate::checkpoint::{self, CheckpointAccount, FULLY_CONNECTED, ReadOptions};
use crate::config::HardwareConfig;
use crate::error::Error;
use crate::matrix::Matrix;
use crate::report::{TileDetail, adc_plan, integer_weights_note};
use crate::workflow::interactive::preview::{LayerCache, PruneSettings};

/// A checkpoint file's layers, and the hardware that they are mapped to.
#[wasm_bindgen]
pub struct Checkpoint {
    /// All tensors; `None` of a file that another module has read.
    weights: Option<checkpoint::Checkpoint>,
    layers: LayerCache,
    account: CheckpointAccount,
    /// Output positions of each layer, where the file says them.
    positions: Option<Vec<u64>>,
    hardware: HardwareConfig,
}

/// What to take from a file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OpenOptions {
    /// Whether fully connected layers are taken.
    linear: bool,
    /// The network to take, of several.
    network: Option<String>,
}

#[wasm_bindgen]
impl Checkpoint {
    /// Reads a checkpoint from `{ name, bytes }` objects: one file, or shards with their index.
    pub fn open(files: &Array, options: JsValue) -> JsResult<Checkpoint> {
        let options: OpenOptions = from_js(options)?;
        let files = named_bytes(files)?;
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
        let name = files.first().map_or("", |(name, _)| *name).to_owned();
        let named = |error: Error| failure(error.with_path(&name));
        let read = ReadOptions { network: options.network, ..ReadOptions::default() };
        let weights = checkpoint::Checkpoint::from_files(&files, &read).map_err(named)?;
        let layers = LayerCache::new(weights.matrices(options.linear).map_err(named)?);
        let account = weights.account(options.linear);
        Ok(Self {
            weights: Some(weights),
            layers,
            account,
            positions: None,
            hardware: HardwareConfig::default(),
        })
    }

    /// From layers that the module for ONNX has read, with their account and their output positions, or `null`.
    pub fn from_layers(layers: &Array, account: JsValue, positions: JsValue) -> JsResult<Checkpoint> {
        let matrices = layers.iter().map(|layer| matrix_from_js(&layer)).collect::<JsResult<_>>()?;
        let (account, positions) = (from_js(account)?, from_js(positions)?);
        let layers = LayerCache::new(matrices);
        Ok(Self { weights: None, layers, account, positions, hardware: HardwareConfig::default() })
    }

    /// Whether it has both convolutions and 2-D layers, so that the latter are optional.
    pub fn linear_is_optional(&self) -> bool {
        let Some(weights) = &self.weights else { return false };
        let account = weights.account(false);
        !account.taken.is_empty() && account.left_out.iter().any(|tensor| tensor.why == FULLY_CONNECTED)
    }

    /// What was taken and what was left out.
    pub fn account(&self) -> JsResult<JsValue> {
        to_js(&self.full_account())
    }

    /// Maps to other hardware.
    pub fn set_hardware(&mut self, hardware: JsValue) -> JsResult<()> {
        let hardware: HardwareConfig = from_js(hardware)?;
        hardware.validate().map_err(failure)?;
        self.hardware = hardware;
        Ok(())
    }

    /// Analysis, preview and maps.
    pub fn view(&mut self, pruning: JsValue) -> JsResult<JsValue> {
        let mut view = self.layers.view(&self.hardware, Some(from_js(pruning)?)).map_err(failure)?;
        view.analysis.checkpoint = Some(self.full_account());
        to_js(&view)
    }

    /// Energy of an inference by every model and resolution; each crossbar is counted once if the file does not say
    /// how often its layers are used.
    pub fn inference(&mut self, pruning: JsValue) -> JsResult<JsValue> {
        let (pruning, positions) = (Some(from_js(pruning)?), self.positions.clone());
        to_js(&self.layers.inference(&self.hardware, pruning, positions).map_err(failure)?)
    }

    /// The ADC bits that each tile needs, as CSV.
    pub fn adc_plan(&mut self, pruning: JsValue) -> JsResult<String> {
        let layers = self.pruned(pruning)?;
        Ok(adc_plan(&layers, &self.hardware).to_csv())
    }

    /// The layers after the previewed pruning, for the module that has read them.
    pub fn pruned_layers(&mut self, pruning: JsValue) -> JsResult<Array> {
        let settings: PruneSettings = from_js(pruning)?;
        settings.rule.check_without_steps().map_err(failure)?;
        let layers = self.layers.pruned_or_current(&self.hardware, Some(settings)).map_err(failure)?;
        layers.iter().map(matrix_to_js).collect()
    }

    /// The weights after the previewed pruning, and all other tensors unchanged, as safetensors.
    pub fn pruned_weights(&mut self, pruning: JsValue) -> JsResult<Uint8Array> {
        let (dense, pruning) = (self.tensors()?.clone(), from_js(pruning)?);
        to_safetensors(&self.layers.pruned_checkpoint(&dense, &self.hardware, pruning).map_err(failure)?)
    }

    /// Masks of the previewed pruning, as safetensors.
    pub fn masks(&mut self, pruning: JsValue) -> JsResult<Uint8Array> {
        let layers = self.pruned(pruning)?;
        to_safetensors(&self.tensors()?.clone().with_layers(layers).masks())
    }

    /// One tile's cells.
    pub fn tile(&mut self, layer: usize, tile: usize, pruning: JsValue) -> JsResult<Object> {
        let detail = self.layers.tile(&self.hardware, (layer, tile), Some(from_js(pruning)?));
        tile_to_js(&detail.map_err(failure)?)
    }

    fn pruned(&mut self, pruning: JsValue) -> JsResult<Vec<Matrix>> {
        let layers =
            self.layers.pruned_or_current(&self.hardware, Some(from_js(pruning)?)).map_err(failure)?;
        Ok(layers.to_vec())
    }

    fn tensors(&self) -> JsResult<&checkpoint::Checkpoint> {
        let missing = || failure(Error::invalid_state("writing weights", "another module has read them"));
        self.weights.as_ref().ok_or_else(missing)
    }

    /// With the remark on integers, which depends on the hardware.
    fn full_account(&self) -> CheckpointAccount {
        let mut account = self.account.clone();
        account.notes.extend(integer_weights_note(self.layers.current(), &self.hardware));
        account
    }
}

/// A tile's cells, its values and mask as typed arrays.
pub fn tile_to_js(detail: &TileDetail) -> JsResult<Object> {
    let object: Object = to_js(detail)?.unchecked_into();
    let kept: Vec<u8> = detail.kept.iter().map(|&kept| u8::from(kept)).collect();
    Reflect::set(&object, &"values".into(), &Float32Array::from(detail.values.as_slice()))?;
    Reflect::set(&object, &"kept".into(), &Uint8Array::from(kept.as_slice()))?;
    Reflect::set(&object, &"integers".into(), &Int16Array::from(detail.integers.as_slice()))?;
    Ok(object)
}

/// Files from `{ name, bytes }` objects.
pub fn named_bytes(files: &Array) -> JsResult<Vec<(String, Vec<u8>)>> {
    let part = |file: &JsValue, key: &str| Reflect::get(file, &key.into()).unwrap_or(JsValue::UNDEFINED);
    let named = files.iter().map(|file| {
        let name = part(&file, "name").as_string().unwrap_or_default();
        let bytes = part(&file, "bytes").dyn_into::<Uint8Array>();
        let bytes =
            bytes.map_err(|_| failure(Error::file("reading data", &*name, "the file has no bytes")))?;
        Ok((name, bytes.to_vec()))
    });
    named.collect()
}
