//! The functional simulation is exact where it claims to be, and saturates where a converter must:
//! against plain integers and against a crossbar of nested loops, both written apart from it.

use crossdub::crossbar::prune::{Rule, Threshold, prune};
use crossdub::crossbar::tiling::TileShape;
use crossdub::data::{Split, builtin, cifar10};
use crossdub::matrix::Matrix;
use crossdub::model::initialize::initialize;
use crossdub::model::network::Plan;
use crossdub::simulate::crossbars::Crossbars;
use crossdub::simulate::digital;
use crossdub::simulate::imperfect::{Programmed, Reading, Spans};
use crossdub::simulate::options::{AdcRange, SimulationSpec};
use crossdub::simulate::popcount::{self, Output};
use crossdub::simulate::report::SimulationReport;
use crossdub::simulate::simulator::Simulator;
use crossdub::spec::{HardwareSpec, Per, Resolution, RunSpec, Subtraction, WeightScale};
use crossdub::weights::Weights;
use proptest::prelude::*;

use crate::shared::{shared, weights};

/// A layer, its input, and the hardware it lies on.
#[derive(Debug, Clone)]
struct Case {
    hardware: HardwareSpec,
    outputs: usize,
    inputs: usize,
    weights: Vec<f32>,
    windows: Vec<u16>,
    zero: u16,
}

impl Case {
    fn matrix(&self) -> Matrix {
        Matrix::new("w", self.outputs, self.inputs, self.weights.clone()).expect("fits")
    }

    fn simulate(&self) -> Output {
        popcount::simulate(&Crossbars::new(&self.matrix(), &self.hardware), &self.windows, self.zero)
    }

    /// The quantized weights, by the definition.
    fn quantized(&self) -> Vec<Vec<i64>> {
        let levels = f64::from((1 << (self.hardware.weight_precision - 1)) - 1);
        let most = |weights: &[f32]| weights.iter().fold(0.0, |most, w| f64::max(most, f64::from(w.abs())));
        let whole = most(&self.weights);
        let rows = self.weights.chunks(self.inputs).map(|row| {
            let most = if self.hardware.weight_scale == WeightScale::Layer { whole } else { most(row) };
            let step = if most == 0.0 { 1.0 } else { most / levels };
            row.iter().map(|&w| (f64::from(w) / step).round() as i64).collect()
        });
        rows.collect()
    }

    /// What the layer computes, in plain integers.
    fn plain(&self) -> Vec<i64> {
        let mut sums = Vec::new();
        for row in self.quantized() {
            for window in self.windows.chunks(self.inputs) {
                let products =
                    row.iter().zip(window).map(|(w, &u)| w * (i64::from(u) - i64::from(self.zero)));
                sums.push(products.sum());
            }
        }
        sums
    }

    /// The crossbars cell by cell, with the same number of bits for every conversion.
    fn cell_by_cell(&self, bits: u32) -> Output {
        let h = &self.hardware;
        let columns = if h.columns == 0 { h.tile } else { h.columns };
        let at_once = if h.active_rows == 0 { h.tile } else { h.active_rows };
        let offset = if h.subtraction == Subtraction::Offset { 1 << (h.weight_precision - 1) } else { 0 };
        let across = self.inputs.div_ceil(h.tile);
        let mut sums = Vec::new();
        let mut saturated = vec![0; across * self.outputs.div_ceil(columns)];
        for (output, row) in self.quantized().into_iter().enumerate() {
            for window in self.windows.chunks(self.inputs) {
                let mut result = 0;
                for tile in 0..across {
                    let tile_end = ((tile + 1) * h.tile).min(self.inputs);
                    for first in (tile * h.tile..tile_end).step_by(at_once) {
                        let rows = first..(first + at_once).min(tile_end);
                        let at = output / columns * across + tile;
                        let (row, window) = (&row[rows.clone()], &window[rows]);
                        result += self.group(row, window, offset, bits, &mut saturated[at]);
                    }
                }
                let zeros: i64 = row.iter().map(|w| w * i64::from(self.zero)).sum();
                let offsets: i64 = window.iter().map(|&u| offset * i64::from(u)).sum();
                sums.push(result - zeros - offsets);
            }
        }
        Output { sums, saturated }
    }

    /// One group of rows of one output: every slice, polarity and input chunk.
    fn group(&self, row: &[i64], window: &[u16], offset: i64, bits: u32, saturated: &mut u64) -> i64 {
        let h = &self.hardware;
        let (cell, dac) = (1 << h.cell_bits, 1 << h.dac_bits);
        let weight_bits = if offset == 0 { h.weight_precision - 1 } else { h.weight_precision };
        let mut result = 0;
        for slice in 0..weight_bits.div_ceil(h.cell_bits) {
            for chunk in 0..h.input_bits.div_ceil(h.dac_bits) {
                let sum = |sign: i64| -> i64 {
                    let cells =
                        row.iter().map(|w| ((sign * w + offset).max(0) >> (slice * h.cell_bits)) % cell);
                    let inputs = window.iter().map(|&u| (i64::from(u) >> (chunk * h.dac_bits)) % dac);
                    cells.zip(inputs).map(|(c, u)| c * u).sum()
                };
                let mut convert = |sum: i64, least: i64, most: i64| {
                    *saturated += u64::from(sum < least || sum > most);
                    sum.max(least).min(most)
                };
                let most = (1 << bits) - 1;
                let code = match h.subtraction {
                    Subtraction::Digital => convert(sum(1), 0, most) - convert(sum(-1), 0, most),
                    Subtraction::Analog => {
                        let most = if bits == 0 { 0 } else { (1 << (bits - 1)) - 1 };
                        convert(sum(1) - sum(-1), -most, most)
                    }
                    Subtraction::Offset => convert(sum(1), 0, most),
                };
                result += code << (slice * h.cell_bits + chunk * h.dac_bits);
            }
        }
        result
    }
}

fn hardware() -> impl Strategy<Value = HardwareSpec> {
    let subtraction =
        prop_oneof![Just(Subtraction::Digital), Just(Subtraction::Analog), Just(Subtraction::Offset)];
    let widths = (2_u32..=16, 1_u32..=16).prop_flat_map(|(weight_precision, input_bits)| {
        (Just(weight_precision), 1..weight_precision, Just(input_bits), 1..=input_bits)
    });
    // The usual widths have a path of their own.
    let widths = prop_oneof![Just((8, 1, 8, 1)), widths];
    let shape =
        (2_usize..=150, 2_usize..6).prop_flat_map(|(tile, columns)| (Just(tile), Just(columns), 0..=tile));
    (widths, shape, subtraction, any::<bool>(), any::<bool>()).prop_map(
        |(
            (weight_precision, cell_bits, input_bits, dac_bits),
            (tile, columns, active_rows),
            subtraction,
            tiles,
            layer,
        )| {
            HardwareSpec {
                tile,
                columns,
                active_rows,
                weight_precision,
                cell_bits,
                input_bits,
                dac_bits,
                subtraction,
                per: if tiles { Per::Tile } else { Per::Column },
                weight_scale: if layer { WeightScale::Layer } else { WeightScale::Channel },
                ..HardwareSpec::default()
            }
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (hardware(), 1_usize..8, 1_usize..180, 1_usize..11);
    shape.prop_flat_map(|(hardware, outputs, inputs, positions)| {
        let top = ((1_u32 << hardware.input_bits) - 1) as u16;
        // Zeros, as pruning and a ReLU leave them, and extremes, which sum up highest.
        let weight = prop_oneof![2 => Just(0.0_f32), 2 => -1.0_f32..1.0, 1 => Just(1.0), 1 => Just(-1.0)];
        let input = prop_oneof![1 => Just(0), 2 => 0..=top, 1 => Just(top)];
        let weights = prop::collection::vec(weight, outputs * inputs);
        let windows = prop::collection::vec(input, positions * inputs);
        (weights, windows, 0..=top).prop_map(move |(weights, windows, zero)| Case {
            hardware: hardware.clone(),
            outputs,
            inputs,
            weights,
            windows,
            zero,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The proof: whatever the widths, shapes, groups, polarities and sharing.
    #[test]
    fn lossless_resolutions_give_the_plain_integers(mut case in case(), sliced in any::<bool>()) {
        case.hardware.resolution = if sliced { Resolution::LosslessSliced } else { Resolution::Lossless };
        prop_assert!(case.hardware.validate().is_ok());
        let (plain, output) = (case.plain(), case.simulate());
        prop_assert_eq!(&output.sums, &plain);
        prop_assert!(output.saturated.iter().all(|&count| count == 0));
        let weights = Crossbars::new(&case.matrix(), &case.hardware).weights;
        prop_assert_eq!(digital::integers(&weights, &case.windows, case.zero), plain);
    }

    #[test]
    fn converters_saturate_as_cell_by_cell(mut case in case(), bits in 0_u32..9) {
        case.hardware.resolution = Resolution::Bits(bits);
        prop_assert_eq!(case.simulate(), case.cell_by_cell(bits));
    }

    /// The slower path in floats, without anything that is not ideal, is the fast one.
    #[test]
    fn ideal_cells_in_floats_give_the_same(mut case in case(), bits in 0_u32..9) {
        case.hardware.resolution = Resolution::Bits(bits);
        // Within 24 bits floats are exact.
        case.hardware.cell_bits = case.hardware.cell_bits.min(4);
        case.hardware.dac_bits = case.hardware.dac_bits.min(4);
        let crossbars = Crossbars::new(&case.matrix(), &case.hardware);
        let spec = SimulationSpec::default();
        let programmed = Programmed::new(&crossbars, &spec, 0);
        let spans = Spans::Granular;
        let reading =
            Reading { crossbars: &crossbars, programmed: &programmed, spans: &spans, spec: &spec, place: (0, 0) };
        prop_assert_eq!(reading.simulate(&case.windows, case.zero), case.simulate());
    }
}

fn network(change: impl FnOnce(&mut RunSpec)) -> Plan {
    let mut spec = RunSpec::default();
    change(&mut spec);
    Plan::of(&spec, 10).expect("valid")
}

fn small_network() -> Plan {
    network(|spec| {
        (spec.plan, spec.classifier, spec.batch_norm) = ("6 M 8 M".to_owned(), "7".to_owned(), true);
    })
}

/// Simulates the first images of a data set's test split.
fn simulated(
    plan: &Plan,
    weights: &Weights,
    hardware: &HardwareSpec,
    spec: &SimulationSpec,
    (data, images): (&Split, usize),
) -> SimulationReport {
    let mut simulator = Simulator::new(plan, weights, hardware, spec, &data.train).expect("fits");
    simulator.simulate(&data.test, 0..images).expect("there");
    simulator.report()
}

#[test]
fn small_networks_are_exact_and_paper_resolutions_are_not() {
    let (plan, data) = (small_network(), builtin::generate(0, 8, 8));
    let mut weights = initialize(&plan, 3);
    for tensor in weights.tensors.iter_mut().filter(|tensor| tensor.shape.len() == 4) {
        // Sparse enough that columns are left with one active row.
        tensor.data.iter_mut().enumerate().filter(|(at, _)| at % 5 != 0).for_each(|(_, w)| *w = 0.0);
    }
    let spec = SimulationSpec { calibration: 4, linear: true, ..SimulationSpec::default() };
    let report = |resolution, subtraction, dac_bits| {
        let hardware = HardwareSpec {
            tile: 8,
            resolution,
            subtraction,
            dac_bits,
            per: Per::Column,
            ..HardwareSpec::default()
        };
        simulated(&plan, &weights, &hardware, &spec, (&data, 8))
    };
    for (subtraction, dac_bits) in
        [(Subtraction::Digital, 1), (Subtraction::Analog, 3), (Subtraction::Offset, 2)]
    {
        for resolution in [Resolution::Lossless, Resolution::LosslessSliced] {
            let report = report(resolution, subtraction, dac_bits);
            assert!(report.exact && report.saturated_conversions == 0, "{resolution} {subtraction:?}");
            assert_eq!(report.accuracy, report.quantized_accuracy);
            assert_eq!((report.images, report.layers.len()), (8, 4), "both fully connected layers too");
            assert_eq!(report.note.is_some(), subtraction == Subtraction::Offset);
        }
    }
    let paper = report(Resolution::Paper, Subtraction::Digital, 1);
    assert!(!paper.exact && paper.saturated_conversions > 0);
    let tiles = |layer: &crossdub::simulate::report::LayerReport| layer.saturated_by_tile.iter().sum::<u64>();
    assert!(paper.layers.iter().all(|layer| tiles(layer) == layer.saturated_conversions));
    assert!(paper.saturated_conversions <= paper.conversions);
}

/// By hand: 27 inputs make 4 tiles of 8 rows, 6 outputs 1 block, each output 14 crossbar columns, 8 input bits, 1024
/// windows.
#[test]
fn conversions_are_counted() {
    let (plan, data) = (small_network(), builtin::generate(0, 2, 2));
    let hardware = HardwareSpec { tile: 8, resolution: Resolution::Bits(4), ..HardwareSpec::default() };
    let report = simulated(&plan, &initialize(&plan, 3), &hardware, &SimulationSpec::default(), (&data, 2));
    assert_eq!(report.layers[0].conversions, 4 * 6 * 14 * 8 * 1024 * 2);
    assert_eq!(report.layers[0].columns_by_bits, [0, 0, 0, 0, 4 * 6 * 14]);
}

#[test]
fn errors_are_drawn_from_their_seed_and_ranges_lose_little() {
    let (plan, data) = (small_network(), builtin::generate(0, 8, 4));
    let weights = initialize(&plan, 3);
    let hardware = HardwareSpec { tile: 8, resolution: Resolution::Lossless, ..HardwareSpec::default() };
    let report = |spec: &SimulationSpec| simulated(&plan, &weights, &hardware, spec, (&data, 4));
    let ideal = SimulationSpec::default();
    for spec in [
        // Two units a row: sums outgrow their codes. (What fits cancels between the polarities.)
        SimulationSpec { on_off_ratio: 1.5, ..ideal.clone() },
        SimulationSpec { proportional_error: 0.5, ..ideal.clone() },
        SimulationSpec { independent_error: 0.2, ..ideal.clone() },
        SimulationSpec { read_noise: 0.2, ..ideal.clone() },
        SimulationSpec { stuck_on: 0.05, ..ideal.clone() },
        SimulationSpec { stuck_off: 0.2, ..ideal.clone() },
    ] {
        let first = report(&spec);
        assert!(!first.exact, "{spec:?}");
        assert_eq!(first, report(&spec), "the same seed draws the same");
        let other = report(&SimulationSpec { noise_seed: 1, ..spec.clone() });
        assert_eq!(first.layers == other.layers, spec.on_off_ratio > 0.0, "{spec:?}");
    }
    // Tiny errors round away, and a current of cells at level 0 cancels between the polarities.
    assert!(report(&SimulationSpec { on_off_ratio: 20.0, ..ideal.clone() }).exact);
    assert!(report(&SimulationSpec { proportional_error: 1e-3, ..ideal.clone() }).exact);
    assert!(report(&SimulationSpec { adc_range: AdcRange::Max, ..ideal.clone() }).exact);
    let calibrated = SimulationSpec { adc_range: AdcRange::Calibrated, percentile: 100.0, ..ideal };
    assert!(report(&calibrated).saturated_conversions < report(&calibrated).conversions / 100);
    let coarse = HardwareSpec { resolution: Resolution::Bits(2), ..hardware.clone() };
    let max = SimulationSpec { adc_range: AdcRange::Max, ..SimulationSpec::default() };
    let coarse = simulated(&plan, &weights, &coarse, &max, (&data, 4));
    assert!(!coarse.exact && coarse.saturated_conversions == 0, "rounded, never clipped");
}

#[test]
fn one_column_can_be_worked_through() {
    let (plan, data) = (small_network(), builtin::generate(0, 4, 2));
    let weights = initialize(&plan, 3);
    for (subtraction, resolution) in [
        (Subtraction::Digital, Resolution::Lossless),
        (Subtraction::Analog, Resolution::LosslessSliced),
        (Subtraction::Offset, Resolution::Lossless),
        (Subtraction::Digital, Resolution::Bits(1)),
    ] {
        let hardware =
            HardwareSpec { tile: 8, resolution, subtraction, active_rows: 5, ..HardwareSpec::default() };
        let simulator = Simulator::new(&plan, &weights, &hardware, &SimulationSpec::default(), &data.train)
            .expect("fits");
        let example = simulator.column_example(&data.test, 1, 2, 3, 1, 40).expect("there");
        assert_eq!(
            (example.layer.as_str(), example.output, example.inputs),
            ("features.4.weight", 3, (16, 24))
        );
        assert_eq!(example.result == example.expected, resolution != Resolution::Bits(1), "{subtraction:?}");
        assert!(example.applied.iter().any(|&u| u > 0));
        assert_eq!(example.conversions.iter().any(|c| c.saturated), resolution == Resolution::Bits(1));
        for (field, [layer, tile, column, image, position]) in [
            ("layer", [2, 0, 0, 0, 0]),
            ("tile", [0, 4, 0, 0, 0]),
            ("column", [0, 0, 6, 0, 0]),
            ("image", [0, 0, 0, 2, 0]),
            ("position", [0, 0, 0, 0, 1024]),
        ] {
            let refused = simulator.column_example(&data.test, layer, tile, column, image, position);
            assert!(refused.err().map(|why| why.to_string()).unwrap_or_default().contains(field), "{field}");
        }
    }
}

/// VGG11 as it comes, with 271 million conversions an image.
#[test]
fn vgg11_is_exact() {
    let (plan, data) = (network(|spec| spec.set_model("vgg11").expect("known")), builtin::generate(0, 2, 2));
    let hardware =
        HardwareSpec { tile: 64, resolution: Resolution::LosslessSliced, ..HardwareSpec::default() };
    let spec = SimulationSpec { calibration: 2, ..SimulationSpec::default() };
    let weights = initialize(&plan, 0);
    let sliced = simulated(&plan, &weights, &hardware, &spec, (&data, 2));
    assert!(sliced.exact && sliced.saturated_conversions == 0);
    let hardware = HardwareSpec { resolution: Resolution::Lossless, ..hardware };
    let lossless = simulated(&plan, &weights, &hardware, &spec, (&data, 1));
    assert!(lossless.exact && lossless.saturated_conversions == 0);
    assert_eq!(lossless.conversions, 271_581_184, "no column is empty");
}

/// The reference network, pruned: exact by either lossless policy, and its accuracy is kept.
#[test]
fn a_pruned_network_is_exact() {
    let (Some(file), Some(batch)) =
        (shared("golden/models/vgg_small_dub.pth"), shared("data/cifar-10-batches-bin/data_batch_5.bin"))
    else {
        return;
    };
    let images = cifar10::parse("data_batch_5.bin", &std::fs::read(batch).expect("readable")).expect("valid");
    let data = Split { train: images.clone(), test: images };
    let (plan, mut weights) = (network(|_| {}), weights(&file));
    let hardware = HardwareSpec::default();
    let mut layers = weights.matrices(false).expect("layers");
    let ratios = Threshold::Ratios(vec![10.0, 70.0, 90.0]);
    prune(&mut layers, TileShape::from(&hardware), Rule::Exact, &ratios).expect("in range");
    for layer in layers {
        let tensor = weights.tensors.iter_mut().find(|tensor| tensor.name == layer.name);
        tensor.expect("the same names").data = layer.data;
    }
    for (resolution, per) in [
        (Resolution::Lossless, Per::Tile),
        (Resolution::Lossless, Per::Column),
        (Resolution::LosslessSliced, Per::Tile),
        (Resolution::LosslessSliced, Per::Column),
    ] {
        let hardware = HardwareSpec { resolution, per, ..hardware.clone() };
        let report = simulated(&plan, &weights, &hardware, &SimulationSpec::default(), (&data, 40));
        assert!(report.exact && report.saturated_conversions == 0, "{resolution}");
        assert!(report.accuracy.expect("images") > 65.0, "{:?}", report.accuracy);
    }
}
