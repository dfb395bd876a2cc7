//! Pooling, which is computed digitally between the layers on crossbars.

/// A pooling of the values in a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The largest value of each window; padding never counts.
    Max {
        /// Width and height of the window.
        kernel: usize,
        /// Step from one position to the next.
        stride: usize,
        /// How far windows extend beyond the plane.
        padding: usize,
    },
    /// Means over parts such that the output has this width and height, as in PyTorch's adaptive pooling.
    Average(usize),
}

impl Pool {
    /// The 2 x 2 pooling of a VGG. As in PyTorch, a last odd row and column are dropped.
    pub const HALF: Self = Self::Max { kernel: 2, stride: 2, padding: 0 };
    /// The pooling after a ResNet's first convolution.
    pub const STEM: Self = Self::Max { kernel: 3, stride: 2, padding: 1 };

    /// Width and height of a pooled plane.
    pub fn output_side(self, side: usize) -> usize {
        match self {
            Self::Max { kernel, stride, padding } => (side + 2 * padding - kernel) / stride + 1,
            Self::Average(to) => to,
        }
    }

    /// Pools every plane of width and height `side`.
    pub fn apply(self, planes: &[f32], side: usize) -> Vec<f32> {
        let after = self.output_side(side);
        let ranges: Vec<_> = (0..after).map(|at| self.range(at, side)).collect();
        let mut pooled = Vec::with_capacity(planes.len() / (side * side) * after * after);
        for plane in planes.chunks_exact(side * side) {
            for (rows, columns) in ranges.iter().flat_map(|y| ranges.iter().map(move |x| (y, x))) {
                let values =
                    rows.clone().flat_map(|row| plane[row * side..][columns.clone()].iter().copied());
                pooled.push(match self {
                    Self::Max { .. } => values.fold(f32::NEG_INFINITY, largest),
                    Self::Average(_) => values.sum::<f32>() / (rows.len() * columns.len()) as f32,
                });
            }
        }
        pooled
    }

    /// The rows, or the columns, that one output position covers.
    fn range(self, at: usize, side: usize) -> std::ops::Range<usize> {
        match self {
            Self::Max { kernel, stride, padding } => {
                (at * stride).saturating_sub(padding)..(at * stride + kernel - padding).min(side)
            }
            Self::Average(to) => at * side / to..((at + 1) * side).div_ceil(to),
        }
    }
}

/// Unlike `f32::max`, returns NaN if one of the values is NaN.
fn largest(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_pooled_as_pytorch_does() {
        let plane = [1.0, 5.0, 2.0, 0.0, 3.0, 4.0, 7.0, 8.0, 9.0];
        assert_eq!(Pool::HALF.apply(&plane, 3), [5.0]);
        assert_eq!(Pool::STEM.apply(&plane, 3), [5.0, 5.0, 8.0, 9.0]);
        assert_eq!(Pool::STEM.apply(&[-1.0; 4], 2), [-1.0], "padding is never the largest");
        assert!(Pool::HALF.apply(&[1.0, f32::NAN, 2.0, 3.0], 2)[0].is_nan());
        // torch.nn.AdaptiveAvgPool2d(2): rows 0..2 and 1..3.
        assert_eq!(Pool::Average(2).apply(&plane, 3), [2.25, 3.5, 4.5, 6.0]);
        assert_eq!(Pool::Average(1).apply(&[1.0, 2.0, 3.0, 6.0, 5.0, 5.0, 5.0, 5.0], 2), [3.0, 5.0]);
        assert_eq!(Pool::Average(3).apply(&plane, 3), plane);
        assert_eq!(Pool::Average(2).apply(&[4.0], 1), [4.0; 4]);
    }
}
