//! A tensor in memory: floats in float32, whatever the file held, and integers in 64 bits.

use std::sync::Arc;

use super::element::ElementType;

/// Why an operator can't be computed; the caller adds the node.
pub(super) type Reason = String;

/// A tensor's elements, row-major; shared, since many operators only change the shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Floats(Arc<Vec<f32>>),
    Integers(Arc<Vec<i64>>),
}

/// A tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The type that the graph gives its elements.
    pub(super) element: ElementType,
    /// Its dimensions.
    pub(super) shape: Vec<usize>,
    /// Its elements; as many as the shape says.
    pub(super) values: Values,
}

/// The number of elements, if it fits.
pub(super) fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))
}

/// The number of elements of the dimensions that are not 0, if it fits: what a loop over some of them may take.
pub(super) fn extent(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size.max(1)))
}

impl Tensor {
    /// A float tensor; `values` fill `shape`.
    #[must_use]
    pub fn from_floats(shape: Vec<usize>, values: Vec<f32>) -> Self {
        debug_assert_eq!(elements(&shape), Some(values.len()));
        Self { element: ElementType::F32, shape, values: Values::Floats(Arc::new(values)) }
    }

    /// An integer tensor; `values` fill `shape`.
    #[must_use]
    pub fn from_integers(element: ElementType, shape: Vec<usize>, values: Vec<i64>) -> Self {
        debug_assert_eq!(elements(&shape), Some(values.len()));
        Self { element, shape, values: Values::Integers(Arc::new(values)) }
    }

    /// Its dimensions.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements as floats, row-major; `None` of integers.
    #[must_use]
    pub fn as_floats(&self) -> Option<&[f32]> {
        match &self.values {
            Values::Floats(values) => Some(values),
            Values::Integers(_) => None,
        }
    }

    /// The number of elements.
    pub(super) fn len(&self) -> usize {
        match &self.values {
            Values::Floats(values) => values.len(),
            Values::Integers(values) => values.len(),
        }
    }

    pub(super) fn floats(&self) -> Result<&[f32], Reason> {
        self.as_floats().ok_or_else(|| format!("takes floats, not {}", self.element))
    }

    pub(super) fn integers(&self) -> Result<&[i64], Reason> {
        match &self.values {
            Values::Integers(values) => Ok(values),
            Values::Floats(_) => Err(format!("takes integers, not {}", self.element)),
        }
    }

    /// Every element as a float.
    #[must_use]
    pub fn to_floats(&self) -> Vec<f32> {
        match &self.values {
            Values::Floats(values) => values.to_vec(),
            Values::Integers(values) => values.iter().map(|&value| value as f32).collect(),
        }
    }

    /// Every element as a double.
    pub(super) fn to_floats64(&self) -> Vec<f64> {
        match &self.values {
            Values::Floats(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Values::Integers(values) => values.iter().map(|&value| value as f64).collect(),
        }
    }

    /// The same elements in another shape of as many.
    pub(super) fn with_shape(&self, shape: Vec<usize>) -> Result<Self, Reason> {
        if elements(&shape) != Some(self.len()) {
            return Err(format!("{} values do not fill the shape {shape:?}", self.len()));
        }
        Ok(Self { element: self.element, shape, values: self.values.clone() })
    }

    /// The elements at these places, in a new shape of as many. Places are inside the tensor.
    pub(super) fn select(&self, shape: Vec<usize>, places: &[usize]) -> Self {
        let values = match &self.values {
            Values::Floats(own) => Values::Floats(Arc::new(places.iter().map(|&at| own[at]).collect())),
            Values::Integers(own) => Values::Integers(Arc::new(places.iter().map(|&at| own[at]).collect())),
        };
        Self { element: self.element, shape, values }
    }
}

/// Distances between neighbours along each axis, row-major.
pub(super) fn strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1_isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1) as isize);
    }
    strides
}

/// The places of all elements of a view: `start + sum index * stride`, row-major.
pub(super) fn places(shape: &[usize], strides: &[isize], start: isize) -> Vec<usize> {
    let count = elements(shape).unwrap_or(0);
    let mut places = Vec::with_capacity(count);
    if count == 0 {
        return places;
    }
    let Some((&inner, outer)) = shape.split_last() else { return vec![start as usize] };
    let step = strides[outer.len()];
    let mut index = vec![0_usize; outer.len()];
    let mut at = start;
    loop {
        places.extend((0..inner as isize).map(|column| (at + column * step) as usize));
        let Some(axis) = (0..outer.len()).rev().find(|&axis| index[axis] + 1 < outer[axis]) else {
            return places;
        };
        for reset in axis + 1..outer.len() {
            at -= index[reset] as isize * strides[reset];
            index[reset] = 0;
        }
        index[axis] += 1;
        at += strides[axis];
    }
}

/// The shape that two broadcast to.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Reason> {
    let rank = a.len().max(b.len());
    let size =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |own| shape[own]);
    let mut shape = Vec::with_capacity(rank);
    for axis in 0..rank {
        shape.push(match (size(a, axis), size(b, axis)) {
            (left, right) if left == right => left,
            (1, other) | (other, 1) => other,
            _ => return Err(format!("the shapes {a:?} and {b:?} can't be broadcast")),
        });
    }
    Ok(shape)
}

/// The strides of a tensor of shape `own` seen in the shape `to` that it broadcasts to.
pub(super) fn broadcast_strides(own: &[usize], to: &[usize]) -> Vec<isize> {
    let (strides, missing) = (strides(own), to.len() - own.len());
    let stride = |axis: usize| match axis.checked_sub(missing) {
        Some(own_axis) if own[own_axis] != 1 => strides[own_axis],
        _ => 0,
    };
    (0..to.len()).map(stride).collect()
}

/// An axis that counts from the end when negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Reason> {
    let whole = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    usize::try_from(whole)
        .ok()
        .filter(|&axis| axis < rank)
        .ok_or_else(|| format!("axis {axis} is beyond the {rank} dimensions"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_walk_row_by_row() {
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(places(&[3, 2], &[1, 3], 0), [0, 3, 1, 4, 2, 5], "transposed");
        assert_eq!(places(&[3], &[-1], 2), [2, 1, 0]);
        assert_eq!(places(&[2, 0], &[1, 1], 0), [] as [usize; 0]);
        assert_eq!(places(&[], &[], 4), [4]);
        assert_eq!(places(&[2, 1, 2], &[2, 9, 1], 0), [0, 1, 2, 3]);
    }

    #[test]
    fn shapes_broadcast_from_the_right() {
        assert_eq!(broadcast(&[3, 1], &[2, 1, 4]).expect("fits"), [2, 3, 4]);
        assert!(broadcast(&[3], &[4]).is_err());
        assert_eq!(broadcast_strides(&[3, 1], &[2, 3, 4]), [0, 1, 0]);
        assert_eq!((axis(-1, 3), axis(3, 3).is_err(), axis(-4, 3).is_err()), (Ok(2), true, true));
    }
}
