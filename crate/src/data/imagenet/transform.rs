//! The transforms of image files, as in torchvision: for training a random crop of random shape, resized and possibly
//! mirrored; for evaluation the centre of the resized image.

use std::cell::RefCell;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use rand::Rng;

use super::decode::{Rgb, decode, decode_rows};
use crate::data::standardization::Standardization;
use crate::rng::uniform_below;

/// Share of the image's area that a crop takes.
const SCALE: (f64, f64) = (0.08, 1.0);
/// Width over height of a crop.
const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
/// Tries before the middle of the image is taken.
const TRIES: usize = 10;

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// Left edge.
    pub left: usize,
    /// Upper edge.
    pub top: usize,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
}

impl Crop {
    /// Draws one as torchvision's `RandomResizedCrop` does: area and logarithm of the shape uniform,
    /// tried again where it sticks out of the image.
    pub fn draw(width: usize, height: usize, random: &mut impl Rng) -> Self {
        let area = (width * height) as f64;
        let (narrow, wide) = (RATIO.0.ln(), RATIO.1.ln());
        for _ in 0..TRIES {
            let target = area * uniform(random, SCALE.0, SCALE.1);
            let ratio = uniform(random, narrow, wide).exp();
            let w = (target * ratio).sqrt().round_ties_even() as usize;
            let h = (target / ratio).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let (top, left) = (whole(random, height - h + 1), whole(random, width - w + 1));
                return Self { left, top, width: w, height: h };
            }
        }
        Self::middle(width, height)
    }

    /// The largest crop of an allowed shape at the centre of an image.
    fn middle(width: usize, height: usize) -> Self {
        let ratio = width as f64 / height as f64;
        let (w, h) = if ratio < RATIO.0 {
            (width, (width as f64 / RATIO.0).round_ties_even() as usize)
        } else if ratio > RATIO.1 {
            ((height as f64 * RATIO.1).round_ties_even() as usize, height)
        } else {
            (width, height)
        };
        let (w, h) = (w.clamp(1, width), h.clamp(1, height));
        Self { left: (width - w) / 2, top: (height - h) / 2, width: w, height: h }
    }
}

/// Uniform between two numbers.
fn uniform(random: &mut impl Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * ((random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64)
}

/// A whole number under `limit`.
fn whole(random: &mut impl Rng, limit: usize) -> usize {
    uniform_below(random, limit as u32) as usize
}

/// A training image of a file: `side * side * 3` bytes.
///
/// # Errors
/// If the file can't be decoded, or the image not be resized.
pub fn training(file: &[u8], side: usize, random: &mut impl Rng) -> Result<Vec<u8>, String> {
    let mut drawn = None;
    let image = &decode_rows(file, |width, height| {
        let crop = drawn.insert(Crop::draw(width, height, random));
        crop.top + crop.height
    })?;
    let crop = drawn.ok_or("it has no pixels")?;
    let mirrored = whole(random, 2) == 1;
    let mut pixels = resized(image, crop, (side, side))?;
    if mirrored {
        mirror(&mut pixels, side);
    }
    Ok(pixels)
}

/// A file's image to evaluate on: resized so that its shorter edge is 8/7 of `side` (256 for 224), and the
/// middle cut out; `side * side * 3` bytes.
///
/// # Errors
/// If the file can't be decoded, or the image not be resized.
pub fn evaluation(file: &[u8], side: usize) -> Result<Vec<u8>, String> {
    middle(&decode(file)?, side)
}

fn middle(image: &Rgb, side: usize) -> Result<Vec<u8>, String> {
    let short = (side * 8).div_ceil(7);
    let long = |long: usize, edge: usize| short * long / edge;
    let (width, height) = match (image.width, image.height) {
        (w, h) if w <= h => (short, long(h, w)),
        (w, h) => (long(w, h), short),
    };
    // Only the centre of a very long image counts, and the resized image must not become huge.
    if width.max(height) > 64 * side {
        return Err(format!("{} x {} pixels are no picture", image.width, image.height));
    }
    let whole = Crop { left: 0, top: 0, width: image.width, height: image.height };
    let pixels = resized(image, whole, (width, height))?;
    let middle = |edge: usize| ((edge - side) as f64 / 2.0).round_ties_even() as usize;
    let (left, top) = (middle(width), middle(height));
    let row = |y: usize| &pixels[3 * ((top + y) * width + left)..][..3 * side];
    Ok((0..side).flat_map(|y| row(y).iter().copied()).collect())
}

thread_local! {
    /// Keeps its buffers from image to image.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// A part of an image at another size, bilinear with antialiasing, as Pillow resizes.
fn resized(image: &Rgb, crop: Crop, (width, height): (usize, usize)) -> Result<Vec<u8>, String> {
    let (source_width, source_height) = (image.width as u32, image.height as u32);
    let source: TypedImageRef<'_, U8x3> =
        TypedImageRef::from_buffer(source_width, source_height, &image.pixels)
            .map_err(|why| why.to_string())?;
    let [left, top, w, h] = [crop.left, crop.top, crop.width, crop.height].map(|value| value as u32);
    // Cut out first, as torchvision does: nothing outside of the crop may bleed in.
    let part = TypedCroppedImage::new(source, left, top, w, h).map_err(|why| why.to_string())?;
    let mut pixels = vec![0; 3 * width * height];
    let mut target = TypedImage::<U8x3>::from_buffer(width as u32, height as u32, &mut pixels)
        .map_err(|why| why.to_string())?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    // The typed call compiles one kind of pixel; the other one compiles all of them, which took a minute.
    RESIZER
        .with_borrow_mut(|resizer| resizer.resize_typed(&part, &mut target, &options))
        .map_err(|why| why.to_string())?;
    Ok(pixels)
}

fn mirror(pixels: &mut [u8], side: usize) {
    for row in pixels.chunks_exact_mut(3 * side) {
        for x in 0..side / 2 {
            let (left, right) = row.split_at_mut(3 * (side - 1 - x));
            left[3 * x..3 * x + 3].swap_with_slice(&mut right[..3]);
        }
    }
}

/// Standardizes images of interleaved bytes into planes of float32.
///
/// # Shapes
/// - each of `images`: `side * side * 3`
/// - output: `[images, 3, side, side]`
pub fn normalize(images: &[Vec<u8>], side: usize, standardization: Standardization) -> Vec<f32> {
    let mut planes = vec![0.0; 3 * side * side];
    // A batch does not fit into caches, so it is written once; zeros before would be another time.
    let mut out = Vec::with_capacity(images.len() * planes.len());
    for image in images {
        standardization.apply(image, 3, &mut planes);
        out.extend_from_slice(&planes);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::standardization::IMAGENET;
    use crate::rng::rng_for;

    fn image(width: usize, height: usize) -> Rgb {
        let pixels = (0..width * height * 3).map(|at| (at * 31 % 251) as u8).collect();
        Rgb { width, height, pixels }
    }

    #[test]
    fn crops_lie_in_the_image_and_have_an_allowed_shape() {
        let mut random = rng_for(3, 1, 0, 0);
        for (width, height) in [(500, 375), (224, 224), (1, 1), (3, 900), (900, 3)] {
            for _ in 0..200 {
                let crop = Crop::draw(width, height, &mut random);
                assert!(crop.width > 0 && crop.left + crop.width <= width, "{crop:?}");
                assert!(crop.height > 0 && crop.top + crop.height <= height, "{crop:?}");
                if width.min(height) > 100 {
                    let share = (crop.width * crop.height) as f64 / (width * height) as f64;
                    let ratio = crop.width as f64 / crop.height as f64;
                    assert!((0.078..=1.0).contains(&share) && (0.73..1.37).contains(&ratio), "{crop:?}");
                }
            }
        }
    }

    /// Uniform area: its mean is (0.08 + 1) / 2, less what sticks out and is drawn again.
    #[test]
    fn crops_cover_half_of_a_square_image_on_average() {
        let mut random = rng_for(3, 2, 0, 0);
        let area = |crop: Crop| (crop.width * crop.height) as f64 / 1e6;
        let mean = (0..4000).map(|_| area(Crop::draw(1000, 1000, &mut random))).sum::<f64>() / 4000.0;
        assert!((0.46..0.54).contains(&mean), "{mean}");
    }

    #[test]
    fn images_without_an_allowed_crop_give_their_middle() {
        assert_eq!(Crop::middle(900, 3), Crop { left: 448, top: 0, width: 4, height: 3 });
        assert_eq!(Crop::middle(3, 900), Crop { left: 0, top: 448, width: 3, height: 4 });
    }

    #[test]
    fn the_middle_of_an_image_of_the_right_size_is_cut_out() {
        let image = image(256, 300);
        let middle = middle(&image, 224).expect("resizes");
        for (x, y) in [(0, 0), (223, 0), (100, 223)] {
            let expected = &image.pixels[3 * ((y + 38) * 256 + x + 16)..][..3];
            assert_eq!(&middle[3 * (y * 224 + x)..][..3], expected, "{x} {y}");
        }
    }

    #[test]
    fn halving_averages_with_a_triangle() {
        // One row of a constant and a step: weights 1 3 3 1 of a triangle two pixels wide each way.
        let row = [0, 0, 0, 0, 80, 80, 80, 80];
        let pixels = (0..8).flat_map(|_| row.iter().flat_map(|&v| [v; 3])).collect();
        let image = Rgb { width: 8, height: 8, pixels };
        let whole = Crop { left: 0, top: 0, width: 8, height: 8 };
        let half = resized(&image, whole, (4, 4)).expect("resizes");
        let first: Vec<u8> = half.chunks_exact(3).take(4).map(|pixel| pixel[0]).collect();
        assert_eq!(first, [0, 10, 70, 80]);
    }

    #[test]
    fn mirrored_twice_is_the_image() {
        let whole = image(5, 5).pixels;
        let mut pixels = whole.clone();
        mirror(&mut pixels, 5);
        assert_eq!(pixels[..3], whole[12..15]);
        mirror(&mut pixels, 5);
        assert_eq!(pixels, whole);
    }

    #[test]
    fn normalized_planes_have_the_usual_values() {
        let out = normalize(&[vec![0, 128, 255]], 1, IMAGENET);
        let expected = [-0.485 / 0.229, (128.0 / 255.0 - 0.456) / 0.224, 0.594 / 0.225];
        for (got, expected) in out.iter().zip(expected) {
            assert!((f64::from(*got) - expected).abs() < 1e-6);
        }
    }
}
