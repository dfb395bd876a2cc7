//! What the convolutions of a network see: the second moments of their inputs over training images.
//!
//! A convolution is a matrix product with the windows of its input. With `C = E[x x^T]` over windows
//! `x`, changing an output's weights by `d` changes its output by `d^T C d` in the mean square: all
//! that pruning needs to know of the data, gathered in one pass.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Slice, Tensor, TensorData};

use crate::data::batch::BatchConfig;
use crate::data::loader::DataLoader;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::spec::CHANNELS;
use crate::network::{Network, NetworkSpec};

/// Images of one forward pass: the windows of a wide layer take 9 times its input.
const BATCH: usize = 32;

/// Which images to pass through the network, and what to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalibrationConfig {
    /// Training images; of fewer, all.
    pub images: usize,
    /// Whether moments are wanted and not the mean squares alone.
    pub moments: bool,
}

/// The inputs of all convolutions.
pub struct ActivationStats {
    /// Each convolution's, in the network's order.
    pub layers: Vec<LayerStats>,
}

/// The inputs of one convolution; `inputs` is in * kh * kw, in the order of the weight's row.
pub struct LayerStats {
    /// The weight's name.
    pub name: String,
    /// Mean square of each input.
    pub mean_square: Vec<f32>,
    /// Second moments `E[x x^T]`, `[inputs, inputs]`, on the device, where they were asked for.
    pub moments: Option<Tensor<2>>,
}

impl ActivationStats {
    /// The inputs of a weight.
    pub fn get(&self, name: &str) -> Option<&LayerStats> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// Passes training images through the network, without augmentation, drawn the same in every run.
    ///
    /// # Errors
    /// When `images` is 0, an image can't be read, or the device fails.
    pub async fn collect(
        network: &Network,
        plan: &NetworkSpec,
        source: &mut DataLoader,
        asked: CalibrationConfig,
        compute: &ComputeDevice,
    ) -> Result<Self> {
        let images = asked.images.min(source.train_len());
        if images == 0 {
            return Err(Error::field("images", images, "takes 1 or more"));
        }
        let network = network.valid();
        let ids: Vec<_> = network.convolutions().iter().map(|layer| layer.weight.id).collect();
        let mut sums: Vec<Option<(Tensor<2>, usize)>> = ids.iter().map(|_| None).collect();
        let mut look = |layer: &Conv2d, input: &Tensor<4>| {
            let Some(at) = ids.iter().position(|id| *id == layer.weight.id) else { return };
            let windows = windows(layer, input.clone());
            let count = windows.dims()[1];
            let products = if asked.moments {
                windows.clone().matmul(windows.transpose())
            } else {
                windows.square().sum_dim(1)
            };
            sums[at] = Some(match sums[at].take() {
                Some((sum, before)) => (sum + products, before + count),
                None => (products, count),
            });
        };
        let side = plan.side();
        let drawing = BatchConfig { seed: 0, batch: BATCH.min(images), augment: false };
        for step in 0..images.div_ceil(drawing.batch) {
            let batch = source.training_batch(drawing, 0, step as u64)?;
            if batch.labels.is_empty() {
                break;
            }
            let shape = [batch.labels.len(), CHANNELS, side, side];
            let images = Tensor::from_data(TensorData::new(batch.images, shape), &compute.device);
            let last = network.segments().into_iter().max().unwrap_or(0);
            (0..=last).fold(images, |x, segment| network.forward_with_hook(segment, x, &mut look));
        }
        let names = plan.conv_shapes().into_iter().map(|conv| conv.name);
        let mut layers = Vec::with_capacity(ids.len());
        for (name, sum) in names.zip(sums) {
            if let Some((sum, count)) = sum {
                layers.push(LayerStats::new(name, sum.div_scalar(count as f64), compute).await?);
            }
        }
        Ok(Self { layers })
    }
}

impl LayerStats {
    /// From moments, or from one column of mean squares.
    async fn new(name: String, mean: Tensor<2>, compute: &ComputeDevice) -> Result<Self> {
        let [inputs, columns] = mean.dims();
        // The diagonal, as every (inputs + 1)th value; of one column every value.
        let flat: Tensor<1> = mean.clone().reshape([inputs * columns]);
        let full = columns > 1;
        let diagonal = if full { flat.slice([Slice::new(0, None, inputs as isize + 1)]) } else { flat };
        let fail = |why: String| Error::device(&*compute.adapter, why);
        let read = diagonal.into_data_async().await.map_err(|why| fail(format!("{why:?}")))?;
        let mean_square = read.as_slice::<f32>().map_err(|why| fail(format!("{why:?}")))?.to_vec();
        if mean_square.iter().any(|value| !value.is_finite()) {
            let why = "its inputs are not finite: these weights compute nothing";
            return Err(Error::layer("measuring a layer's inputs", name, why));
        }
        Ok(Self { name, mean_square, moments: full.then_some(mean) })
    }
}

/// The windows that a convolution slides over its input; ours are padded by half their size.
///
/// # Shapes
/// - `input`: `[images, channels, height, width]`
/// - output: `[channels * kh * kw, images * positions]`
fn windows(layer: &Conv2d, input: Tensor<4>) -> Tensor<2> {
    let ([kh, kw], [sh, sw]) = (layer.kernel_size, layer.stride);
    let [images, channels, height, width] = input.dims();
    let (ph, pw) = (kh / 2, kw / 2);
    let input = input.pad((pw, pw, ph, ph), 0.0);
    let (rows, columns) = ((height + 2 * ph - kh) / sh + 1, (width + 2 * pw - kw) / sw + 1);
    let every = |start: usize, count: usize, step: usize| {
        Slice::new(start as isize, Some((start + (count - 1) * step + 1) as isize), step as isize)
    };
    let planes: Vec<Tensor<4>> = (0..kh)
        .flat_map(|y| (0..kw).map(move |x| (y, x)))
        .map(|(y, x)| {
            let all = |count: usize| every(0, count, 1);
            input.clone().slice([all(images), all(channels), every(y, rows, sh), every(x, columns, sw)])
        })
        .collect();
    let stacked: Tensor<5> = Tensor::stack(planes, 2);
    stacked.permute([1, 2, 0, 3, 4]).reshape([channels * kh * kw, images * rows * columns])
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use burn::nn::PaddingConfig2d;
    use burn::nn::conv::Conv2dConfig;
    use burn::tensor::{Device, Distribution};

    /// A convolution is the product of its weight's matrix with the windows.
    #[test]
    fn windows_are_those_of_the_convolution() {
        let device = Device::flex();
        for (kernel, stride) in [(3, 1), (3, 2), (1, 2), (7, 2)] {
            let pad = kernel / 2;
            let layer = Conv2dConfig::new([2, 4], [kernel; 2])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
                .with_bias(false)
                .init(&device);
            let input = Tensor::<4>::random([3, 2, 9, 9], Distribution::Uniform(-1.0, 1.0), &device);
            let expected = layer.forward(input.clone());
            let [images, outputs, rows, columns] = expected.dims();
            let weight: Tensor<2> = layer.weight.val().reshape([4, 2 * kernel * kernel]);
            let product: Tensor<4> =
                weight.matmul(windows(&layer, input)).reshape([outputs, images, rows, columns]);
            let difference = (product.swap_dims(0, 1) - expected).abs().max().into_scalar::<f32>();
            assert!(difference < 1e-5, "kernel {kernel}, stride {stride}: {difference}");
        }
    }
}
