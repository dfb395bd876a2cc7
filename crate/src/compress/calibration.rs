//! Calibration: the second moments of the inputs of each convolution over training images.
//!
//! A convolution is a matrix product with the windows of its input (im2col). With `C = E[x x^T]` over windows `x`,
//! changing an output's weights by `d` changes that output by `d^T C d` in the mean square. This is all that pruning
//! needs from the data, and one pass over the images collects it.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Slice, Tensor, TensorData};

use crate::data::batch::BatchConfig;
use crate::data::loader::DataLoader;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::spec::CHANNELS;
use crate::network::{Network, NetworkSpec};

/// Images per forward pass: the windows of a 3 x 3 convolution take 9 times the memory of its input.
const BATCH: usize = 32;

/// What to collect, and from how many images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalibrationConfig {
    /// Number of training images; all, if there are fewer.
    pub images: usize,
    /// Whether to collect full moments and not only the mean squares.
    pub moments: bool,
}

/// Statistics of the inputs of all convolutions.
///
/// ```
/// # #[cfg(feature = "cpu")] pollster::block_on(async {
/// use crossdub::compress::calibration::{ActivationStats, CalibrationConfig};
/// use crossdub::config::{ClassifierWidths, DeviceChoice, TrainConfig};
/// use crossdub::data::loader::DataLoader;
/// use crossdub::data::synthetic;
/// use crossdub::device::ComputeDevice;
/// use crossdub::network::parameters::import;
/// use crossdub::network::spec::initialize;
/// use crossdub::network::{Network, NetworkSpec};
///
/// let config = TrainConfig { plan: "4 M 8".parse()?, classifier: ClassifierWidths::default(), ..TrainConfig::default() };
/// let spec = NetworkSpec::from_config(&config, 10)?;
/// let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
/// let network = import(Network::new(&spec, &device.device), &spec, &initialize(&spec, 0))?;
///
/// let mut data = DataLoader::from(synthetic::generate(0, 8, 1));
/// let calibration = CalibrationConfig { images: 8, moments: false };
/// let stats = ActivationStats::collect(&network, &spec, &mut data, calibration, &device).await?;
/// // The second convolution sees windows of 4 x 3 x 3 values.
/// assert_eq!(stats.get("features.3.weight").unwrap().mean_square.len(), 36);
/// # Ok::<(), crossdub::Error>(())
/// # }).unwrap();
/// ```
pub struct ActivationStats {
    /// One entry per convolution, in the order of the network.
    pub layers: Vec<LayerStats>,
}

/// Statistics of the inputs of one convolution. `inputs` below is `in * kh * kw`, in the order of a row of the weight.
pub struct LayerStats {
    /// The name of the weight.
    pub name: String,
    /// Mean square of each input: `[inputs]`.
    pub mean_square: Vec<f32>,
    /// Second moments `E[x x^T]`, `[inputs, inputs]`, on the device, if they were collected.
    pub moments: Option<Tensor<2>>,
}

impl ActivationStats {
    /// The statistics for a weight.
    pub fn get(&self, name: &str) -> Option<&LayerStats> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// Collects statistics from training images, without augmentation and in an order that is the same in every run.
    ///
    /// # Errors
    /// When `images` is 0, an image can't be read, an input is not finite, or the device fails.
    pub async fn collect(
        network: &Network,
        spec: &NetworkSpec,
        data: &mut DataLoader,
        config: CalibrationConfig,
        compute: &ComputeDevice,
    ) -> Result<Self> {
        let images = config.images.min(data.train_len());
        if images == 0 {
            return Err(Error::field("images", images, "must be 1 or more"));
        }
        let network = network.valid();
        let ids: Vec<_> = network.convolutions().iter().map(|layer| layer.weight.id).collect();
        let mut sums: Vec<Option<(Tensor<2>, usize)>> = ids.iter().map(|_| None).collect();
        let mut hook = |layer: &Conv2d, input: &Tensor<4>| {
            let Some(at) = ids.iter().position(|id| *id == layer.weight.id) else { return };
            let windows = windows(layer, input.clone());
            let count = windows.dims()[1];
            let products = if config.moments {
                windows.clone().matmul(windows.transpose())
            } else {
                windows.square().sum_dim(1)
            };
            sums[at] = Some(match sums[at].take() {
                Some((sum, before)) => (sum + products, before + count),
                None => (products, count),
            });
        };
        let side = spec.side();
        let batches = BatchConfig { seed: 0, batch: BATCH.min(images), augment: false };
        for step in 0..images.div_ceil(batches.batch) {
            let batch = data.training_batch(batches, 0, step as u64)?;
            if batch.labels.is_empty() {
                break;
            }
            let shape = [batch.labels.len(), CHANNELS, side, side];
            let images = Tensor::from_data(TensorData::new(batch.images, shape), &compute.device);
            let last = network.segments().into_iter().max().unwrap_or(0);
            (0..=last).fold(images, |x, segment| network.forward_with_hook(segment, x, &mut hook));
        }
        let names = spec.conv_shapes().into_iter().map(|conv| conv.name);
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
    /// From moments, or from a single column of mean squares.
    async fn new(name: String, mean: Tensor<2>, compute: &ComputeDevice) -> Result<Self> {
        let [inputs, columns] = mean.dims();
        // Of moments the diagonal, which is every (inputs + 1)th value.
        let flat: Tensor<1> = mean.clone().reshape([inputs * columns]);
        let full = columns > 1;
        let diagonal = if full { flat.slice([Slice::new(0, None, inputs as isize + 1)]) } else { flat };
        let fail = |why: String| Error::device(&*compute.adapter, why);
        let read = diagonal.into_data_async().await.map_err(|why| fail(format!("{why:?}")))?;
        let mean_square = read.as_slice::<f32>().map_err(|why| fail(format!("{why:?}")))?.to_vec();
        if mean_square.iter().any(|value| !value.is_finite()) {
            let reason = "its inputs are not finite: the weights before it are unusable";
            return Err(Error::layer("measuring a layer's inputs", name, reason));
        }
        Ok(Self { name, mean_square, moments: full.then_some(mean) })
    }
}

/// The windows of a convolution over its input (im2col), for a padding of half the kernel.
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

    /// A convolution is the product of its weight matrix with the windows.
    #[test]
    fn windows_times_weights_equal_the_convolution() {
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
