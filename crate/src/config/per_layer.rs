//! Numbers for the crossbar layers of a network, one for all of them or one each: [`LayerPrecisions`] and [`LayerCaps`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FieldValue;
use super::field_value::{reason, serde_as_text, text};
use crate::error::{Error, Result};

/// The most layers that are listed.
const MAX_LAYERS: usize = 1024;

/// Declares a list of numbers in a range, which an error names with its field.
macro_rules! per_layer {
    ($(#[$doc:meta])* $name:ident: $field:literal, $range:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Vec<u32>);

        impl $name {
            /// The same number for all layers.
            ///
            /// # Errors
            /// If it is out of range.
            pub fn uniform(number: u32) -> Result<Self> {
                number.to_string().parse()
            }

            /// Whether no number is given.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// The number of each of `layers` layers; `None` if no number is given.
            ///
            /// # Errors
            /// If there is neither one number nor one for each layer.
            pub fn resolve(&self, layers: usize) -> Result<Option<Vec<u32>>> {
                match *self.0.as_slice() {
                    [] => Ok(None),
                    [one] => Ok(Some(vec![one; layers])),
                    ref all if all.len() == layers => Ok(Some(all.to_vec())),
                    ref all => {
                        let why = format!("has {} numbers for {layers} crossbar layers", all.len());
                        Err(Error::field($field, self, why))
                    }
                }
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let words = text.split([',', ' ']).filter(|word| !word.is_empty());
                let number = |word: &str| word.parse().ok().filter(|number| $range.contains(number));
                let numbers: Option<Vec<u32>> = words.map(number).collect();
                match numbers {
                    Some(numbers) if numbers.len() <= MAX_LAYERS => Ok(Self(numbers)),
                    Some(_) => Err(Error::field($field, text, format!("must have at most {MAX_LAYERS} numbers"))),
                    None => {
                        let (low, high) = ($range.start(), $range.end());
                        let why = format!("must be {low} to {high} {}, for all layers or a list for each", $what);
                        Err(Error::field($field, text, why))
                    }
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (at, number) in self.0.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{number}")?;
                }
                Ok(())
            }
        }

        serde_as_text!($name);

        impl FieldValue for $name {
            /// A text, a number or a list of numbers.
            fn from_json(value: &Value) -> std::result::Result<Self, String> {
                let text = match value {
                    Value::Array(list) => list.iter().map(text).collect::<std::result::Result<Vec<_>, _>>()?.join(","),
                    other => text(other)?,
                };
                text.parse().map_err(|error| reason(&error))
            }
        }
    };
}

per_layer! {
    /// Bits of each layer's quantized weights, their sign among them; empty if weights are not quantized.
    ///
    /// ```
    /// use crossdub::config::LayerPrecisions;
    ///
    /// let precisions: LayerPrecisions = "8, 3, 3".parse()?;
    /// assert_eq!(precisions.resolve(3)?, Some(vec![8, 3, 3]));
    /// assert!(precisions.resolve(4).unwrap_err().to_string().contains("has 3 numbers for 4 crossbar layers"));
    /// assert!("1".parse::<LayerPrecisions>().is_err());
    /// # Ok::<(), crossdub::Error>(())
    /// ```
    LayerPrecisions: "quantize_precision", (2_u32..=8), "bits"
}

per_layer! {
    /// The most set cells of a column in each slice and polarity, for each layer; empty without a limit.
    ///
    /// ```
    /// use crossdub::config::LayerCaps;
    ///
    /// assert_eq!("3".parse::<LayerCaps>()?.resolve(2)?, Some(vec![3, 3]));
    /// assert_eq!(LayerCaps::default().resolve(2)?, None);
    /// # Ok::<(), crossdub::Error>(())
    /// ```
    LayerCaps: "quantize_cap", (1_u32..=4096), "set cells"
}
