//! Accuracy and class scores on held-out images.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::data::SIDE;
use crate::data::batch::Batch;
use crate::data::loader::LabeledDataset;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::metrics::{log_sum_exp, rank_of};
use crate::network::Network;
use crate::network::spec::CHANNELS;

/// Images per forward pass, of 32 x 32 pixels; fewer if they are larger.
const BATCH: usize = if cfg!(target_arch = "wasm32") { 50 } else { 250 };
/// The fewest images per forward pass.
const MIN_BATCH: usize = 32;

/// Accuracy and loss of a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct Evaluation {
    /// Images with the highest score at their label, in percent.
    pub accuracy: f64,
    /// Images with their label among the five highest scores, in percent.
    pub top5: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Number of images.
    pub images: usize,
}

impl Evaluation {
    /// From accuracies in percent, the mean cross-entropy, and the number of images.
    pub fn new(accuracy: f64, top5: f64, loss: f64, images: usize) -> Self {
        Self { accuracy, top5, loss, images }
    }
}

/// Evaluates a network, without dropout and with the running statistics of batch normalization.
///
/// ```
/// # #[cfg(feature = "cpu")] pollster::block_on(async {
/// # use crossdub::config::{ClassifierWidths, DeviceChoice, TrainConfig};
/// # use crossdub::data::synthetic;
/// # use crossdub::device::ComputeDevice;
/// # use crossdub::network::parameters::import;
/// # use crossdub::network::spec::initialize;
/// # use crossdub::network::{Network, NetworkSpec};
/// use crossdub::train::evaluate::evaluate;
///
/// # let config = TrainConfig { plan: "4 M".parse()?, classifier: ClassifierWidths::default(), ..TrainConfig::default() };
/// # let spec = NetworkSpec::from_config(&config, 10)?;
/// # let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
/// # let network = import(Network::new(&spec, &device.device), &spec, &initialize(&spec, 0))?;
/// let images = synthetic::generate(0, 1, 20).test;
/// let evaluation = evaluate(&network, &images, 0..20, &device).await?;
/// assert_eq!(evaluation.images, 20);
/// assert!(evaluation.top5 >= evaluation.accuracy);
/// # Ok::<(), crossdub::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// When network and data differ in their number of classes, too many images can't be read, or the device fails.
pub async fn evaluate(
    network: &Network,
    data: &dyn LabeledDataset,
    range: Range<usize>,
    compute: &ComputeDevice,
) -> Result<Evaluation> {
    let (mut correct, mut in_top5, mut loss, mut count) = (0, 0, 0.0, 0);
    let network = network.valid();
    for batch in data.batches(range, images_at_once(data.side())) {
        let batch = batch?;
        let scores = forward(&network, &batch, data.side(), compute).await?;
        let classes = scores.len() / batch.labels.len();
        check_classes(classes, data.classes().len())?;
        for (logits, &label) in scores.chunks_exact(classes).zip(&batch.labels) {
            let label = label as usize;
            let rank = rank_of(logits, label);
            correct += usize::from(rank == 0);
            in_top5 += usize::from(rank < 5);
            loss += log_sum_exp(logits) - f64::from(logits[label]);
        }
        count += batch.labels.len();
    }
    if count == 0 {
        return Err(Error::field("data", "", "there are no images to evaluate on"));
    }
    let percent = |number: usize| 100.0 * number as f64 / count as f64;
    Ok(Evaluation {
        accuracy: percent(correct),
        top5: percent(in_top5),
        loss: loss / count as f64,
        images: count,
    })
}

/// Class scores (logits) of images, row-major: one row of `classes` values per image.
///
/// # Errors
/// When an image can't be read, or the device fails.
pub async fn scores(
    network: &Network,
    data: &dyn LabeledDataset,
    range: Range<usize>,
    compute: &ComputeDevice,
) -> Result<Vec<f32>> {
    let network = network.valid();
    let mut all = Vec::new();
    let mut count = 0;
    for batch in data.batches(range.clone(), images_at_once(data.side())) {
        let batch = batch?;
        all.extend(forward(&network, &batch, data.side(), compute).await?);
        count += batch.labels.len();
    }
    if count < range.len() {
        let why = format!("{} of {} can't be read", range.len() - count, range.len());
        return Err(Error::file("reading images", "", why));
    }
    Ok(all)
}

/// Images per forward pass.
pub(crate) fn images_at_once(side: usize) -> usize {
    (BATCH * SIDE * SIDE / (side * side)).clamp(MIN_BATCH, BATCH)
}

async fn forward(network: &Network, batch: &Batch, side: usize, compute: &ComputeDevice) -> Result<Vec<f32>> {
    read(network.forward(to_tensor(batch, side, compute), None), compute).await
}

/// A batch's images on the device: `[batch, 3, side, side]`.
pub(crate) fn to_tensor(batch: &Batch, side: usize, compute: &ComputeDevice) -> Tensor<4> {
    let shape = [batch.labels.len(), CHANNELS, side, side];
    Tensor::from_data(TensorData::new(batch.images.clone(), shape), &compute.device)
}

/// A tensor's values from the device, row-major.
pub(crate) async fn read<const D: usize>(tensor: Tensor<D>, compute: &ComputeDevice) -> Result<Vec<f32>> {
    let fail = |why: String| Error::device(&*compute.adapter, why);
    let read = tensor.into_data_async().await.map_err(|why| fail(format!("{why:?}")))?;
    Ok(read.as_slice::<f32>().map_err(|why| fail(format!("{why:?}")))?.to_vec())
}

/// Checks that network and data have the same number of classes.
pub(crate) fn check_classes(network: usize, data: usize) -> Result<()> {
    if network == data {
        return Ok(());
    }
    let why = format!("the network has {network} classes and the data {data}");
    Err(Error::field("data", format!("{data} classes"), why))
}
