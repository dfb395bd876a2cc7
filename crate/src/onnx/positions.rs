//! Output positions: how often an image reads a layer's crossbars.

use super::layers::OnnxLayer;
use super::ops::Product;
use super::tensor::Reason;
use crate::error::{Error, Result};

/// The positions of all products with a layer's weights, for one image of a batch.
///
/// # Errors
/// Why those of one product can't be told.
pub(super) fn of_image(
    uses: &[(usize, std::result::Result<Product, Reason>)],
    batch: usize,
) -> std::result::Result<u64, Reason> {
    uses.iter().try_fold(0_u64, |sum, (_, product)| {
        let all = product.as_ref().map_err(Clone::clone)?.positions();
        // A run takes a whole batch.
        let own = if all.is_multiple_of(batch) { all / batch } else { all };
        Ok(sum.saturating_add(own as u64))
    })
}

/// The output positions of each layer.
///
/// # Errors
/// Names the first layer whose positions can't be told, and why.
pub fn positions(layers: &[&OnnxLayer]) -> Result<Vec<u64>> {
    let of = |layer: &&OnnxLayer| {
        let positions = layer.positions.clone();
        positions.map_err(|why| Error::layer("counting output positions", &*layer.name, why))
    };
    layers.iter().map(of).collect()
}
