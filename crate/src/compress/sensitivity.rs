//! How much each layer bears: one layer at a time is pruned by magnitude and the accuracy measured,
//! and a prune ratio is proposed for each.
//!
//! What stands below the pruned layer does not change. So each batch goes up the network once: the
//! activations that enter a layer are kept, and every ratio of that layer runs from there. A residual
//! block is entered as a whole.

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

/// A floor is a difference of percentages; what stands on it may differ from it in the last bits.
const ROUNDING: f64 = 1e-9;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct SensitivityConfig {
    /// Prune ratios, in percent of a layer's weights.
    pub ratios: Vec<f64>,
    /// What a layer's proposed ratio may cost, in points of accuracy.
    pub drop: f64,
}

impl Default for SensitivityConfig {
    fn default() -> Self {
        let tens = (0..10).map(|ten| f64::from(10 * ten));
        Self { ratios: tens.chain([95.0, 98.0]).collect(), drop: 1.0 }
    }
}

impl SensitivityConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// When there is no ratio, or one or the drop is not within 0 to 100.
    pub fn validate(&self) -> Result<()> {
        let percent = 0.0..=100.0;
        if let Some(bad) = self.ratios.iter().find(|ratio| !percent.contains(*ratio)) {
            return Err(Error::field("ratios", bad, "takes 0 to 100 percent"));
        }
        if self.ratios.is_empty() {
            return Err(Error::field("ratios", "", "takes at least one"));
        }
        if !percent.contains(&self.drop) {
            return Err(Error::field("drop", self.drop, "takes 0 to 100 points of accuracy"));
        }
        Ok(())
    }

    /// The ratios that prune anything, in ascending order, each once.
    fn ascending(&self) -> Vec<f64> {
        let mut ratios: Vec<f64> = self.ratios.iter().copied().filter(|ratio| *ratio > 0.0).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.dedup();
        ratios
    }
}

/// Accuracy with one layer pruned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SensitivityPoint {
    /// Percent of the layer's weights: those of a magnitude up to this percentile are zero. At 0 none
    /// is pruned.
    pub ratio: f64,
    /// Accuracy, in percent.
    pub accuracy: f64,
}

/// What one layer bears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerSensitivity {
    /// The weight's name.
    pub name: String,
    /// The curve, by ascending ratio; it begins with the unpruned layer.
    pub points: Vec<SensitivityPoint>,
    /// The proposed ratio, in percent.
    pub proposed: f64,
    /// Accuracy with this layer alone pruned by it, in percent; measured, as every point is.
    pub proposed_accuracy: f64,
}

/// What every layer bears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// Version of this object.
    pub schema_version: u32,
    /// Images measured on.
    pub images: usize,
    /// Accuracy of the unpruned network, in percent.
    pub baseline_accuracy: f64,
    /// What a layer's proposed ratio may cost, in points of accuracy.
    pub drop: f64,
    /// The layers, in the order in which pruning takes its ratios.
    pub layers: Vec<LayerSensitivity>,
    /// The layers' proposed ratios, in percent.
    pub proposed: Vec<f64>,
    /// Accuracy with all layers pruned by them at once, in percent: what they cost adds up.
    pub proposed_accuracy: f64,
}

/// Measures every layer's curve and proposes ratios: for each layer the largest measured ratio within
/// the drop, or one between it and the next, where the line between them crosses the drop (to a tenth
/// of a percent, downwards). Such a ratio is measured too, and counts only if it keeps the drop.
///
/// `progress` hears of images passed and images to pass, from 0 on for the curves, for the ratios
/// between, and for all layers together.
///
/// # Errors
/// When a ratio or the drop is out of range, the network has other classes than the data, too many
/// images can't be read, or the device fails.
pub async fn sensitivity(
    network: &Network,
    plan: &NetworkSpec,
    (data, range): (&dyn LabeledDataset, Range<usize>),
    spec: &SensitivityConfig,
    compute: &ComputeDevice,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Sensitivity> {
    spec.validate()?;
    let network = network.valid();
    let mut walk =
        SensitivityRun { layers: layers(&network, plan, compute).await?, network, data, range, compute };
    let ratios = spec.ascending();
    let curves =
        walk.measure(&walk.network.clone(), &vec![ratios.clone(); walk.layers.len()], progress).await?;
    let baseline = curves.whole;
    let floor = baseline - spec.drop - ROUNDING;
    let mut between = Vec::new();
    let mut layers = Vec::new();
    for (layer, accuracies) in walk.layers.iter().zip(curves.cut) {
        let mut points = vec![SensitivityPoint { ratio: 0.0, accuracy: baseline }];
        let pairs = ratios.iter().zip(accuracies);
        points.extend(pairs.map(|(&ratio, accuracy)| SensitivityPoint { ratio, accuracy }));
        let (best, crossing) = propose(&points, floor);
        between.push(Vec::from_iter(crossing));
        let (proposed, proposed_accuracy) = (best.ratio, best.accuracy);
        layers.push(LayerSensitivity { name: layer.name.clone(), points, proposed, proposed_accuracy });
    }
    let crossings = walk.measure(&walk.network.clone(), &between, progress).await?;
    for ((layer, ratio), accuracy) in layers.iter_mut().zip(&between).zip(crossings.cut) {
        if let (Some(&ratio), Some(&accuracy)) = (ratio.first(), accuracy.first().filter(|a| **a >= floor)) {
            (layer.proposed, layer.proposed_accuracy) = (ratio, accuracy);
        }
    }
    let pairs = walk.layers.iter_mut().zip(&layers);
    let together =
        pairs.fold(walk.network.clone(), |network, (layer, found)| layer.cut(found.proposed).of(network));
    let together = walk.measure(&together, &[], progress).await?;
    layers.sort_by(|a, b| natural_order(&a.name, &b.name));
    Ok(Sensitivity {
        schema_version: SCHEMA_VERSION,
        images: curves.images,
        baseline_accuracy: baseline,
        drop: spec.drop,
        proposed: layers.iter().map(|layer| layer.proposed).collect(),
        layers,
        proposed_accuracy: together.whole,
    })
}

/// The point of the largest ratio at or above the floor, and a ratio between it and the next where the
/// line between them crosses the floor. The first point is the unpruned layer, which is above it.
fn propose(points: &[SensitivityPoint], floor: f64) -> (SensitivityPoint, Option<f64>) {
    let at = points.iter().rposition(|point| point.accuracy >= floor).unwrap_or(0);
    let best = points[at];
    let crossing = points.get(at + 1).map(|next| {
        let share = (best.accuracy - floor) / (best.accuracy - next.accuracy);
        ((best.ratio + share * (next.ratio - best.ratio)) * 10.0).floor() / 10.0
    });
    (best, crossing.filter(|ratio| *ratio > best.ratio))
}

/// A convolution that is pruned.
struct Layer {
    name: String,
    /// The segment of the network it belongs to.
    segment: usize,
    id: ParamId,
    /// Its weights' magnitudes, in any order.
    magnitudes: Vec<f32>,
}

async fn layers(network: &Network, plan: &NetworkSpec, compute: &ComputeDevice) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    let places = plan.conv_shapes().into_iter().zip(network.segments());
    for (convolution, (shape, segment)) in network.convolutions().into_iter().zip(places) {
        let weight = &convolution.weight;
        let magnitudes = read(weight.val().abs(), compute).await?;
        layers.push(Layer { name: shape.name, segment, id: weight.id, magnitudes });
    }
    Ok(layers)
}

impl Layer {
    /// Cuts off what a ratio (percent) prunes.
    fn cut(&mut self, ratio: f64) -> LayerMask {
        let limit = quantile(&mut self.magnitudes, ratio / 100.0).filter(|_| ratio > 0.0);
        LayerMask { id: self.id, limit: limit.map(float_below) }
    }
}

/// The largest float32 that is not above `value`, so that comparing float32 with it decides the same.
fn float_below(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}

/// Sets one parameter's values of magnitudes up to a limit to zero; without a limit none.
#[derive(Clone, Copy)]
struct LayerMask {
    id: ParamId,
    limit: Option<f32>,
}

impl LayerMask {
    fn of(mut self, network: Network) -> Network {
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

/// What goes up the network.
struct SensitivityRun<'a> {
    network: Network,
    layers: Vec<Layer>,
    data: &'a dyn LabeledDataset,
    range: Range<usize>,
    compute: &'a ComputeDevice,
}

/// Accuracies in percent.
struct Measured {
    images: usize,
    /// Of a whole network.
    whole: f64,
    /// Of every layer, cut by each of its ratios alone.
    cut: Vec<Vec<f64>>,
}

impl SensitivityRun<'_> {
    /// Evaluates a `whole` network, and this one with each layer cut by each of its ratios (above 0),
    /// of which `ratios` has one list a layer, or none at all.
    async fn measure(
        &mut self,
        whole: &Network,
        ratios: &[Vec<f64>],
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Measured> {
        let mut right: Vec<Vec<usize>> = ratios.iter().map(|ratios| vec![0; ratios.len()]).collect();
        let cut = |(layer, ratios): (&mut Layer, &Vec<f64>)| {
            ratios.iter().map(|&ratio| layer.cut(ratio)).collect::<Vec<_>>()
        };
        let cuts: Vec<_> = self.layers.iter_mut().zip(ratios).map(cut).collect();
        let (mut whole_right, mut images, mut passed) = (0, 0, 0);
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
            whole_right += self.right(whole.forward_from_segment(0, x.clone()), &batch.labels).await?;
            pass(batch.labels.len());
            let mut at = 0;
            for ((layer, cuts), right) in self.layers.iter().zip(&cuts).zip(&mut right) {
                while at < layer.segment {
                    x = self.network.forward_segment(at, x);
                    at += 1;
                }
                for (cut, right) in cuts.iter().zip(right) {
                    let scores = cut.of(self.network.clone()).forward_from_segment(at, x.clone());
                    *right += self.right(scores, &batch.labels).await?;
                    pass(batch.labels.len());
                }
            }
            images += batch.labels.len();
        }
        if images == 0 {
            return Err(Error::field("data", "", "there are no images to evaluate on"));
        }
        let percent = |right: usize| 100.0 * right as f64 / images as f64;
        let cut = right.into_iter().map(|right| right.into_iter().map(percent).collect()).collect();
        Ok(Measured { images, whole: percent(whole_right), cut })
    }

    /// How many scores are highest where the label is.
    async fn right(&self, scores: Tensor<2>, labels: &[i32]) -> Result<usize> {
        let classes = scores.dims()[1];
        check_classes(classes, self.data.classes().len())?;
        Ok(correct_predictions(&read(scores, self.compute).await?, classes, labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(pairs: &[(f64, f64)]) -> Vec<SensitivityPoint> {
        pairs.iter().map(|&(ratio, accuracy)| SensitivityPoint { ratio, accuracy }).collect()
    }

    #[test]
    fn proposes_where_the_line_crosses_the_floor() {
        let curve = points(&[(0.0, 80.0), (50.0, 79.5), (80.0, 77.5), (90.0, 60.0)]);
        assert_eq!(propose(&curve, 79.0), (curve[1], Some(57.5)));
        assert_eq!(propose(&curve, 77.5), (curve[2], None), "on the floor there is nothing to add");
        assert_eq!(propose(&curve, 10.0), (curve[3], None), "nothing is known beyond the last point");
        // Noise: the largest measured ratio counts, whatever a smaller one says.
        let dip = points(&[(0.0, 80.0), (10.0, 78.9), (20.0, 79.2), (30.0, 70.0)]);
        assert_eq!(propose(&dip, 79.0), (dip[2], Some(20.2)));
        assert_eq!(propose(&dip[..2], 79.5), (dip[0], Some(4.5)));
    }

    #[test]
    fn a_limit_decides_as_float64_does() {
        for value in [0.1, 0.3, 1.0, 1e-3, 0.0] {
            let limit = float_below(value);
            assert!(f64::from(limit) <= value && f64::from(limit.next_up()) > value, "{value}");
        }
    }

    #[test]
    fn ratios_and_drop_have_ranges() {
        let spec = |ratios: &[f64], drop| SensitivityConfig { ratios: ratios.to_vec(), drop };
        assert!(SensitivityConfig::default().validate().is_ok());
        assert_eq!(SensitivityConfig::default().ascending().len(), 11);
        assert_eq!(spec(&[30.0, -0.0, 10.0, 30.0], 0.0).ascending(), [10.0, 30.0]);
        for (ratios, drop) in [
            (&[101.0][..], 1.0),
            (&[-1.0], 1.0),
            (&[f64::NAN], 1.0),
            (&[], 1.0),
            (&[5.0], -1.0),
            (&[5.0], f64::NAN),
        ] {
            assert!(spec(ratios, drop).validate().is_err(), "{ratios:?} {drop}");
        }
    }
}
