//! Tests of the energy of an inference.

use super::*;
use crate::report::analyze;

fn config(resolutions: &[Resolution]) -> InferenceConfig {
    InferenceConfig {
        resolutions: resolutions.to_vec(),
        granularities: vec![Granularity::Tile],
        adcs_per_tile: 2,
        adc_share: Some(AdcFraction { fraction: 0.5, source: None }),
        ..InferenceConfig::all(Some(vec![10])).expect("valid")
    }
}

fn hardware() -> HardwareConfig {
    // 2-bit weights have one slice; 4-bit inputs come in 2 slices.
    HardwareConfig { tile: 4, weight_precision: 2, input_bits: 4, dac_bits: 2, ..HardwareConfig::default() }
}

/// Two outputs of eight inputs: one tile with 1 active row a column, one empty.
fn layer() -> Matrix {
    let mut data = vec![0.0; 16];
    (data[1], data[10]) = (1.0, 1.0);
    Matrix::new("conv", 2, 8, data).expect("fits")
}

fn row<'a>(inference: &'a Inference, model: &str, resolution: Resolution) -> &'a InferenceRow {
    let found = inference.table.iter().find(|row| row.model == model && row.resolution == resolution);
    found.expect("a row")
}

#[test]
fn counts_an_inference_as_by_hand() {
    let result = inference(&[layer()], &hardware(), &config(&[Resolution::LosslessSliced])).expect("counts");
    let count = CrossbarCount { dense: 4, pruned: 2, with_set_cells: 1 };
    assert_eq!((result.crossbars, result.input_slices, result.weight_slices), (count, 2, 1));
    // 2 tiles x 2 polarities x 2 columns x 10 positions x 2 input slices, of which the positive
    // crossbar of the first tile is left. 4 rows of 2-bit inputs need 4 bits (0 to 12), 1 needs 2.
    let bits = row(&result, "lossless-sliced", Resolution::LosslessSliced);
    assert_eq!(bits.conversions, Some(DenseAndActual { dense: 160, actual: 40 }));
    assert_eq!(bits.per_inference, Some(AdcEnergy::new(640.0, 80.0)));
    assert_eq!(bits.per_tile, Some(AdcEnergy::new(16.0, 2.0)));
    // Half of the whole falls to an eighth.
    assert_eq!(bits.whole_improvement, Some(1.0 / (0.5 + 0.5 / 8.0)));
    assert_eq!(bits.layers[0].share, Some(1.0));
    let puma = row(&result, "puma", Resolution::LosslessSliced);
    assert!((puma.per_inference.expect("an energy").actual - 40.0 * 0.45).abs() < 1e-9);
    // 2 converters a crossbar; each reads one column, 20 times.
    assert_eq!(puma.area_um2, Some(DenseAndActual { dense: 9600.0, actual: 2400.0 }));
    assert_eq!(puma.latency_ns, Some(DenseAndActual { dense: 20.0 * 50.0, actual: 20.0 * 25.0 }));
    assert!(!puma.extrapolated && row(&result, "isaac", Resolution::LosslessSliced).extrapolated);
}

#[test]
fn an_unpruned_network_saves_nothing_by_any_count() {
    // 27 inputs on crossbars of 64 rows, small and large weights of both signs, none of them zero.
    let weights = (0..32 * 27).map(|i| ((i * 37 % 97) as f32 - 48.5) / 100.0).collect();
    let layer = Matrix::new("narrow", 32, 27, weights).expect("fits");
    let hardware = HardwareConfig { tile: 64, ..HardwareConfig::default() };
    let config = InferenceConfig::all(Some(vec![1024])).expect("valid");
    let inference = inference(&[layer], &hardware, &config).expect("counts");
    for row in &inference.table {
        let of = |energy: Option<AdcEnergy>| energy.and_then(|energy| energy.improvement);
        assert_eq!(of(row.per_tile), Some(1.0), "{} {}", row.model, row.resolution);
        assert_eq!(of(row.per_inference), Some(1.0), "{} {}", row.model, row.resolution);
    }
    // A full crossbar of 64 rows needs 7 bits, 27 rows need 5.
    let mapping = row(&inference, "lossless", Resolution::Lossless).mapping_per_tile.expect("an energy");
    assert_eq!(mapping.improvement, Some(7.0 / 5.0));
}

#[test]
fn the_paper_count_per_tile_matches_the_analysis() {
    let hardware = HardwareConfig { weight_precision: 8, ..hardware() };
    let result = inference(&[layer()], &hardware, &config(&[Resolution::Paper])).expect("counts");
    let expected = analyze(&[layer()], &hardware).energy.paper.improvement;
    assert_eq!(row(&result, "paper", Resolution::Paper).per_tile.map(|e| e.improvement), Some(expected));
}

#[test]
fn without_positions_there_are_energies_per_tile_only() {
    let config = InferenceConfig { positions: None, ..config(&[Resolution::Lossless]) };
    let result = inference(&[layer()], &hardware(), &config).expect("counts");
    let bits = row(&result, "lossless", Resolution::Lossless);
    assert_eq!((bits.per_inference, bits.conversions), (None, None));
    assert!(bits.per_tile.is_some() && bits.layers[0].share.is_some());
}

#[test]
fn bits_beyond_any_converter_have_no_energy() {
    let hardware = HardwareConfig { input_bits: 16, dac_bits: 16, ..hardware() };
    let result = inference(&[layer()], &hardware, &config(&[Resolution::Lossless])).expect("counts");
    assert_eq!(row(&result, "puma", Resolution::Lossless).per_inference, None);
    assert!(row(&result, "lossless", Resolution::Lossless).per_inference.is_some(), "bits are bits");
}

#[test]
fn numbers_out_of_range_are_named() {
    let check = |field: &str, change: fn(&mut InferenceConfig)| {
        let mut changed = config(&[Resolution::Paper]);
        change(&mut changed);
        let error = inference(&[layer()], &hardware(), &changed).expect_err("rejected").to_string();
        assert!(error.contains(field), "{error}");
    };
    check("positions", |c| c.positions = Some(vec![1, 2]));
    check("positions", |c| c.positions = Some(vec![0]));
    check("adc_share", |c| c.adc_share = Some(AdcFraction { fraction: 0.0, source: None }));
    check("adc_share", |c| c.adc_share = Some(AdcFraction { fraction: f64::NAN, source: None }));
    check("adcs_per_tile", |c| c.adcs_per_tile = 0);
}
