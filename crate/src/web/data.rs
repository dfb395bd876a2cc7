//! Data files that the page was given: what they are, and the pictures of an archive.

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use super::convert::{JsResult, failure};
use crate::data::cifar;
use crate::data::folders::{is_image, is_label_file};
use crate::data::unpack::{self, Limits};

/// What an archive of pictures may unpack to in a browser.
const PICTURES: Limits = Limits { file: 64 << 20, total: 1 << 30 };

/// What a data file is, by its path and first bytes: `picture`, `labels`, `cifar`, `archive`, or `other`.
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
    } else {
        "other"
    };
    kind.to_owned()
}

/// The pictures and label files of an archive, as `{ name, bytes }`; empty if it has no picture.
#[wasm_bindgen]
pub fn unpack_pictures(name: &str, bytes: &[u8]) -> JsResult<Array> {
    let keep = |path: &str| is_image(path) || is_label_file(path);
    let files = unpack::unpack(name, bytes, PICTURES, &keep).map_err(failure)?.unwrap_or_default();
    let list = Array::new();
    if !files.iter().any(|(path, _)| is_image(path)) {
        return Ok(list);
    }
    for (path, bytes) in files {
        let file = Object::new();
        Reflect::set(&file, &"name".into(), &path.into())?;
        Reflect::set(&file, &"bytes".into(), &Uint8Array::from(bytes.as_slice()))?;
        list.push(&file);
    }
    Ok(list)
}
