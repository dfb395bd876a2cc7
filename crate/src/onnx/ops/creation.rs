//! Operators that make constants or change the type of elements.

use super::movement::sizes;
use super::{Call, bounded};
use crate::onnx::element::ElementType;
use crate::onnx::proto::Attribute;
use crate::onnx::tensor::{Reason, Tensor, Values};

pub(super) fn constant(call: &Call<'_>) -> Result<Tensor, Reason> {
    for (name, attribute) in &call.node.attributes {
        return Ok(match (&**name, attribute) {
            ("value_float", Attribute::Float(value)) => Tensor::from_floats(Vec::new(), vec![*value]),
            ("value_floats", Attribute::Floats(values)) => {
                Tensor::from_floats(vec![values.len()], values.clone())
            }
            ("value_int", Attribute::Int(value)) => {
                Tensor::from_integers(ElementType::I64, Vec::new(), vec![*value])
            }
            ("value_ints", Attribute::Ints(values)) => {
                Tensor::from_integers(ElementType::I64, vec![values.len()], values.clone())
            }
            _ => continue,
        });
    }
    Err("the constant has no value that is supported".to_owned())
}

pub(super) fn filled(call: &Call<'_>) -> Result<(ElementType, f64, Vec<usize>), Reason> {
    let shape = bounded(sizes(call.ints(0)?)?)?;
    // The value's own tensor was made an input of this name when the graph was read.
    let (element, value) = match call.optional(1)? {
        None => (ElementType::F32, 0.0),
        Some(tensor) => {
            let first = match &tensor.values {
                Values::Floats(values) => values.first().map(|&value| f64::from(value)),
                Values::Integers(values) => values.first().map(|&value| value as f64),
            };
            (tensor.element, first.ok_or("the value is missing")?)
        }
    };
    Ok((element, value, shape))
}

pub(super) fn range(call: &Call<'_>) -> Result<(ElementType, usize, impl Fn(usize) -> f64), Reason> {
    let number = |at: usize| -> Result<f64, Reason> {
        call.tensor(at)?.to_floats64().first().copied().ok_or_else(|| format!("input {at} is empty"))
    };
    let (start, limit, step) = (number(0)?, number(1)?, number(2)?);
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() {
        return Err("the range never ends".to_owned());
    }
    bounded(vec![count as usize])?;
    Ok((call.input(0)?.element, count as usize, move |at| start + at as f64 * step))
}

pub(super) fn cast_type(call: &Call<'_>) -> Result<ElementType, Reason> {
    let element = if call.node.op == "CastLike" {
        call.input(1)?.element
    } else {
        ElementType::from_code(i32::try_from(call.node.int("to", 0)).unwrap_or(0))
    };
    match element {
        ElementType::Other(_) => Err(format!("casts to {element} are not supported")),
        element => Ok(element),
    }
}

/// The elements as another type.
pub(super) fn cast(tensor: &Tensor, element: ElementType) -> Result<Tensor, Reason> {
    let (low, high) = element.range();
    let shape = tensor.shape.clone();
    Ok(match (&tensor.values, element) {
        (Values::Floats(values), ElementType::Bool) => {
            Tensor::from_integers(element, shape, values.iter().map(|&v| i64::from(v != 0.0)).collect())
        }
        (Values::Floats(_), element) if element.is_float() => Tensor { element, ..tensor.clone() },
        (Values::Floats(values), _) => {
            let whole = values.iter().map(|&value| (f64::from(value) as i64).clamp(low, high));
            Tensor::from_integers(element, shape, whole.collect())
        }
        (Values::Integers(values), ElementType::Bool) => {
            Tensor::from_integers(element, shape, values.iter().map(|&v| i64::from(v != 0)).collect())
        }
        (Values::Integers(_), element) if element.is_float() => {
            Tensor { element, ..Tensor::from_floats(shape, tensor.to_floats()) }
        }
        (Values::Integers(values), _) => {
            let wrapped = |value: i64| match element {
                ElementType::I8 => i64::from(value as i8),
                ElementType::U8 => i64::from(value as u8),
                ElementType::I16 => i64::from(value as i16),
                ElementType::U16 => i64::from(value as u16),
                ElementType::I32 => i64::from(value as i32),
                ElementType::U32 => i64::from(value as u32),
                _ => value.clamp(low, high),
            };
            Tensor::from_integers(element, shape, values.iter().map(|&v| wrapped(v)).collect())
        }
    })
}
