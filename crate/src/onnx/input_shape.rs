//! The shape of an input as text.

use crate::error::{Error, Result};

/// An input's name and sizes from `1x3x224x224` or `NAME=1x128`; without a name, that is empty.
///
/// # Errors
/// If a size is not a whole number of 1 or more.
pub fn parse_input_shape(text: &str) -> Result<(String, Vec<usize>)> {
    let (name, shape) = text.rsplit_once('=').unwrap_or(("", text));
    let sizes = shape.split(['x', ',']).map(|size| size.trim().parse().ok().filter(|&size: &usize| size > 0));
    match sizes.collect() {
        Some(sizes) => Ok((name.to_owned(), sizes)),
        None => Err(Error::field("input_shape", text, "must be sizes such as 1x3x224x224")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_sizes_with_or_without_a_name() {
        assert_eq!(parse_input_shape("1x3x224x224"), Ok((String::new(), vec![1, 3, 224, 224])));
        assert_eq!(parse_input_shape("tokens=1,128"), Ok(("tokens".to_owned(), vec![1, 128])));
        for bad in ["", "a=", "1x", "0x3", "1x-1", "3 3"] {
            assert!(parse_input_shape(bad).is_err(), "{bad}");
        }
    }
}
