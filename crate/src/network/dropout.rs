//! The random numbers of a training step's dropout, drawn on the host for the whole batch, so that every device, and
//! any split of the batch over devices, trains the same network.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers, and which images of a batch it is used for.
#[derive(Debug, Clone)]
pub struct Dropout {
    /// The stream; a layer takes as many numbers as the whole batch has outputs there.
    pub random: ChaCha8Rng,
    /// The images, as places in the batch.
    pub rows: Range<usize>,
    /// Images of the whole batch.
    pub batch: usize,
}

impl Dropout {
    /// The next layer's mask for these images: 0 with the probability `share`, else what keeps the mean.
    ///
    /// # Shapes
    /// - output: `[rows, width]`
    pub fn mask(&mut self, share: f64, width: usize, device: &Device) -> Tensor<2> {
        let keep = 1.0 - share;
        let below = (keep * f64::from(u32::MAX)) as u32;
        let scale = (1.0 / keep) as f32;
        let own = self.rows.start * width..self.rows.end * width;
        let mut mask = Vec::with_capacity(own.len());
        for at in 0..self.batch * width {
            let drawn = self.random.next_u32();
            if own.contains(&at) {
                mask.push(if drawn <= below { scale } else { 0.0 });
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
    fn parts_of_a_batch_have_the_masks_of_the_whole() {
        let device = Device::flex();
        let masks = |rows: Range<usize>| -> Vec<Vec<f32>> {
            let mut dropout = Dropout { random: ChaCha8Rng::seed_from_u64(3), rows, batch: 7 };
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
