//! The Python version of CIFAR: a pickled dictionary of `data`, `[images, 3072]`, and `labels` or `fine_labels`.
//! Python 2 wrote the official files; files written again by Python 3 differ in how bytes and arrays look.

use std::borrow::Cow;

use super::{CifarSplit, CifarVariant};
use crate::checkpoint::pytorch::cursor::Cursor;
use crate::checkpoint::pytorch::object::{Id, Pickle, Value};
use crate::data::IMAGE;

/// Whether bytes start as a pickle of protocol 2 or later.
pub(super) fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 2..=5, ..])
}

/// The role that a file's `batch_label` names: `training batch 3 of 5`, `testing batch 1 of 1`.
pub(super) fn role(bytes: &[u8]) -> Option<CifarSplit> {
    let batch = PickledBatch::read(bytes).ok()?;
    let label = text(&batch.pickle, batch.get("batch_label")?)?.to_ascii_lowercase();
    let number = label.split_whitespace().find_map(|word| word.parse().ok());
    if label.starts_with("test") { Some(CifarSplit::Test) } else { number.map(CifarSplit::Training) }
}

/// The images and labels of a file.
///
/// # Errors
/// If it is damaged, or lacks either.
pub(super) fn read(bytes: &[u8]) -> Result<(CifarVariant, Vec<u8>, Vec<u8>), String> {
    let batch = PickledBatch::read(bytes)?;
    let data = batch.get("data").ok_or("its pickle has no data")?;
    let (kind, labels) = match (batch.get("fine_labels"), batch.get("labels")) {
        (Some(labels), _) => (CifarVariant::Hundred, labels),
        (None, Some(labels)) => (CifarVariant::Ten, labels),
        (None, None) => return Err("its pickle has neither labels nor fine_labels".to_owned()),
    };
    let labels = integers(&batch.pickle, labels).ok_or("its labels are not a list of whole numbers")?;
    let images = pixels(&batch.pickle, data, labels.len())?;
    let classes = if kind == CifarVariant::Ten { 10 } else { 100 };
    let check = |(index, label): (usize, i64)| match u8::try_from(label) {
        Ok(label) if label < classes => Ok(label),
        _ => Err(format!("image {index} has the label {label}; there are {classes} classes")),
    };
    let labels = labels.into_iter().enumerate().map(check).collect::<Result<Vec<u8>, String>>()?;
    if labels.is_empty() {
        return Err("it has no image".to_owned());
    }
    Ok((kind, images.into_owned(), labels))
}

/// The dictionary of a file.
struct PickledBatch<'a> {
    pickle: Pickle<'a>,
}

impl<'a> PickledBatch<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        Ok(Self { pickle: Pickle::read(&mut Cursor::new(bytes))? })
    }

    fn get(&self, name: &str) -> Option<Id> {
        let Value::Map(map) = self.pickle.value(self.pickle.root) else { return None };
        let named = |&&(key, _): &&(Id, Id)| text(&self.pickle, key).as_deref() == Some(name);
        map.items.iter().rev().find(named).map(|&(_, value)| value)
    }
}

/// Text, or bytes that are.
fn text(pickle: &Pickle<'_>, id: Id) -> Option<String> {
    String::from_utf8(bytes(pickle, id)?.into_owned()).ok()
}

/// Bytes in any of the ways in which they are pickled: as themselves, as Python 2's text, or as `_codecs.encode` of a
/// text in Latin-1, which is how Python 3 writes protocol 2.
fn bytes<'a>(pickle: &Pickle<'a>, id: Id) -> Option<Cow<'a, [u8]>> {
    match pickle.value(id) {
        Value::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
        Value::Text(text) => Some(Cow::Borrowed(text.as_bytes())),
        Value::Map(map) => match *pickle.tuple(map.arguments?)? {
            [text, encoding] if matches!(pickle.text(encoding), Some("latin1" | "latin-1")) => {
                let byte = |letter: char| u8::try_from(letter).ok();
                pickle.text(text)?.chars().map(byte).collect::<Option<Vec<u8>>>().map(Cow::Owned)
            }
            // A bytearray around bytes.
            [inner] => match pickle.value(inner) {
                Value::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// An array of NumPy.
struct Array<'a> {
    shape: Vec<u64>,
    /// `u1`, `i8` and the like; empty if it is not named.
    dtype: String,
    fortran: bool,
    raw: Cow<'a, [u8]>,
}

impl<'a> Array<'a> {
    /// An array that was given its state, `(version, shape, dtype, is Fortran, bytes)`, or was made of its arguments,
    /// `(bytes, dtype, shape, order)`, as protocol 5 has it.
    fn new(pickle: &Pickle<'a>, id: Id) -> Option<Self> {
        let Value::Map(map) = pickle.value(id) else { return None };
        let (shape, dtype, fortran, raw) = match map.state.and_then(|state| pickle.tuple(state)) {
            Some(&[_, shape, dtype, fortran, raw]) => {
                (shape, dtype, matches!(pickle.value(fortran), Value::Bool(true)), raw)
            }
            _ => match *pickle.tuple(map.arguments?)? {
                [raw, dtype, shape, order] => (shape, dtype, text(pickle, order)? == "F", raw),
                _ => return None,
            },
        };
        let shape = pickle.tuple(shape)?.iter().map(|&size| pickle.size(size)).collect::<Option<_>>()?;
        let named = match pickle.value(dtype) {
            Value::Map(map) => map.arguments.and_then(|list| pickle.tuple(list)?.first().copied()),
            _ => None,
        };
        let dtype = named.and_then(|name| text(pickle, name)).unwrap_or_default();
        Some(Self { shape, dtype, fortran, raw: bytes(pickle, raw)? })
    }

    /// The number of elements that the shape claims.
    fn count(&self) -> Option<u64> {
        self.shape.iter().try_fold(1_u64, |count, &size| count.checked_mul(size))
    }
}

/// Whole numbers, as a list or an array.
fn integers(pickle: &Pickle<'_>, id: Id) -> Option<Vec<i64>> {
    if let Some(list) = pickle.tuple(id) {
        let number = |&id: &Id| match pickle.value(id) {
            Value::Int(number) => Some(*number),
            _ => None,
        };
        return list.iter().map(number).collect();
    }
    let array = Array::new(pickle, id)?;
    let count = usize::try_from(array.count()?).ok()?;
    let is_integer = array.dtype.trim_start_matches(['<', '|', '=']).starts_with(['i', 'u']);
    if !is_integer || count == 0 || !array.raw.len().is_multiple_of(count) {
        return None;
    }
    let number = |raw: &[u8]| {
        let mut word = [0; 8];
        word.get_mut(..raw.len())?.copy_from_slice(raw);
        Some(i64::from_le_bytes(word))
    };
    array.raw.chunks_exact(array.raw.len() / count).map(number).collect()
}

/// The pixels of `images` images: an array of bytes whose rows are the planes of an image, or the bytes alone.
fn pixels<'a>(pickle: &Pickle<'a>, id: Id, images: usize) -> Result<Cow<'a, [u8]>, String> {
    let raw = match Array::new(pickle, id) {
        None => bytes(pickle, id).ok_or("its data is neither an array nor bytes")?,
        Some(Array { fortran: true, .. }) => return Err("its data is in Fortran's order".to_owned()),
        Some(array) => {
            if !matches!(array.dtype.trim_start_matches('|'), "" | "u1" | "uint8" | "B") {
                return Err(format!("its data is of the type {:.20}, not bytes", array.dtype));
            }
            let is_planes = matches!(*array.shape, [_, 3072] | [_, 3, 32, 32]);
            if !is_planes || array.count() != Some(array.raw.len() as u64) {
                return Err(format!("its data has the shape {:?}, not [images, 3072]", array.shape));
            }
            array.raw
        }
    };
    if images.checked_mul(IMAGE) != Some(raw.len()) {
        return Err(format!("it has {} bytes of images for {images} labels", raw.len()));
    }
    Ok(raw)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `{key: value, ...}` in protocol 2.
    pub fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut program = vec![0x80, 2, b'}', b'('];
        for (key, value) in items {
            program.extend([b'U', key.len() as u8]);
            program.extend(key.as_bytes());
            program.extend(value);
        }
        program.extend(b"u.");
        program
    }

    pub fn list(labels: &[u8]) -> Vec<u8> {
        let mut program = b"](".to_vec();
        program.extend(labels.iter().flat_map(|&label| [b'K', label]));
        program.push(b'e');
        program
    }

    fn long_string(op: u8, bytes: &[u8]) -> Vec<u8> {
        [&[op][..], &(bytes.len() as u32).to_le_bytes(), bytes].concat()
    }

    /// An array as NumPy of Python 2 pickles it.
    pub fn array(rows: u16, columns: u16, dtype: &str, bytes: &[u8]) -> Vec<u8> {
        let mut program =
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R(K\x01".to_vec();
        program.push(b'M');
        program.extend(rows.to_le_bytes());
        program.push(b'M');
        program.extend(columns.to_le_bytes());
        program.extend(b"\x86cnumpy\ndtype\nU\x02");
        program.extend(dtype.as_bytes());
        program.extend(b"K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89");
        program.extend(long_string(b'T', bytes));
        program.extend(b"tb");
        program
    }

    /// Bytes as Python 3 pickles them in protocol 2.
    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        let mut program = b"c_codecs\nencode\n".to_vec();
        program.extend(long_string(b'X', text.as_bytes()));
        program.extend(long_string(b'X', b"latin1"));
        program.extend([0x86, b'R']);
        program
    }

    fn planes(count: u8) -> Vec<u8> {
        (0..count).flat_map(|image| (0..IMAGE).map(move |at| (at % 251) as u8 ^ image)).collect()
    }

    #[test]
    fn images_are_read_however_python_wrote_them() {
        let raw = planes(2);
        let frombuffer = [
            b"cnumpy.core.numeric\n_frombuffer\n(".to_vec(),
            [&[0x96][..], &(raw.len() as u64).to_le_bytes(), &raw].concat(),
            b"cnumpy\ndtype\nU\x02u1\x89\x88\x87RK\x02M\0\x0c\x86U\x01CtR".to_vec(),
        ]
        .concat();
        for data in [array(2, 3072, "u1", &raw), encoded(&raw), long_string(b'B', &raw), frombuffer] {
            let file = dict(&[("labels", list(&[7, 0])), ("data", data)]);
            let (kind, images, labels) = read(&file).expect("valid");
            assert_eq!((kind, labels), (CifarVariant::Ten, vec![7, 0]));
            assert!(images == raw);
        }
    }

    #[test]
    fn the_fine_labels_of_cifar_100_count() {
        let data = array(1, 3072, "u1", &planes(1));
        let fine = array(1, 1, "i8", &99_i64.to_le_bytes());
        let file = dict(&[("coarse_labels", list(&[3])), ("fine_labels", fine), ("data", data)]);
        let (kind, _, labels) = read(&file).expect("valid");
        assert_eq!((kind, labels), (CifarVariant::Hundred, vec![99]));
    }

    #[test]
    fn the_role_stands_in_the_file() {
        let label =
            |text: &str| dict(&[("batch_label", [&[b'U', text.len() as u8], text.as_bytes()].concat())]);
        assert_eq!(role(&label("training batch 3 of 5")), Some(CifarSplit::Training(3)));
        assert_eq!(role(&label("testing batch 1 of 1")), Some(CifarSplit::Test));
        assert_eq!(role(&dict(&[])), None);
    }

    #[test]
    fn mismatched_inputs_are_rejected() {
        let raw = planes(2);
        let two = |data: Vec<u8>, labels: Vec<u8>| dict(&[("data", data), ("labels", labels)]);
        let cases = [
            (two(array(2, 3072, "u1", &raw), list(&[1])), "for 1 labels"),
            (two(array(2, 3072, "f4", &raw), list(&[1, 2])), "type f4"),
            (two(array(2, 3000, "u1", &raw), list(&[1, 2])), "shape"),
            (two(array(9999, 3072, "u1", &raw), list(&[1, 2])), "shape"),
            (two(array(2, 3072, "u1", &raw), list(&[1, 10])), "label 10"),
            (two(list(&[1]), list(&[1])), "neither an array nor bytes"),
            (dict(&[("data", list(&[]))]), "neither labels"),
            (dict(&[("labels", list(&[]))]), "no data"),
        ];
        for (file, expected) in cases {
            let why = read(&file).expect_err(expected);
            assert!(why.contains(expected), "{why}");
        }
        let whole = two(array(2, 3072, "u1", &raw), list(&[1, 2]));
        for end in (0..whole.len()).step_by(7) {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
    }
}
