//! Advice about errors on the command line. The library's messages name no options; the advice is chosen here by the
//! kind of error.

use crate::error::{Error, ErrorKind};

/// The advice to print after an error. `has_option` tells whether the command has an option, by its id in
/// clap (`max_bad` for `--max-bad`).
pub fn advice(error: &Error, has_option: impl Fn(&str) -> bool) -> Option<String> {
    let (option, advice) = match error.kind() {
        ErrorKind::MissingBackend { device } => {
            return Some(format!("build it with cargo build --release --features {device}"));
        }
        ErrorKind::NoLayers { linear: false, .. } => ("linear", "--linear also maps fully connected layers"),
        ErrorKind::OutsideModelRange { .. } => ("extrapolate", "--extrapolate goes beyond the model's range"),
        ErrorKind::TooManyUnreadable { .. } => ("max_bad", "--max-bad raises the limit"),
        ErrorKind::AllReduceTimeout { .. } => ("gather", "--gather sums the gradients on the first device"),
        ErrorKind::InvalidField { field, value, .. } => match (field.as_str(), value.as_str()) {
            ("input_shape", _) => ("input_shape", "--input-shape takes the sizes, such as 1x3x224x224"),
            ("weighting", "per-inference") => ("model", "name the network with --model or --plan"),
            ("importance", "input") | ("compensate", "true") => {
                ("data", "name them with --model (or --plan) and --data")
            }
            _ => return None,
        },
        _ => return None,
    };
    has_option(option).then(|| advice.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_of_the_command_are_named() {
        let error = Error::no_layers(false);
        assert!(advice(&error, |option| option == "linear").is_some_and(|text| text.contains("--linear")));
        assert_eq!(advice(&error, |_| false), None);
        assert_eq!(advice(&Error::no_layers(true), |_| true), None);
        let missing = Error::new(ErrorKind::MissingBackend { device: "cuda".to_owned() });
        assert!(advice(&missing, |_| false).is_some_and(|text| text.ends_with("--features cuda")));
        assert_eq!(advice(&Error::field("weighting", "often", "must be ..."), |_| true), None);
    }
}
