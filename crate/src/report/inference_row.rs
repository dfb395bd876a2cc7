//! One row of the inference table: tallied conversions, weighed with one model's cost for each number
//! of bits.

use super::inference::{DenseAndActual, InferenceConfig, InferenceRow, LayerInference};
use crate::adc::AdcEnergy;
use crate::adc::EnergyUnit;
use crate::adc::conversions::{BITS, ConversionHistogram, LatencyTable, LayerConversions};
use crate::adc::converter::Converter;
use crate::config::{Granularity, Resolution};
use crate::matrix::Matrix;

/// What a converter costs at each number of bits; infinite where the model has no value.
pub(super) struct CostTable {
    energy: [f64; BITS],
    area_um2: Option<[f64; BITS]>,
    pub(super) time_ns: Option<LatencyTable>,
    extrapolated: [bool; BITS],
}

impl CostTable {
    pub(super) fn new(converter: &Converter) -> Self {
        let (mut energy, mut extrapolated) = ([f64::INFINITY; BITS], [false; BITS]);
        let (mut area, mut time) = ([f64::INFINITY; BITS], [f64::INFINITY; BITS]);
        let (mut has_area, mut has_time) = (false, false);
        (energy[0], area[0], time[0]) = (0.0, 0.0, 0.0);
        for bits in 1..BITS {
            if converter.unit() == EnergyUnit::Bits {
                energy[bits] = bits as f64;
                continue;
            }
            let Ok(cost) = converter.cost(bits as u32) else { continue };
            energy[bits] = cost.energy;
            extrapolated[bits] = cost.extrapolated;
            has_area |= cost.area_um2.is_some();
            has_time |= cost.time_ns.is_some();
            area[bits] = cost.area_um2.map_or(f64::INFINITY, |all| all / f64::from(converter.adcs()));
            time[bits] = cost.time_ns.unwrap_or(f64::INFINITY);
        }
        let (area_um2, time_ns) = (has_area.then_some(area), has_time.then_some(time));
        Self { energy, area_um2, time_ns, extrapolated }
    }
}

/// The sum of counts times values; `None` if a needed value is missing.
fn weigh<T: Copy + Into<f64>>(counts: &[T; BITS], values: &[f64; BITS]) -> Option<f64> {
    let terms = counts.iter().zip(values).map(|(&count, &value)| (count.into(), value));
    let sum: f64 =
        terms.filter(|(count, _): &(f64, f64)| *count > 0.0).map(|(count, value)| count * value).sum();
    sum.is_finite().then_some(sum)
}

fn as_floats(counts: &[u64; BITS]) -> [f64; BITS] {
    counts.map(|count| count as f64)
}

/// What one row of the table is computed from.
pub(super) struct RowInputs<'a> {
    pub(super) config: &'a InferenceConfig,
    pub(super) converter: &'a Converter,
    /// What `converter` costs at each number of bits.
    pub(super) costs: &'a CostTable,
    /// Index of the model's latencies in the tallies; `None` if its source has no times.
    pub(super) latency_index: Option<usize>,
    pub(super) input_slices: u32,
    pub(super) resolution: Resolution,
    pub(super) granularity: Granularity,
    /// Index of this resolution and granularity in the tallies.
    pub(super) resolution_index: usize,
    pub(super) layers: &'a [Matrix],
    /// The conversions of each layer.
    pub(super) tallies: &'a [LayerConversions],
}

impl InferenceRow {
    /// Weighs the tallied conversions with the model's costs.
    pub(super) fn new(inputs: &RowInputs<'_>) -> Self {
        let RowInputs { config, converter, resolution_index: at, layers, tallies, .. } = *inputs;
        let mut rows: Vec<LayerInference> = Vec::new();
        for (index, (layer, conversions)) in layers.iter().zip(tallies).enumerate() {
            let positions = config.positions.as_ref().map(|positions| positions[index]);
            rows.push(inputs.layer(layer, conversions, positions));
        }
        let mapping_per_tile = energy_of(rows.iter().map(|row| row.mapping_per_tile));
        let mapping_per_inference = energy_of(rows.iter().map(|row| row.mapping_per_inference));
        let per_tile = energy_of(rows.iter().map(|row| row.per_tile));
        let per_inference = energy_of(rows.iter().map(|row| row.per_inference));
        let all = per_inference.or(per_tile).map_or(0.0, |energy| energy.actual);
        for row in &mut rows {
            let own = row.per_inference.or(row.per_tile);
            row.share = own.filter(|_| all > 0.0).map(|own| own.actual / all);
        }
        let whole_energy = per_inference.or(per_tile);
        Self {
            model: converter.id().to_owned(),
            resolution: inputs.resolution,
            per: inputs.granularity,
            unit: converter.unit(),
            extrapolated: tallies
                .iter()
                .flat_map(|conversions| {
                    [&conversions.dense[at], &conversions.unpruned[at], &conversions.current[at]]
                })
                .any(|histogram| inputs.extrapolates(histogram)),
            per_tile,
            per_inference,
            mapping_per_tile,
            mapping_per_inference,
            whole_improvement: config
                .adc_share
                .zip(whole_energy)
                .and_then(|(fraction, energy)| fraction.whole_improvement(&energy)),
            conversions: sum(rows.iter().map(|row| row.conversions)),
            area_um2: sum(rows.iter().map(|row| row.area_um2)),
            latency_ns: sum(rows.iter().map(|row| row.latency_ns)),
            layers: rows,
        }
    }
}

impl RowInputs<'_> {
    fn layer(
        &self,
        layer: &Matrix,
        conversions: &LayerConversions,
        positions: Option<u64>,
    ) -> LayerInference {
        let at = self.resolution_index;
        let (full, dense, actual) =
            (&conversions.dense[at], &conversions.unpruned[at], &conversions.current[at]);
        let times = positions.map(|positions| positions * u64::from(self.input_slices));
        let between = |before: &ConversionHistogram,
                       after: &ConversionHistogram,
                       of: &dyn Fn(&ConversionHistogram) -> Option<f64>| {
            Some(AdcEnergy::new(of(before)?, of(after)?))
        };
        let per_tile = |histogram: &ConversionHistogram| weigh(&histogram.crossbars, &self.costs.energy);
        let per_position =
            |histogram: &ConversionHistogram| weigh(&as_floats(&histogram.conversions), &self.costs.energy);
        let area = |histogram: &ConversionHistogram| {
            let one_each = weigh(&as_floats(&histogram.converters), &self.costs.area_um2?)?;
            Some(one_each * self.config.adcs_per_tile as f64)
        };
        let latency = |histogram: &ConversionHistogram| {
            let slowest = histogram.slowest_ns[self.latency_index?];
            Some(slowest * times? as f64).filter(|time| time.is_finite())
        };
        let pair = |of: &dyn Fn(&ConversionHistogram) -> Option<f64>| {
            Some(DenseAndActual { dense: of(dense)?, actual: of(actual)? })
        };
        let inference = |before: &ConversionHistogram, after: &ConversionHistogram| {
            times.and_then(|times| {
                between(before, after, &|histogram| Some(per_position(histogram)? * times as f64))
            })
        };
        LayerInference {
            name: layer.name.clone(),
            per_tile: between(dense, actual, &per_tile),
            per_inference: inference(dense, actual),
            mapping_per_tile: between(full, dense, &per_tile),
            mapping_per_inference: inference(full, dense),
            share: None,
            conversions: times
                .map(|times| DenseAndActual { dense: full.total() * times, actual: actual.total() * times }),
            area_um2: pair(&area),
            latency_ns: pair(&latency),
        }
    }

    fn extrapolates(&self, histogram: &ConversionHistogram) -> bool {
        histogram
            .conversions
            .iter()
            .zip(&self.costs.extrapolated)
            .any(|(&count, &beyond)| beyond && count > 0)
    }
}

/// The sum over layers; `None` if one is missing.
fn energy_of(layers: impl Iterator<Item = Option<AdcEnergy>>) -> Option<AdcEnergy> {
    let all: Option<Vec<AdcEnergy>> = layers.collect();
    all.map(|all| AdcEnergy::new(all.iter().map(|e| e.dense).sum(), all.iter().map(|e| e.actual).sum()))
}

fn sum<T: std::iter::Sum<T> + Copy>(
    layers: impl Iterator<Item = Option<DenseAndActual<T>>>,
) -> Option<DenseAndActual<T>> {
    let all: Option<Vec<DenseAndActual<T>>> = layers.collect();
    all.map(|all| DenseAndActual {
        dense: all.iter().map(|p| p.dense).sum(),
        actual: all.iter().map(|p| p.actual).sum(),
    })
}
