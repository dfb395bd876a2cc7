//! Protocol Buffers' wire format: the fields of a message, each with its place in the file.
//!
//! Source: Protocol Buffers, "Encoding". Groups, which ONNX never uses, count as damage.

use std::ops::Range;

use crate::error::{Error, Result};

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wire {
    /// A number of variable length.
    Varint(u64),
    /// Four bytes at this place: a float, usually.
    Fixed32(Range<usize>),
    /// Eight bytes at this place: a double, usually.
    Fixed64(Range<usize>),
    /// A text, a message or packed numbers at this place.
    Bytes(Range<usize>),
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Its number in the schema.
    pub(super) number: u64,
    /// Its value.
    pub(super) value: Wire,
}

impl Field {
    /// The place of a text, a message or packed numbers.
    ///
    /// # Errors
    /// If the field holds a number instead.
    pub(super) fn span(&self) -> Result<Range<usize>> {
        match &self.value {
            Wire::Bytes(span) => Ok(span.clone()),
            _ => Err(damaged(format!("field {} has another type than ONNX gives it", self.number))),
        }
    }

    /// The number of an integer field.
    ///
    /// # Errors
    /// If the field holds something else.
    pub(super) fn integer(&self) -> Result<i64> {
        match self.value {
            Wire::Varint(value) => Ok(value.cast_signed()),
            _ => Err(damaged(format!("field {} has another type than ONNX gives it", self.number))),
        }
    }
}

/// The fields of a message that lies at a place in the file.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    /// The fields of the message at `span`, which lies inside `bytes`.
    pub(super) fn new(bytes: &'a [u8], span: Range<usize>) -> Self {
        let end = span.end.min(bytes.len());
        Self { bytes, at: span.start.min(end), end }
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes[..self.end].get(self.at).ok_or_else(cut_off)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged("a number has more than 10 bytes"))
    }

    fn take(&mut self, count: u64) -> Result<Range<usize>> {
        let rest = (self.end - self.at) as u64;
        if count > rest {
            return Err(cut_off());
        }
        let start = self.at;
        self.at += count as usize;
        Ok(start..self.at)
    }

    fn field(&mut self) -> Result<Field> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(self.take(8)?),
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(self.take(4)?),
            other => return Err(damaged(format!("field {} has the unknown wire type {other}", tag >> 3))),
        };
        Ok(Field { number: tag >> 3, value })
    }
}

impl Iterator for Fields<'_> {
    type Item = Result<Field>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = self.end;
        }
        Some(field)
    }
}

/// Packed numbers of variable length.
///
/// # Errors
/// If the last one is cut off.
pub(super) fn packed(bytes: &[u8], span: Range<usize>) -> Result<Vec<i64>> {
    let mut fields = Fields::new(bytes, span);
    let mut values = Vec::new();
    while fields.at < fields.end {
        values.push(fields.varint()?.cast_signed());
    }
    Ok(values)
}

/// An error about an ONNX file that is not as its schema says.
pub(super) fn damaged(why: impl std::fmt::Display) -> Error {
    Error::file("reading ONNX", "", format!("the file is damaged: {why}"))
}

fn cut_off() -> Error {
    damaged("it is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_their_values_and_places() {
        // Field 1 = 300, field 2 = "ab", field 3 = four bytes.
        let bytes = [0x08, 0xac, 0x02, 0x12, 0x02, b'a', b'b', 0x1d, 1, 2, 3, 4];
        let fields: Vec<_> = Fields::new(&bytes, 0..bytes.len()).map(|f| f.expect("a field")).collect();
        assert_eq!(fields[0], Field { number: 1, value: Wire::Varint(300) });
        assert_eq!(fields[1], Field { number: 2, value: Wire::Bytes(5..7) });
        assert_eq!(fields[2], Field { number: 3, value: Wire::Fixed32(8..12) });
        assert_eq!(fields[0].integer().expect("a number"), 300);
        assert!(fields[0].span().is_err() && fields[1].integer().is_err());
        assert_eq!(packed(&bytes, 1..3).expect("a number"), [300]);
    }

    #[test]
    fn damage_ends_the_reading() {
        for bytes in [&[0x12, 0x05, b'a'][..], &[0x08], &[0x08, 0x80], &[0x0b], &[0x1d, 1, 2], &[0xff; 12]] {
            let all: Vec<_> = Fields::new(bytes, 0..bytes.len()).collect();
            assert!(all.last().expect("one").is_err(), "{bytes:?}");
        }
    }
}
