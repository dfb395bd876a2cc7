//! Results go to stdout, everything else to stderr.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::{Error, Result};

/// Starts logging to stderr; `verbose` counts the `-v` options.
pub fn init_logging(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    // Whatever Burn warns of ends in one error of ours; without this, a lost connection is logged for every tensor.
    let burn = if verbose < 2 { LevelFilter::OFF } else { LevelFilter::DEBUG };
    let shown = Targets::new().with_default(level).with_target("burn", burn);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .without_time();
    // Fails only if logging has started already, for example when tests run commands in one process.
    drop(tracing_subscriber::registry().with(lines.with_filter(shown)).try_init());
}

/// Prints the error on one line, with the advice.
pub fn print_error(error: &Error, advice: Option<&str>) {
    let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
    // If even stderr is closed, there is nothing left to do.
    drop(writeln!(io::stderr(), "error: {error}{advice}"));
}

/// Prints a line that is not a result.
pub fn status(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// Prints a line that is not a result, unless it was printed before.
pub fn status_once(text: &str) {
    static PRINTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    if printed.insert(text.to_owned()) {
        status(text);
    }
}

/// Prints a result.
///
/// # Errors
/// If stdout can't be written; a reader that went away (`crossdub ... | head`) is not an error.
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

/// Prints a result, as one JSON object or as text.
///
/// # Errors
/// If stdout can't be written.
pub fn print_result(json: bool, value: &impl Serialize, human: impl FnOnce() -> String) -> Result<()> {
    if json {
        let text = serde_json::to_string(value)
            .map_err(|why| Error::file("writing the result", "stdout", &why).with_source(why))?;
        print(&(text + "\n"))
    } else {
        print(&human())
    }
}
