//! The built-in data set: ten classes of textures, drawn from a seed, so that nothing has to be downloaded.
//!
//! What makes an image's class is how light and dark alternate in a small neighbourhood: filters of 3 x 3 see it at once, while
//! colours, place, scale, phase and polarity are random, so that no single pixel tells anything and a linear model stays
//! near chance. Every class is its own mirror image (a texture that leans leans either way), so that flips change no label.
//!
//! Only the IEEE operations `+ - * / floor sqrt` occur, which every platform rounds alike: the same seed gives the same bytes
//! natively and in the browser.

use super::{Dataset, IMAGE, PIXELS, SIDE, Split, below, stream};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

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
const SPREAD: f32 = 0.2;
/// Share of the images in any hue at all: colour misleads in them.
const STRAY: f32 = 0.08;
/// Share of the images whose texture is hardly there, which keeps accuracy below 100 %.
const FAINT: f32 = 0.12;
/// The strongest noise.
const NOISE: f32 = 0.1;
/// Width of the window's soft edge and of a texture's, in pixels.
const EDGE: f32 = 1.0;
/// Side of the grid of random values that blobs are interpolated from.
const KNOTS: usize = 17;

/// Draws `train` + `test` images. Image `i` of either part depends on the seed and `i` alone, and every ten
/// consecutive images hold each class once.
pub fn generate(seed: u64, train: usize, test: usize) -> Split {
    Split { train: part(seed, TRAIN, train), test: part(seed, TEST, test) }
}

/// Draws one part.
fn part(seed: u64, purpose: u64, count: usize) -> Dataset {
    let mut images = vec![0; count * IMAGE];
    let mut labels = Vec::with_capacity(count);
    for (index, image) in images.chunks_exact_mut(IMAGE).enumerate() {
        let label = label(seed, purpose, index);
        draw(&mut stream(seed, purpose, index as u64, 0), label, image);
        labels.push(label);
    }
    Dataset { classes: CLASSES.iter().map(|&name| name.to_owned()).collect(), images, labels }
}

/// The label of an image: its place in a shuffle of the ten labels that its ten neighbours share.
fn label(seed: u64, purpose: u64, index: usize) -> u8 {
    let mut rng = stream(seed, LABELS, purpose, index as u64 / 10);
    let mut labels: [u8; 10] = std::array::from_fn(|label| label as u8);
    for last in (1..10).rev() {
        labels.swap(last, below(&mut rng, last as u32 + 1) as usize);
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
    let window = Window::draw(rng);
    let colours = Colours::draw(rng, label);
    let noise = between(rng, 0.02, NOISE);
    let mut grain = vec![0_u8; 2 * IMAGE];
    rng.fill_bytes(&mut grain);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let ink = texture.ink(x as f32 - 15.5, y as f32 - 15.5)
                * window.cover(x as f32 - 15.5, y as f32 - 15.5);
            let place = y * SIDE + x;
            for channel in 0..3 {
                // Two bytes added make a triangular distribution about zero.
                let pair = &grain[2 * (channel * PIXELS + place)..][..2];
                let grain = (f32::from(pair[0]) + f32::from(pair[1]) - 255.0) / 104.1;
                let value = colours.at(channel, x as f32 - 15.5, y as f32 - 15.5, ink) + noise * grain;
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
        let strength = if chance(rng, FAINT) { between(rng, 0.04, 0.15) } else { between(rng, 0.2, 0.42) };
        let strength = strength * sign(rng);
        let hue = if chance(rng, STRAY) {
            between(rng, 0.0, 1.0)
        } else {
            (PALETTE[usize::from(label)] + between(rng, -SPREAD, SPREAD)) / 5.0
        };
        let saturation = between(rng, 0.3, 0.6);
        let light = between(rng, 0.4, 0.6);
        let tint = tint(hue);
        let middle = std::array::from_fn(|channel| light + saturation * tint[channel]);
        let contrast = std::array::from_fn(|_| strength * between(rng, 0.3, 1.0));
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
struct Window {
    x: f32,
    y: f32,
    half_width: f32,
    half_height: f32,
    round: bool,
}

impl Window {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            x: between(rng, -5.0, 5.0),
            y: between(rng, -5.0, 5.0),
            half_width: between(rng, 11.0, 22.0),
            half_height: between(rng, 11.0, 22.0),
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
struct Texture {
    label: u8,
    /// Pixels from one repetition to the next.
    period: f32,
    /// Phases, in periods.
    phase: [f32; 2],
    /// Tangent of the tilt.
    tilt: f32,
    /// Which way a texture that leans leans.
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
