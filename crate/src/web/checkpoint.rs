//! A checkpoint file that someone opened: weights without their network.

use js_sys::{Array, Object, Uint8Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use super::convert::{JsResult, failure, from_js, named_bytes, tile_to_js, to_js, to_safetensors};
use crate::checkpoint::{self, FULLY_CONNECTED, ReadOptions};
use crate::config::HardwareConfig;
use crate::error::Error;
use crate::matrix::Matrix;
use crate::report::adc_plan;
use crate::workflow::interactive::preview::LayerCache;

/// A checkpoint file's weights, and the hardware that they are mapped to.
#[wasm_bindgen]
pub struct Checkpoint {
    weights: checkpoint::Checkpoint,
    layers: LayerCache,
    hardware: HardwareConfig,
    linear: bool,
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
        let files = named_bytes(files).map_err(failure)?;
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
        let name = files.first().map_or("", |(name, _)| *name).to_owned();
        let named = |error: Error| failure(error.with_path(&name));
        let read = ReadOptions { network: options.network, ..ReadOptions::default() };
        let weights = checkpoint::Checkpoint::from_files(&files, &read).map_err(named)?;
        let layers = LayerCache::new(weights.matrices(options.linear).map_err(named)?);
        Ok(Self { weights, layers, hardware: HardwareConfig::default(), linear: options.linear })
    }

    /// Whether it has both convolutions and 2-D layers, so that the latter are optional.
    pub fn linear_is_optional(&self) -> bool {
        let account = self.weights.account(false);
        !account.taken.is_empty() && account.left_out.iter().any(|tensor| tensor.why == FULLY_CONNECTED)
    }

    /// What was taken and what was left out.
    pub fn account(&self) -> JsResult<JsValue> {
        to_js(&self.weights.account(self.linear))
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
        view.analysis.checkpoint = Some(self.weights.account(self.linear));
        to_js(&view)
    }

    /// Energy of an inference by every model and resolution, each crossbar counted once.
    pub fn inference(&mut self, pruning: JsValue) -> JsResult<JsValue> {
        let pruning = Some(from_js(pruning)?);
        to_js(&self.layers.inference(&self.hardware, pruning, None).map_err(failure)?)
    }

    /// The ADC bits that each tile needs, as CSV.
    pub fn adc_plan(&mut self, pruning: JsValue) -> JsResult<String> {
        let layers = self.pruned(pruning)?;
        Ok(adc_plan(&layers, &self.hardware).to_csv())
    }

    /// The weights after the previewed pruning, and all other tensors unchanged, as safetensors.
    pub fn pruned_weights(&mut self, pruning: JsValue) -> JsResult<Uint8Array> {
        let layers = self.pruned(pruning)?;
        to_safetensors(&self.weights.clone().with_layers(layers))
    }

    /// Masks of the previewed pruning, as safetensors.
    pub fn masks(&mut self, pruning: JsValue) -> JsResult<Uint8Array> {
        let layers = self.pruned(pruning)?;
        to_safetensors(&self.weights.clone().with_layers(layers).masks())
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
}
