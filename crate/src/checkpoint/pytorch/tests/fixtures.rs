//! Small PyTorch checkpoints made by hand, for tests.

use std::io::{Cursor, Write as _};

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipWriter};

/// A pickle as it is written.
pub(super) struct Program(pub Vec<u8>);

impl Program {
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn stop(self) -> Vec<u8> {
        self.raw(b".").0
    }

    pub fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    pub fn int(self, value: i64) -> Self {
        self.raw(&[0x8a, 8]).raw(&value.to_le_bytes())
    }

    pub fn float(self, value: f64) -> Self {
        self.raw(b"G").raw(&value.to_be_bytes())
    }

    pub fn ints(self, values: &[i64]) -> Self {
        values.iter().fold(self.raw(b"("), |p, &value| p.int(value)).raw(b"t")
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A function called without arguments.
    pub fn call(self, module: &str, name: &str) -> Self {
        self.global(module, name).raw(b")R")
    }

    pub fn dict(self, items: impl FnOnce(Self) -> Self) -> Self {
        self.raw(b"}").items(items)
    }

    /// More items for the dictionary on top.
    pub fn items(self, items: impl FnOnce(Self) -> Self) -> Self {
        items(self.raw(b"(")).raw(b"u")
    }

    /// A name and its tensor, for a dictionary.
    pub fn tensor(
        self,
        name: &str,
        class: &str,
        key: &str,
        offset: i64,
        shape: &[i64],
        stride: &[i64],
    ) -> Self {
        self.text(name).view(class, key, offset, shape, stride)
    }

    /// A tensor without a name.
    pub fn view(self, class: &str, key: &str, offset: i64, shape: &[i64], stride: &[i64]) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .elements(class, key, offset, shape, stride)
            .raw(b"\x89")
            .call("collections", "OrderedDict")
            .raw(b"tR")
    }

    /// A name and its quantized tensor; `quantizer` puts scheme, scales and zero points.
    pub fn quantized(
        self,
        name: &str,
        class: &str,
        key: &str,
        shape: &[i64],
        stride: &[i64],
        quantizer: impl FnOnce(Self) -> Self,
    ) -> Self {
        let elements =
            self.text(name).global("torch._utils", "_rebuild_qtensor").elements(class, key, 0, shape, stride);
        quantizer(elements.raw(b"(")).raw(b"t\x89").call("collections", "OrderedDict").raw(b"tR")
    }

    /// The arguments that name a tensor's elements, after an open MARK.
    fn elements(self, class: &str, key: &str, offset: i64, shape: &[i64], stride: &[i64]) -> Self {
        self.raw(b"((")
            .text("storage")
            .global("torch", class)
            .text(key)
            .text("cpu")
            .int(1)
            .raw(b"tQ")
            .int(offset)
            .ints(shape)
            .ints(stride)
    }
}

/// Values as a storage holds them.
pub(super) fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A zip checkpoint; a storage `../NAME` lies beside `data.pkl`.
pub(super) fn zip(pickle: &[u8], storages: &[(&str, Vec<u8>)], deflate: bool) -> Vec<u8> {
    let method = if deflate { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let options = SimpleFileOptions::default().compression_method(method);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut entry = |name: &str, bytes: &[u8]| {
        zip.start_file(name, options).expect("a new entry");
        zip.write_all(bytes).expect("memory");
    };
    entry("net/data.pkl", pickle);
    for (key, bytes) in storages {
        match key.strip_prefix("../") {
            Some(name) => entry(&format!("net/{name}"), bytes),
            None => entry(&format!("net/data/{key}"), bytes),
        }
    }
    zip.finish().expect("memory").into_inner()
}

/// The same network in the format before 1.6, with float32 storages.
pub(super) fn legacy(pickle: &[u8], storages: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let magic = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    let mut bytes = Program::new().raw(&[0x8a, 10]).raw(&magic).stop();
    bytes.extend(Program::new().int(1001).stop());
    bytes.extend(Program::new().dict(|p| p.text("little_endian").raw(b"\x88")).stop());
    bytes.extend(pickle);
    let keys = storages.iter().fold(Program::new().raw(b"]("), |p, (key, _)| p.text(key));
    bytes.extend(keys.raw(b"e").stop());
    for (_, storage) in storages {
        bytes.extend((storage.len() as u64 / 4).to_le_bytes());
        bytes.extend(storage);
    }
    bytes
}
