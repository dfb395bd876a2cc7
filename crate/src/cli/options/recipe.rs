//! Options that `crossdub run` and `crossdub sweep` share.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::cli::files;
use crate::cli::options::shared::ReadingOptions;
use crate::error::{Error, Result};
use crate::workflow::recipe::Change;

/// What runs and sweeps share.
#[derive(Debug, Args)]
pub struct RecipeOptions {
    /// builtin, a folder of CIFAR-10 binary files or their .tar.gz, or a folder of ImageNet's images,
    /// instead of the recipe's
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Folder of finished and unfinished stages, to share with other runs [default: stages in the output folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Also saves a checkpoint every N steps, not only after each epoch and minute
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub checkpoint_every: u64,
    #[command(flatten)]
    pub reading: ReadingOptions,
}

impl RecipeOptions {
    /// The recipe's text, and the change that `--data` makes.
    pub fn read(&self, recipe: &Path) -> Result<(String, Vec<Change>)> {
        let bytes = files::read("reading the recipe", recipe)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::file("reading the recipe", files::display_path(recipe), "it is no text"))?;
        let data =
            self.data.as_deref().map(|path| Change::new("data", Value::from(files::display_path(path))));
        Ok((text, data.into_iter().collect()))
    }

    /// Where stages lie.
    pub fn store(&self, out: &Path) -> PathBuf {
        self.store.clone().unwrap_or_else(|| out.join("stages"))
    }
}
