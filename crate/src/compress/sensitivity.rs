//! Sensitivity: prunes one layer at a time by magnitude, measures the accuracy, and proposes a prune ratio per layer.
//!
//! Layers before the pruned one do not change. So each batch passes through the network once: the activations that
//! enter a segment ([`Network::segments`]) are kept, and every ratio of its layers is evaluated from there.
//!
//! Source: Li et al., "Pruning Filters for Efficient ConvNets", 2017, for the analysis by single layers.

use std::collections::HashMap;
use std::ops::Range;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::checkpoint::natural_order;
use crate::config::SCHEMA_VERSION;
use crate::crossbar::quantile::quantile;
use crate::data::loader::LabeledDataset;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::metrics::correct_predictions;
use crate::network::{Network, NetworkSpec};
use crate::train::evaluate::{check_classes, images_at_once, read, to_tensor};

/// Tolerance when accuracies, in percent, are compared with a minimum computed by subtraction.
const ROUNDING: f64 = 1e-9;

/// What to measure.
///
/// ```
/// use crossdub::compress::sensitivity::SensitivityConfig;
///
/// let config = SensitivityConfig { ratios: vec![50.0, 90.0], max_accuracy_drop: 2.0 };
/// assert!(config.validate().is_ok());
/// let config = SensitivityConfig { ratios: vec![101.0], ..config };
/// assert_eq!(config.validate().unwrap_err().to_string(), "invalid ratios (101): must be 0 to 100 percent");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SensitivityConfig {
    /// Prune ratios, in percent of the weights of a layer.
    pub ratios: Vec<f64>,
    /// The accuracy that a layer's proposed ratio may cost, in percentage points.
    pub max_accuracy_drop: f64,
}

impl Default for SensitivityConfig {
    fn default() -> Self {
        let tens = (0..10).map(|ten| f64::from(10 * ten));
        Self { ratios: tens.chain([95.0, 98.0]).collect(), max_accuracy_drop: 1.0 }
    }
}

impl SensitivityConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// When there is no ratio, or a ratio or the drop is outside 0 to 100.
    pub fn validate(&self) -> Result<()> {
        let percent = 0.0..=100.0;
        if let Some(bad) = self.ratios.iter().find(|ratio| !percent.contains(*ratio)) {
            return Err(Error::field("ratios", bad, "must be 0 to 100 percent"));
        }
        if self.ratios.is_empty() {
            return Err(Error::field("ratios", "", "must name at least one"));
        }
        if !percent.contains(&self.max_accuracy_drop) {
            return Err(Error::field("drop", self.max_accuracy_drop, "must be 0 to 100 percentage points"));
        }
        Ok(())
    }

    /// The ratios above 0 in ascending order, without duplicates.
    fn ascending(&self) -> Vec<f64> {
        let mut ratios: Vec<f64> = self.ratios.iter().copied().filter(|ratio| *ratio > 0.0).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.dedup();
        ratios
    }
}

/// Accuracy with one layer pruned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SensitivityPoint {
    /// Pruned weights, in percent of the layer's: those with magnitudes up to this percentile. At 0, none.
    pub ratio: f64,
    /// Accuracy, in percent.
    pub accuracy: f64,
}

/// The sensitivity of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LayerSensitivity {
    /// The name of the weight.
    pub name: String,
    /// The curve by ascending ratio; its first point is the unpruned layer.
    pub points: Vec<SensitivityPoint>,
    /// The proposed ratio, in percent.
    pub proposed: f64,
    /// Measured accuracy with only this layer pruned by the proposed ratio, in percent.
    pub proposed_accuracy: f64,
}

/// The sensitivity of every layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sensitivity {
    /// Version of this object.
    pub schema_version: u32,
    /// Number of images.
    pub images: usize,
    /// Accuracy of the unpruned network, in percent.
    pub baseline_accuracy: f64,
    /// The accuracy that a layer's proposed ratio may cost, in percentage points.
    #[serde(rename = "drop")]
    pub max_accuracy_drop: f64,
    /// The layers, in natural order of their names; see [`in_order_of`](Self::in_order_of).
    pub layers: Vec<LayerSensitivity>,
    /// The layers' proposed ratios, in percent.
    pub proposed: Vec<f64>,
    /// Accuracy with all layers pruned by these ratios at once, in percent.
    pub proposed_accuracy: f64,
}

impl Sensitivity {
    /// The same with the layers in the order of these names: pruning takes ratios in the order of the file.
    #[must_use]
    pub fn in_order_of<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let places: HashMap<&str, usize> = names.into_iter().zip(0..).collect();
        self.layers.sort_by_key(|layer| places.get(&*layer.name).copied().unwrap_or(usize::MAX));
        self.proposed = self.layers.iter().map(|layer| layer.proposed).collect();
        self
    }
}

/// Measures the curve of every layer and proposes ratios.
///
/// The proposal for a layer is the largest measured ratio within the allowed drop, or one between it and the next:
/// where the line between the two crosses the drop, rounded down to a tenth of a percent. Such a ratio is measured too
/// and counts only if it stays within the drop.
///
/// `progress` is called with the number of images done and the total, three times from 0: for the curves, for the
/// ratios in between, and for all layers together.
///
/// ```
/// # #[cfg(feature = "cpu")] pollster::block_on(async {
/// use crossdub::compress::sensitivity::{SensitivityConfig, sensitivity};
/// # use crossdub::config::{ClassifierWidths, DeviceChoice, TrainConfig};
/// # use crossdub::data::synthetic;
/// # use crossdub::device::ComputeDevice;
/// # use crossdub::network::parameters::import;
/// # use crossdub::network::spec::initialize;
/// # use crossdub::network::{Network, NetworkSpec};
///
/// # let config = TrainConfig { plan: "4 M 8".parse()?, classifier: ClassifierWidths::default(), ..TrainConfig::default() };
/// # let spec = NetworkSpec::from_config(&config, 10)?;
/// # let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
/// # let network = import(Network::new(&spec, &device.device), &spec, &initialize(&spec, 0))?;
/// let images = synthetic::generate(0, 1, 20).test;
/// let config = SensitivityConfig { ratios: vec![50.0, 90.0], max_accuracy_drop: 100.0 };
/// let found = sensitivity(&network, &spec, (&images, 0..20), &config, &device, &mut |_, _| {}).await?;
/// // Any drop is allowed, so the proposal is the largest ratio.
/// assert_eq!(found.proposed, [90.0, 90.0]);
/// # Ok::<(), crossdub::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// When a ratio or the drop is out of range, network and data differ in their number of classes, too many images can't
/// be read, or the device fails.
pub async fn sensitivity(
    network: &Network,
    spec: &NetworkSpec,
    (data, range): (&dyn LabeledDataset, Range<usize>),
    config: &SensitivityConfig,
    compute: &ComputeDevice,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Sensitivity> {
    config.validate()?;
    let network = network.valid();
    let mut run =
        SensitivityRun { layers: layers(&network, spec, compute).await?, network, data, range, compute };
    let ratios = config.ascending();
    let curves = run.measure(&run.network.clone(), &vec![ratios.clone(); run.layers.len()], progress).await?;
    let baseline = curves.whole;
    let min_accuracy = baseline - config.max_accuracy_drop - ROUNDING;
    let mut between = Vec::new();
    let mut layers = Vec::new();
    for (layer, accuracies) in run.layers.iter().zip(curves.pruned) {
        let mut points = vec![SensitivityPoint { ratio: 0.0, accuracy: baseline }];
        let pairs = ratios.iter().zip(accuracies);
        points.extend(pairs.map(|(&ratio, accuracy)| SensitivityPoint { ratio, accuracy }));
        let (best, crossing) = propose(&points, min_accuracy);
        between.push(Vec::from_iter(crossing));
        let (proposed, proposed_accuracy) = (best.ratio, best.accuracy);
        layers.push(LayerSensitivity { name: layer.name.clone(), points, proposed, proposed_accuracy });
    }
    let crossings = run.measure(&run.network.clone(), &between, progress).await?;
    for ((layer, ratio), accuracy) in layers.iter_mut().zip(&between).zip(crossings.pruned) {
        if let (Some(&ratio), Some(&accuracy)) =
            (ratio.first(), accuracy.first().filter(|a| **a >= min_accuracy))
        {
            (layer.proposed, layer.proposed_accuracy) = (ratio, accuracy);
        }
    }
    let pairs = run.layers.iter_mut().zip(&layers);
    let together =
        pairs.fold(run.network.clone(), |network, (layer, found)| layer.mask(found.proposed).apply(network));
    let together = run.measure(&together, &[], progress).await?;
    layers.sort_by(|a, b| natural_order(&a.name, &b.name));
    Ok(Sensitivity {
        schema_version: SCHEMA_VERSION,
        images: curves.images,
        baseline_accuracy: baseline,
        max_accuracy_drop: config.max_accuracy_drop,
        proposed: layers.iter().map(|layer| layer.proposed).collect(),
        layers,
        proposed_accuracy: together.whole,
    })
}

/// The point of the largest ratio with at least the minimum accuracy, and the ratio between it and the next where the
/// line between them crosses that minimum. The first point is the unpruned layer, which is above it.
fn propose(points: &[SensitivityPoint], min_accuracy: f64) -> (SensitivityPoint, Option<f64>) {
    let at = points.iter().rposition(|point| point.accuracy >= min_accuracy).unwrap_or(0);
    let best = points[at];
    let crossing = points.get(at + 1).map(|next| {
        let share = (best.accuracy - min_accuracy) / (best.accuracy - next.accuracy);
        ((best.ratio + share * (next.ratio - best.ratio)) * 10.0).floor() / 10.0
    });
    (best, crossing.filter(|ratio| *ratio > best.ratio))
}

/// A convolution to prune.
struct PrunableLayer {
    name: String,
    /// The segment of the network it belongs to.
    segment: usize,
    id: ParamId,
    /// The magnitudes of its weights, in any order.
    magnitudes: Vec<f32>,
}

async fn layers(
    network: &Network,
    spec: &NetworkSpec,
    compute: &ComputeDevice,
) -> Result<Vec<PrunableLayer>> {
    let mut layers = Vec::new();
    let places = spec.conv_shapes().into_iter().zip(network.segments());
    for (convolution, (shape, segment)) in network.convolutions().into_iter().zip(places) {
        let weight = &convolution.weight;
        let magnitudes = read(weight.val().abs(), compute).await?;
        layers.push(PrunableLayer { name: shape.name, segment, id: weight.id, magnitudes });
    }
    Ok(layers)
}

impl PrunableLayer {
    /// The mask for a ratio in percent.
    fn mask(&mut self, ratio: f64) -> LayerMask {
        let limit = quantile(&mut self.magnitudes, ratio / 100.0).filter(|_| ratio > 0.0);
        LayerMask { id: self.id, limit: limit.map(float_below) }
    }
}

/// The largest float32 of at most `value`: comparing a float32 with either decides the same.
fn float_below(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}

/// Sets the values of one parameter with magnitudes up to a limit to zero; without a limit, none.
#[derive(Clone, Copy)]
struct LayerMask {
    id: ParamId,
    limit: Option<f32>,
}

impl LayerMask {
    fn apply(mut self, network: Network) -> Network {
        network.map(&mut self)
    }
}

impl ModuleMapper for LayerMask {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(limit) = self.limit.filter(|_| param.id == self.id) else { return param };
        param.map(|weight| {
            let small = weight.clone().abs().lower_equal_elem(limit);
            weight.mask_fill(small, 0.0)
        })
    }
}

/// A network, the data to evaluate it on, and its layers.
struct SensitivityRun<'a> {
    network: Network,
    layers: Vec<PrunableLayer>,
    data: &'a dyn LabeledDataset,
    range: Range<usize>,
    compute: &'a ComputeDevice,
}

/// Measured accuracies, in percent.
struct Measured {
    images: usize,
    /// Of the whole network.
    whole: f64,
    /// Of every layer, for each of its ratios.
    pruned: Vec<Vec<f64>>,
}

impl SensitivityRun<'_> {
    /// Evaluates `whole`, and the network with single layers pruned: `ratios` has a list of ratios above 0 for each
    /// layer, or is empty.
    async fn measure(
        &mut self,
        whole: &Network,
        ratios: &[Vec<f64>],
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Measured> {
        let mut correct: Vec<Vec<usize>> = ratios.iter().map(|ratios| vec![0; ratios.len()]).collect();
        let masks = |(layer, ratios): (&mut PrunableLayer, &Vec<f64>)| {
            ratios.iter().map(|&ratio| layer.mask(ratio)).collect::<Vec<_>>()
        };
        let masks: Vec<_> = self.layers.iter_mut().zip(ratios).map(masks).collect();
        let (mut whole_correct, mut images, mut passed) = (0, 0, 0);
        let passes = 1 + ratios.iter().map(Vec::len).sum::<usize>();
        let total = (passes * self.range.len()) as u64;
        progress(0, total);
        let side = self.data.side();
        for batch in self.data.batches(self.range.clone(), images_at_once(side)) {
            let batch = batch?;
            let mut pass = |count| {
                passed += count as u64;
                progress(passed, total);
            };
            let mut x = to_tensor(&batch, side, self.compute);
            whole_correct +=
                self.count_correct(whole.forward_from_segment(0, x.clone()), &batch.labels).await?;
            pass(batch.labels.len());
            let mut at = 0;
            for ((layer, masks), correct) in self.layers.iter().zip(&masks).zip(&mut correct) {
                while at < layer.segment {
                    x = self.network.forward_segment(at, x);
                    at += 1;
                }
                for (mask, correct) in masks.iter().zip(correct) {
                    let scores = mask.apply(self.network.clone()).forward_from_segment(at, x.clone());
                    *correct += self.count_correct(scores, &batch.labels).await?;
                    pass(batch.labels.len());
                }
            }
            images += batch.labels.len();
        }
        if images == 0 {
            return Err(Error::field("data", "", "there are no images to evaluate on"));
        }
        let percent = |correct: usize| 100.0 * correct as f64 / images as f64;
        let pruned = correct.into_iter().map(|correct| correct.into_iter().map(percent).collect()).collect();
        Ok(Measured { images, whole: percent(whole_correct), pruned })
    }

    /// Number of correct predictions.
    async fn count_correct(&self, scores: Tensor<2>, labels: &[i32]) -> Result<usize> {
        let classes = scores.dims()[1];
        check_classes(classes, self.data.classes().len())?;
        Ok(correct_predictions(&read(scores, self.compute).await?, classes, labels))
    }
}

#[cfg(test)]
mod tests;
