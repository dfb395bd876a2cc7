//! ADC hardware end to end: converters on the command line, the energy per inference, the ADC plan, and a comparison
//! on the reference networks.

use std::path::Path;

use crossdub::config::{Granularity, HardwareConfig, NetworkName, Resolution, TrainConfig};
use crossdub::crossbar::tiling::TileShape;
use crossdub::matrix::Matrix;
use crossdub::network::NetworkSpec;
use crossdub::prune::{Cutoff, PruneMethod, prune};
use crossdub::report::{InferenceConfig, inference};
use proptest::prelude::*;
use serde_json::Value;

use crate::command_line::{failure, golden_weights, json_output, usage_error};
use crate::shared::{layers, shared};

/// Improvement in bits per tile over full crossbars, and what of it is due to pruning: lossless, sliced per tile,
/// sliced per column.
fn saved(layers: &[Matrix]) -> [(f64, f64); 3] {
    let config = InferenceConfig::all(None).expect("valid");
    let energy = inference(layers, &HardwareConfig::default(), &config).expect("counts");
    let of = |model: &str, per| {
        let row = energy.table.iter().find(|row| row.model == model && row.per == per).expect("a row");
        let (mapping, pruning) = row.mapping_per_tile.zip(row.per_tile).expect("energies");
        (mapping.dense / pruning.actual, pruning.improvement.expect("a ratio"))
    };
    [
        of("lossless", Granularity::Tile),
        of("lossless-sliced", Granularity::Tile),
        of("lossless-sliced", Granularity::Column),
    ]
}

/// 8-bit weights, 1-bit cells, tile 32; bits compared with 6 bits everywhere.
#[test]
fn slices_save_bits_on_the_reference_networks() {
    let (Some(clean), Some(dub)) =
        (shared("golden/models/vgg_small_clean.pth"), shared("golden/models/vgg_small_dub.pth"))
    else {
        return;
    };
    let check = |layers: &[Matrix], expected: [f64; 3]| {
        let got = saved(layers);
        for ((got, _), expected) in got.into_iter().zip(expected) {
            assert!((got - expected).abs() < 6e-3, "{got} for {expected}");
        }
        got.map(|(_, pruning)| pruning)
    };
    let unpruned = check(&layers(&clean), [1.00, 1.71, 2.53]);
    assert_eq!(unpruned, [1.0; 3], "the mapping saves, not pruning");
    let mut pruned = layers(&dub);
    let shape = TileShape { rows: 32, columns: 32 };
    let method = PruneMethod::Percentile(Cutoff::Ratios(vec![20.0, 80.0, 95.0]));
    prune(&mut pruned, shape, &method).expect("prunes");
    let by_pruning = check(&pruned, [1.77, 2.61, 5.82]);
    assert!(by_pruning[0] > 1.7 && by_pruning[2] > 5.5, "{by_pruning:?}");
}

#[test]
fn adc_prints_the_documented_fields() {
    let of = |arguments: &[&str]| json_output(&[&["adc", "--json"], arguments].concat());
    let accelergy = of(&["--model", "accelergy", "--bits", "8"]);
    assert!((accelergy["energy_pj"].as_f64().expect("pJ") - 1.7137).abs() < 1e-4);
    assert!((accelergy["area_um2"].as_f64().expect("um2") - 5971.6).abs() < 0.1);
    assert_eq!((accelergy["extrapolated"].as_bool(), accelergy["bits"].as_u64()), (Some(false), Some(8)));
    let many =
        of(&["--model", "accelergy", "--bits", "8", "--tech-nm", "16", "--rate", "5.12e9", "--adcs", "32"]);
    assert!((many["energy_pj"].as_f64().expect("pJ") - 0.465_58).abs() < 1e-4);
    let paper = of(&["--model", "paper", "--bits", "8"]);
    assert_eq!((paper["energy"].as_f64(), paper.get("energy_pj")), (Some(8.0), None));
    assert_eq!(of(&["--model", "neurosim-flash", "--bits", "0"])["energy_pj"].as_f64(), Some(0.0));
    let beyond = of(&["--model", "isaac", "--bits", "12", "--extrapolate"]);
    assert_eq!(beyond["extrapolated"].as_bool(), Some(true));
    let all = of(&["--compare", "--bits", "1..10"]);
    assert_eq!(all["bits"].as_array().map(Vec::len), Some(10));
    assert_eq!(all["models"].as_array().map(Vec::len), Some(11));
}

#[test]
fn adc_names_invalid_options() {
    let rejects = |field: &str, arguments: &[&str]| {
        let message = usage_error(&[&["adc"], arguments].concat());
        assert!(message.contains(field), "{message}");
    };
    rejects("bits", &["--model", "puma", "--bits", "17"]);
    rejects("bits", &["--model", "puma", "--bits", "-1"]);
    rejects("bits", &["--model", "isaac", "--bits", "11"]);
    rejects("adc", &["--model", "magic", "--bits", "8"]);
    rejects("rate", &["--model", "accelergy", "--rate", "1e11"]);
    rejects("tech_nm", &["--model", "accelergy", "--tech-nm", "0"]);
    rejects("neurosim_process", &["--model", "neurosim-sar", "--neurosim-process", "x"]);
    let message =
        usage_error(&["energy", "--histogram", "1,0,0,7", "--tile", "4", "--resolution", "lossless-sliced"]);
    assert!(message.contains("resolution"), "{message}");
}

#[test]
fn every_command_takes_a_custom_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writes");
        path.display().to_string()
    };
    let custom = file("mine.toml", "[linear]\nbase_pj = 0.5\nper_bit_pj = 0.25\n");
    let one = json_output(&["adc", "--model", &custom, "--bits", "6", "--json"]);
    assert_eq!((one["model"].as_str(), one["energy_pj"].as_f64()), (Some("mine"), Some(2.0)));
    let histogram = ["energy", "--histogram", "1,0,0,1", "--tile", "4", "--json", "--resolution", "lossless"];
    let energy = json_output(&[&histogram[..], &["--adc", &custom]].concat());
    assert_eq!((energy["dense"].as_f64(), energy["actual"].as_f64()), (Some(2.5), Some(1.25)));
    let analysis = json_output(&["analyze", &golden_weights(), "--tile", "16", "--adc", &custom, "--json"]);
    assert_eq!(analysis["inference"]["table"][0]["model"].as_str(), Some("mine"));
    let broken = file("broken.toml", "[linear]\nbase_pj = 0.5\nper_bit_pj = -1\n");
    let message = failure(&["adc", "--model", &broken, "--bits", "6"]);
    assert!(message.contains("broken.toml") && message.contains("line 3"), "{message}");
}

/// Rows of the inference table of one model.
fn rows<'a>(analysis: &'a Value, model: &str) -> Vec<&'a Value> {
    let table = analysis["inference"]["table"].as_array().expect("a table");
    table.iter().filter(|row| row["model"] == model).collect()
}

#[test]
fn analyze_reports_the_energy_per_inference() {
    let weights = golden_weights();
    let common = ["analyze", &weights, "--tile", "16", "--adc", "all", "--per-inference", "--json"];
    let analysis = json_output(&[&common[..], &["--positions", "100,25", "--adc-share", "0.6"]].concat());
    let (paper, puma) = (rows(&analysis, "paper"), rows(&analysis, "puma"));
    assert_eq!((paper.len(), puma.len()), (2, 6), "one resolution or three, each per tile and per column");
    assert_eq!(paper[0]["per_tile"]["improvement"], analysis["energy"]["paper"]["improvement"]);
    for field in ["per_inference", "whole_improvement", "conversions", "area_um2", "latency_ns", "layers"] {
        assert!(!puma[0][field].is_null(), "{field}");
    }
    let layers = puma[0]["layers"].as_array().expect("layers");
    let share: f64 = layers.iter().map(|layer| layer["share"].as_f64().expect("a share")).sum();
    assert!((share - 1.0).abs() < 1e-9);
    let isaac = json_output(&[&common[..], &["--positions", "100,25", "--adc-share", "isaac"]].concat());
    assert_eq!(isaac["inference"]["adc_share"].as_f64(), Some(192.0 / 330.0));
    assert!(
        isaac["inference"]["adc_share_source"].as_str().is_some_and(|source| source.contains("ISCA 2016"))
    );
    assert!(analysis["inference"]["adc_share_source"].is_null());
    let tiles_only = json_output(&common);
    assert!(tiles_only["inference"]["positions"].is_null());
    assert!(rows(&tiles_only, "puma")[0]["per_inference"].is_null());
    assert!(json_output(&["analyze", &weights, "--tile", "16", "--json"]).get("inference").is_none());
    let few = ["--adc", "lossless", "--resolution", "4,paper,lossless", "--per", "tile"];
    let few = json_output(&[&["analyze", &weights, "--tile", "16", "--json"], &few[..]].concat());
    let shown = few["inference"]["table"].as_array().expect("a table").iter();
    let shown: Vec<_> = shown.map(|row| (row["model"].as_str(), row["resolution"].as_str())).collect();
    let expected = [("paper", "4"), ("paper", "paper"), ("lossless", "lossless")];
    assert_eq!(shown, expected.map(|(model, resolution)| (Some(model), Some(resolution))));
    for (bad, word) in [
        (["--positions", "100"], "positions"),
        (["--model", "vgg11"], "model"),
        (["--adc-share", "1.5"], "adc_share"),
        (["--per", "row"], "per"),
        (["--active-rows", "17"], "active_rows"),
    ] {
        let message = usage_error(&[&common[..], &bad].concat());
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn the_adc_plan_has_one_row_per_tile() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (weights, csv, json) = (golden_weights(), path("plan.csv"), path("plan.json"));
    json_output(&["analyze", &weights, "--tile", "16", "--adc-plan", &csv, "--json"]);
    let text = std::fs::read_to_string(&csv).expect("written");
    assert_eq!(text.lines().count(), 59, "a header and 58 tiles");
    assert!(text.starts_with("layer,down,across,rows,columns,level,bits_paper,"));
    let (out, common) = (path("pruned.safetensors"), ["--tile", "16", "--ratios", "30,85", "--json"]);
    json_output(&[&["prune", &weights, "--out", &out, "--adc-plan", &json], &common[..]].concat());
    let plan = crate::shared::json(Path::new(&json));
    let tiles = plan["tiles"].as_array().expect("tiles");
    assert_eq!(tiles.len(), 58);
    let analysis = json_output(&["analyze", &out, "--tile", "16", "--json"]);
    let bits: u64 = tiles.iter().map(|tile| tile["bits_paper"].as_u64().expect("bits")).sum();
    assert_eq!(Some(bits as f64), analysis["energy"]["paper"]["actual"].as_f64());
    usage_error(&["analyze", &weights, "--tile", "16", "--adc-plan", &path("plan.txt")]);
}

#[test]
fn networks_know_their_output_positions() {
    let mut config = TrainConfig { side: 224, ..TrainConfig::default() };
    config.set_model(NetworkName::ResNet18);
    let convs = NetworkSpec::from_config(&config, 1000).expect("valid").conv_shapes();
    assert_eq!(convs.len(), 20);
    let of =
        |name: &str| convs.iter().find(|conv| conv.name == name).expect("a convolution").output_positions;
    assert_eq!((of("conv1.weight"), of("layer1.0.conv1.weight")), (112 * 112, 56 * 56));
    assert_eq!((of("layer2.0.downsample.0.weight"), of("layer4.1.conv2.weight")), (28 * 28, 7 * 7));
    config.set_model(NetworkName::VggSmall);
    config.side = 32;
    let convs = NetworkSpec::from_config(&config, 10).expect("valid").conv_shapes();
    assert_eq!(convs.iter().map(|conv| conv.output_positions).collect::<Vec<_>>(), [1024, 256, 64]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Dense conversions are the product in the documentation; a finer resolution never costs more than a coarser one.
    #[test]
    fn finer_resolutions_cost_no_more(
        rows in 1_usize..20, cols in 1_usize..40, tile in 2_usize..17, precision in 2_u32..9,
        cell in 1_u32..4, dac in 1_u32..4, active_rows in 0_usize..17, seed in 0_u64..1000,
    ) {
        let hardware = HardwareConfig {
            tile,
            weight_precision: precision,
            cell_bits: cell.min(precision - 1),
            dac_bits: dac,
            active_rows: active_rows.min(tile),
            ..HardwareConfig::default()
        };
        let noise = |at: usize| ((at as u64 * 2_654_435_761 + seed) % 1000) as f32 / 1000.0;
        let weights = (0..rows * cols).map(|at| if noise(at) < 0.6 { 0.0 } else { noise(at + 7) - 0.5 });
        let layer = Matrix::new("w", rows, cols, weights.collect()).expect("fits");
        let energy = inference(&[layer], &hardware, &InferenceConfig::all(Some(vec![3])).expect("valid"))
            .expect("counts");
        let at_once = if hardware.active_rows == 0 { tile } else { hardware.active_rows };
        let groups: usize = (0..cols.div_ceil(tile)).map(|at| (cols - at * tile).min(tile).div_ceil(at_once)).sum();
        let slices = (precision - 1).div_ceil(hardware.cell_bits) as usize;
        let expected = 3 * 8_usize.div_ceil(dac as usize) * slices * 2 * rows * groups;
        let bits = |model: &str, per| {
            let row = energy.table.iter().find(|row| row.model == model && row.per == per).expect("a row");
            row.per_inference.expect("an energy").actual
        };
        // One row at a time has 0 bits in the paper's count, so nothing to convert.
        for row in energy.table.iter().filter(|row| row.resolution != Resolution::Paper) {
            prop_assert_eq!(row.conversions.expect("known").dense, expected as u64);
        }
        let (tile, column) = (Granularity::Tile, Granularity::Column);
        prop_assert!(bits("lossless", column) <= bits("lossless", tile));
        prop_assert!(bits("lossless-sliced", tile) <= bits("lossless", tile));
        prop_assert!(bits("lossless-sliced", column) <= bits("lossless-sliced", tile));
    }
}
