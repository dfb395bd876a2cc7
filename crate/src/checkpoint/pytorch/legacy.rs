//! PyTorch's format before 1.6: five pickles one after another, then the elements of each storage.

use std::collections::HashMap;

use crate::checkpoint::pytorch::cursor::Cursor;
use crate::checkpoint::pytorch::object::{Pickle, Value};
use crate::checkpoint::stored::ParseResult;

/// 0x1950a86a20f9469cfc6c as a pickled integer: its length, then its bytes.
const MAGIC: [u8; 11] = [10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The only version of the format there has been.
const PROTOCOL: u64 = 1001;

/// The object of a legacy file, and the elements of its storages by key.
pub(super) struct Legacy<'a> {
    pub object: Pickle<'a>,
    pub storages: HashMap<String, &'a [u8]>,
}

impl<'a> Legacy<'a> {
    pub fn read(bytes: &'a [u8]) -> ParseResult<Self> {
        let head = bytes.get(..32.min(bytes.len())).unwrap_or(bytes);
        if !head.windows(MAGIC.len()).any(|window| window == MAGIC) {
            let start = bytes.get(..4096.min(bytes.len())).unwrap_or(bytes);
            let of = |module: &[u8]| start.windows(module.len()).any(|window| window == module);
            let what = if of(b"sklearn") {
                " of scikit-learn"
            } else if of(b"numpy") {
                " of NumPy arrays"
            } else {
                ""
            };
            return Err(format!(
                "it is a pickle{what}, but not one that torch.save wrote; save the weights as safetensors"
            ));
        }
        let mut input = Cursor::new(bytes);
        Pickle::read(&mut input)?;
        let version = Pickle::read(&mut input)?;
        if version.size(version.root) != Some(PROTOCOL) {
            return Err("it has an unknown version of PyTorch's old format".into());
        }
        reject_big_endian(&Pickle::read(&mut input)?)?;
        let object = Pickle::read(&mut input)?;
        let keys = Pickle::read(&mut input)?;
        let storages = storages(&mut input, &object, &keys)?;
        Ok(Self { object, storages })
    }
}

fn reject_big_endian(system: &Pickle<'_>) -> ParseResult<()> {
    let Value::Map(map) = system.value(system.root) else { return Ok(()) };
    for &(key, value) in &map.items {
        if system.text(key) == Some("little_endian") && matches!(system.value(value), Value::Bool(false)) {
            return Err("it was written by a big-endian machine; save it again".into());
        }
    }
    Ok(())
}

fn storages<'a>(
    input: &mut Cursor<'a>,
    object: &Pickle<'a>,
    keys: &Pickle<'a>,
) -> ParseResult<HashMap<String, &'a [u8]>> {
    let mut sizes = HashMap::new();
    for value in &object.values {
        if let Value::Storage(storage) = value {
            sizes.insert(storage.key, storage.dtype.size());
        }
    }
    let list = keys.tuple(keys.root).ok_or("it does not list its storages")?;
    let mut storages = HashMap::new();
    for &key in list {
        let key = keys.text(key).ok_or("it lists a storage without a key")?;
        // Its length is counted in elements: without their size the next storage can't be found.
        let size = sizes.get(key).copied().filter(|&size| size > 0);
        let size = size.ok_or("it holds a storage of an unknown type")?;
        let count = u64::from_le_bytes(input.array()?);
        let length = count.checked_mul(size).ok_or("a storage's size overflows")?;
        storages.insert(key.to_owned(), input.take(length)?);
    }
    Ok(storages)
}
