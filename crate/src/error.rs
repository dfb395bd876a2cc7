//! The one error type: what failed, on what, and why, on a single line.
//!
//! [`Error`] carries an [`ErrorKind`] with the parts of the message, an optional
//! [`source`](std::error::Error::source), and a stable [`code`](Error::code) that programs can match
//! on: the page and scripts decide by code, never by text.

use std::fmt::{self, Display};
use std::sync::Arc;

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. Displays as one line, `<action> (<subject>): <reason>`.
///
/// ```
/// use crossdub::{Checkpoint, ErrorKind};
///
/// let error = Checkpoint::from_bytes(b"").unwrap_err().with_path("net.pth");
/// assert_eq!(error.to_string(), "reading weights (net.pth): the file is empty");
/// assert_eq!(error.code(), "file");
/// assert!(matches!(error.kind(), ErrorKind::File { file, .. } if file == "net.pth"));
/// ```
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The sort of an [`Error`], with the parts of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file, or bytes that came under a file's name, could not be read, written or understood.
    File {
        /// What was being done, for example `reading CIFAR-10`.
        action: String,
        /// The file's name as the user gave it; empty for bytes without a name.
        file: String,
        /// Why it failed.
        reason: String,
    },
    /// A layer's weights or inputs could not be used.
    Layer {
        /// What was being done, for example `reading a layer`.
        action: String,
        /// The file that holds the layer; empty if unknown.
        file: String,
        /// The layer's name.
        layer: String,
        /// Why it failed.
        reason: String,
    },
    /// A checkpoint holds no tensor that maps to crossbars.
    NoLayers {
        /// The file's name; empty for bytes without a name.
        file: String,
        /// Whether fully connected layers were looked for as well.
        linear: bool,
    },
    /// A configuration field, or the option of the same name, has a value it does not take.
    InvalidField {
        /// The field's name, the same in options, TOML, JSON and URL.
        field: String,
        /// The offending value.
        value: String,
        /// Why it is rejected.
        reason: String,
    },
    /// An ADC model has no data for this setting, and extrapolation is not allowed.
    OutsideModelRange {
        /// The ADC model.
        model: String,
        /// The setting that is out of range, for example `bits`.
        field: String,
        /// Its value.
        value: String,
        /// What the model covers.
        range: String,
    },
    /// More image files are unreadable than allowed.
    TooManyUnreadable {
        /// The first unreadable file.
        file: String,
        /// Why it can't be read.
        reason: String,
        /// How many files are unreadable so far.
        unreadable: usize,
        /// How many files there are.
        images: usize,
        /// The allowed share in percent, as text.
        max_percent: String,
    },
    /// The devices of a run did not finish a test all-reduce in time.
    AllReduceTimeout {
        /// The devices, separated by commas.
        devices: String,
    },
    /// The operation is not valid in the current state.
    InvalidState {
        /// The operation, for example `undoing`.
        action: String,
        /// Why it is not possible now.
        reason: String,
    },
    /// Training can't continue: the loss exploded, or accuracy fell back to chance.
    Diverged {
        /// The step after which it was noticed.
        step: u64,
        /// What was noticed.
        reason: String,
    },
    /// The device failed or is missing.
    Device {
        /// The device's name.
        device: String,
        /// Why it failed.
        reason: String,
    },
    /// This build has no backend for a device.
    MissingBackend {
        /// The device's kind, which is also the Cargo feature that adds its backend.
        device: String,
    },
    /// Something other than a file or a device failed, for example a signal handler.
    Operation {
        /// What was being done.
        action: String,
        /// What it was being done to.
        subject: String,
        /// Why it failed.
        reason: String,
    },
}

impl ErrorKind {
    /// A stable name of the kind, in kebab case: what programs match on.
    ///
    /// ```
    /// use crossdub::Error;
    ///
    /// assert_eq!(Error::field("tile", 1, "must be 2 to 4096 rows").code(), "invalid-field");
    /// assert_eq!(Error::invalid_state("undoing", "nothing is pruned").code(), "invalid-state");
    /// ```
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Layer { .. } => "layer",
            Self::NoLayers { .. } => "no-layers",
            Self::InvalidField { .. } => "invalid-field",
            Self::OutsideModelRange { .. } => "outside-model-range",
            Self::TooManyUnreadable { .. } => "too-many-unreadable",
            Self::AllReduceTimeout { .. } => "all-reduce-timeout",
            Self::InvalidState { .. } => "invalid-state",
            Self::Diverged { .. } => "diverged",
            Self::Device { .. } | Self::MissingBackend { .. } => "device",
            Self::Operation { .. } => "operation",
        }
    }
}

impl Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { action, file, reason } => write!(f, "{action}{}: {reason}", in_parentheses(&[file])),
            Self::Layer { action, file, layer, reason } => {
                write!(f, "{action}{}: {reason}", in_parentheses(&[file, layer]))
            }
            Self::NoLayers { file, linear } => {
                let wanted = if *linear { "no 4-D or 2-D tensor" } else { "no 4-D tensor [out, in, kh, kw]" };
                write!(f, "looking for crossbar layers{}: {wanted}", in_parentheses(&[file]))
            }
            Self::InvalidField { field, value, reason } => write!(f, "invalid {field} ({value}): {reason}"),
            Self::OutsideModelRange { model, field, value, range } => {
                write!(f, "invalid {field} ({value}): {model} covers {range}")
            }
            Self::TooManyUnreadable { file, reason, unreadable, images, max_percent } => write!(
                f,
                "reading images ({file}): {reason}; {unreadable} of {images} images are unreadable, \
                 at most {max_percent} % are allowed"
            ),
            Self::AllReduceTimeout { devices } => {
                write!(f, "using the device ({devices}): the all-reduce between the devices timed out")
            }
            Self::InvalidState { action, reason } => write!(f, "{action}: {reason}"),
            Self::Diverged { step, reason } => write!(f, "training stopped (step {step}): {reason}"),
            Self::Device { device, reason } => write!(f, "using the device ({device}): {reason}"),
            Self::MissingBackend { device } => {
                write!(f, "using the device ({device}): this build has no backend for it")
            }
            Self::Operation { action, subject, reason } => {
                write!(f, "{action}{}: {reason}", in_parentheses(&[subject]))
            }
        }
    }
}

/// One line, whatever the names in it hold: files, fields and layers come from outside.
impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.kind.to_string();
        if !text.contains(char::is_control) {
            return f.write_str(&text);
        }
        f.write_str(&text.replace(char::is_control, " "))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Errors are equal if their kinds are; the source does not count.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.0.kind == other.0.kind
    }
}

impl Eq for Error {}

impl Error {
    /// An error of this kind. Line breaks in its parts are kept.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner { kind, source: None }))
    }

    /// An error about a file. Line breaks in `reason` become blanks.
    pub fn file(action: impl Into<String>, file: impl Into<String>, reason: impl Display) -> Self {
        Self::new(ErrorKind::File { action: action.into(), file: file.into(), reason: one_line(&reason) })
    }

    /// An error about a layer.
    pub fn layer(action: impl Into<String>, layer: impl Into<String>, reason: impl Display) -> Self {
        let (action, layer, file) = (action.into(), layer.into(), String::new());
        Self::new(ErrorKind::Layer { action, file, layer, reason: one_line(&reason) })
    }

    /// A checkpoint without crossbar layers; `linear` if 2-D tensors were looked for as well.
    #[must_use]
    pub fn no_layers(linear: bool) -> Self {
        Self::new(ErrorKind::NoLayers { file: String::new(), linear })
    }

    /// An error about a configuration field.
    pub fn field(field: impl Into<String>, value: impl Display, reason: impl Display) -> Self {
        let (field, value) = (field.into(), one_line(&value));
        Self::new(ErrorKind::InvalidField { field, value, reason: one_line(&reason) })
    }

    /// An error about an operation that came too early or too late.
    pub fn invalid_state(action: impl Into<String>, reason: impl Display) -> Self {
        Self::new(ErrorKind::InvalidState { action: action.into(), reason: one_line(&reason) })
    }

    /// An error about a training run that can't continue.
    pub fn diverged(step: u64, reason: impl Display) -> Self {
        Self::new(ErrorKind::Diverged { step, reason: one_line(&reason) })
    }

    /// An error about a device.
    pub fn device(device: impl Into<String>, reason: impl Display) -> Self {
        Self::new(ErrorKind::Device { device: device.into(), reason: one_line(&reason) })
    }

    /// An error about anything else.
    pub fn operation(action: impl Into<String>, subject: impl Into<String>, reason: impl Display) -> Self {
        let (action, subject) = (action.into(), subject.into());
        Self::new(ErrorKind::Operation { action, subject, reason: one_line(&reason) })
    }

    /// The sort of error, with its parts.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The kind's stable name, see [`ErrorKind::code`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The field that an [`ErrorKind::InvalidField`] or [`ErrorKind::OutsideModelRange`] is about.
    #[must_use]
    pub fn field_name(&self) -> Option<&str> {
        match &self.0.kind {
            ErrorKind::InvalidField { field, .. } | ErrorKind::OutsideModelRange { field, .. } => Some(field),
            _ => None,
        }
    }

    /// The same error with what caused it, for [`source`](std::error::Error::source).
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// The same error, naming the file that the bytes came from: readers of bytes don't know the
    /// path. The part of the file that the error names already stays beside it.
    #[must_use]
    pub fn with_path(mut self, name: &str) -> Self {
        match &mut self.0.kind {
            ErrorKind::File { file, .. } => {
                let named = file == name || file.starts_with(&format!("{name}, "));
                if file.is_empty() {
                    name.clone_into(file);
                } else if !named {
                    *file = format!("{name}, {file}");
                }
            }
            ErrorKind::Layer { file, .. } | ErrorKind::NoLayers { file, .. } => name.clone_into(file),
            _ => {}
        }
        self
    }

    /// The same error, naming the stage of a recipe that it is about.
    #[must_use]
    pub fn with_stage(mut self, stage: &str) -> Self {
        match &mut self.0.kind {
            ErrorKind::InvalidField { field, .. } | ErrorKind::OutsideModelRange { field, .. } => {
                *field = format!("{stage}.{field}");
            }
            ErrorKind::Diverged { reason, .. } => *reason = format!("stage {stage}: {reason}"),
            _ => {}
        }
        self
    }
}

/// Messages of other libraries may span lines; ours are one line each.
fn one_line(text: &impl Display) -> String {
    text.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The known parts of a subject, ` (a, b)`; nothing if none is known.
fn in_parentheses(parts: &[&str]) -> String {
    let known: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_and_name_the_file() {
        let error = Error::file("reading weights", "a.pth", "line one\n  line two");
        assert_eq!(error.to_string(), "reading weights (a.pth): line one line two");
        assert_eq!(Error::file("reading weights", "", "why").to_string(), "reading weights: why");
        assert_eq!(Error::file("reading", "", "why").with_path("b").to_string(), "reading (b): why");
        let part = Error::file("reading", "x.jpg", "why").with_path("b.tar").with_path("b.tar");
        assert_eq!(part.to_string(), "reading (b.tar, x.jpg): why");
        let layer = Error::layer("reading a layer", "conv1", "why").with_path("b").with_path("b");
        assert_eq!(layer.to_string(), "reading a layer (b, conv1): why");
        assert_eq!(Error::field("tile", 1, "too small").to_string(), "invalid tile (1): too small");
    }

    #[test]
    fn line_breaks_in_names_stay_out_of_the_message() {
        let error = Error::field("pl\n", "8 M", "there is no such field");
        assert_eq!(error.to_string(), "invalid pl  (8 M): there is no such field");
        assert_eq!(Error::file("reading", "a\r\nb", "why").to_string(), "reading (a  b): why");
    }

    #[test]
    fn the_cause_stays_reachable() {
        let cause = std::io::Error::other("disk full");
        let error = Error::file("writing", "a", &cause).with_source(cause);
        let source = std::error::Error::source(&error).expect("a source");
        assert_eq!(source.to_string(), "disk full");
        assert_eq!(error, Error::file("writing", "a", "disk full"), "the source does not count");
    }

    #[test]
    fn a_stage_is_named_where_it_helps() {
        assert_eq!(Error::field("lambda", -1, "why").with_stage("dub").field_name(), Some("dub.lambda"));
        let diverged = Error::diverged(7, "the loss is NaN").with_stage("dub");
        assert_eq!(diverged.to_string(), "training stopped (step 7): stage dub: the loss is NaN");
    }
}
