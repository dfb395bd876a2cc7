//! Dropout masks that depend on the step alone, not on devices.
//!
//! The random numbers are drawn on the host for the whole batch, so that every device, and every split of the batch
//! over devices, trains the same network (Srivastava et al. 2014).

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A step's random numbers for dropout, and the images that use them.
#[derive(Debug, Clone)]
pub struct DropoutRng {
    /// The generator. Each layer draws one number for every output of the whole batch.
    pub rng: ChaCha8Rng,
    /// The images, as positions in the batch.
    pub rows: Range<usize>,
    /// Number of images in the whole batch.
    pub batch: usize,
}

impl DropoutRng {
    /// The next layer's mask for these images: 0 with `probability`, else `1 / (1 - probability)`, which keeps the mean.
    ///
    /// # Shapes
    /// - output: `[rows, width]`
    pub fn mask(&mut self, probability: f64, width: usize, device: &Device) -> Tensor<2> {
        let keep = 1.0 - probability;
        let limit = (keep * f64::from(u32::MAX)) as u32;
        let scale = (1.0 / keep) as f32;
        let own = self.rows.start * width..self.rows.end * width;
        let mut mask = Vec::with_capacity(own.len());
        for at in 0..self.batch * width {
            let drawn = self.rng.next_u32();
            if own.contains(&at) {
                mask.push(if drawn <= limit { scale } else { 0.0 });
            }
        }
        Tensor::from_data(TensorData::new(mask, [self.rows.len(), width]), device)
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn masks_do_not_depend_on_the_split_of_the_batch() {
        let device = Device::flex();
        let masks = |rows: Range<usize>| -> Vec<Vec<f32>> {
            let mut dropout = DropoutRng { rng: ChaCha8Rng::seed_from_u64(3), rows, batch: 7 };
            // Two layers, one after the other.
            [5, 4]
                .map(|width| dropout.mask(0.4, width, &device).into_data().try_to_vec().expect("float32"))
                .to_vec()
        };
        let (whole, head, tail) = (masks(0..7), masks(0..3), masks(3..7));
        for layer in 0..2 {
            assert_eq!([head[layer].clone(), tail[layer].clone()].concat(), whole[layer]);
        }
        assert!(whole[0].contains(&0.0) && whole[0].iter().any(|&value| value > 1.0));
    }
}
