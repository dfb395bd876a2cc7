//! ONNX models, and the files beside them that hold their weights.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::checkpoint::ReadOptions;
use crate::cli::files::io::{display_path, open, read, write};
use crate::error::{Error, Result};
use crate::onnx::prune::RewrittenModel;
use crate::onnx::{InputShapes, OnnxModel, OnnxNetwork};

/// Bytes that tell an ONNX file from others.
const BEGINNING: u64 = 64;

/// Opens an ONNX model for inputs of these shapes; `None` if the file is something else.
///
/// # Errors
/// If the model is damaged, its weights lie in a file that is missing or outside its folder, or an input's shape is
/// open and not among `shapes`.
pub fn open_onnx(path: &Path, shapes: &InputShapes) -> Result<Option<OnnxNetwork>> {
    // A pipe can be read only once, and folders hold checkpoints.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Ok(None);
    }
    let mut beginning = Vec::new();
    let readable = open(path)?.take(BEGINNING).read_to_end(&mut beginning);
    if readable.is_err() || !OnnxModel::looks_like(&beginning) {
        return Ok(None);
    }
    let with_path = |error: Error| error.with_path(&display_path(path));
    let model = OnnxModel::from_bytes(read("reading ONNX", path)?, |location| read_beside(path, location));
    model.and_then(|model| model.network(shapes)).map(Some).map_err(with_path)
}

/// Checks that no option says what a model says itself.
///
/// # Errors
/// Names the first one.
pub fn check_unused_choices(options: &ReadOptions) -> Result<()> {
    let given = [
        ("network", options.network.clone()),
        ("transposed", options.transposed.first().cloned()),
        ("groups", options.groups.first().map(|(name, groups)| format!("{name}={groups}"))),
    ];
    match given.into_iter().find_map(|(option, value)| Some((option, value?))) {
        Some((option, value)) => Err(Error::field(option, value, "an ONNX model says that itself")),
        None => Ok(()),
    }
}

/// Reads a file of weights that lies in the model's folder, links included.
fn read_beside(model: &Path, location: &str) -> Result<Vec<u8>> {
    let folder = model.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = folder.join(location);
    let missing = |why: &dyn std::fmt::Display| {
        Error::file("reading ONNX", "", format!("its weights are missing ({location}): {why}"))
    };
    let whole = fs::canonicalize(&path).map_err(|why| missing(&why))?;
    let inside = fs::canonicalize(folder).map_err(|why| missing(&why))?;
    if !whole.starts_with(inside) {
        return Err(Error::file(
            "reading ONNX",
            "",
            format!("its weights are outside its folder ({location})"),
        ));
    }
    read("reading the weights of ONNX", &path)
}

/// Writes a model, and the files of its weights beside it.
///
/// # Errors
/// If one of these files is the original's, or can't be written.
pub fn write_onnx(original: &Path, out: &Path, model: &RewrittenModel) -> Result<()> {
    let folder = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        folder.to_owned()
    };
    let (from, to) = (folder(original), folder(out));
    if let (Some((location, _)), Ok(from), Ok(to)) =
        (model.external.first(), fs::canonicalize(&from), fs::canonicalize(&to))
        && from == to
    {
        let why = format!("would overwrite the original's weights ({location}): name another folder");
        return Err(Error::field("out", display_path(out), why));
    }
    for (location, bytes) in &model.external {
        let path = to.join(location);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)
                .map_err(|why| Error::file("writing pruned weights", display_path(&path), why))?;
        }
        write("writing pruned weights", &path, bytes)?;
    }
    write("writing the pruned model", out, &model.bytes)
}
