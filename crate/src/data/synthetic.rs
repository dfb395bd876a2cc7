//! The built-in data set: ten classes of textures, drawn from a seed, so that nothing has to be downloaded.
//!
//! What makes an image's class is its texture: how light and dark alternate in a small neighbourhood. Place, scale, phase,
//! tilt, polarity and contrast are random, so that no single pixel tells the class. Colour is a hint and no more: every class
//! leans to a hue that it shares with one other class, and a few images wear any hue at all. A linear model therefore
//! stays near one half (49 to 54 % when measured), while the hint lets the first steps of a network show something at once. Every
//! class is its own mirror image (a slanted texture may slant either way), so that flips change no label.
//!
//! Only the IEEE operations `+ - * / floor sqrt` occur, which every platform rounds alike: the same seed gives the same bytes
//! natively and in the browser.

use std::sync::OnceLock;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::pixels::{DrawnPixels, Pixels};
use super::standardization::Standardization;
use super::{Dataset, IMAGE, PIXELS, SIDE, TrainTest};
use crate::rng::{rng_for, uniform_below};

/// Names of the classes, by label.
pub const CLASSES: [&str; 10] = [
    "stripes across",
    "stripes down",
    "stripes aslant",
    "checkers",
    "dots",
    "rings",
    "lattice",
    "crosses",
    "blobs",
    "zigzags",
];

/// Training images of a run.
pub const TRAIN_IMAGES: usize = 10_000;
/// Test images of a run.
pub const TEST_IMAGES: usize = 2_000;

/// The purposes of the random streams.
const TRAIN: u64 = u64::from_le_bytes(*b"btrain\0\0");
const TEST: u64 = u64::from_le_bytes(*b"btest\0\0\0");
const LABELS: u64 = u64::from_le_bytes(*b"blabels\0");

/// The hue that a class leans to, in fifths of the colour circle. Two classes share each, textures that random filters tell
/// apart best, so that colour alone is right every second time.
const PALETTE: [f32; 10] = [0.0, 1.0, 2.0, 0.0, 1.0, 3.0, 3.0, 2.0, 4.0, 4.0];
/// How far a hue strays from its palette's, in fifths of the circle.
const SPREAD: f32 = 0.15;
/// Share of the images in any hue at all: colour misleads in them.
const STRAY: f32 = 0.04;
/// Share of the images whose texture is hardly there, which keeps accuracy below 100 %.
const FAINT: f32 = 0.08;
/// The strongest noise.
const NOISE: f32 = 0.1;
/// Width of the window's soft edge and of a texture's, in pixels.
const EDGE: f32 = 1.0;
/// Side of the grid of random values that blobs are interpolated from.
const KNOTS: usize = 17;

/// `train` + `test` images, each drawn when it is first looked at. Image `i` of either part depends on the seed and `i` alone, and every ten
/// consecutive images hold each class once.
pub fn generate(seed: u64, train: usize, test: usize) -> TrainTest {
    TrainTest { train: part(seed, TRAIN, train), test: part(seed, TEST, test) }
}

/// One part.
fn part(seed: u64, purpose: u64, count: usize) -> Dataset {
    Dataset {
        classes: CLASSES.iter().map(|&name| name.to_owned()).collect(),
        pixels: Pixels::Drawn(Box::new(DrawnPixels {
            seed,
            purpose,
            first: 0,
            images: vec![OnceLock::new(); count],
        })),
        labels: (0..count).map(|index| label(seed, purpose, index)).collect(),
        standardization: Standardization::Image,
    }
}

/// The bytes of one image of a part.
pub(super) fn image(seed: u64, purpose: u64, place: usize, label: u8) -> Box<[u8]> {
    let mut image = vec![0; IMAGE];
    draw(&mut rng_for(seed, purpose, place as u64, 0), label, &mut image);
    image.into()
}

/// The label of an image: its place in a shuffle of the ten labels that its ten neighbours share.
fn label(seed: u64, purpose: u64, index: usize) -> u8 {
    let mut rng = rng_for(seed, LABELS, purpose, index as u64 / 10);
    let mut labels: [u8; 10] = std::array::from_fn(|label| label as u8);
    for last in (1..10).rev() {
        labels.swap(last, uniform_below(&mut rng, last as u32 + 1) as usize);
    }
    labels[index % 10]
}

/// A random number from `low` up to, not including, `high`.
fn between(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    // 24 bits are exact in an f32.
    let unit = (rng.next_u32() >> 8) as f32 / 16_777_216.0;
    low + (high - low) * unit
}

/// Whether something happens that has this probability.
fn chance(rng: &mut ChaCha8Rng, probability: f32) -> bool {
    between(rng, 0.0, 1.0) < probability
}

/// One of two signs.
fn sign(rng: &mut ChaCha8Rng) -> f32 {
    if rng.next_u32() & 1 == 0 { 1.0 } else { -1.0 }
}

/// Draws one image of class `label`.
fn draw(rng: &mut ChaCha8Rng, label: u8, image: &mut [u8]) {
    let texture = Texture::draw(rng, label);
    let window = TextureMask::draw(rng);
    let colours = Colours::draw(rng, label);
    let noise = between(rng, 0.02, NOISE);
    let mut grain = vec![0_u8; 2 * IMAGE];
    rng.fill_bytes(&mut grain);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let place = y * SIDE + x;
            // From here on, places are pixels from the image's middle.
            let (x, y) = (x as f32 - 15.5, y as f32 - 15.5);
            let ink = texture.ink(x, y) * window.cover(x, y);
            for channel in 0..3 {
                // Two bytes added make a triangular distribution about zero, of deviation 1.
                let pair = &grain[2 * (channel * PIXELS + place)..][..2];
                let grain = (f32::from(pair[0]) + f32::from(pair[1]) - 255.0) / 104.1;
                let value = colours.at(channel, x, y, ink) + noise * grain;
                // A cast from a float saturates, which is what clipping needs.
                image[channel * PIXELS + place] = (value * 255.0 + 0.5) as u8;
            }
        }
    }
}

/// How light and colour change from paper to ink.
struct Colours {
    /// The middle between paper and ink, by channel.
    middle: [f32; 3],
    /// How far the ink is from the middle, by channel.
    contrast: [f32; 3],
    /// Change of the middle a pixel to the right and down, by channel.
    slope: [[f32; 2]; 3],
}

impl Colours {
    fn draw(rng: &mut ChaCha8Rng, label: u8) -> Self {
        let strength = if chance(rng, FAINT) { between(rng, 0.04, 0.15) } else { between(rng, 0.25, 0.42) };
        let strength = strength * sign(rng);
        let hue = if chance(rng, STRAY) {
            between(rng, 0.0, 1.0)
        } else {
            (PALETTE[usize::from(label)] + between(rng, -SPREAD, SPREAD)) / 5.0
        };
        let saturation = between(rng, 0.5, 0.75);
        let light = between(rng, 0.4, 0.6);
        let tint = tint(hue);
        let middle = std::array::from_fn(|channel| light + saturation * tint[channel]);
        let contrast = std::array::from_fn(|_| strength * between(rng, 0.7, 1.0));
        let slope = std::array::from_fn(|_| [between(rng, -0.008, 0.008), between(rng, -0.008, 0.008)]);
        Self { middle, contrast, slope }
    }

    /// The value of a channel where the ink is -1 (paper) to 1 (ink).
    fn at(&self, channel: usize, x: f32, y: f32, ink: f32) -> f32 {
        let [across, down] = self.slope[channel];
        self.middle[channel] + across * x + down * y + self.contrast[channel] * ink
    }
}

/// A hue (0 to 1 round the colour circle: red, green, blue) as channels that sum to zero.
fn tint(hue: f32) -> [f32; 3] {
    let hue = hue - hue.floor();
    let hexagon =
        [(6.0 * hue - 3.0).abs() - 1.0, 2.0 - (6.0 * hue - 2.0).abs(), 2.0 - (6.0 * hue - 4.0).abs()]
            .map(|value| value.clamp(0.0, 1.0));
    let mean = (hexagon[0] + hexagon[1] + hexagon[2]) / 3.0;
    hexagon.map(|value| value - mean)
}

/// The part of the image that bears the texture: a rectangle or an ellipse.
struct TextureMask {
    x: f32,
    y: f32,
    half_width: f32,
    half_height: f32,
    round: bool,
}

impl TextureMask {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            x: between(rng, -4.0, 4.0),
            y: between(rng, -4.0, 4.0),
            half_width: between(rng, 14.0, 24.0),
            half_height: between(rng, 14.0, 24.0),
            round: rng.next_u32() & 1 == 0,
        }
    }

    /// How much of the pixel lies inside, 0 to 1.
    fn cover(&self, x: f32, y: f32) -> f32 {
        let (x, y) = ((x - self.x).abs(), (y - self.y).abs());
        let inside = if self.round {
            let (across, down) = (x / self.half_width, y / self.half_height);
            (1.0 - (across * across + down * down).sqrt()) * self.half_width.min(self.half_height)
        } else {
            (self.half_width - x).min(self.half_height - y)
        };
        (inside / EDGE + 0.5).clamp(0.0, 1.0)
    }
}

/// A class's texture at a random scale, phase and slight tilt.
#[derive(Clone)]
struct Texture {
    label: u8,
    /// Pixels from one repetition to the next.
    period: f32,
    /// Phases, in periods.
    phase: [f32; 2],
    /// Tangent of the tilt.
    tilt: f32,
    /// Which way a slanted texture slants.
    lean: f32,
    /// Random values that blobs are made of; empty for other classes.
    knots: Vec<f32>,
}

impl Texture {
    fn draw(rng: &mut ChaCha8Rng, label: u8) -> Self {
        let period = between(rng, 4.5, 9.0);
        let phase = [between(rng, 0.0, 1.0), between(rng, 0.0, 1.0)];
        let tilt = between(rng, -0.15, 0.15);
        let lean = sign(rng);
        let count = if label == 8 { KNOTS * KNOTS } else { 0 };
        let knots = (0..count).map(|_| between(rng, -1.0, 1.0)).collect();
        Self { label, period, phase, tilt, lean, knots }
    }

    /// The ink at a pixel, -1 to 1, from its coordinates about the image's middle.
    fn ink(&self, x: f32, y: f32) -> f32 {
        let across = (x + self.tilt * y) / self.period + self.phase[0];
        let down = (y - self.tilt * x) / self.period + self.phase[1];
        let level = match self.label {
            0 => wave(down),
            1 => wave(across),
            2 => wave(0.7 * (across + self.lean * down)),
            3 => 4.0 * wave(0.7 * across) * wave(0.7 * down),
            4 => 0.3 - from_middle(across, down),
            5 => wave(self.radius(x, y) / self.period + self.phase[0]),
            6 => 0.16 - off_middle(across).abs().min(off_middle(down).abs()),
            7 => plus(off_middle(across).abs(), off_middle(down).abs()),
            8 => self.blob(x, y),
            _ => wave(down + 0.5 * wave(0.5 * across)),
        };
        // `level` is about a distance in periods: an edge is one pixel wide at every scale.
        (2.0 * level * self.period / EDGE).clamp(-1.0, 1.0)
    }

    /// Distance from a centre that the phase moves by up to four pixels.
    fn radius(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x - 8.0 * (self.phase[0] - 0.5), y - 8.0 * (self.phase[1] - 0.5));
        (x * x + y * y).sqrt()
    }

    /// Random values between knots, half a period apart, interpolated.
    fn blob(&self, x: f32, y: f32) -> f32 {
        let (x, y) =
            ((x + 16.0) / self.period * 2.0 + self.phase[0], (y + 16.0) / self.period * 2.0 + self.phase[1]);
        let (left, top) = (x.floor(), y.floor());
        let (right_share, bottom_share) = (x - left, y - top);
        let at = |column: f32, row: f32| self.knots[row as usize % KNOTS * KNOTS + column as usize % KNOTS];
        let upper = at(left, top) * (1.0 - right_share) + at(left + 1.0, top) * right_share;
        let lower = at(left, top + 1.0) * (1.0 - right_share) + at(left + 1.0, top + 1.0) * right_share;
        upper * (1.0 - bottom_share) + lower * bottom_share
    }
}

/// A triangle wave of period 1 between -0.25 and 0.25: the distance to the nearest edge, positive in the ink.
fn wave(place: f32) -> f32 {
    off_middle(place).abs() - 0.25
}

/// Place within a period, from its middle: -0.5 to 0.5.
fn off_middle(place: f32) -> f32 {
    place - place.floor() - 0.5
}

/// Distance from the middle of a cell.
fn from_middle(across: f32, down: f32) -> f32 {
    let (across, down) = (off_middle(across), off_middle(down));
    (across * across + down * down).sqrt()
}

/// A plus inside its cell, from the distances to the cell's middle.
fn plus(across: f32, down: f32) -> f32 {
    let (near, far) = (across.min(down), across.max(down));
    (0.12 - near).min(0.38 - far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_depends_on_the_seed_and_its_place_alone() {
        let (few, many) = (generate(5, 23, 4), generate(5, 57, 31));
        assert!(few.train.images().eq(many.train.images().take(23)));
        assert_eq!(few.train.labels, many.train.labels[..23]);
        assert!(few.test.images().eq(many.test.images().take(4)));
        assert_ne!(many.train.image(0), many.test.image(0));
        assert!(many.train != generate(6, 57, 0).train);
        let mut part = many.train.clone();
        assert!(part.split_off(17).images().eq(many.train.images().skip(40)));
    }

    #[test]
    fn ten_neighbours_hold_each_class_once_in_changing_order() {
        let labels = generate(0, 200, 0).train.labels;
        for ten in labels.chunks(10) {
            let mut sorted = ten.to_vec();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..10), "{ten:?}");
        }
        assert_ne!(labels[..10], labels[10..20]);
    }

    #[test]
    fn no_images_are_no_trouble() {
        let empty = generate(0, 0, 0);
        assert!(empty.train.is_empty() && empty.test.is_empty());
        assert_eq!(empty.train.classes, CLASSES);
    }

    /// The bytes are part of every recorded result: a change to them is a change of the data set.
    #[test]
    fn the_bytes_are_the_same_everywhere() {
        let split = generate(1, 200, 50);
        let part = |part: &Dataset| part.images().flatten().chain(&part.labels).copied().collect::<Vec<_>>();
        let bytes = [&split.train, &split.test].into_iter().flat_map(part);
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!(format!("{hash:016x}"), "fa01bf1bbf5e9498");
    }

    /// Two classes share each hue, so that colour alone can't tell them apart.
    #[test]
    fn hues_come_in_pairs() {
        for hue in PALETTE {
            assert_eq!(PALETTE.iter().filter(|&&other| other == hue).count(), 2);
        }
        for hue in 0..100 {
            let tint = tint(hue as f32 / 100.0);
            assert!((tint[0] + tint[1] + tint[2]).abs() < 1e-6, "{tint:?}");
        }
    }

    /// Mirroring changes no label: what a texture draws, mirrored, another draw of its class would have drawn.
    #[test]
    fn textures_lean_both_ways() {
        let draws: Vec<Texture> = (0..64).map(|at| Texture::draw(&mut rng_for(0, TRAIN, at, 0), 2)).collect();
        assert!(
            draws.iter().any(|texture| texture.lean > 0.0) && draws.iter().any(|texture| texture.lean < 0.0)
        );
        for texture in draws {
            let mirrored = Texture {
                phase: [-texture.phase[0], texture.phase[1]],
                tilt: -texture.tilt,
                lean: -texture.lean,
                ..texture.clone()
            };
            let (one, other) = (texture.ink(3.0, 5.0), mirrored.ink(-3.0, 5.0));
            assert!((one - other).abs() < 1e-4, "{one} {other}");
        }
    }
}
