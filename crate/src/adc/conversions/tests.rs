//! Counts of small tiles, by hand.

use super::*;

/// Two outputs of four inputs; 2-bit weights have one slice, so cells are signs.
fn matrix() -> Matrix {
    Matrix::new("w", 2, 4, vec![1.0, 1.0, 1.0, -1.0, 0.0, -1.0, 0.0, 0.0]).expect("fits")
}

fn conversions_of(
    hardware: &HardwareConfig,
    resolution: Resolution,
    per: Granularity,
    skip: bool,
    adcs: usize,
) -> LayerConversions {
    let mut times = [f64::INFINITY; BITS];
    (0..=16).for_each(|bits| times[bits] = bits as f64);
    let config = TallyConfig {
        hardware,
        resolutions: &[(resolution, per)],
        latencies: &[times],
        adcs_per_tile: adcs,
        skip_zero_columns: skip,
    };
    tally(&matrix(), &config)
}

fn small() -> HardwareConfig {
    HardwareConfig { tile: 4, weight_precision: 2, ..HardwareConfig::default() }
}

fn counts(tally: &ConversionHistogram) -> Vec<(usize, u64)> {
    tally.conversions.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
}

/// By hand: the positive crossbar has 3 and 0 set cells, the negative one 1 and 1; rows 4 and 1.
#[test]
fn counts_conversions_as_by_hand() {
    let case = |resolution, per, skip| counts(&conversions_of(&small(), resolution, per, skip, 1).current[0]);
    assert_eq!(case(Resolution::Lossless, Granularity::Tile, false), [(3, 4)]);
    assert_eq!(case(Resolution::Lossless, Granularity::Column, false), [(1, 2), (3, 2)]);
    assert_eq!(case(Resolution::LosslessSliced, Granularity::Tile, false), [(1, 2), (2, 2)]);
    assert_eq!(case(Resolution::LosslessSliced, Granularity::Tile, true), [(0, 1), (1, 2), (2, 1)]);
    assert_eq!(case(Resolution::LosslessSliced, Granularity::Column, false), [(0, 1), (1, 2), (2, 1)]);
    assert_eq!(
        case(Resolution::Paper, Granularity::Column, false),
        [(0, 2), (2, 2)],
        "levels 0 and 2 of 2 bits"
    );
    assert_eq!(case(Resolution::Bits(5), Granularity::Tile, false), [(5, 4)]);
    let dense = conversions_of(&small(), Resolution::Lossless, Granularity::Tile, false, 1);
    assert_eq!(counts(&dense.dense[0]), [(3, 4)]);
    assert_eq!((dense.crossbars, dense.crossbars_pruned, dense.crossbars_set), (2, 2, 2));
    assert_eq!((dense.current[0].crossbars[3], dense.current[0].converters[3]), (2.0, 2));
}

#[test]
fn only_columns_with_zero_weights_count_as_pruned() {
    let case =
        |resolution| counts(&conversions_of(&small(), resolution, Granularity::Column, false, 1).unpruned[0]);
    // The first column has no zero weight: 3 positive and 1 negative cells. The second had all 4.
    assert_eq!(case(Resolution::LosslessSliced), [(1, 1), (2, 1), (3, 2)]);
    assert_eq!(case(Resolution::Lossless), [(3, 4)]);
    assert_eq!(case(Resolution::Paper), [(2, 4)]);
}

#[test]
fn a_pair_subtracted_in_analog_is_converted_once_with_a_sign() {
    let hardware = HardwareConfig { subtraction: Subtraction::Analog, ..small() };
    let tally = conversions_of(&hardware, Resolution::LosslessSliced, Granularity::Column, false, 1);
    assert_eq!(counts(&tally.current[0]), [(2, 1), (3, 1)], "3 and 1 cells, and a sign");
    assert_eq!(tally.crossbars, 2);
}

#[test]
fn fewer_rows_at_once_need_more_conversions() {
    let hardware = HardwareConfig { active_rows: 2, ..small() };
    let tally = conversions_of(&hardware, Resolution::LosslessSliced, Granularity::Column, false, 1);
    // Positive: (2, 0) then (1, 0); negative: (0, 1) then (1, 0).
    assert_eq!(counts(&tally.current[0]), [(0, 4), (1, 3), (2, 1)]);
    assert_eq!(counts(&tally.dense[0]), [(2, 8)]);
}

#[test]
fn latency_is_that_of_the_slowest_crossbar() {
    let time = |adcs| {
        conversions_of(&small(), Resolution::Lossless, Granularity::Column, false, adcs).current[0].slowest_ns
            [0]
    };
    assert_eq!((time(1), time(2), time(3)), (4.0, 3.0, 3.0), "columns of 3 and 1 bits");
    let tiled = conversions_of(&small(), Resolution::Lossless, Granularity::Tile, false, 1);
    assert_eq!((tiled.current[0].slowest_ns[0], tiled.dense[0].slowest_ns[0]), (6.0, 6.0));
}

/// By hand: weights of 4 bits have 3 slices. 5 is 7 steps of 5/7 (111), 3 is 4 of them (100), so that the
/// positive crossbar of the highest slice has 2 set cells, the others 1; all negative ones are empty.
#[test]
fn slices_side_by_side_share_a_crossbar_and_its_converters() {
    let layer = Matrix::new("w", 2, 2, vec![3.0, 5.0, 0.0, 0.0]).expect("fits");
    let case = |weight_bits, columns, resolution, adcs_per_tile| {
        let hardware = HardwareConfig {
            tile: 2,
            columns,
            weight_bits,
            weight_precision: 4,
            weight_scale: crate::config::WeightScale::Layer,
            ..HardwareConfig::default()
        };
        let mut times = [f64::INFINITY; BITS];
        (0..=16).for_each(|bits| times[bits] = bits as f64);
        let config = TallyConfig {
            hardware: &hardware,
            resolutions: &[(resolution, Granularity::Column)],
            latencies: &[times],
            adcs_per_tile,
            skip_zero_columns: false,
        };
        tally(&layer, &config)
    };
    let alone = case(1, 2, Resolution::LosslessSliced, 1);
    let pairs = case(2, 4, Resolution::LosslessSliced, 1);
    let count = |tally: &LayerConversions| [tally.crossbars, tally.crossbars_pruned, tally.crossbars_set];
    assert_eq!((count(&alone), count(&pairs)), ([6, 6, 3], [4, 4, 2]));
    assert_eq!(counts(&alone.current[0]), counts(&pairs.current[0]), "as many conversions");
    let (alone, pairs) = (&alone.current[0], &pairs.current[0]);
    assert_eq!(counts(alone), [(0, 9), (1, 2), (2, 1)]);
    assert_eq!(
        (alone.converters[..3].to_vec(), pairs.converters[..3].to_vec()),
        (vec![3, 2, 1], vec![2, 1, 1])
    );
    assert_eq!((alone.slowest_ns[0], pairs.slowest_ns[0]), (2.0, 2.0));
    let (alone, pairs) = (case(1, 2, Resolution::Lossless, 1), case(2, 4, Resolution::Lossless, 1));
    assert_eq!((alone.dense[0].slowest_ns[0], pairs.dense[0].slowest_ns[0]), (4.0, 8.0));
    assert_eq!(pairs.dense[0].converters[2], 4);
    // All three slices on a crossbar with two converters: columns of 1, 1, 2, 0, 0 and 0 bits take turns.
    let all = case(3, 6, Resolution::LosslessSliced, 2);
    assert_eq!((all.crossbars, all.current[0].slowest_ns[0]), (2, 3.0));
}

#[test]
fn empty_tiles_need_no_conversion_except_in_an_offset_mapping() {
    let empty = Matrix::new("w", 2, 4, vec![0.0; 8]).expect("fits");
    for (subtraction, expected) in [(Subtraction::Digital, 0), (Subtraction::Offset, 2)] {
        let hardware = HardwareConfig { subtraction, ..small() };
        let config = TallyConfig {
            hardware: &hardware,
            resolutions: &[(Resolution::Bits(4), Granularity::Tile)],
            latencies: &[],
            adcs_per_tile: 1,
            skip_zero_columns: false,
        };
        let tally = tally(&empty, &config);
        assert_eq!(tally.crossbars_pruned, expected, "{subtraction:?}");
        assert_eq!(tally.current[0].total() > 0, expected > 0, "{subtraction:?}");
    }
}
