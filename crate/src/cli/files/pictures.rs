//! Single pictures for networks of images of 32 x 32: each is scaled as a whole.

use std::path::{Path, PathBuf};

use image::RgbImage;
use image::imageops::FilterType;

use crate::cli::files;
use crate::data::imagenet::decode::{Rgb, decode};
use crate::data::{Dataset, IMAGE, PIXELS, SIDE};
use crate::error::{Error, Result};

/// Decodes image files into a data set without labels.
///
/// # Errors
/// If one can't be read.
pub fn decode_files(paths: &[PathBuf], classes: Vec<String>) -> Result<Dataset> {
    let mut images = Vec::with_capacity(paths.len() * IMAGE);
    for path in paths {
        images.extend(decode_file(path)?);
    }
    Ok(Dataset::new(classes, images, vec![0; paths.len()]))
}

/// Decodes an image with ImageNet's decoder, which also rejects truncated files.
fn decode_rgb(bytes: &[u8]) -> std::result::Result<RgbImage, String> {
    let Rgb { width, height, pixels } = decode(bytes)?;
    let size = |side: usize| u32::try_from(side).map_err(|why| why.to_string());
    RgbImage::from_raw(size(width)?, size(height)?, pixels).ok_or_else(|| "no pixels".to_owned())
}

/// Decodes an image file, scaled to 32 x 32, into planes of red, green and blue.
fn decode_file(path: &Path) -> Result<Vec<u8>> {
    let bytes = files::read("reading an image", path)?;
    let decoded =
        decode_rgb(&bytes).map_err(|why| Error::file("reading an image", files::display_path(path), why))?;
    let side = SIDE as u32;
    let scaled = if decoded.dimensions() == (side, side) {
        decoded
    } else {
        image::imageops::resize(&decoded, side, side, FilterType::Triangle)
    };
    let mut planes = vec![0; IMAGE];
    for (at, pixel) in scaled.pixels().enumerate() {
        for (plane, value) in pixel.0.into_iter().enumerate() {
            planes[plane * PIXELS + at] = value;
        }
    }
    Ok(planes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_images_are_rejected() {
        let picture = RgbImage::from_fn(40, 40, |x, y| image::Rgb([(x * 6) as u8, (y * 6) as u8, 90]));
        for format in [image::ImageFormat::Jpeg, image::ImageFormat::Png] {
            let mut bytes = std::io::Cursor::new(Vec::new());
            picture.write_to(&mut bytes, format).expect("writes");
            let bytes = bytes.into_inner();
            assert_eq!(decode_rgb(&bytes).expect("whole").dimensions(), (40, 40), "{format:?}");
            assert!(decode_rgb(&bytes[..bytes.len() / 2]).is_err(), "{format:?}");
        }
    }
}
