//! Operators that work on each element by itself, or on pairs of them.

use std::sync::Arc;

use super::math::{erf, round, sigmoid, softplus};
use super::{Call, Shaped, bounded};
use crate::onnx::element::ElementType;
use crate::onnx::graph::Node;
use crate::onnx::tensor::{Reason, Tensor, Values, broadcast, broadcast_strides, places};

type FloatFunction = Box<dyn Fn(f32) -> f32>;

/// The types and shapes that an operator of this file gives; `None` if it is another one.
pub(super) fn infer(call: &Call<'_>) -> Option<Result<Vec<Shaped>, Reason>> {
    let shaped = |element, shape| Some(Ok(vec![(element, shape)]));
    let op = &*call.node.op;
    let first = match call.input(0) {
        Ok(first) => first,
        Err(_) if !is_known(call.node) => return None,
        Err(why) => return Some(Err(why)),
    };
    if float_function(call.node).is_some() || matches!(op, "Clip" | "Abs" | "Neg" | "Sign") {
        return shaped(first.element, first.shape.clone());
    }
    if matches!(op, "Not" | "IsNaN" | "IsInf") {
        return shaped(ElementType::Bool, first.shape.clone());
    }
    if op == "Where" {
        let all = call
            .shape(1)
            .and_then(|a| broadcast(a, call.shape(2)?))
            .and_then(|b| broadcast(&first.shape, &b));
        return Some(all.and_then(bounded).and_then(|shape| Ok(vec![(call.input(1)?.element, shape)])));
    }
    let compares = comparison(op).is_some();
    if compares || arithmetic(call.node).is_some() {
        let mut shape = first.shape.clone();
        for at in 1..call.inputs.len() {
            match call.shape(at).and_then(|other| broadcast(&shape, other)).and_then(bounded) {
                Ok(wider) => shape = wider,
                Err(why) => return Some(Err(why)),
            }
        }
        return shaped(if compares { ElementType::Bool } else { first.element }, shape);
    }
    None
}

fn is_known(node: &Node) -> bool {
    float_function(node).is_some()
        || comparison(&node.op).is_some()
        || arithmetic(node).is_some()
        || matches!(&*node.op, "Clip" | "Abs" | "Neg" | "Sign" | "Not" | "IsNaN" | "IsInf" | "Where")
}

/// Computes an operator of this file; `None` if it is another one.
pub(super) fn compute(call: &Call<'_>) -> Option<Result<Vec<Tensor>, Reason>> {
    is_known(call.node).then(|| compute_known(call).map(|tensor| vec![tensor]))
}

fn compute_known(call: &Call<'_>) -> Result<Tensor, Reason> {
    let first = call.tensor(0)?;
    if let Some(function) = float_function(call.node) {
        return map(first, function, None::<fn(i64) -> i64>);
    }
    match &*call.node.op {
        "Clip" => clip(call),
        "Abs" => map(first, f32::abs, Some(i64::wrapping_abs)),
        "Neg" => map(first, |v| -v, Some(i64::wrapping_neg)),
        "Sign" => map(first, |v| if v == 0.0 { 0.0 } else { v.signum() }, Some(i64::signum)),
        "Not" => flags(first.shape.clone(), first.integers()?.iter().map(|&v| v == 0)),
        "IsNaN" => flags(first.shape.clone(), first.floats()?.iter().map(|v| v.is_nan())),
        "IsInf" => flags(first.shape.clone(), first.floats()?.iter().map(|v| v.is_infinite())),
        "Where" => choose(call),
        op => match comparison(op) {
            Some(compare) => {
                let (a, b) = (first, call.tensor(1)?);
                let shape = broadcast(&a.shape, &b.shape)?;
                let (at_a, at_b) = (spread(a, &shape), spread(b, &shape));
                match (&a.values, &b.values) {
                    (Values::Integers(a), Values::Integers(b)) => {
                        let pairs = at_a.into_iter().zip(at_b).map(|(i, j)| compare(a[i].cmp(&b[j])));
                        flags(shape, pairs)
                    }
                    _ => {
                        let (a, b) = (a.floats()?, b.floats()?);
                        let pairs = at_a.into_iter().zip(at_b);
                        flags(shape, pairs.map(|(i, j)| a[i].partial_cmp(&b[j]).is_some_and(compare)))
                    }
                }
            }
            None => {
                let count = call.inputs.len();
                let mut total = first.clone();
                for at in 1..count {
                    total = pairwise(call.node, &total, call.tensor(at)?)?;
                }
                // A mean is a sum so far.
                if op == "Mean" {
                    map(&total, |v| v / count as f32, None::<fn(i64) -> i64>)
                } else {
                    Ok(total)
                }
            }
        },
    }
}

fn flags(shape: Vec<usize>, values: impl Iterator<Item = bool>) -> Result<Tensor, Reason> {
    Ok(Tensor::from_integers(ElementType::Bool, shape, values.map(i64::from).collect()))
}

/// Applies a function of floats, or one of integers where there is one.
fn map(
    tensor: &Tensor,
    floats: impl Fn(f32) -> f32,
    integers: Option<impl Fn(i64) -> i64>,
) -> Result<Tensor, Reason> {
    let values = match (&tensor.values, integers) {
        (Values::Floats(own), _) => Values::Floats(Arc::new(own.iter().map(|&v| floats(v)).collect())),
        (Values::Integers(own), Some(of)) => Values::Integers(Arc::new(own.iter().map(|&v| of(v)).collect())),
        // Relu is the only one of them that integers have, since version 14.
        (Values::Integers(own), None) => {
            Values::Integers(Arc::new(own.iter().map(|&v| floats(v as f32) as i64).collect()))
        }
    };
    Ok(Tensor { element: tensor.element, shape: tensor.shape.clone(), values })
}

/// The function of an operator of one float.
fn float_function(node: &Node) -> Option<FloatFunction> {
    let number = |name: &str, default: f32| node.float(name, default);
    Some(match &*node.op {
        // Not `max`, which would turn NaN into 0 and hide it.
        "Relu" => Box::new(|v| if v < 0.0 { 0.0 } else { v }),
        "LeakyRelu" => {
            let alpha = number("alpha", 0.01);
            Box::new(move |v| if v < 0.0 { alpha * v } else { v })
        }
        "ThresholdedRelu" => {
            let alpha = number("alpha", 1.0);
            Box::new(move |v| if v > alpha { v } else { 0.0 })
        }
        "Elu" => {
            let alpha = number("alpha", 1.0);
            Box::new(move |v| if v < 0.0 { alpha * v.exp_m1() } else { v })
        }
        "Celu" => {
            let alpha = number("alpha", 1.0);
            Box::new(move |v| if v < 0.0 { alpha * (v / alpha).exp_m1() } else { v })
        }
        "Selu" => {
            let (alpha, gamma) = (number("alpha", 1.673_263_2), number("gamma", 1.050_701));
            Box::new(move |v| gamma * if v > 0.0 { v } else { alpha * v.exp_m1() })
        }
        "HardSigmoid" => {
            let (alpha, beta) = (number("alpha", 0.2), number("beta", 0.5));
            Box::new(move |v| (alpha * v + beta).clamp(0.0, 1.0))
        }
        "HardSwish" => Box::new(|v| v * (v / 6.0 + 0.5).clamp(0.0, 1.0)),
        "Swish" => {
            let alpha = number("alpha", 1.0);
            Box::new(move |v| v * sigmoid(alpha * v))
        }
        "Mish" => Box::new(|v| v * softplus(v).tanh()),
        "Gelu" if node.text("approximate", "none") == "tanh" => {
            let inner = |v: f32| (2.0 / std::f32::consts::PI).sqrt() * (v + 0.044_715 * v * v * v);
            Box::new(move |v| 0.5 * v * (1.0 + inner(v).tanh()))
        }
        "Gelu" => Box::new(|v| 0.5 * v * (1.0 + erf(v * std::f32::consts::FRAC_1_SQRT_2))),
        "Sigmoid" => Box::new(sigmoid),
        "Softplus" => Box::new(softplus),
        "Softsign" => Box::new(|v| v / (1.0 + v.abs())),
        "Tanh" => Box::new(f32::tanh),
        "Erf" => Box::new(erf),
        "Exp" => Box::new(f32::exp),
        "Log" => Box::new(f32::ln),
        "Sqrt" => Box::new(f32::sqrt),
        "Reciprocal" => Box::new(|v| 1.0 / v),
        "Floor" => Box::new(f32::floor),
        "Ceil" => Box::new(f32::ceil),
        "Round" => Box::new(round),
        "Sin" => Box::new(f32::sin),
        "Cos" => Box::new(f32::cos),
        "Tan" => Box::new(f32::tan),
        "Atan" => Box::new(f32::atan),
        _ => return None,
    })
}

fn clip(call: &Call<'_>) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let bound = |at: usize, name: &str, default: f32| -> Result<f64, Reason> {
        match call.optional(at)? {
            Some(bound) => Ok(bound.to_floats64().first().copied().unwrap_or(f64::from(default))),
            None => Ok(f64::from(call.node.float(name, default))),
        }
    };
    let (low, high) = (bound(1, "min", f32::NEG_INFINITY)?, bound(2, "max", f32::INFINITY)?);
    let within = |value: f64| {
        if value < low {
            low
        } else if value > high {
            high
        } else {
            value
        }
    };
    // With the bounds crossed everything is the upper one.
    let within = |value: f64| if low > high { high } else { within(value) };
    map(tensor, |v| within(f64::from(v)) as f32, Some(|v| within(v as f64) as i64))
}

fn comparison(op: &str) -> Option<fn(std::cmp::Ordering) -> bool> {
    use std::cmp::Ordering;
    Some(match op {
        "Equal" => Ordering::is_eq,
        "Greater" => Ordering::is_gt,
        "GreaterOrEqual" => Ordering::is_ge,
        "Less" => Ordering::is_lt,
        "LessOrEqual" => Ordering::is_le,
        _ => return None,
    })
}

type Pair = (fn(f32, f32) -> f32, fn(i64, i64) -> i64);

/// What an operator does with two floats and with two integers.
fn arithmetic(node: &Node) -> Option<Pair> {
    Some(match &*node.op {
        "Add" | "Sum" | "Mean" => (|a, b| a + b, i64::wrapping_add),
        "Sub" => (|a, b| a - b, i64::wrapping_sub),
        "Mul" => (|a, b| a * b, i64::wrapping_mul),
        // Division of integers cuts; by zero it has no value in ONNX.
        "Div" => (|a, b| a / b, |a, b| a.checked_div(b).unwrap_or(0)),
        "Pow" => (f32::powf, |a, b| u32::try_from(b).map_or(0, |b| a.wrapping_pow(b))),
        "Max" => (|a, b| if a.is_nan() || a > b { a } else { b }, i64::max),
        "Min" => (|a, b| if a.is_nan() || a < b { a } else { b }, i64::min),
        "Mod" if node.int("fmod", 0) != 0 => (|a, b| a % b, |a, b| a.checked_rem(b).unwrap_or(0)),
        "Mod" => (
            |a, b| a - b * (a / b).floor(),
            |a, b| {
                let rest = a.checked_rem(b).unwrap_or(0);
                if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
            },
        ),
        "PRelu" => (|a, slope| if a < 0.0 { a * slope } else { a }, |a, _| a),
        "And" => (|a, _| a, |a, b| a & b),
        "Or" => (|a, _| a, |a, b| a | b),
        "Xor" => (|a, _| a, |a, b| a ^ b),
        _ => return None,
    })
}

/// The place of each element of a broadcast tensor.
fn spread(tensor: &Tensor, shape: &[usize]) -> Vec<usize> {
    places(shape, &broadcast_strides(&tensor.shape, shape), 0)
}

fn combine<T: Copy>(
    (a, shape_a): (&[T], &[usize]),
    (b, shape_b): (&[T], &[usize]),
    shape: &[usize],
    of: fn(T, T) -> T,
) -> Vec<T> {
    if shape_a == shape && shape_b == shape {
        return a.iter().zip(b).map(|(&a, &b)| of(a, b)).collect();
    }
    if let ([one], true) = (b, shape_a == shape) {
        return a.iter().map(|&a| of(a, *one)).collect();
    }
    let at = |own: &[usize]| places(shape, &broadcast_strides(own, shape), 0);
    at(shape_a).into_iter().zip(at(shape_b)).map(|(i, j)| of(a[i], b[j])).collect()
}

fn pairwise(node: &Node, a: &Tensor, b: &Tensor) -> Result<Tensor, Reason> {
    let (floats, integers) = arithmetic(node).ok_or("is not arithmetic")?;
    let shape = bounded(broadcast(&a.shape, &b.shape)?)?;
    let values = match (&a.values, &b.values) {
        (Values::Floats(own), Values::Floats(other)) => {
            Values::Floats(Arc::new(combine((own, &a.shape), (other, &b.shape), &shape, floats)))
        }
        // Powers alone mix types.
        (Values::Floats(own), Values::Integers(_)) if node.op == "Pow" => {
            Values::Floats(Arc::new(combine((own, &a.shape), (&b.to_floats(), &b.shape), &shape, floats)))
        }
        (Values::Integers(own), Values::Floats(_)) if node.op == "Pow" => {
            let powers = combine((&a.to_floats(), &a.shape), (b.floats()?, &b.shape), &shape, floats);
            debug_assert_eq!(own.len(), a.len());
            Values::Integers(Arc::new(powers.into_iter().map(|v| v as i64).collect()))
        }
        (Values::Integers(own), Values::Integers(other)) => {
            Values::Integers(Arc::new(combine((own, &a.shape), (other, &b.shape), &shape, integers)))
        }
        _ => return Err(format!("{} and {} are different types", a.element, b.element)),
    };
    Ok(Tensor { element: a.element, shape, values })
}

fn choose(call: &Call<'_>) -> Result<Tensor, Reason> {
    let (condition, a, b) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let shape = bounded(broadcast(&condition.shape, &broadcast(&a.shape, &b.shape)?)?)?;
    let flags = condition.integers()?;
    let places =
        spread(condition, &shape).into_iter().zip(spread(a, &shape).into_iter().zip(spread(b, &shape)));
    let values = match (&a.values, &b.values) {
        (Values::Floats(a), Values::Floats(b)) => Values::Floats(Arc::new(
            places.map(|(at, (i, j))| if flags[at] != 0 { a[i] } else { b[j] }).collect(),
        )),
        (Values::Integers(a), Values::Integers(b)) => Values::Integers(Arc::new(
            places.map(|(at, (i, j))| if flags[at] != 0 { a[i] } else { b[j] }).collect(),
        )),
        _ => return Err(format!("{} and {} are different types", a.element, b.element)),
    };
    Ok(Tensor { element: a.element, shape, values })
}
