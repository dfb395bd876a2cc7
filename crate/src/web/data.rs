//! Data files that the page was given: what they are, and the pictures of an archive.

use std::cell::Cell;

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use super::checkpoint::named_bytes;
use super::convert::{JsResult, failure};
use crate::checkpoint::is_onnx;
use crate::data::folders::{is_image, is_label_file};
use crate::data::unpack::{self, Limits};
use crate::data::{cifar, pictures};

/// What an archive of pictures may unpack to in a browser.
const PICTURE_LIMITS: Limits = Limits { file: 64 << 20, total: 1 << 30 };

/// What a data file is, by its path and first bytes: `picture`, `labels`, `cifar`, `archive`, `onnx`, or `other`.
#[wasm_bindgen]
pub fn kind_of_file(path: &str, head: &[u8]) -> String {
    let kind = if is_image(path) {
        "picture"
    } else if is_label_file(path) {
        "labels"
    } else if cifar::is_image_file(path) {
        "cifar"
    } else if unpack::is_archive(head) {
        "archive"
    } else if is_onnx(head) {
        "onnx"
    } else {
        "other"
    };
    kind.to_owned()
}

/// The pictures and label files of an archive, as `{ files: { name, bytes }[], others, cifar }`: `others` are the
/// paths of all other files, and `cifar` tells whether files of CIFAR are among them. `files` is empty without a picture.
#[wasm_bindgen]
pub fn unpack_pictures(name: &str, bytes: &[u8]) -> JsResult<Object> {
    let (others, cifar) = (Array::new(), Cell::new(false));
    let keep = |path: &str| {
        let wanted = is_image(path) || is_label_file(path);
        if !wanted {
            others.push(&path.into());
            cifar.set(cifar.get() || cifar::is_image_file(path));
        }
        wanted
    };
    let mut files = unpack::unpack(name, bytes, PICTURE_LIMITS, &keep).map_err(failure)?.unwrap_or_default();
    if !files.iter().any(|(path, _)| is_image(path)) {
        files.clear();
    }
    let list = Array::new();
    for (path, bytes) in files {
        let file = Object::new();
        Reflect::set(&file, &"name".into(), &path.into())?;
        Reflect::set(&file, &"bytes".into(), &Uint8Array::from(bytes.as_slice()))?;
        list.push(&file);
    }
    let found = Object::new();
    Reflect::set(&found, &"files".into(), &list)?;
    Reflect::set(&found, &"others".into(), &others)?;
    Reflect::set(&found, &"cifar".into(), &cifar.get().into())?;
    Ok(found)
}

/// What a reader noticed about pictures in folders, one sentence each. Only files of labels need their bytes.
#[wasm_bindgen]
pub fn picture_notes(files: &Array) -> JsResult<Array> {
    let notes = pictures::notes(&named_bytes(files)?).map_err(failure)?;
    Ok(notes.into_iter().map(JsValue::from).collect())
}
