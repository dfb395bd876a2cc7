//! The ranges of the layers' inputs on calibration images, in the float network.

use super::activations::Activations;
use super::layer::SimulatedLayer;
#[cfg(feature = "train")]
use super::{network::layers, simulator::labeled_images};
#[cfg(feature = "train")]
use crate::checkpoint::Checkpoint;
#[cfg(feature = "train")]
use crate::data::batch::Batch;
use crate::error::{Error, Result};
#[cfg(feature = "train")]
use crate::network::NetworkSpec;
#[cfg(feature = "train")]
use crate::network::spec::CHANNELS;
use crate::parallel;

/// The range of each layer's inputs in the float network, over all images.
pub(super) fn calibrate(layers: &[SimulatedLayer], images: &[&[f32]]) -> Result<Vec<(f32, f32)>> {
    let ranges = parallel::map(images.len(), |image| {
        let mut activations = Activations::new(layers.iter(), images[image].to_vec());
        let mut ranges = Vec::with_capacity(layers.len());
        for layer in layers {
            let (values, added) = activations.inputs_of(layer);
            let first = (f32::INFINITY, f32::NEG_INFINITY);
            ranges.push(values.iter().fold(first, |(low, high), &v| (low.min(v), high.max(v))));
            // `min` and `max` ignore NaN.
            if values.iter().any(|value| !value.is_finite()) {
                let why = "its inputs on the calibration images are not finite";
                return Err(Error::layer("calibrating a layer", &*layer.matrix.name, why));
            }
            let next = layer.forward(values, added.map(Vec::as_slice));
            activations.push(next);
        }
        Ok(ranges)
    });
    let mut widest = vec![(0.0, 0.0); layers.len()];
    for image in ranges {
        for (widest, own) in widest.iter_mut().zip(image?) {
            *widest = (f32::min(widest.0, own.0), f32::max(widest.1, own.1));
        }
    }
    Ok(widest)
}

/// The range of each layer's inputs in the float network, over all images, with its weight's name.
///
/// # Errors
/// If a parameter is missing or not finite, or the images are not of the network's size.
#[cfg(feature = "train")]
pub(crate) fn input_ranges(
    spec: &NetworkSpec,
    weights: &Checkpoint,
    images: &Batch,
) -> Result<Vec<(String, (f32, f32))>> {
    let layers = layers(spec, weights, false)?;
    let ranges = calibrate(&layers, &labeled_images(images, CHANNELS * spec.side().pow(2))?)?;
    Ok(layers.into_iter().zip(ranges).map(|(layer, range)| (layer.matrix.name, range)).collect())
}
