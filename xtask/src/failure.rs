//! The one error type: a clear line, and the whole output of the program that failed, if one did.

use std::fmt;

/// Why a step could not be done.
#[derive(Debug, Default, PartialEq)]
pub struct Failure {
    /// One clear line, with the command to run by hand where there is one.
    pub message: String,
    /// Everything the failed program wrote.
    pub output: String,
}

/// A result with a [`Failure`].
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure of one clear line.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), output: String::new() }
    }

    /// The same failure, told as what the reader can do about it; the output is kept.
    pub fn or_by_hand(self, why: &str, command: &str) -> Self {
        Self { message: format!("{why}; run by hand: {command}"), output: self.output }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Says which file could not be used, which an [`std::io::Error`] leaves out.
pub fn on_file(doing: &str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Failure {
    let message = format!("can't {doing} {}", path.display());
    move |error| Failure::new(format!("{message}: {error}"))
}
