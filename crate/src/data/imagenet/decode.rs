//! Pixels of a JPEG or PNG file. The first bytes decide which it is, because ImageNet has a PNG with the name of a JPEG.
//! Orientation and colour profiles are ignored, as in torchvision.

use std::panic::{AssertUnwindSafe, catch_unwind};

use memchr::memchr;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::jpeg_rows;

/// The longest side that is decoded.
const MAX_SIDE: usize = 16_384;
/// The most pixels that are decoded; ImageNet's largest image has 60 million.
const MAX_PIXELS: usize = 100_000_000;

/// A colour image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` bytes, red, green, blue.
    pub pixels: Vec<u8>,
}

/// Decodes a file; the error is the reason.
///
/// # Errors
/// If it is empty, truncated, damaged, too large, or neither JPEG nor PNG.
pub fn decode(bytes: &[u8]) -> Result<Rgb, String> {
    decode_rows(bytes, |_, height| height)
}

/// Decodes at least the upper rows, as many as `needed` says when it is given width and height. What lies below is not
/// read where the file's layout allows it, and damage there is not noticed.
///
/// # Errors
/// If it is empty, truncated, damaged, too large, or neither JPEG nor PNG.
pub fn decode_rows(bytes: &[u8], needed: impl FnOnce(usize, usize) -> usize) -> Result<Rgb, String> {
    // A file that makes a decoder panic is as unreadable as one that it rejects.
    let decoded = catch_unwind(AssertUnwindSafe(|| match bytes {
        [0xff, 0xd8, ..] => jpeg(bytes, needed),
        [0x89, b'P', b'N', b'G', ..] => {
            let image = png(bytes)?;
            needed(image.width, image.height);
            Ok(image)
        }
        _ => Err(unreadable_reason(bytes).unwrap_or_default()),
    }));
    let image = decoded.unwrap_or_else(|_| Err("the decoder failed on it".to_owned()))?;
    if image.width == 0 || image.height == 0 || image.pixels.len() != image.width * image.height * 3 {
        return Err("it has no pixels".to_owned());
    }
    Ok(image)
}

/// What a file that is neither JPEG nor PNG is, by its first bytes.
fn kind(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "a WebP picture",
        [b'G', b'I', b'F', b'8', ..] => "a GIF picture",
        [b'B', b'M', ..] => "a BMP picture",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "a TIFF picture",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', ..] => "an AVIF picture",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', ..] => "a HEIC picture",
        [0, 5, 0x16, 7, ..] => "an AppleDouble file of macOS",
        [b'<', ..] => "a text with markup, perhaps a web page",
        _ if bytes.starts_with(b"version https://git-lfs") => "a Git LFS pointer",
        _ => "something else",
    }
}

/// What is wrong with a picture file that starts with these bytes; `None` if it may be a JPEG or PNG.
pub fn unreadable_reason(head: &[u8]) -> Option<String> {
    match head {
        [] => Some("the file is empty".to_owned()),
        [0xff, 0xd8, ..] | [0x89, b'P', b'N', b'G', ..] => None,
        _ => Some(format!("it is {}, neither JPEG nor PNG", kind(head))),
    }
}

fn jpeg(bytes: &[u8], needed: impl FnOnce(usize, usize) -> usize) -> Result<Rgb, String> {
    if !has_an_end(bytes) {
        return Err("it is truncated".to_owned());
    }
    let mut decoder = jpeg_headers(bytes)?;
    let (width, height) = size(&decoder);
    let shortened = jpeg_rows::shortened(bytes, needed(width, height));
    if let Some(shortened) = &shortened {
        decoder = jpeg_headers(shortened)?;
    }
    let (width, height) = size(&decoder);
    let pixels = decoder.decode().map_err(|why| why.to_string())?;
    Ok(Rgb { width, height, pixels })
}

/// A decoder that has read the headers of an image that is not too large.
fn jpeg_headers(bytes: &[u8]) -> Result<JpegDecoder<ZCursor<&[u8]>>, String> {
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|why| why.to_string())?;
    let (width, height) = size(&decoder);
    check_size(width, height)?;
    Ok(decoder)
}

/// Width and height.
fn size(decoder: &JpegDecoder<ZCursor<&[u8]>>) -> (usize, usize) {
    decoder.info().map_or((0, 0), |image| (usize::from(image.width), usize::from(image.height)))
}

/// Whether the image's scans are followed by an end marker: decoders fill what is missing with grey and say nothing. From
/// the front, since anything may follow the image: a phone appends a film.
fn has_an_end(bytes: &[u8]) -> bool {
    // Behind the first marker, which begins the image.
    let mut at = 2;
    while let Some(pair) = bytes.get(at..at + 2) {
        at += match *pair {
            [0xff, 0xd9] => return true,
            // Stuffed bytes and restarts within a scan, and markers without a length.
            [0xff, 0x00 | 0x01 | 0xd0..=0xd8] => 2,
            [0xff, 0xff] => 1,
            // A segment, which says its length and may hold an image of its own.
            [0xff, _] => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => 2 + usize::from(u16::from_be_bytes([high, low])).max(2),
                _ => return false,
            },
            // Within a scan: most of the file, so not byte by byte through these cases.
            _ => memchr(0xff, &bytes[at + 1..]).map_or(bytes.len(), |skipped| skipped + 1),
        };
    }
    false
}

fn png(bytes: &[u8]) -> Result<Rgb, String> {
    let mut reader = image::ImageReader::with_format(std::io::Cursor::new(bytes), image::ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE as u32);
    limits.max_image_height = Some(MAX_SIDE as u32);
    limits.max_alloc = Some(8 * MAX_PIXELS as u64);
    reader.limits(limits);
    let decoded = reader.decode().map_err(|why| why.to_string())?;
    check_size(decoded.width() as usize, decoded.height() as usize)?;
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    Ok(Rgb { width, height, pixels: decoded.into_rgb8().into_raw() })
}

fn check_size(width: usize, height: usize) -> Result<(), String> {
    if width * height > MAX_PIXELS {
        return Err(format!("{width} x {height} pixels are too many"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_looked_for_within_the_image() {
        // A segment that holds an image of its own, a scan with a stuffed byte and a restart, the end.
        let segment = [0xff, 0xe1, 0x00, 0x06, 0xff, 0xd8, 0xff, 0xd9];
        let scan = [0xff, 0xda, 0x00, 0x02, 0x12, 0xff, 0x00, 0xff, 0xd3, 0x34];
        let image = [&[0xff, 0xd8][..], &segment, &scan].concat();
        assert!(!has_an_end(&image), "cut off");
        let whole = [&image[..], &[0xff, 0xd9]].concat();
        assert!(has_an_end(&whole));
        // A film behind it, with a chance pair like the beginning of a scan.
        assert!(has_an_end(&[&whole[..], &[0x00, 0xff, 0xda, 0x55]].concat()));
        for length in 0..image.len() {
            assert!(!has_an_end(&image[..length]));
        }
    }
}
