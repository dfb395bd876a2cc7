//! What the options of the crossbars change: counts, budgets, regularizers, tolerances.

use std::fs;
use std::path::Path;

use crossdub::adc::TileEnergy;
use crossdub::checkpoint::{Checkpoint, NamedTensor, safetensors};
use crossdub::config::{AdcModel, HardwareConfig, Subtraction};
use crossdub::crossbar::tiling::TileShape;
use crossdub::matrix::Matrix;
use crossdub::prune::{Cutoff, PruneMethod, prune};
use crossdub::report::{analyze, view};

use crate::command_line::{golden_weights, json_output};
use crate::shared;

/// A layer of one column with so many of its rows active, from the first on.
fn column(active: usize, rows: usize) -> Matrix {
    let data = (0..rows).map(|row| if row < active { 0.5 } else { 0.0 }).collect();
    Matrix::new("w", 1, rows, data).expect("fits")
}

/// A file of these tensors, with values that differ.
fn write(path: &Path, tensors: &[(&str, &[usize])]) {
    let tensor = |&(name, shape): &(&str, &[usize])| {
        let count: usize = shape.iter().product();
        let data = (0..count).map(|at| 0.01 * (1.0 + ((at * 7 + 3) % 11) as f32)).collect();
        NamedTensor { name: name.to_owned(), shape: shape.to_vec(), data }
    };
    let bytes = safetensors::write(&Checkpoint::new(tensors.iter().map(tensor).collect()));
    fs::write(path, bytes.expect("valid")).expect("writes");
}

/// Bits of a tile with 8 of 32 rows active and of a full one, by hand from `n * (2^b_in - 1) * (2^b_cell - 1)`.
#[test]
fn the_lossless_count_has_the_hardware_s_inputs_cells_signs_and_rows() {
    let check = |hardware: HardwareConfig, dense: f64, actual: f64| {
        let layer = column(8, 32);
        let energy = analyze(std::slice::from_ref(&layer), &hardware).energy.lossless;
        assert_eq!((energy.dense, energy.actual), (dense, actual), "{hardware:?}");
    };
    let default = HardwareConfig::default;
    check(default(), 6.0, 4.0);
    check(HardwareConfig { dac_bits: 8, ..default() }, 13.0, 11.0);
    check(HardwareConfig { cell_bits: 2, ..default() }, 7.0, 5.0);
    check(HardwareConfig { subtraction: Subtraction::Analog, ..default() }, 7.0, 5.0);
    check(HardwareConfig { subtraction: Subtraction::Offset, ..default() }, 6.0, 6.0);
    // Four conversions of 8 rows: the first is full, the others see nothing.
    let groups = HardwareConfig { active_rows: 8, ..default() };
    check(groups.clone(), 16.0, 4.0);
    let layer = [column(8, 32)];
    assert_eq!(view(&layer, &layer, &groups).maps[0].bits_lossless, [4]);
}

#[test]
fn a_budget_counts_rows_at_once_as_the_report_does() {
    let rows = 128;
    let data = (0..16 * rows).map(|at| ((at * 37 + 11) % 101) as f32 / 50.0 - 1.005).collect();
    let layers = vec![Matrix::new("w", 16, rows, data).expect("fits")];
    let hardware =
        HardwareConfig { tile: rows, active_rows: 32, adc: AdcModel::Lossless, ..HardwareConfig::default() };
    let energy = TileEnergy::new(&hardware).expect("counts rows");
    let dense = analyze(&layers, &hardware).energy.lossless.dense;
    assert_eq!(energy.at(rows, rows), dense);
    // What is left of a tile never takes more than the budget counts for as many rows.
    for keep in [0, 1, 5, 31, 32, 77] {
        let left = [column(keep, rows)];
        assert!(analyze(&left, &hardware).energy.lossless.actual <= energy.at(keep, rows), "{keep} rows");
    }
}

#[test]
fn one_granularity_counts_outside_of_the_table_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let pruned = folder.path().join("p.safetensors").display().to_string();
    let prune =
        ["prune", &golden_weights(), "--tile", "16", "--rule", "bit-planes", "--target", "6", "--out"];
    let by_column = json_output(&[&prune[..], &[&pruned, "--per", "column", "--json"]].concat());
    let of = |per: &[&str]| {
        let analysis = json_output(&[&["analyze", &pruned, "--tile", "16", "--json"], per].concat());
        analysis["energy"]["lossless_sliced"]["improvement"].as_f64().expect("integers")
    };
    let meant = by_column["energy"]["lossless_sliced"]["improvement"].as_f64().expect("integers");
    assert_eq!(of(&["--per", "column"]), meant);
    assert!(of(&[]) < meant && of(&["--per", "tile"]) == of(&[]));
}

#[test]
fn a_tolerance_is_the_same_to_analyze_and_to_prune() {
    // 1e-3 is no float32: the nearest is a little larger.
    let layer = Matrix::new("w", 1, 4, vec![1e-3; 4]).expect("fits");
    let hardware = HardwareConfig { tile: 4, ..HardwareConfig::default() };
    assert_eq!(analyze(std::slice::from_ref(&layer), &hardware).almost_zeros, 4);
    for method in
        [PruneMethod::Exact(Cutoff::Tolerance(1e-3)), PruneMethod::Magnitude(Cutoff::Tolerance(1e-3))]
    {
        let mut layers = [layer.clone()];
        prune(&mut layers, TileShape::from(&hardware), &method).expect("prunes");
        assert_eq!(layers[0].data, [0.0; 4], "{method:?}");
    }
}

/// Grouped, one-dimensional and transposed layers are regularized as the matrices that lie on the crossbars.
#[test]
fn regularize_takes_the_matrices_that_analyze_maps() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).display().to_string();
    let layers: [(&str, &[usize]); 4] = [
        ("a.stem.weight", &[8, 3, 3, 3]),
        ("b.depthwise.weight", &[8, 1, 3, 3]),
        ("c.point.weight", &[12, 8, 1, 1]),
        ("wave.weight", &[6, 12, 5]),
    ];
    write(&path("all.safetensors"), &layers);
    let common = ["--tile", "8", "--json"];
    let analysis = json_output(&[&["analyze", &text("all.safetensors")], &common[..]].concat());
    let kind = ["--kind", "mean-and-variance", "--lambda", "1", "--lambda-mean", "1", "--grad"];
    let regularize = |name: &str, gradient: &str| {
        json_output(&[&["regularize", &text(name)], &kind[..], &[&text(gradient)], &common].concat())
    };
    let all = regularize("all.safetensors", "gradient.safetensors");
    assert_eq!(all["tiles"], analysis["tiles"]);
    let gradient = shared::weights(&path("gradient.safetensors"));
    let shapes: Vec<_> = gradient.tensors.iter().map(|t| (&*t.name, &*t.shape)).collect();
    assert_eq!(shapes, layers);
    // The sum over layers, of which each output of the depthwise one is a layer of its own.
    let mut sum = 0.0;
    let weights = shared::weights(&path("all.safetensors"));
    for (name, shape) in layers {
        let data = &weights.get(name).expect("there").data;
        let parts = if name.contains("depthwise") { 8 } else { 1 };
        let mut of_layer = Vec::new();
        for part in data.chunks(data.len() / parts) {
            let rows = shape[0] / parts;
            let one = NamedTensor {
                name: "one.weight".to_owned(),
                shape: vec![rows, part.len() / rows, 1, 1],
                data: part.to_vec(),
            };
            let bytes = safetensors::write(&Checkpoint::new(vec![one])).expect("valid");
            fs::write(path("one.safetensors"), bytes).expect("writes");
            sum += regularize("one.safetensors", "g.safetensors")["loss"].as_f64().expect("a loss");
            of_layer.extend_from_slice(&shared::weights(&path("g.safetensors")).tensors[0].data);
        }
        assert_eq!(gradient.get(name).expect("there").data, of_layer, "{name}");
    }
    let loss = all["loss"].as_f64().expect("a loss");
    assert!((loss - sum).abs() < 1e-6 * sum, "{loss} for {sum}");
}

/// Weights that were read as integers get steps of their own, by which the report counts them.
#[test]
fn integers_of_a_file_are_pruned_to_other_integers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let network = shared::repository().join("recipes/networks/vgg-small-cifar10-bit-planes-12x.safetensors");
    let network = network.display().to_string();
    json_output(&["export", &network, "--out", &path("i.safetensors"), "--json"]);
    let (integers, pruned) = (path("i.safetensors"), path("p.safetensors"));
    let prune = ["prune", &integers, "--rule", "bit-planes", "--target", "14", "--out", &pruned, "--json"];
    let saved = json_output(&prune)["energy"]["lossless_sliced"].clone();
    assert!(saved["improvement"].as_f64().expect("integers") >= 14.0, "{saved}");
    assert_eq!(json_output(&["analyze", &pruned, "--json"])["energy"]["lossless_sliced"], saved);
}
