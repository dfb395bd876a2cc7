//! The one error type: a clear line, and the whole output of the program that failed, if one did.

use std::fmt;
use std::path::Path;

/// Why a step failed.
#[derive(Debug, Default, PartialEq)]
pub struct Error {
    /// One clear line, with the command to run by hand where there is one.
    pub message: String,
    /// Everything the failed program wrote.
    pub output: String,
}

/// A result with an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of one clear line.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), output: String::new() }
    }

    /// Replaces the message by a reason and a command to run by hand; keeps the output.
    pub fn with_manual_command(self, reason: &str, command: &str) -> Self {
        Self { message: format!("{reason}; run by hand: {command}"), output: self.output }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Adds the action and the path, which an [`std::io::Error`] leaves out: `.map_err(file_error("read", &path))`.
pub fn file_error(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let message = format!("can't {action} {}", path.display());
    move |error| Error::new(format!("{message}: {error}"))
}
