//! The per-image standardization and the augmentation, written once and used everywhere.

use rand::Rng;

use super::{IMAGE, PIXELS, SIDE};
use crate::rng::uniform_below;

/// Zeros around an image before a crop of its old size is taken.
const PAD: usize = 4;

/// Writes an image in float32 with mean 0 and standard deviation 1 over all its 3072 values.
///
/// The values are first scaled to 0..1; the deviation is unbiased and at least `1/sqrt(3072)`, as
/// in the reference run. Sums of bytes are exact, so every platform agrees.
pub fn standardize(image: &[u8], out: &mut [f32]) {
    let count = IMAGE as f64;
    let sum: u64 = image.iter().map(|&value| u64::from(value)).sum();
    let squares: u64 = image.iter().map(|&value| u64::from(value).pow(2)).sum();
    let mean = sum as f64 / count;
    let variance = (squares as f64 - mean * sum as f64) / (count - 1.0);
    let deviation = (variance.max(0.0).sqrt() / 255.0).max(1.0 / count.sqrt());
    // A byte has 256 values: a table costs less than 3072 divisions.
    let mut table = [0.0; 256];
    for (value, entry) in table.iter_mut().enumerate() {
        *entry = ((value as f64 - mean) / 255.0 / deviation) as f32;
    }
    for (out, &value) in out.iter_mut().zip(image) {
        *out = table[usize::from(value)];
    }
}

/// Where a training image is cropped, and whether it is flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Augmentation {
    /// Left edge of the crop in the padded image, 0 to 8; 4 is the middle.
    pub dx: usize,
    /// Upper edge of the crop.
    pub dy: usize,
    /// Whether left and right are exchanged.
    pub flip: bool,
}

impl Augmentation {
    /// Draws one.
    pub fn draw(random: &mut impl Rng) -> Self {
        let places = 2 * PAD as u32 + 1;
        let (dx, dy) = (uniform_below(random, places) as usize, uniform_below(random, places) as usize);
        Self { dx, dy, flip: uniform_below(random, 2) == 1 }
    }

    /// Pads an image with zeros, crops and flips it.
    pub fn apply(self, image: &[u8], out: &mut [u8]) {
        out.fill(0);
        for plane in 0..IMAGE / PIXELS {
            for y in 0..SIDE {
                let Some(from_y) = (y + self.dy).checked_sub(PAD).filter(|&y| y < SIDE) else { continue };
                let source = &image[plane * PIXELS + from_y * SIDE..][..SIDE];
                let target = &mut out[plane * PIXELS + y * SIDE..][..SIDE];
                let first = PAD.saturating_sub(self.dx);
                let length = SIDE - self.dx.abs_diff(PAD);
                let from = self.dx.saturating_sub(PAD);
                target[first..first + length].copy_from_slice(&source[from..from + length]);
                if self.flip {
                    target.reverse();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardized_images_have_mean_0_and_deviation_1() {
        let image: Vec<u8> = (0..IMAGE).map(|at| (at * 7919 % 251) as u8).collect();
        let mut out = vec![0.0; IMAGE];
        standardize(&image, &mut out);
        let mean = out.iter().map(|&v| f64::from(v)).sum::<f64>() / IMAGE as f64;
        let variance = out.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / (IMAGE - 1) as f64;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-6, "{mean} {variance}");
    }

    #[test]
    fn a_constant_image_becomes_zero() {
        let mut out = vec![1.0; IMAGE];
        standardize(&[77; IMAGE], &mut out);
        assert!(out.iter().all(|&value| value == 0.0));
    }

    /// Every crop against the definition: pad, cut out, mirror.
    #[test]
    fn crops_follow_the_definition() {
        let image: Vec<u8> = (0..IMAGE).map(|at| (at % 255 + 1) as u8).collect();
        for (dx, dy, flip) in
            (0..9).flat_map(|dx| (0..9).flat_map(move |dy| [(dx, dy, false), (dx, dy, true)]))
        {
            let mut out = vec![9; IMAGE];
            Augmentation { dx, dy, flip }.apply(&image, &mut out);
            for (at, &got) in out.iter().enumerate() {
                let (plane, y, x) = (at / PIXELS, at % PIXELS / SIDE, at % SIDE);
                let x = if flip { SIDE - 1 - x } else { x };
                let inside = (PAD..PAD + SIDE).contains(&(x + dx)) && (PAD..PAD + SIDE).contains(&(y + dy));
                let expected =
                    if inside { image[plane * PIXELS + (y + dy - PAD) * SIDE + x + dx - PAD] } else { 0 };
                assert_eq!(got, expected, "{dx} {dy} {flip} at {at}");
            }
        }
    }
}
