//! Layouts of `kernel`s: weights that TensorFlow, Keras and Flax store with the window first.
//!
//! | in the file | shape |
//! | --- | --- |
//! | `kernel` of a convolution or a dense layer, `pointwise_kernel`, `recurrent_kernel` | `[..., in, out]` |
//! | `kernel` of Flax's grouped convolutions | `[..., in / groups, out]` |
//! | `depthwise_kernel`, and the `kernel` of Keras's depthwise layers | `[..., in, multiplier]` |
//! | `kernel` of Keras's transposed convolutions | `[..., out, in]` |
//!
//! Source: Keras 3, `layers/convolutional/base_*.py`; Flax, `linen/linear.py`.

use super::matrix_view::DimOrder;
use super::names::split_leaf;

/// What the neighbours of a weight say about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Neighbours {
    /// The length of its bias.
    pub bias: Option<usize>,
    /// The length of the vector behind it in the file.
    pub vector: Option<usize>,
}

/// The leaf of a weight's name in lower case, without the output number that TensorFlow puts behind it.
fn leaf(name: &str) -> String {
    let leaf = split_leaf(name).1.to_ascii_lowercase();
    leaf.strip_suffix(":0").unwrap_or(&leaf).to_owned()
}

/// Whether a weight is a kernel, by its name.
pub(super) fn is_kernel(name: &str) -> bool {
    matches!(&*leaf(name), "kernel" | "depthwise_kernel" | "pointwise_kernel" | "recurrent_kernel")
}

/// How a kernel of at least 2 dimensions lies; `transposed` if its layer is known to be a transposed convolution or not.
pub(super) fn kernel_layout(
    name: &str,
    shape: &[usize],
    transposed: Option<bool>,
    neighbours: Neighbours,
) -> DimOrder {
    let module = split_leaf(name).0.to_ascii_lowercase();
    let [.., first, second] = *shape else { return DimOrder::KernelFirst };
    if leaf(name) == "depthwise_kernel" {
        return DimOrder::Depthwise;
    }
    if shape.len() < 3 || leaf(name) != "kernel" {
        return DimOrder::KernelFirst;
    }
    let by_name = ["conv1d_transpose", "conv2d_transpose", "conv3d_transpose"];
    if transposed.unwrap_or_else(|| by_name.iter().any(|part| module.contains(part))) {
        return DimOrder::KernelOutIn;
    }
    // One input for each output: Flax, which puts the groups' inputs first.
    if first == 1 {
        return DimOrder::KernelFirst;
    }
    let part = module.rsplit(['.', '/']).next().unwrap_or_default();
    let named = part.contains("depthwise") || part.split(['_', '-']).any(|word| word.starts_with("dw"));
    let outputs = first.checked_mul(second);
    let fits = |length: Option<usize>| length.is_some() && length == outputs && length != Some(second);
    if named || fits(neighbours.bias) || (second == 1 && fits(neighbours.vector)) {
        return DimOrder::Depthwise;
    }
    if transposed.is_none() && neighbours.bias == Some(first) && first != second {
        return DimOrder::KernelOutIn;
    }
    DimOrder::KernelFirst
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Checkpoint, NamedTensor};

    fn layout(name: &str, shape: &[usize], bias: Option<usize>, vector: Option<usize>) -> DimOrder {
        kernel_layout(name, shape, None, Neighbours { bias, vector })
    }

    #[test]
    fn kernels_are_recognized_by_their_names() {
        for name in ["conv2d.kernel", "conv2d/kernel", "conv2d/kernel:0", "a.recurrent_kernel", "kernel"] {
            assert!(is_kernel(name), "{name}");
        }
        assert!(!is_kernel("kernel.weight") && !is_kernel("conv.rbf_kernel"));
    }

    #[test]
    fn depthwise_kernels_have_their_multiplier_last() {
        assert_eq!(layout("sep.depthwise_kernel", &[3, 3, 8, 2], None, None), DimOrder::Depthwise);
        assert_eq!(layout("sep.pointwise_kernel", &[1, 1, 16, 4], None, None), DimOrder::KernelFirst);
        // Keras 3 calls them `kernel`, too.
        assert_eq!(layout("depthwise_conv2d/kernel", &[3, 3, 8, 1], None, None), DimOrder::Depthwise);
        assert_eq!(layout("conv_dw_1.kernel", &[3, 3, 8, 1], None, None), DimOrder::Depthwise);
        assert_eq!(layout("block1a_dwconv.kernel", &[3, 3, 8, 1], None, None), DimOrder::Depthwise);
        assert_eq!(layout("a.kernel", &[3, 3, 8, 2], Some(16), None), DimOrder::Depthwise);
        assert_eq!(layout("a.kernel", &[3, 3, 8, 1], None, Some(8)), DimOrder::Depthwise);
        // One output of 8 inputs; Flax's depthwise layer.
        assert_eq!(layout("a.kernel", &[3, 3, 8, 1], Some(1), Some(1)), DimOrder::KernelFirst);
        assert_eq!(layout("depthwise.kernel", &[3, 3, 1, 8], None, None), DimOrder::KernelFirst);
    }

    #[test]
    fn transposed_kernels_have_their_inputs_last() {
        assert_eq!(layout("conv2d_transpose_1.kernel", &[2, 2, 4, 8], None, None), DimOrder::KernelOutIn);
        assert_eq!(layout("up.kernel", &[2, 2, 4, 8], Some(4), None), DimOrder::KernelOutIn);
        assert_eq!(layout("up.kernel", &[2, 2, 4, 8], Some(8), None), DimOrder::KernelFirst);
        assert_eq!(layout("dense.kernel", &[4, 8], Some(8), None), DimOrder::KernelFirst);
        let known = |transposed| kernel_layout("a.kernel", &[2, 2, 4, 8], transposed, Neighbours::default());
        assert_eq!((known(Some(true)), known(Some(false))), (DimOrder::KernelOutIn, DimOrder::KernelFirst));
    }

    #[test]
    fn kernels_become_rows_of_outputs() {
        let ramp = |name: &str, shape: &[usize]| {
            let data = (0..shape.iter().product()).map(|at: usize| at as f32).collect();
            NamedTensor { name: name.to_owned(), shape: shape.to_vec(), data }
        };
        let weights = Checkpoint::new(vec![
            ramp("a_stem.kernel", &[3, 3, 3, 8]),
            ramp("conv_dw_1.kernel", &[3, 3, 8, 1]),
            ramp("pw.pointwise_kernel", &[1, 1, 8, 16]),
            ramp("up/conv2d_transpose/kernel:0", &[2, 2, 4, 16]),
        ]);
        let layers = weights.matrices(false).expect("layers");
        let sizes: Vec<_> = layers.iter().map(|layer| (layer.rows, layer.cols, layer.groups)).collect();
        assert_eq!(sizes, [(8, 27, 1), (8, 9, 8), (16, 8, 1), (4, 64, 1)]);
        // The window of the second input, whose entries are 8 apart.
        assert_eq!(layers[1].data[9..18], [1.0, 9.0, 17.0, 25.0, 33.0, 41.0, 49.0, 57.0, 65.0]);
        assert_eq!(weights.clone().with_layers(layers), weights);
    }
}
