//! Options about the recipe.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::cli::files;
use crate::cli::options::data::LoaderOptions;
use crate::error::{Error, Result};
use crate::workflow::recipe::Change;

/// Options that `crossdub run` and `crossdub sweep` share.
#[derive(Debug, Args)]
pub struct RecipeOptions {
    /// Data set instead of the recipe's: builtin, CIFAR's files, or images in class folders
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Folder for the stages' results, to share them between runs [default: stages in the output folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Also save a checkpoint every N steps, not only after each epoch and minute
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub checkpoint_every: u64,
    #[command(flatten)]
    pub loader: LoaderOptions,
}

impl RecipeOptions {
    /// The recipe's text, and the change that `--data` makes.
    pub fn read(&self, recipe: &Path) -> Result<(String, Vec<Change>)> {
        let bytes = files::read("reading the recipe", recipe)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::file("reading the recipe", files::display_path(recipe), "not UTF-8 text"))?;
        let data =
            self.data.as_deref().map(|path| Change::new("data", Value::from(files::display_path(path))));
        Ok((text, data.into_iter().collect()))
    }

    /// The folder for the stages' results.
    pub fn store(&self, out: &Path) -> PathBuf {
        self.store.clone().unwrap_or_else(|| out.join("stages"))
    }
}

/// The same error, as one of the recipe's file if the invalid field stands there and was not set on the
/// command line.
pub fn attribute(error: Error, action: &str, file: &Path, set: &[Change]) -> Error {
    match error.field_name() {
        Some(field) if !sets(set, field) => Error::file(action, files::display_path(file), &error),
        _ => error.with_path(&files::display_path(file)),
    }
}

/// Whether one of the changes sets a field; in messages a stage's field is `stage.field`.
pub fn sets(changes: &[Change], field: &str) -> bool {
    let without_stage = field.rsplit_once('.').map_or(field, |(_, field)| field);
    changes.iter().any(|change| match change.stage {
        Some(_) => change.name() == field,
        None => change.field == without_stage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_field_is_blamed_on_where_it_was_set() {
        let set = [Change::new("dub.lambda", Value::from(-1)), Change::new("seed", Value::from(-1))];
        let blame = |field: &str| {
            let error = Error::field(field, -1, "must be 0 or more");
            attribute(error, "reading the recipe", Path::new("r.toml"), &set).to_string()
        };
        assert_eq!(blame("dub.lambda"), "invalid dub.lambda (-1): must be 0 or more");
        assert_eq!(blame("clean.seed"), "invalid clean.seed (-1): must be 0 or more");
        assert_eq!(
            blame("clean.lambda"),
            "reading the recipe (r.toml): invalid clean.lambda (-1): must be 0 or more"
        );
    }
}
