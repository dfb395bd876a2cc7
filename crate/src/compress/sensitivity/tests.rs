//! Tests of the proposal of ratios.

use super::*;

fn points(pairs: &[(f64, f64)]) -> Vec<SensitivityPoint> {
    pairs.iter().map(|&(ratio, accuracy)| SensitivityPoint { ratio, accuracy }).collect()
}

#[test]
fn the_proposal_is_where_the_line_crosses_the_minimum() {
    let curve = points(&[(0.0, 80.0), (50.0, 79.5), (80.0, 77.5), (90.0, 60.0)]);
    assert_eq!(propose(&curve, 79.0), (curve[1], Some(57.5)));
    assert_eq!(propose(&curve, 77.5), (curve[2], None), "exactly at the minimum");
    assert_eq!(propose(&curve, 10.0), (curve[3], None), "beyond the last point nothing is known");
    // Despite noise at smaller ratios, the largest measured one counts.
    let dip = points(&[(0.0, 80.0), (10.0, 78.9), (20.0, 79.2), (30.0, 70.0)]);
    assert_eq!(propose(&dip, 79.0), (dip[2], Some(20.2)));
    assert_eq!(propose(&dip[..2], 79.5), (dip[0], Some(4.5)));
}

#[test]
fn a_float32_limit_decides_as_float64() {
    for value in [0.1, 0.3, 1.0, 1e-3, 0.0] {
        let limit = float_below(value);
        assert!(f64::from(limit) <= value && f64::from(limit.next_up()) > value, "{value}");
    }
}

#[test]
fn out_of_range_fields_are_rejected() {
    let config =
        |ratios: &[f64], max_accuracy_drop| SensitivityConfig { ratios: ratios.to_vec(), max_accuracy_drop };
    assert!(SensitivityConfig::default().validate().is_ok());
    assert_eq!(SensitivityConfig::default().ascending().len(), 11);
    assert_eq!(config(&[30.0, -0.0, 10.0, 30.0], 0.0).ascending(), [10.0, 30.0]);
    for (ratios, drop) in [
        (&[101.0][..], 1.0),
        (&[-1.0], 1.0),
        (&[f64::NAN], 1.0),
        (&[], 1.0),
        (&[5.0], -1.0),
        (&[5.0], f64::NAN),
    ] {
        assert!(config(ratios, drop).validate().is_err(), "{ratios:?} {drop}");
    }
}

#[test]
fn layers_follow_the_order_of_the_file() {
    let layer = |name: &str, proposed: f64| LayerSensitivity {
        name: name.to_owned(),
        points: Vec::new(),
        proposed,
        proposed_accuracy: 80.0,
    };
    let found = Sensitivity {
        schema_version: SCHEMA_VERSION,
        images: 1,
        baseline_accuracy: 80.0,
        max_accuracy_drop: 1.0,
        layers: vec![layer("features.0", 10.0), layer("features.3", 20.0), layer("features.11", 30.0)],
        proposed: vec![10.0, 20.0, 30.0],
        proposed_accuracy: 79.0,
    };
    let ordered = found.in_order_of(["features.0", "features.11", "features.3"]);
    assert_eq!(ordered.proposed, [10.0, 30.0, 20.0]);
    assert_eq!(ordered.layers[1].name, "features.11");
}
