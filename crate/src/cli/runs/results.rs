//! Checks before a recipe's first stage, and results after its last.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::cli::files;
use crate::error::{Error, Result};
use crate::workflow::recipe::Recipe;
use crate::workflow::report::RunReport;

/// Checks that the weights that stages start or learn from can be read, before hours of training. Each file is read once, even
/// if many runs of a sweep name it.
///
/// # Errors
/// If one can't be read.
pub fn check_weights_exist<'a>(recipes: impl IntoIterator<Item = &'a Recipe>) -> Result<()> {
    let paths: BTreeSet<&str> = recipes.into_iter().flat_map(Recipe::weight_files).collect();
    paths.into_iter().try_for_each(|path| files::read_weights(Path::new(path)).map(drop))
}

/// Writes a run's report and its final weights.
///
/// # Errors
/// If the folder can't be written.
pub fn save_results(out: &Path, report: &RunReport, weights: &Path) -> Result<()> {
    fs::create_dir_all(out).map_err(|why| {
        Error::file("making a run's folder", files::display_path(out), &why).with_source(why)
    })?;
    let link = out.join("weights.safetensors");
    // A hard link to the stage's file, which takes the place of an earlier one at once; a copy if the file system has none.
    let part = out.join(".weights.safetensors.link");
    drop(fs::remove_file(&part));
    let linked = fs::hard_link(weights, &part).and_then(|()| fs::rename(&part, &link));
    // Two links to the same file stay two.
    drop(fs::remove_file(&part));
    if linked.is_err() {
        files::write("writing weights", &link, &files::read("reading weights", weights)?)?;
    }
    let text = serde_json::to_vec(report)
        .map_err(|why| Error::file("writing a result", "report.json", &why).with_source(why))?;
    files::write("writing a result", &out.join("report.json"), &text)
}
