//! How a weight's dimensions become a matrix of outputs and inputs, and back.

/// A permutation of a weight's dimensions that puts the outputs first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MatrixView {
    /// The weight's dimensions; a grouped one's inputs or outputs may be split in two.
    dims: Vec<usize>,
    /// For each dimension of the matrix's order, the one of `dims`.
    order: Vec<usize>,
    /// Outputs.
    pub rows: usize,
    /// Inputs of each output.
    pub cols: usize,
    /// Groups of outputs with their own inputs.
    pub groups: usize,
}

/// How frameworks order the dimensions of a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DimOrder {
    /// `[out, in, ...]`: PyTorch.
    OutIn,
    /// `[in, out, ...]`: transposed convolutions, and matrices that are multiplied from the right.
    InOut,
    /// `[out, ..., in]`: MLX.
    ChannelsLast,
    /// `[..., in, out]`: TensorFlow, Keras and Flax.
    KernelFirst,
    /// `[..., out, in]`: transposed convolutions of Keras.
    KernelOutIn,
    /// `[..., in, multiplier]`: depthwise convolutions of Keras, each input a group of `multiplier` outputs.
    Depthwise,
}

impl MatrixView {
    /// The view of a weight of at least 2 dimensions. `groups` divide the dimension of outputs.
    pub fn new(shape: &[usize], layout: DimOrder, groups: usize) -> Self {
        let last = shape.len() - 1;
        let (dims, order) = match layout {
            DimOrder::OutIn => (shape.to_vec(), (0..=last).collect()),
            DimOrder::ChannelsLast => {
                (shape.to_vec(), [0, last].into_iter().chain(1..last).collect::<Vec<_>>())
            }
            DimOrder::KernelFirst => {
                (shape.to_vec(), [last, last - 1].into_iter().chain(0..last - 1).collect())
            }
            DimOrder::KernelOutIn | DimOrder::Depthwise => {
                (shape.to_vec(), [last - 1, last].into_iter().chain(0..last - 1).collect())
            }
            DimOrder::InOut => {
                // The first dimension holds the inputs of one group after another.
                let mut dims = vec![groups, shape[0] / groups.max(1)];
                dims.extend(&shape[1..]);
                (dims, [0, 2, 1].into_iter().chain(3..=last + 1).collect())
            }
        };
        let rows = match layout {
            DimOrder::OutIn | DimOrder::ChannelsLast => shape[0],
            DimOrder::KernelFirst => shape[last],
            DimOrder::KernelOutIn => shape[last - 1],
            DimOrder::Depthwise => shape[last - 1] * shape[last],
            DimOrder::InOut => groups * shape[1],
        };
        let count: usize = shape.iter().product();
        Self { dims, order, rows, cols: count / rows.max(1), groups }
    }

    /// Whether the matrix has the elements in the weight's order.
    pub fn is_plain(&self) -> bool {
        self.order.iter().enumerate().all(|(at, &dimension)| at == dimension)
    }

    /// The elements in the matrix's order.
    pub fn to_matrix(&self, weight: Vec<f32>) -> Vec<f32> {
        if self.is_plain() {
            return weight;
        }
        let mut matrix = Vec::with_capacity(weight.len());
        self.each(|at| matrix.push(weight[at]));
        matrix
    }

    /// The elements in the weight's order.
    pub fn to_weight(&self, matrix: Vec<f32>) -> Vec<f32> {
        if self.is_plain() {
            return matrix;
        }
        let mut weight = vec![0.0; matrix.len()];
        let mut values = matrix.into_iter();
        self.each(|at| weight[at] = values.next().unwrap_or_default());
        weight
    }

    /// Calls for the place in the weight of each element of the matrix, in its order.
    fn each(&self, mut element: impl FnMut(usize)) {
        let count: usize = self.dims.iter().product();
        let stride = |dimension: usize| self.dims[dimension + 1..].iter().product::<usize>();
        let steps: Vec<(usize, usize)> =
            self.order.iter().map(|&dimension| (self.dims[dimension], stride(dimension))).collect();
        let mut index = vec![0; steps.len()];
        let mut at = 0;
        for _ in 0..count {
            element(at);
            for (i, &(size, stride)) in index.iter_mut().zip(&steps).rev() {
                *i += 1;
                at += stride;
                if *i < size {
                    break;
                }
                at -= stride * size;
                *i = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layout_puts_outputs_first() {
        let ramp = |count: u8| (0..count).map(f32::from).collect::<Vec<_>>();
        // 2 inputs, 3 outputs: the matrix is the transpose.
        let view = MatrixView::new(&[2, 3], DimOrder::InOut, 1);
        assert_eq!((view.rows, view.cols), (3, 2));
        assert_eq!(view.to_matrix(ramp(6)), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        // 1 output, a kernel of 2, 2 inputs.
        let view = MatrixView::new(&[1, 2, 1, 2], DimOrder::ChannelsLast, 1);
        assert_eq!((view.rows, view.cols), (1, 4));
        assert_eq!(view.to_matrix(ramp(4)), [0.0, 2.0, 1.0, 3.0]);
        // A kernel of 2, 2 inputs, 2 outputs.
        let view = MatrixView::new(&[2, 1, 2, 2], DimOrder::KernelFirst, 1);
        assert_eq!((view.rows, view.cols), (2, 4));
        assert_eq!(view.to_matrix(ramp(8)), [0.0, 4.0, 2.0, 6.0, 1.0, 5.0, 3.0, 7.0]);
        // A kernel of 2, 2 outputs, 2 inputs; then 2 inputs with 2 outputs each.
        let view = MatrixView::new(&[2, 1, 2, 2], DimOrder::KernelOutIn, 1);
        assert_eq!((view.rows, view.cols), (2, 4));
        assert_eq!(view.to_matrix(ramp(8)), [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]);
        let view = MatrixView::new(&[2, 1, 2, 2], DimOrder::Depthwise, 2);
        assert_eq!((view.rows, view.cols, view.groups), (4, 2, 2));
        assert_eq!(view.to_matrix(ramp(8)), [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]);
        // 4 inputs in 2 groups, each with 1 output of 2 inputs.
        let view = MatrixView::new(&[4, 1], DimOrder::InOut, 2);
        assert_eq!((view.rows, view.cols, view.to_matrix(ramp(4))), (2, 2, ramp(4)));
    }

    #[test]
    fn the_reverse_order_is_the_inverse() {
        for layout in [
            DimOrder::OutIn,
            DimOrder::InOut,
            DimOrder::ChannelsLast,
            DimOrder::KernelFirst,
            DimOrder::KernelOutIn,
            DimOrder::Depthwise,
        ] {
            let view = MatrixView::new(&[4, 2, 3, 5], layout, if layout == DimOrder::InOut { 2 } else { 1 });
            let weight: Vec<f32> = (0..120).map(|i| i as f32).collect();
            assert_eq!(view.to_weight(view.to_matrix(weight.clone())), weight, "{layout:?}");
        }
    }
}
