//! `crossdub serve`: a folder as a web site, for this machine alone.

use std::path::PathBuf;

use clap::Args;

use crate::cli::files;
use crate::cli::http::Server;
use crate::cli::output;
use crate::cli::runs::training::stop_flag;
use crate::error::Result;

/// Serve a folder, such as the built page, to this machine's browsers
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub serve dist --port 5173")]
pub struct ServeArgs {
    /// Folder with index.html
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Port to serve on; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 5173)]
    port: u16,
}

/// Runs the command, until it is interrupted.
pub fn run(args: &ServeArgs) -> Result<()> {
    let server = Server::bind(args.port)?.with_folder("/", &args.folder)?;
    let stop = stop_flag()?;
    let folder = files::display_path(&args.folder);
    output::status(&format!("serving {folder} at http://127.0.0.1:{}/ (Ctrl-C stops)", server.port()?));
    server.run(&stop);
    Ok(())
}
