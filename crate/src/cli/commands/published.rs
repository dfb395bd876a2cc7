//! `crossdub published`: ADC savings of the paper's published runs, by every model.

use std::path::PathBuf;

use clap::Args;

use crate::cli::files;
use crate::cli::output;
use crate::error::Result;
use crate::report::{published, published_markdown};

/// ADC savings of the paper's 69 published runs, by every model
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub published --out docs/what-it-saves.md")]
pub struct PublishedArgs {
    /// Write the page (Markdown) to a file instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object
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
