//! Tests of the rule `bit-planes`, against every other choice.

use proptest::prelude::*;

use super::super::budget::Tradeoff;
use super::tile_path::TileOption;
use super::*;
use crate::adc::conversions::{TallyConfig, tally};
use crate::config::{AdcModel, Granularity, Resolution, WeightScale};

fn hardware() -> HardwareConfig {
    HardwareConfig { tile: 4, columns: 2, weight_precision: 4, ..HardwareConfig::default() }
}

fn layers(data: &[f32]) -> [Matrix; 2] {
    let (first, second) = data.split_at(16);
    [
        Matrix::new("a", 2, 8, first.to_vec()).expect("fits"),
        Matrix::new("b", 4, 4, second.to_vec()).expect("fits"),
    ]
}

/// Crossbars by their bits as the reports count them: energy in bits, of full tiles and of these integers.
fn counted(layers: &[Matrix], chosen: &[LayerQuantization], hardware: &HardwareConfig) -> f64 {
    let config = TallyConfig {
        hardware,
        resolutions: &[(Resolution::LosslessSliced, hardware.per)],
        latencies: &[],
        adcs_per_tile: 1,
        skip_zero_columns: false,
    };
    let of_layer = |(layer, chosen): (&Matrix, &LayerQuantization)| {
        let values = chosen.values(layer, CellShape::from(hardware));
        let layer = Matrix::new("w", layer.rows, layer.cols, values).expect("fits");
        let layer = layer.with_steps(chosen.steps.clone()).expect("steps");
        let bits = &tally(&layer, &config).current[0].crossbars;
        bits.iter().enumerate().map(|(bits, count)| bits as f64 * count).sum::<f64>()
    };
    layers.iter().zip(chosen).map(of_layer).sum()
}

fn lost(layers: &[Matrix], chosen: &[LayerQuantization], hardware: &HardwareConfig) -> f64 {
    let of_layer = |(layer, chosen): (&Matrix, &LayerQuantization)| {
        let values = chosen.values(layer, CellShape::from(hardware));
        let error: f64 = layer.data.iter().zip(&values).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        error / layer.data.iter().map(|weight| f64::from(*weight).powi(2)).sum::<f64>()
    };
    layers.iter().zip(chosen).map(of_layer).sum()
}

/// Of every precision.
fn all_options(search: &LayerSearch<'_>) -> Vec<LayerOption> {
    search.precisions().into_iter().map(|precision| search.sampled(precision)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against every combination of precisions, and of the options of every tile: none of as little energy loses less.
    #[test]
    fn no_other_choice_loses_less(
        data in prop::collection::vec(prop_oneof![-1.0_f32..-0.05, 0.05_f32..1.0], 32), target in 2.0_f64..12.0,
    ) {
        let (hardware, layers) = (hardware(), layers(&data));
        let budget = BitPlaneBudget { target, hardware: &hardware, weights: None };
        let energy = CellEnergy::new(&hardware).expect("digital");
        let options: Vec<Vec<LayerOption>> =
            searches(&layers, None, &budget, &energy).iter().map(all_options).collect();
        let dense: f64 = searches(&layers, None, &budget, &energy).iter().map(LayerSearch::dense_energy).sum();
        let Ok(chosen) = choose(&layers, None, &budget) else { return Ok(()) };
        let reached = counted(&layers, &chosen, &hardware);
        prop_assert!(reached <= dense / target + 1e-9, "{reached} of {dense}");
        let own = lost(&layers, &chosen, &hardware);
        // With the precisions that were chosen, every choice of options.
        let picked: Vec<&LayerOption> = options
            .iter()
            .zip(&chosen)
            .map(|(layer, chosen)| layer.iter().find(|option| option.precision == chosen.precision).expect("tried"))
            .collect();
        let tiles: Vec<&Vec<TileOption>> = picked.iter().flat_map(|layer| &layer.tiles).collect();
        let combinations: usize = tiles.iter().map(|options| options.len()).product();
        for mut code in 0..combinations {
            let (mut cost, mut energy) = (0.0, 0.0);
            for options in &tiles {
                let Tradeoff { cost: more, energy: of_tile, .. } = options[code % options.len()].point;
                (cost, energy) = (cost + more, energy + of_tile);
                code /= options.len();
            }
            prop_assert!(energy > reached + 1e-9 || cost >= own - 1e-6, "{cost} for {energy}, {own} for {reached}");
        }
    }

    /// Weights that move in training take no more energy than was chosen.
    #[test]
    fn the_caps_hold_the_energy_of_any_weights(
        data in prop::collection::vec(-1.0_f32..1.0, 32), moved in prop::collection::vec(-2.0_f32..2.0, 32),
        target in 1.0_f64..12.0, cell_bits in 1_u32..3, active_rows in 0_usize..4,
    ) {
        let hardware = HardwareConfig { cell_bits, active_rows, ..hardware() };
        let (layers, moved) = (layers(&data), layers(&moved));
        let budget = BitPlaneBudget { target, hardware: &hardware, weights: None };
        if let Ok(chosen) = choose(&layers, None, &budget) {
            let energy = CellEnergy::new(&hardware).expect("digital");
            let dense: f64 = searches(&layers, None, &budget, &energy).iter().map(LayerSearch::dense_energy).sum();
            let (pruned, trained) = (counted(&layers, &chosen, &hardware), counted(&moved, &chosen, &hardware));
            prop_assert!(trained <= dense / target + 1e-9, "{trained} of {dense}, {pruned} before");
        }
    }

    /// By column, training may spend more; what is pruned does not, though steps are fitted at the end.
    #[test]
    fn pruned_columns_meet_the_target(
        data in prop::collection::vec(-1.0_f32..1.0, 32), target in 1.0_f64..12.0, active_rows in 0_usize..4,
    ) {
        let (hardware, layers) = (HardwareConfig { per: Granularity::Column, active_rows, ..hardware() }, layers(&data));
        let budget = BitPlaneBudget { target, hardware: &hardware, weights: None };
        if let Ok(chosen) = choose(&layers, None, &budget) {
            let energy = CellEnergy::new(&hardware).expect("digital");
            let dense: f64 = searches(&layers, None, &budget, &energy).iter().map(LayerSearch::dense_energy).sum();
            prop_assert!(counted(&layers, &chosen, &hardware) <= dense / target + 1e-9);
        }
    }

    /// The precisions of a price: no other precisions and options of as little energy as the price chooses lose less.
    #[test]
    fn a_price_chooses_the_best_precisions(
        data in prop::collection::vec(prop_oneof![-1.0_f32..-0.05, 0.05_f32..1.0], 32), price in 1e-4_f64..0.1,
    ) {
        let (hardware, layers) = (hardware(), layers(&data));
        let budget = BitPlaneBudget { target: 1.0, hardware: &hardware, weights: None };
        let energy = CellEnergy::new(&hardware).expect("digital");
        let options: Vec<Vec<LayerOption>> =
            searches(&layers, None, &budget, &energy).iter().map(all_options).collect();
        let (mut cost, mut spent) = (0.0, 0.0);
        for layer in &options {
            let best = layer.iter().map(|option| option.at_price(price)).min_by(|a, b| a.0.total_cmp(&b.0));
            let (sum, energy) = best.expect("precisions");
            (cost, spent) = (cost + sum - price * energy, spent + energy);
        }
        for first in &options[0] {
            for second in &options[1] {
                let tiles: Vec<&Vec<TileOption>> = first.tiles.iter().chain(&second.tiles).collect();
                let combinations: usize = tiles.iter().map(|options| options.len()).product();
                for mut code in 0..combinations {
                    let (mut other, mut energy) = (0.0, 0.0);
                    for options in &tiles {
                        let point = options[code % options.len()].point;
                        (other, energy) = (other + point.cost, energy + point.energy);
                        code /= options.len();
                    }
                    prop_assert!(energy > spent + 1e-9 || other >= cost - 1e-9, "{other} for {energy}");
                }
            }
        }
    }
}

#[test]
fn energies_are_those_of_the_reports() {
    let data: Vec<f32> = (0..32).map(|at| (at as f32 * 0.9).sin()).collect();
    let layers = layers(&data);
    for per in [Granularity::Tile, Granularity::Column] {
        for (active_rows, cell_bits) in [(0, 1), (2, 1), (0, 2)] {
            let hardware = HardwareConfig { per, active_rows, cell_bits, ..hardware() };
            let budget = BitPlaneBudget { target: 1.0, hardware: &hardware, weights: None };
            let chosen = choose(&layers, None, &budget).expect("met");
            let energy = CellEnergy::new(&hardware).expect("digital");
            let options: Vec<f64> = searches(&layers, None, &budget, &energy)
                .iter()
                .zip(&chosen)
                .map(|(search, chosen)| {
                    let options = all_options(search);
                    let own =
                        options.iter().find(|option| option.precision == chosen.precision).expect("tried");
                    own.tiles.iter().map(|tile| tile[0].point.energy).sum()
                })
                .collect();
            let (options, reported) = (options.iter().sum::<f64>(), counted(&layers, &chosen, &hardware));
            // Groups of rows share a tile's caps, so that the budget takes each for as full as the fullest.
            let bound = if active_rows > 0 && per == Granularity::Tile { f64::INFINITY } else { 1e-9 };
            let left = options - reported;
            assert!(
                left > -1e-9 && left < bound,
                "{per} {active_rows} {cell_bits}: {options} for {reported}"
            );
        }
    }
}

/// Two columns of one tile and one step: fitting it turns the rounded weight of the second one into a cell.
#[test]
fn fitted_steps_keep_to_the_energy_of_columns() {
    let mut data = vec![0.58_f32; 64];
    data[0] = 1.0;
    data[32..].fill(0.0);
    data[32] = 0.298;
    let layers = [Matrix::new("w", 2, 32, data).expect("fits")];
    let hardware = HardwareConfig {
        weight_precision: 2,
        weight_scale: WeightScale::Layer,
        per: Granularity::Column,
        ..HardwareConfig::default()
    };
    let budget = BitPlaneBudget { target: 4.0, hardware: &hardware, weights: None };
    let chosen = choose(&layers, None, &budget).expect("met");
    // Of 12 bits, a slice of two polarities.
    assert!(counted(&layers, &chosen, &hardware) <= 12.0 / 4.0);
}

#[test]
fn a_target_out_of_reach_names_the_nearest() {
    let layers = layers(&(0..32).map(|at| (at as f32 * 0.9).sin()).collect::<Vec<_>>());
    let hardware = hardware();
    let error = |target: f64, hardware: &HardwareConfig| {
        let budget = BitPlaneBudget { target, hardware, weights: None };
        choose(&layers, None, &budget).expect_err("rejected").to_string()
    };
    assert!(
        error(1e4, &hardware).contains("target (10000): can't be met: at most "),
        "{}",
        error(1e4, &hardware)
    );
    assert!(error(0.5, &hardware).contains("1 or more"));
    let offset = HardwareConfig { subtraction: crate::config::Subtraction::Offset, ..hardware.clone() };
    assert!(error(2.0, &offset).contains("subtraction"));
    let physical = HardwareConfig { adc: AdcModel::Walden, ..hardware };
    let budget = BitPlaneBudget { target: 20.0, hardware: &physical, weights: Some(&[1.0, 0.0]) };
    let chosen = choose(&layers, None, &budget).expect("met");
    assert_eq!(chosen[1].precision, 4, "a layer that converts nothing keeps its precision");
}

/// A sample of its tiles decides about the precision; every tile gets caps, and the target is met.
#[test]
fn a_large_layer_is_chosen_by_a_sample() {
    let hardware = hardware();
    let data: Vec<f32> =
        (0..64 * 80).map(|at| (at as f32 * 0.37).sin() * (at as f32 * 0.011).cos()).collect();
    let layers = [Matrix::new("large", 64, 80, data).expect("fits")];
    let energy = CellEnergy::new(&hardware).expect("digital");
    for target in [1.5, 4.0, 12.0] {
        let budget = BitPlaneBudget { target, hardware: &hardware, weights: None };
        let [search] = &*searches(&layers, None, &budget, &energy) else { panic!("one layer") };
        let sampled = all_options(search);
        assert!(sampled.iter().all(|option| option.tiles.len() == 128), "every fifth of 640");
        let sum = |option: &LayerOption| option.tiles.iter().map(|tile| tile[0].point.energy).sum::<f64>();
        let all = search.with_all_tiles(&sampled[1]);
        assert!((sum(&sampled[1]) / sum(&all) - 1.0).abs() < 0.1, "a sample stands for the layer");
        let chosen = choose(&layers, None, &budget).expect("met");
        let slices = chosen[0].slices(CellShape::from(&hardware));
        assert_eq!(chosen[0].caps.len(), 640 * slices * 2);
        let reached = counted(&layers, &chosen, &hardware);
        assert!(reached <= search.dense_energy() / target + 1e-6, "{reached} at {target}");
    }
}
