//! What goes to stdout and stderr: results there, everything else here.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::{Error, ErrorKind, Result};

/// Sends log lines to stderr.
pub fn init_logging(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    // What Burn warns of ends in an error of ours, said once; a lost connection would otherwise be said for every tensor.
    let burn = if verbose < 2 { LevelFilter::OFF } else { LevelFilter::DEBUG };
    let shown = Targets::new().with_default(level).with_target("burn", burn);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .without_time();
    // Fails only when a log was already started, as when tests call commands in one process.
    drop(tracing_subscriber::registry().with(lines.with_filter(shown)).try_init());
}

/// Says on stderr, in one line, why the command failed.
pub fn print_error(error: &Error) {
    // Nothing is left to do when even stderr is closed.
    drop(writeln!(io::stderr(), "error: {error}{}", advice(error)));
}

/// What to try next on the command line: the library's messages know no options.
fn advice(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NoLayers { linear: false, .. } => "; --linear also takes 2-D ones",
        _ => "",
    }
}

/// Tells the user something that is not a result.
pub fn status(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// Prints a result.
///
/// # Errors
/// When stdout can't be written, except when its reader has gone (`crossdub ... | head`).
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::file("writing the result", "stdout", why))
        }
        _ => Ok(()),
    }
}

/// Prints one JSON object, or the text for people.
///
/// # Errors
/// When stdout can't be written.
pub fn print_result(json: bool, value: &impl Serialize, human: impl FnOnce() -> String) -> Result<()> {
    if json {
        let text = serde_json::to_string(value)
            .map_err(|why| Error::file("writing the result", "stdout", &why).with_source(why))?;
        print(&(text + "\n"))
    } else {
        print(&human())
    }
}
