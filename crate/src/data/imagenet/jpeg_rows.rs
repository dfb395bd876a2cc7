//! A JPEG file that ends earlier: a crop needs no rows below it, and decoding them is most of the work. Decoders have no
//! call for it, but believe the height in the frame's header.

/// Rows of blocks below the last row that is needed: colours of half the size are interpolated from the next one.
const SPARE_BLOCKS: usize = 1;

/// A copy of the file with a height of at least `rows`, decoding to the same pixels up to there; `None` where the file
/// is not laid out row by row (progressive, or a scan for each colour), or nothing would be saved.
pub(super) fn shortened(bytes: &[u8], rows: usize) -> Option<Vec<u8>> {
    let mut frame = None;
    // Behind the marker of the start.
    let mut at = 2;
    loop {
        let [0xff, marker] = *bytes.get(at..at + 2)?.first_chunk()? else { return None };
        let length = usize::from(u16::from_be_bytes(*bytes.get(at + 2..at + 4)?.first_chunk()?));
        let segment = bytes.get(at + 4..at + 2 + length)?;
        match marker {
            // Fill bytes before a marker, and markers without a length, are rare.
            0xff | 0x01 | 0xd0..=0xd9 => return None,
            // Tables, which have numbers in the range of the frames.
            0xc4 | 0xc8 | 0xcc => {}
            0xc0 | 0xc1 => frame = Some((at + 5, Frame::read(segment)?)),
            0xc2..=0xcf => return None,
            0xda => {
                let (height_at, frame) = frame?;
                let height = frame.shortened(rows).filter(|_| segment.first() == Some(&frame.colours))?;
                let mut copy = bytes.to_vec();
                copy[height_at..height_at + 2].copy_from_slice(&height.to_be_bytes());
                return Some(copy);
            }
            _ => {}
        }
        at += 2 + length;
    }
}

/// What a frame's header says.
struct Frame {
    height: u16,
    colours: u8,
    /// Rows of pixels in a row of blocks.
    block_rows: usize,
}

impl Frame {
    /// Reads precision, height, width, and number, factors and tables of the colours.
    fn read(segment: &[u8]) -> Option<Self> {
        let [_, high, low, _, _, colours] = *segment.first_chunk()?;
        let factors = segment.get(6..6 + 3 * usize::from(colours))?.chunks_exact(3);
        let most = factors.map(|colour| usize::from(colour[1] & 15)).max().filter(|most| *most > 0)?;
        Some(Self { height: u16::from_be_bytes([high, low]), colours, block_rows: 8 * most })
    }

    fn shortened(&self, rows: usize) -> Option<u16> {
        let blocks = rows.div_ceil(self.block_rows) + SPARE_BLOCKS;
        let height = u16::try_from(blocks * self.block_rows).ok()?;
        (height < self.height).then_some(height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start, table, frame of 3 colours with these factors, scan of `scanned` colours.
    fn file(frame: u8, height: u16, vertical: u8, scanned: u8) -> Vec<u8> {
        let [high, low] = height.to_be_bytes();
        let mut bytes =
            vec![0xff, 0xd8, 0xff, 0xdb, 0, 4, 0xc0, 1, 0xff, frame, 0, 17, 8, high, low, 0, 64, 3];
        bytes.extend([1, 0x20 | vertical, 0, 2, 0x11, 1, 3, 0x11, 1]);
        bytes.extend([0xff, 0xda, 0, 12, scanned, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0, 1, 2, 3]);
        bytes
    }

    fn height(bytes: &[u8], rows: usize) -> Option<u16> {
        let copy = shortened(bytes, rows)?;
        assert_eq!(copy.len(), bytes.len());
        Some(u16::from_be_bytes([copy[13], copy[14]]))
    }

    #[test]
    fn one_row_of_blocks_more_than_needed_is_kept() {
        let file = file(0xc0, 500, 2, 3);
        assert_eq!(height(&file, 1), Some(32));
        assert_eq!(height(&file, 16), Some(32));
        assert_eq!(height(&file, 17), Some(48));
        assert_eq!(height(&file, 480), Some(496));
        assert_eq!(height(&file, 481), None, "all rows are decoded");
    }

    #[test]
    fn other_layouts_stay_as_they_are() {
        assert_eq!(height(&file(0xc1, 500, 1, 3), 100), Some(112));
        assert_eq!(height(&file(0xc2, 500, 1, 3), 100), None, "progressive");
        assert_eq!(height(&file(0xc0, 500, 1, 1), 100), None, "a scan for each colour");
        assert_eq!(height(&file(0xc0, 0, 1, 3), 100), None, "the height comes at the end");
        let mut flat = file(0xc0, 500, 0, 3);
        (flat[22], flat[25]) = (0x10, 0x10);
        assert_eq!(height(&flat, 100), None, "blocks without rows");
    }

    #[test]
    fn damaged_headers_are_left_to_the_decoder() {
        let whole = file(0xc0, 500, 2, 3);
        for end in 0..29 {
            assert!(shortened(&whole[..end], 1).is_none());
        }
        for at in 2..whole.len() {
            for value in [0, 1, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                drop(shortened(&damaged, 1));
            }
        }
    }
}
