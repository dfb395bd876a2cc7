//! `crossdub published`: what the published runs save, by every model.

use std::path::PathBuf;

use clap::Args;

use crate::cli::files;
use crate::cli::output;
use crate::error::Result;
use crate::report::{published, published_markdown};

/// What the 69 published runs of the paper save, by every model
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub published --out docs/what-it-saves.md")]
pub struct PublishedArgs {
    /// Writes the page (Markdown) instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &PublishedArgs) -> Result<()> {
    let published = published()?;
    let page = published_markdown(&published);
    if let Some(path) = &args.out {
        files::write("writing the page of results", path, page.as_bytes())?;
        if !args.json {
            return Ok(());
        }
    }
    output::print_result(args.json, &published, || page)
}
