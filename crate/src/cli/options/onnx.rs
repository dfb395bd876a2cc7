//! Options of commands that take an ONNX model.

use std::str::FromStr;

use clap::Args;

use crate::error::{Error, Result};

/// An ONNX model.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "ONNX models")]
pub struct OnnxOptions {
    /// Shape of an input that the model leaves open, such as 1x3x224x224; NAME=SHAPE if there are several
    #[arg(long, value_name = "[NAME=]SHAPE")]
    input_shape: Vec<InputShape>,
}

/// An input's name, which may be empty, and its sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InputShape {
    name: String,
    sizes: Vec<usize>,
}

impl FromStr for InputShape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, shape) = text.rsplit_once('=').unwrap_or(("", text));
        let sizes =
            shape.split(['x', ',']).map(|size| size.trim().parse().ok().filter(|&size: &usize| size > 0));
        match sizes.collect() {
            Some(sizes) => Ok(Self { name: name.to_owned(), sizes }),
            None => Err(Error::field("input_shape", text, "takes sizes such as 1x3x224x224")),
        }
    }
}

impl OnnxOptions {
    /// The shapes by input.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.input_shape.iter().map(|shape| (shape.name.clone(), shape.sizes.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_sizes_with_or_without_a_name() {
        let shape = |name: &str, sizes: &[usize]| InputShape { name: name.to_owned(), sizes: sizes.to_vec() };
        assert_eq!("1x3x224x224".parse(), Ok(shape("", &[1, 3, 224, 224])));
        assert_eq!("tokens=1,128".parse(), Ok(shape("tokens", &[1, 128])));
        for bad in ["", "a=", "1x", "0x3", "1x-1", "3 3"] {
            assert!(bad.parse::<InputShape>().is_err(), "{bad}");
        }
    }
}
