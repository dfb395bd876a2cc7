//! How one field's value is read, whether it comes from JSON, a TOML file, a URL or an option.
//!
//! Options give text, which [`FromStr`](std::str::FromStr) reads; the other three give JSON values, which
//! [`FieldValue`] reads. Types written as text have one reader for both.

use serde::Deserialize;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde_json::Value;

use super::{
    AdcModel, ClassifierWidths, DataSource, DeviceChoice, DeviceList, Granularity, Kernels, NetworkName,
    NetworkPlan, Precision, RegularizerKind, Resolution, Schedule, Standardize, Subtraction, Trainable,
    WeightScale,
};
use crate::error::{Error, ErrorKind, Result};

/// The largest integer that a JavaScript number holds exactly.
pub(super) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A type that a configuration field can have.
pub(crate) trait FieldValue: Sized {
    /// Reads a JSON value.
    ///
    /// # Errors
    /// Says what the field takes.
    fn from_json(value: &Value) -> std::result::Result<Self, String>;
}

/// Reads the value of a field.
///
/// # Errors
/// Names the field and says what it takes.
pub(crate) fn read<T: FieldValue>(field: &str, value: &Value) -> Result<T> {
    T::from_json(value).map_err(|reason| Error::field(field, value, reason))
}

/// Reads a variant of an enum by the name that serde gives it.
///
/// # Errors
/// Lists the names.
pub(crate) fn from_name<'de, T: Deserialize<'de>>(field: &str, name: &'de str) -> Result<T> {
    T::deserialize(StrDeserializer::<NameError>::new(name)).map_err(|error| {
        let text = error.to_string().replace('`', "");
        // "unknown variant x, expected a or b", or "... expected one of a, b, c"
        let known = text.split_once(", expected ").map_or(text.as_str(), |(_, known)| known);
        Error::field(field, name, format!("must be {known}"))
    })
}

/// Lets the names that serde gives an enum's variants be parsed; an error names the field.
macro_rules! parse_names {
    ($($type:ty: $field:literal),+ $(,)?) => {$(
        impl std::str::FromStr for $type {
            type Err = $crate::error::Error;

            fn from_str(name: &str) -> $crate::error::Result<Self> {
                $crate::config::from_name($field, name)
            }
        }
    )+};
}

/// Makes types that [`FromStr`](std::str::FromStr) reads types of fields.
macro_rules! text_values {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::config::FieldValue for $type {
            fn from_json(value: &serde_json::Value) -> std::result::Result<Self, String> {
                $crate::config::text(value)?.parse().map_err(|error| $crate::config::reason(&error))
            }
        }
    )+};
}

#[cfg(feature = "train")]
pub(crate) use {parse_names, text_values};

parse_names! {
    DataSource: "data",
    Granularity: "per",
    Kernels: "kernels",
    Precision: "precision",
    RegularizerKind: "regularizer",
    Schedule: "schedule",
    Subtraction: "subtraction",
    Trainable: "trainable",
    WeightScale: "weight_scale",
}

text_values! {
    AdcModel, ClassifierWidths, DataSource, DeviceChoice, DeviceList, Granularity, Kernels, NetworkName, NetworkPlan,
    Precision, RegularizerKind, Resolution, Schedule, Standardize, Subtraction, Trainable, WeightScale,
}

/// The text of a value; a number stands for its digits.
pub(crate) fn text(value: &Value) -> std::result::Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => {
            Ok(whole_number(value).map_or_else(|_| number.to_string(), |n| n.to_string()))
        }
        _ => Err("must be a string".to_owned()),
    }
}

/// The reason in an error, without field and value.
pub(crate) fn reason(error: &Error) -> String {
    match error.kind() {
        ErrorKind::InvalidField { reason, .. } => reason.clone(),
        _ => error.to_string(),
    }
}

/// JavaScript has one kind of number, so 3.0 is 3 where a whole number is wanted.
fn whole_number(value: &Value) -> std::result::Result<u64, String> {
    match value.as_f64() {
        Some(number) if number > MAX_INTEGER as f64 => Err("is too large".to_owned()),
        Some(number) if number >= 0.0 && number.fract() == 0.0 => Ok(number as u64),
        _ => Err("must be a whole number of 0 or more".to_owned()),
    }
}

impl FieldValue for u64 {
    fn from_json(value: &Value) -> std::result::Result<Self, String> {
        whole_number(value)
    }
}

impl FieldValue for u32 {
    fn from_json(value: &Value) -> std::result::Result<Self, String> {
        whole_number(value)?.try_into().map_err(|_| "is too large".to_owned())
    }
}

impl FieldValue for usize {
    fn from_json(value: &Value) -> std::result::Result<Self, String> {
        whole_number(value)?.try_into().map_err(|_| "is too large".to_owned())
    }
}

impl FieldValue for f64 {
    fn from_json(value: &Value) -> std::result::Result<Self, String> {
        value.as_f64().ok_or_else(|| "must be a finite number".to_owned())
    }
}

impl FieldValue for bool {
    fn from_json(value: &Value) -> std::result::Result<Self, String> {
        value.as_bool().ok_or_else(|| "must be true or false".to_owned())
    }
}

impl FieldValue for Vec<usize> {
    fn from_json(value: &Value) -> std::result::Result<Self, String> {
        list(value).ok_or_else(|| "must be a list of whole numbers".to_owned())
    }
}

impl FieldValue for Vec<f64> {
    fn from_json(value: &Value) -> std::result::Result<Self, String> {
        list(value).ok_or_else(|| "must be a list of numbers".to_owned())
    }
}

fn list<T: FieldValue>(value: &Value) -> Option<Vec<T>> {
    value.as_array()?.iter().map(|item| T::from_json(item).ok()).collect()
}

/// Lets serde read and write types as the text that they parse and display, by `#[serde(try_from = "String", into =
/// "String")]`.
macro_rules! serde_as_text {
    ($($type:ty),+) => { $(
        impl TryFrom<String> for $type {
            type Error = $crate::error::Error;

            fn try_from(text: String) -> $crate::error::Result<Self> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    )+ };
}
pub(crate) use serde_as_text;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_numbers_may_have_a_decimal_point() {
        assert_eq!(usize::from_json(&json!(3.0)), Ok(3));
        assert_eq!(u64::from_json(&json!(MAX_INTEGER)), Ok(MAX_INTEGER));
        for bad in [json!(-1), json!(1.5), json!("3"), json!(null), json!(MAX_INTEGER + 1)] {
            assert!(u64::from_json(&bad).is_err(), "{bad}");
        }
        assert_eq!(u32::from_json(&json!(1_u64 << 32)), Err("is too large".to_owned()));
        assert_eq!(Vec::<usize>::from_json(&json!([1, 2.0])), Ok(vec![1, 2]));
        assert!(Vec::<usize>::from_json(&json!([1, "2"])).is_err());
    }

    #[test]
    fn text_may_be_a_number() {
        assert_eq!(Resolution::from_json(&json!(6)), Ok(Resolution::Bits(6)));
        assert_eq!(Resolution::from_json(&json!(6.0)), Ok(Resolution::Bits(6)));
        assert_eq!(
            ClassifierWidths::from_json(&json!(128)).map(|widths| widths.to_string()),
            Ok("128".into())
        );
        assert!(NetworkPlan::from_json(&json!([8])).is_err());
    }

    #[test]
    fn names_are_those_of_serde() {
        for kind in RegularizerKind::ALL {
            let name = serde_json::to_value(kind).expect("a name");
            assert_eq!(name.as_str().map(str::parse), Some(Ok(kind)));
        }
        let error = "row".parse::<Granularity>().expect_err("unknown").to_string();
        assert_eq!(error, "invalid per (row): must be tile or column");
        let error = "both".parse::<Subtraction>().expect_err("unknown").to_string();
        assert_eq!(error, "invalid subtraction (both): must be one of digital, analog, offset");
    }
}
