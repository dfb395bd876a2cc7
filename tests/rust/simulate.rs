//! The functional simulation is exact at lossless resolutions and saturates at lower ones: checked against plain
//! integers and against a crossbar of nested loops, both written independently.

use crossdub::config::{Granularity, HardwareConfig, Resolution, Subtraction, WeightScale};
use crossdub::matrix::Matrix;
use crossdub::simulate::bit_serial::{self, Output};
use crossdub::simulate::config::SimulationConfig;
use crossdub::simulate::crossbars::Crossbars;
use crossdub::simulate::non_idealities::{AdcRanges, NonIdealLayer, ProgrammedCells};
use crossdub::simulate::reference;
use proptest::prelude::*;

/// A layer, its input, and the hardware.
#[derive(Debug, Clone)]
struct Case {
    hardware: HardwareConfig,
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
        bit_serial::simulate(&Crossbars::new(&self.matrix(), &self.hardware), &self.windows, self.zero)
    }

    /// The quantized weights, from the definition.
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

    /// The layer's exact output, in plain integers.
    fn exact(&self) -> Vec<i64> {
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

    /// The output cell by cell, with the same number of bits for every conversion.
    fn cell_by_cell(&self, bits: u32) -> Output {
        let h = &self.hardware;
        let columns = if h.columns == 0 { h.tile } else { h.columns };
        let at_once = if h.active_rows == 0 { h.tile } else { h.active_rows };
        let offset = if h.subtraction == Subtraction::Offset { 1 << (h.weight_precision - 1) } else { 0 };
        let input_blocks = self.inputs.div_ceil(h.tile);
        let mut sums = Vec::new();
        let mut saturated = vec![0; input_blocks * self.outputs.div_ceil(columns)];
        for (output, row) in self.quantized().into_iter().enumerate() {
            for window in self.windows.chunks(self.inputs) {
                let mut result = 0;
                for tile in 0..input_blocks {
                    let tile_end = ((tile + 1) * h.tile).min(self.inputs);
                    for first in (tile * h.tile..tile_end).step_by(at_once) {
                        let rows = first..(first + at_once).min(tile_end);
                        let index = output / columns * input_blocks + tile;
                        let (row, window) = (&row[rows.clone()], &window[rows]);
                        result += self.group(row, window, offset, bits, &mut saturated[index]);
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

fn hardware() -> impl Strategy<Value = HardwareConfig> {
    let subtraction =
        prop_oneof![Just(Subtraction::Digital), Just(Subtraction::Analog), Just(Subtraction::Offset)];
    let widths = (2_u32..=16, 1_u32..=16).prop_flat_map(|(weight_precision, input_bits)| {
        (Just(weight_precision), 1..weight_precision, Just(input_bits), 1..=input_bits)
    });
    // The usual widths have specialized code.
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
            HardwareConfig {
                tile,
                columns,
                active_rows,
                weight_precision,
                cell_bits,
                input_bits,
                dac_bits,
                subtraction,
                per: if tiles { Granularity::Tile } else { Granularity::Column },
                weight_scale: if layer { WeightScale::Layer } else { WeightScale::Channel },
                ..HardwareConfig::default()
            }
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (hardware(), 1_usize..8, 1_usize..180, 1_usize..11);
    shape.prop_flat_map(|(hardware, outputs, inputs, positions)| {
        let top = ((1_u32 << hardware.input_bits) - 1) as u16;
        // Zeros, as after pruning or a ReLU, and extremes, which give the largest sums.
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

    /// For all widths, shapes, groups of rows, polarities and granularities.
    #[test]
    fn lossless_resolutions_give_the_exact_products(mut case in case(), sliced in any::<bool>()) {
        case.hardware.resolution = if sliced { Resolution::LosslessSliced } else { Resolution::Lossless };
        prop_assert!(case.hardware.validate().is_ok());
        let (exact, output) = (case.exact(), case.simulate());
        prop_assert_eq!(&output.sums, &exact);
        prop_assert!(output.saturated.iter().all(|&count| count == 0));
        let weights = Crossbars::new(&case.matrix(), &case.hardware).weights;
        prop_assert_eq!(reference::integers(&weights, &case.windows, case.zero), exact);
    }

    #[test]
    fn converters_saturate_as_computed_cell_by_cell(mut case in case(), bits in 0_u32..9) {
        case.hardware.resolution = Resolution::Bits(bits);
        prop_assert_eq!(case.simulate(), case.cell_by_cell(bits));
    }

    /// Without non-idealities the simulation in floats gives the same as the one in integers.
    #[test]
    fn ideal_cells_in_floats_agree_with_integers(mut case in case(), bits in 0_u32..9) {
        case.hardware.resolution = Resolution::Bits(bits);
        // Floats are exact up to 24 bits.
        case.hardware.cell_bits = case.hardware.cell_bits.min(4);
        case.hardware.dac_bits = case.hardware.dac_bits.min(4);
        let crossbars = Crossbars::new(&case.matrix(), &case.hardware);
        let config = SimulationConfig::default();
        let programmed = ProgrammedCells::new(&crossbars, &config, 0);
        let adc_ranges = AdcRanges::Granular;
        let layer =
            NonIdealLayer { crossbars: &crossbars, programmed: &programmed, adc_ranges: &adc_ranges, config: &config, image: 0, layer: 0 };
        prop_assert_eq!(layer.simulate(&case.windows, case.zero), case.simulate());
    }
}
