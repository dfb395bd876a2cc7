//! Writes a small `meta.mat`, for tests.

use std::io::Read;

/// Types of data elements.
const INT8: u32 = 1;
const UINT8: u32 = 2;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
const UTF8: u32 = 16;
/// Class of a structure array.
const STRUCTURE: u8 = 2;

/// A `meta.mat` of these synsets: number, WordNet id, children, training images.
pub(crate) fn meta_mat(synsets: &[(u16, &str, u8, u16)], compressed: bool) -> Vec<u8> {
    fn part(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if data.len() <= 4 && kind != MATRIX {
            out.extend((kind | (data.len() as u32) << 16).to_le_bytes());
            out.extend(data);
        } else {
            out.extend(kind.to_le_bytes());
            out.extend((data.len() as u32).to_le_bytes());
            out.extend(data);
        }
        out.resize(out.len().next_multiple_of(8), 0);
        out
    }
    fn array(class: u8, count: i32, rest: &[Vec<u8>], name: &[u8]) -> Vec<u8> {
        let dimensions = [count.to_le_bytes(), 1_i32.to_le_bytes()].concat();
        let head = [part(UINT32, &[class, 0, 0, 0, 0, 0, 0, 0]), part(INT32, &dimensions), part(INT8, name)];
        part(MATRIX, &[head.concat(), rest.concat()].concat())
    }
    let names = ["ILSVRC2012_ID", "WNID", "words", "num_children", "num_train_images"];
    let mut fields = vec![part(INT32, &32_i32.to_le_bytes())];
    let padded = |name: &str| [name.as_bytes(), &vec![0; 32 - name.len()]].concat();
    fields.push(part(INT8, &names.map(padded).concat()));
    for &(id, wnid, children, images) in synsets {
        let text: Vec<u8> = wnid.encode_utf16().flat_map(u16::to_le_bytes).collect();
        fields.push(array(6, 1, &[part(UINT16, &id.to_le_bytes())], b""));
        fields.push(array(4, 1, &[part(UINT16, &text)], b""));
        fields.push(array(4, 1, &[part(UTF8, b"some words, of any length")], b""));
        fields.push(array(6, 1, &[part(UINT8, &[children])], b""));
        fields.push(array(6, 1, &[part(DOUBLE, &f64::from(images).to_le_bytes())], b""));
    }
    let whole = array(STRUCTURE, synsets.len() as i32, &fields, b"synsets");
    let mut file = vec![b' '; 124];
    file.extend([0, 1, b'I', b'M']);
    if compressed {
        let mut packer = flate2::read::ZlibEncoder::new(&*whole, flate2::Compression::fast());
        let mut packed = Vec::new();
        packer.read_to_end(&mut packed).expect("packs");
        file.extend(COMPRESSED.to_le_bytes());
        file.extend((packed.len() as u32).to_le_bytes());
        file.extend(packed);
    } else {
        file.extend(whole);
    }
    file
}
