//! ImageNet's development kit: which WordNet ids its numbers mean, how many training images each
//! has, and the ground truth of the validation images.
//!
//! `meta.mat` is a MATLAB file of level 5 (The MathWorks, "MAT-File Format"); of it only what this
//! one needs is read: a structure array of numbers and texts, compressed or not.

use std::collections::HashMap;
use std::io::Read;

use crate::error::{Error, Result};

/// The most bytes that a compressed part may become.
const MAX_UNPACKED: u64 = 64 << 20;

/// Types of data elements.
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT16: u32 = 3;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
const UTF8: u32 = 16;
const UTF16: u32 = 17;
/// Class of a structure array.
const STRUCTURE: u8 = 2;

/// What the kit says of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synset {
    /// Its number in the ground truth, from 1.
    pub id: usize,
    /// Its WordNet id.
    pub wnid: String,
    /// Number of its training images.
    pub images: usize,
}

type Why<T> = std::result::Result<T, &'static str>;

/// The classes that images have, by WordNet id, from `meta.mat`.
///
/// # Errors
/// When the file is not the kit's.
pub fn synsets(meta: &[u8]) -> Result<Vec<Synset>> {
    let fail = |why| Error::file("reading the development kit", "meta.mat", why);
    let body = meta.get(128..).filter(|_| meta.get(126..128) == Some(b"IM"));
    let mut body = body.ok_or_else(|| fail("it is no MATLAB file of level 5"))?;
    while let Some((kind, data)) = element(&mut body).map_err(fail)? {
        let mut unpacked = Vec::new();
        let (kind, data) = if kind == COMPRESSED {
            let read = flate2::read::ZlibDecoder::new(data).take(MAX_UNPACKED).read_to_end(&mut unpacked);
            read.map_err(|_| fail("a compressed part is damaged"))?;
            element(&mut &*unpacked).map_err(fail)?.ok_or_else(|| fail("a compressed part is empty"))?
        } else {
            (kind, data)
        };
        if kind == MATRIX
            && let Some(records) = structure(data).map_err(fail)?
        {
            let found = records.iter().filter_map(synset).collect::<Vec<_>>();
            return leaves(found).map_err(fail);
        }
    }
    Err(fail("it holds no table of synsets"))
}

/// Of all synsets those that have images of their own, sorted by WordNet id.
fn leaves(mut found: Vec<(Synset, bool)>) -> Why<Vec<Synset>> {
    found.retain(|(_, leaf)| *leaf);
    let mut synsets: Vec<Synset> = found.into_iter().map(|(synset, _)| synset).collect();
    synsets.sort_by(|a, b| a.wnid.cmp(&b.wnid));
    if synsets.is_empty() { Err("it holds no table of synsets") } else { Ok(synsets) }
}

/// A record's synset, and whether it has no children.
fn synset(record: &HashMap<String, Content>) -> Option<(Synset, bool)> {
    let number = |name: &str| match record.get(name) {
        Some(Content::Number(value)) => Some(*value as usize),
        _ => None,
    };
    let Some(Content::Text(wnid)) = record.get("WNID") else { return None };
    let id = number("ILSVRC2012_ID")?;
    let images = number("num_train_images").unwrap_or(0);
    Some((Synset { id, wnid: wnid.clone(), images }, number("num_children")? == 0))
}

/// Labels (places in `synsets`) of the validation images, from the ground truth: a number a line.
///
/// # Errors
/// When a line is no number of a synset.
pub fn ground_truth(text: &str, synsets: &[Synset]) -> Result<Vec<usize>> {
    let labels: HashMap<usize, usize> = synsets.iter().enumerate().map(|(at, s)| (s.id, at)).collect();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate();
    let label = |(at, line): (usize, &str)| {
        let label = line.parse().ok().and_then(|id: usize| labels.get(&id).copied());
        label.ok_or_else(|| {
            let why = format!("line {}: {line:?} is no class's number", at + 1);
            Error::file("reading the ground truth", "", why)
        })
    };
    lines.map(label).collect()
}

/// What a field holds.
enum Content {
    Number(f64),
    Text(String),
    Other,
}

/// The next data element: its type and bytes.
fn element<'a>(bytes: &mut &'a [u8]) -> Why<Option<(u32, &'a [u8])>> {
    const CUT: &str = "it is cut off";
    if bytes.len() < 8 {
        return Ok(None);
    }
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (first, second) = (word(0), word(4));
    // A small element has its length beside its type, and its bytes where the length would be.
    if first >> 16 != 0 {
        let data = bytes[4..8].get(..(first >> 16) as usize).ok_or(CUT)?;
        *bytes = &bytes[8..];
        return Ok(Some((first & 0xffff, data)));
    }
    let length = second as usize;
    let data = bytes[8..].get(..length).ok_or(CUT)?;
    // Elements begin at multiples of 8, but for compressed ones.
    let padded = if first == COMPRESSED { length } else { length.next_multiple_of(8) };
    *bytes = bytes[8..].get(padded..).unwrap_or_default();
    Ok(Some((first, data)))
}

/// The next data element, which must be there.
fn needed<'a>(bytes: &mut &'a [u8]) -> Why<(u32, &'a [u8])> {
    element(bytes)?.ok_or("it is cut off")
}

/// The records of a structure array; none for another array.
fn structure(mut matrix: &[u8]) -> Why<Option<Vec<HashMap<String, Content>>>> {
    if head(&mut matrix)? != STRUCTURE {
        return Ok(None);
    }
    let (_, length) = needed(&mut matrix)?;
    let length = number(INT32, length).ok_or("a field name has no length")? as usize;
    let (_, names) = needed(&mut matrix)?;
    if length == 0 || names.len() > 1 << 16 {
        return Err("its field names make no sense");
    }
    let name = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
    };
    let names: Vec<String> = names.chunks(length).map(name).collect();
    let mut records = Vec::new();
    while !matrix.is_empty() {
        let mut record = HashMap::new();
        for name in &names {
            let (_, field) = needed(&mut matrix)?;
            record.insert(name.clone(), content(field)?);
        }
        records.push(record);
    }
    Ok(Some(records))
}

/// Reads an array's class, and goes past its flags, dimensions and name.
fn head(matrix: &mut &[u8]) -> Why<u8> {
    let (_, flags) = needed(matrix)?;
    let (_, _) = (needed(matrix)?, needed(matrix)?);
    flags.first().copied().ok_or("an array has no flags")
}

/// A field's number or text.
fn content(mut field: &[u8]) -> Why<Content> {
    const CHARACTERS: u8 = 4;
    if field.is_empty() {
        return Ok(Content::Other);
    }
    let class = head(&mut field)?;
    let Some((kind, data)) = element(&mut field)? else { return Ok(Content::Other) };
    Ok(match class {
        CHARACTERS => Content::Text(match kind {
            UINT16 | UTF16 => {
                let units = data.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
                char::decode_utf16(units).map(|c| c.unwrap_or('?')).collect()
            }
            INT8 | UINT8 | UTF8 => String::from_utf8_lossy(data).into_owned(),
            _ => return Ok(Content::Other),
        }),
        _ => number(kind, data).map_or(Content::Other, Content::Number),
    })
}

/// The first number of an element; MATLAB writes whole numbers in the smallest type that holds them.
fn number(kind: u32, data: &[u8]) -> Option<f64> {
    Some(match kind {
        INT8 => f64::from(i8::from_le_bytes([*data.first()?])),
        UINT8 => f64::from(*data.first()?),
        INT16 => f64::from(i16::from_le_bytes(*data.first_chunk()?)),
        UINT16 => f64::from(u16::from_le_bytes(*data.first_chunk()?)),
        INT32 => f64::from(i32::from_le_bytes(*data.first_chunk()?)),
        UINT32 => f64::from(u32::from_le_bytes(*data.first_chunk()?)),
        DOUBLE => f64::from_le_bytes(*data.first_chunk()?),
        _ => return None,
    })
}

/// A `meta.mat` of these synsets, for tests: (number, WordNet id, children, training images).
#[cfg(test)]
pub(crate) fn meta_of(synsets: &[(u16, &str, u8, u16)], compressed: bool) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SYNSETS: [(u16, &str, u8, u16); 4] =
        [(1, "n02119789", 0, 1300), (2, "n02100735", 0, 732), (3, "n01440764", 0, 1300), (1001, "n0", 4, 0)];

    #[test]
    fn the_kit_tells_classes_and_ground_truth() {
        for compressed in [false, true] {
            let synsets = synsets(&meta_of(&SYNSETS, compressed)).expect("valid");
            let found: Vec<_> = synsets.iter().map(|s| (s.id, s.wnid.as_str(), s.images)).collect();
            assert_eq!(found, [(3, "n01440764", 1300), (2, "n02100735", 732), (1, "n02119789", 1300)]);
            assert_eq!(ground_truth("3\n1\n2\n", &synsets), Ok(vec![0, 2, 1]));
            assert!(ground_truth("3\n1001\n", &synsets).is_err_and(|w| w.to_string().contains("line 2")));
        }
    }

    #[test]
    fn damaged_kits_are_refused() {
        let whole = meta_of(&SYNSETS, false);
        for end in [0, 127, 128, 140, 200, whole.len() - 100] {
            assert!(synsets(&whole[..end]).is_err(), "{end}");
        }
        for at in 128..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            // Whatever it says, it says it without a panic.
            drop(synsets(&damaged));
        }
    }
}
