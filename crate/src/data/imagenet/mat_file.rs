//! Structure arrays of MATLAB files, level 5 (The MathWorks, "MAT-File Format"): numbers and texts,
//! compressed or not. Everything else is skipped.
//!
//! The numbers of ImageNet's classes in the ground truth, and how many images each has, are part of a development kit
//! that only registered users may have, so they are read from their copy.

use std::io::Read;

/// The most bytes that all compressed parts of a file may expand to.
const MAX_UNPACKED: u64 = 16 << 20;

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

/// A result whose error is the reason alone.
pub(super) type ParseResult<T> = Result<T, &'static str>;

/// A structure array.
#[derive(Debug)]
pub(super) struct Structure {
    names: Vec<String>,
    /// The fields of every element in the order of `names`, element after element.
    fields: Vec<Content>,
}

impl Structure {
    /// The elements of the array.
    pub fn records(&self) -> impl Iterator<Item = StructElement<'_>> {
        self.fields.chunks(self.names.len().max(1)).map(|fields| StructElement { names: &self.names, fields })
    }
}

/// One element of a structure array.
#[derive(Debug, Clone, Copy)]
pub(super) struct StructElement<'a> {
    names: &'a [String],
    fields: &'a [Content],
}

impl<'a> StructElement<'a> {
    /// The value of a field.
    pub fn get(self, name: &str) -> Option<&'a Content> {
        self.fields.get(self.names.iter().position(|own| own == name)?)
    }
}

/// The value of a field.
#[derive(Debug)]
pub(super) enum Content {
    Number(f64),
    Text(String),
    Other,
}

/// The first structure array of a file.
pub(super) fn first_structure(file: &[u8]) -> ParseResult<Structure> {
    let body = file.get(128..).filter(|_| file.get(126..128) == Some(b"IM"));
    let mut body = body.ok_or("not a MATLAB level 5 file")?;
    let mut expandable = MAX_UNPACKED;
    while let Some((kind, data)) = element(&mut body)? {
        let mut unpacked = Vec::new();
        let (kind, data) = if kind == COMPRESSED {
            let read = flate2::read::ZlibDecoder::new(data).take(expandable).read_to_end(&mut unpacked);
            expandable -= read.map_err(|_| "a compressed part is damaged")? as u64;
            element(&mut &*unpacked)?.ok_or("a compressed part is empty")?
        } else {
            (kind, data)
        };
        if kind == MATRIX
            && let Some(found) = structure(data)?
        {
            return Ok(found);
        }
    }
    Err("it holds no structure array")
}

/// The next data element: its type and bytes.
fn element<'a>(bytes: &mut &'a [u8]) -> ParseResult<Option<(u32, &'a [u8])>> {
    const TRUNCATED: &str = "it is truncated";
    if bytes.len() < 8 {
        return Ok(None);
    }
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (first, second) = (word(0), word(4));
    // A small element has its length beside its type, and its bytes where the length would be.
    if first >> 16 != 0 {
        let data = bytes[4..8].get(..(first >> 16) as usize).ok_or(TRUNCATED)?;
        *bytes = &bytes[8..];
        return Ok(Some((first & 0xffff, data)));
    }
    let length = second as usize;
    let data = bytes[8..].get(..length).ok_or(TRUNCATED)?;
    // Elements begin at multiples of 8, except for compressed ones.
    let padded = if first == COMPRESSED { length } else { length.next_multiple_of(8) };
    *bytes = bytes[8..].get(padded..).unwrap_or_default();
    Ok(Some((first, data)))
}

/// The next data element; an error at the end of the data.
fn required<'a>(bytes: &mut &'a [u8]) -> ParseResult<(u32, &'a [u8])> {
    element(bytes)?.ok_or("it is truncated")
}

/// A structure array; `None` for an array of another class.
fn structure(mut matrix: &[u8]) -> ParseResult<Option<Structure>> {
    if head(&mut matrix)? != STRUCTURE {
        return Ok(None);
    }
    let (_, length) = required(&mut matrix)?;
    let length = number(INT32, length).ok_or("a field name has no length")? as usize;
    let (_, names) = required(&mut matrix)?;
    // Without names no field would be read below, and the loop would never end.
    if length == 0 || names.is_empty() || names.len() > 1 << 16 {
        return Err("its field names make no sense");
    }
    let name = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
    };
    let names: Vec<String> = names.chunks(length).map(name).collect();
    let mut fields = Vec::new();
    while !matrix.is_empty() {
        for _ in &names {
            let (_, field) = required(&mut matrix)?;
            fields.push(content(field)?);
        }
    }
    Ok(Some(Structure { names, fields }))
}

/// Reads an array's class and skips its dimensions and name.
fn head(matrix: &mut &[u8]) -> ParseResult<u8> {
    let (_, flags) = required(matrix)?;
    let (_, _) = (required(matrix)?, required(matrix)?);
    flags.first().copied().ok_or("an array has no flags")
}

/// A field's number or text.
fn content(mut field: &[u8]) -> ParseResult<Content> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::imagenet::mat_fixture::meta_mat;

    #[test]
    fn a_structure_without_field_names_does_not_loop() {
        let mut file = meta_mat(&[(1, "n01", 0, 1)], false);
        // The field names' element: five names of 32 bytes.
        let at = file.windows(8).position(|tag| tag == [1, 0, 0, 0, 160, 0, 0, 0]).expect("field names");
        file[at + 4] = 0;
        assert_eq!(first_structure(&file).err(), Some("its field names make no sense"));
    }
}
