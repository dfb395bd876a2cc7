//! The one error type: every failure is a single line that names what failed, where, and why.

use std::fmt::Display;

/// What went wrong, in the words shown to the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file, or bytes that came under a file's name, could not be used.
    #[error("{what}{}: {why}", in_parentheses(file))]
    File {
        /// What was being done, for example `reading CIFAR-10`.
        what: String,
        /// The file's name as the user gave it.
        file: String,
        /// Why it failed.
        why: String,
    },
    /// A field of the specification, or an option of the same name, has a value that can't be used.
    #[error("invalid {field} ({value}): {why}")]
    Field {
        /// The field's name, the same in options, TOML, JSON and URL.
        field: String,
        /// The offending value.
        value: String,
        /// Why it can't be used.
        why: String,
    },
    /// Something was asked for at a time when it can't be had.
    #[error("{what}: {why}")]
    Order {
        /// What was asked for, for example `undo`.
        what: String,
        /// Why not now.
        why: String,
    },
    /// Training can't go on.
    #[error("training stopped (step {step}): {why}")]
    Diverged {
        /// The step after which it was noticed.
        step: u64,
        /// What was noticed.
        why: String,
    },
    /// The device failed or is missing.
    #[error("using the device ({device}): {why}")]
    Device {
        /// The device's name.
        device: String,
        /// Why it failed.
        why: String,
    },
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error about a file.
    pub fn file(what: impl Into<String>, file: impl Into<String>, why: impl Display) -> Self {
        Self::File { what: what.into(), file: file.into(), why: one_line(&why.to_string()) }
    }

    /// An error about a field of the specification.
    pub fn field(field: impl Into<String>, value: impl Display, why: impl Display) -> Self {
        Self::Field {
            field: field.into(),
            value: one_line(&value.to_string()),
            why: one_line(&why.to_string()),
        }
    }

    /// An error about what was asked for too early or too late.
    pub fn order(what: impl Into<String>, why: impl Display) -> Self {
        Self::Order { what: what.into(), why: one_line(&why.to_string()) }
    }

    /// An error about a device.
    pub fn device(device: impl Into<String>, why: impl Display) -> Self {
        Self::Device { device: device.into(), why: one_line(&why.to_string()) }
    }

    /// The same error, said of this file: readers of bytes don't know the path. What they name
    /// themselves, a layer for example, stays beside it.
    #[must_use]
    pub fn in_file(self, name: &str) -> Self {
        match self {
            Self::File { what, file: part, why } => {
                let said = part == name || part.starts_with(&format!("{name}, "));
                let file = match part {
                    part if said => part,
                    part if part.is_empty() => name.to_owned(),
                    part => format!("{name}, {part}"),
                };
                Self::File { what, file, why }
            }
            other => other,
        }
    }
}

/// Messages of other libraries may span lines; ours are one line each.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Bytes that never were a file have no name to show.
fn in_parentheses(file: &str) -> String {
    if file.is_empty() { String::new() } else { format!(" ({file})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_that_names_the_file() {
        let error = Error::file("reading weights", "a.pth", "line one\n  line two");
        assert_eq!(error.to_string(), "reading weights (a.pth): line one line two");
        assert_eq!(Error::file("reading weights", "", "why").to_string(), "reading weights: why");
        assert_eq!(Error::file("reading", "", "why").in_file("b").to_string(), "reading (b): why");
        let layer = Error::file("reading a layer", "conv1", "why").in_file("b").in_file("b");
        assert_eq!(layer.to_string(), "reading a layer (b, conv1): why");
        assert_eq!(Error::field("tile", 1, "too small").to_string(), "invalid tile (1): too small");
    }
}
