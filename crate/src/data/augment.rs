//! Random crops and flips of 32 x 32 images.

use rand::Rng;

use super::{IMAGE, PIXELS, SIDE};
use crate::rng::uniform_below;

/// Zeros added on each side before an image is cropped to its old size.
const PAD: usize = 4;

/// Where a training image is cropped, and whether it is flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Augmentation {
    /// Left edge of the crop in the padded image, 0 to 8; 4 is the middle.
    pub dx: usize,
    /// Upper edge of the crop.
    pub dy: usize,
    /// Whether left and right are swapped.
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
