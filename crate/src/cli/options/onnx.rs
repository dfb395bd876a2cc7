//! Options of commands that take an ONNX model.

use std::str::FromStr;

use clap::Args;

use crate::error::{Error, Result};
use crate::onnx::parse_input_shape;

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
        let (name, sizes) = parse_input_shape(text)?;
        Ok(Self { name, sizes })
    }
}

impl OnnxOptions {
    /// The shapes by input.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.input_shape.iter().map(|shape| (shape.name.clone(), shape.sizes.clone())).collect()
    }
}
