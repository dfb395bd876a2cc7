//! Weights: a checkpoint file, a folder with one, or the index of a sharded checkpoint.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::io::{MAX_FILE_BYTES, display_path, read};
use super::onnx::{check_unused_choices, open_onnx};
use crate::checkpoint::{Checkpoint, ReadOptions, ShardIndex, is_index, pytorch, safetensors, shard_of};
use crate::error::{Error, Result};

const ACTION: &str = "reading weights";

/// Reads the weights of a file that holds one network.
///
/// # Errors
/// As [`read_weights_with`].
pub fn read_weights(path: &Path) -> Result<Checkpoint> {
    read_weights_with(path, &ReadOptions::default())
}

/// Reads weights from a checkpoint in one file or in several, or the parameters of an ONNX model.
///
/// # Errors
/// If a file can't be read or holds no weights, a folder has none or several checkpoints, or an option
/// names what is not there.
pub fn read_weights_with(path: &Path, options: &ReadOptions) -> Result<Checkpoint> {
    if let Some(network) = open_onnx(path, &[])? {
        check_unused_choices(options)?;
        return network.checkpoint().map_err(|error| error.with_path(&display_path(path)));
    }
    let files = if path.is_dir() { files_of_folder(path)? } else { vec![path.to_owned()] };
    let mut read_files = Vec::new();
    let mut total = 0;
    for file in &files {
        let bytes = read(ACTION, file)?;
        total += bytes.len() as u64;
        read_files.push((display_path(file), bytes));
    }
    // An index leads to files beside it.
    if let [(name, bytes)] = &read_files[..]
        && is_index(bytes)
    {
        let index = ShardIndex::read(bytes).map_err(|error| error.with_path(name))?;
        let folder = files[0].parent().unwrap_or(Path::new("")).to_owned();
        let shards: Vec<PathBuf> = index.files().into_iter().map(|file| folder.join(file)).collect();
        for shard in shards {
            let bytes = read(ACTION, &shard)?;
            total += bytes.len() as u64;
            if total > MAX_FILE_BYTES {
                let why = format!("its shards have more than {MAX_FILE_BYTES} bytes, the limit");
                return Err(Error::file(ACTION, display_path(path), why));
            }
            read_files.push((display_path(&shard), bytes));
        }
    }
    let named: Vec<(&str, &[u8])> = read_files.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
    Checkpoint::from_files(&named, options).map_err(|error| error.with_path(&display_path(path)))
}

/// The checkpoint of a folder: its index, its shards, or its only file with weights.
fn files_of_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let fail = |why: String| Error::file(ACTION, display_path(folder), why);
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(|why| fail(why.to_string()))? {
        let path = entry.map_err(|why| fail(why.to_string()))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    let has = |name: &str| files.iter().any(|file| file.ends_with(name));
    if has("saved_model.pb") {
        let what = "it is a TensorFlow SavedModel; load it there and save the weights as safetensors";
        return Err(fail(what.to_owned()));
    }
    if has("data.pkl") {
        let what = "it is an unpacked PyTorch checkpoint; pack the folder with zip -0 -r net.pth";
        return Err(fail(what.to_owned()));
    }
    let named_index = |file: &&PathBuf| file.to_string_lossy().ends_with(".index.json");
    let indexes: Vec<&PathBuf> = files.iter().filter(named_index).collect();
    if let [index] = indexes[..] {
        return Ok(vec![index.clone()]);
    }
    let weights: Vec<PathBuf> = files.iter().filter(|file| looks_like_weights(file)).cloned().collect();
    let are_shards = weights.len() > 1 && weights.iter().all(|file| shard_of(&display_path(file)).is_some());
    match weights.len() {
        1 => Ok(weights),
        _ if are_shards => Ok(weights),
        0 => Err(fail("the folder holds no checkpoint".to_owned())),
        count => {
            let name = |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let names: Vec<String> = weights.iter().take(4).map(name).collect();
            Err(fail(format!("the folder holds {count} checkpoints: name one ({})", names.join(", "))))
        }
    }
}

/// Whether a file begins as one with weights does.
fn looks_like_weights(path: &Path) -> bool {
    let mut head = [0; 16];
    let read = fs::File::open(path).and_then(|mut file| file.read(&mut head));
    let head = &head[..read.unwrap_or(0)];
    pytorch::looks_like(head) || safetensors::looks_like(head)
}
