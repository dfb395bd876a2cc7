//! Whole networks on simulated crossbars: exact at lossless resolutions but not at the paper's, with
//! seeded errors, and step by step as on the page.

use std::ops::Range;

use crossdub::checkpoint::Checkpoint;
use crossdub::config::{
    ClassifierWidths, DataSource, DeviceChoice, Granularity, HardwareConfig, NetworkName, Resolution,
    Subtraction, TrainConfig,
};
use crossdub::crossbar::tiling::TileShape;
use crossdub::data::batch::{Batch, evaluation_batch};
use crossdub::data::{Dataset, IMAGE, TrainTest, cifar, synthetic};
use crossdub::device::ComputeDevice;
use crossdub::network::parameters::import;
use crossdub::network::spec::initialize;
use crossdub::network::{Network, NetworkSpec};
use crossdub::prune::{Cutoff, PruneMethod, prune};
use crossdub::simulate::activations::Activations;
use crossdub::simulate::column_trace::ColumnIndex;
use crossdub::simulate::config::{AdcRange, SimulationConfig};
use crossdub::simulate::network::layers;
use crossdub::simulate::report::SimulationReport;
use crossdub::simulate::simulator::Simulator;
use crossdub::train::evaluate::{evaluate, scores};
use crossdub::train::trainer::Trainer;
use crossdub::workflow::interactive::incremental_simulation::IncrementalSimulation;

use crate::shared::{by_formula, relative_difference, shared, weights};

fn cpu() -> ComputeDevice {
    pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU")
}

fn network(change: impl FnOnce(&mut TrainConfig)) -> NetworkSpec {
    let mut config = TrainConfig::default();
    change(&mut config);
    NetworkSpec::from_config(&config, 10).expect("valid")
}

fn small_network() -> NetworkSpec {
    network(|config| {
        (config.plan, config.classifier) =
            ("6 M 8 M".parse().expect("a plan"), "7".parse().expect("a width"));
        config.batch_norm = true;
    })
}

/// Simulates the first images of a data set's test split.
fn simulated(
    spec: &NetworkSpec,
    weights: &Checkpoint,
    hardware: &HardwareConfig,
    config: &SimulationConfig,
    (data, images): (&TrainTest, usize),
) -> SimulationReport {
    let calibration = batch(&data.train, 0..config.calibration.min(data.train.len()));
    let mut simulator = Simulator::new(spec, weights, hardware, config, &calibration).expect("fits");
    simulator.simulate(&batch(&data.test, 0..images), 0).expect("fits");
    simulator.report()
}

fn batch(data: &Dataset, range: Range<usize>) -> Batch {
    let mut batch = Batch::default();
    evaluation_batch(data, range, &mut batch.images, &mut batch.labels);
    batch
}

#[test]
fn small_networks_are_exact_and_paper_resolutions_are_not() {
    let (spec, data) = (small_network(), synthetic::generate(0, 8, 8));
    let mut weights = initialize(&spec, 3);
    for tensor in weights.tensors.iter_mut().filter(|tensor| tensor.shape.len() == 4) {
        // So sparse that some columns have one active row.
        tensor.data.iter_mut().enumerate().filter(|(at, _)| at % 5 != 0).for_each(|(_, w)| *w = 0.0);
    }
    let config = SimulationConfig { calibration: 4, linear: true, ..SimulationConfig::default() };
    let report = |resolution, subtraction, dac_bits| {
        let hardware = HardwareConfig {
            tile: 8,
            resolution,
            subtraction,
            dac_bits,
            per: Granularity::Column,
            ..HardwareConfig::default()
        };
        simulated(&spec, &weights, &hardware, &config, (&data, 8))
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

fn other_network(text: &str) -> NetworkSpec {
    network(|config| {
        (config.plan, config.classifier) = (text.parse().expect("a plan"), ClassifierWidths::default());
        config.batch_norm = !text.contains('x');
    })
}

/// Class scores of the simulated layers, in floats.
fn float_scores(spec: &NetworkSpec, weights: &Checkpoint, image: &[f32]) -> Vec<f32> {
    let layers = layers(spec, weights, false).expect("fits");
    let mut activations = Activations::new(layers.iter(), image.to_vec());
    for layer in &layers {
        let (input, added) = activations.inputs_of(layer);
        let output = layer.forward(input, added.map(Vec::as_slice));
        activations.push(output);
    }
    activations.into_output().expect("scores")
}

#[test]
fn simulated_layers_agree_with_the_trained_network() {
    let (data, device) = (synthetic::generate(0, 1, 3), cpu());
    for text in ["4 M 6 M", "4 M 6 M A3", "basic 2x4 1x6 2x6", "bottleneck 1x2 2x3"] {
        let spec = other_network(text);
        let weights = by_formula(&spec);
        let network = import(Network::new(&spec, &device.device), &spec, &weights).expect("fits");
        let expected = pollster::block_on(scores(&network, &data.test, 0..3, &device)).expect("computes");
        let images = batch(&data.test, 0..3).images;
        let got = images.chunks(IMAGE).flat_map(|image| float_scores(&spec, &weights, image));
        let difference = relative_difference(&got.collect::<Vec<_>>(), &expected);
        assert!(difference < 1e-5, "{text}: {difference:e}");
    }
}

/// Against torchvision's scores of a real image of 224 x 224 pixels.
#[test]
fn simulated_layers_of_resnet18_agree_with_torchvision() {
    let Some(file) = shared("golden/models/resnet18.expected.safetensors") else { return };
    let golden = weights(&file);
    let tensor = |name: &str| &golden.get(name).expect("stored").data;
    let mut config = TrainConfig { side: 224, data: DataSource::ImageNet, ..TrainConfig::default() };
    config.set_model(NetworkName::ResNet18);
    let spec = NetworkSpec::from_config(&config, 1000).expect("valid");
    let got = float_scores(&spec, &by_formula(&spec), &tensor("input")[..3 * 224 * 224]);
    let difference = relative_difference(&got, &tensor("logits")[..1000]);
    assert!(difference < 2e-2, "{difference:e}");
}

/// Once the simulated activations differ from the exact ones, skip connections must carry the simulated ones.
#[test]
fn residual_blocks_are_exact_and_paper_resolutions_are_not() {
    let data = synthetic::generate(0, 4, 4);
    for (text, layers) in [("basic 1x4 2x6", 8), ("bottleneck 1x2 1x3", 9)] {
        let spec = other_network(text);
        let weights = by_formula(&spec);
        let config = SimulationConfig { calibration: 4, ..SimulationConfig::default() };
        let report = |resolution| {
            let hardware = HardwareConfig { tile: 8, resolution, ..HardwareConfig::default() };
            simulated(&spec, &weights, &hardware, &config, (&data, 4))
        };
        for resolution in [Resolution::Lossless, Resolution::LosslessSliced] {
            let report = report(resolution);
            assert!(report.exact && report.saturated_conversions == 0, "{text} {resolution}");
            let names: Vec<&str> = report.layers.iter().map(|layer| layer.name.as_str()).collect();
            assert_eq!(names.len(), layers, "{names:?}");
            let known: Vec<String> = spec.conv_shapes().into_iter().map(|conv| conv.name).collect();
            assert_eq!(names, known, "in the order of all reports");
        }
        let coarse = report(Resolution::Bits(1));
        let wrong = |at: usize| coarse.layers[at].mismatched_outputs;
        assert!(!coarse.exact && (0..layers).all(|at| wrong(at) > 0), "{text}");
        assert_eq!(report(Resolution::Bits(1)), coarse);
    }
}

/// By hand: 27 inputs make 4 tiles of 8 rows, 6 outputs 1 block, each output 14 crossbar columns, 8 input bits, 1024
/// windows.
#[test]
fn conversions_match_a_count_by_hand() {
    let (spec, data) = (small_network(), synthetic::generate(0, 2, 2));
    let hardware = HardwareConfig { tile: 8, resolution: Resolution::Bits(4), ..HardwareConfig::default() };
    let report = simulated(&spec, &initialize(&spec, 3), &hardware, &SimulationConfig::default(), (&data, 2));
    assert_eq!(report.layers[0].conversions, 4 * 6 * 14 * 8 * 1024 * 2);
    assert_eq!(report.layers[0].columns_by_bits, [0, 0, 0, 0, 4 * 6 * 14]);
}

#[test]
fn errors_depend_on_the_seed_alone_and_wide_adc_ranges_lose_little() {
    let (spec, data) = (small_network(), synthetic::generate(0, 8, 4));
    let weights = initialize(&spec, 3);
    let hardware = HardwareConfig { tile: 8, resolution: Resolution::Lossless, ..HardwareConfig::default() };
    let report = |config: &SimulationConfig| simulated(&spec, &weights, &hardware, config, (&data, 4));
    let ideal = SimulationConfig::default();
    for config in [
        // Two units for each active row: sums exceed the codes. (Smaller offsets cancel between polarities.)
        SimulationConfig { on_off_ratio: 1.5, ..ideal.clone() },
        SimulationConfig { proportional_error: 0.5, ..ideal.clone() },
        SimulationConfig { independent_error: 0.2, ..ideal.clone() },
        SimulationConfig { read_noise: 0.2, ..ideal.clone() },
        SimulationConfig { stuck_on: 0.05, ..ideal.clone() },
        SimulationConfig { stuck_off: 0.2, ..ideal.clone() },
    ] {
        let first = report(&config);
        assert!(!first.exact, "{config:?}");
        assert_eq!(first, report(&config), "the same seed gives the same errors");
        let other = report(&SimulationConfig { noise_seed: 1, ..config.clone() });
        assert_eq!(first.layers == other.layers, config.on_off_ratio > 0.0, "{config:?}");
    }
    // Small errors are rounded away, and the current of cells at level 0 cancels between the polarities.
    assert!(report(&SimulationConfig { on_off_ratio: 20.0, ..ideal.clone() }).exact);
    assert!(report(&SimulationConfig { proportional_error: 1e-3, ..ideal.clone() }).exact);
    assert!(report(&SimulationConfig { adc_range: AdcRange::Max, ..ideal.clone() }).exact);
    let calibrated = SimulationConfig { adc_range: AdcRange::Calibrated, percentile: 100.0, ..ideal };
    assert!(report(&calibrated).saturated_conversions < report(&calibrated).conversions / 100);
    let coarse = HardwareConfig { resolution: Resolution::Bits(2), ..hardware.clone() };
    let max = SimulationConfig { adc_range: AdcRange::Max, ..SimulationConfig::default() };
    let coarse = simulated(&spec, &weights, &coarse, &max, (&data, 4));
    assert!(!coarse.exact && coarse.saturated_conversions == 0, "sums are rounded, not clipped");
}

#[test]
fn a_column_trace_adds_up_to_the_exact_product() {
    let (spec, data) = (small_network(), synthetic::generate(0, 4, 2));
    let weights = initialize(&spec, 3);
    for (subtraction, resolution) in [
        (Subtraction::Digital, Resolution::Lossless),
        (Subtraction::Analog, Resolution::LosslessSliced),
        (Subtraction::Offset, Resolution::Lossless),
        (Subtraction::Digital, Resolution::Bits(1)),
    ] {
        let hardware =
            HardwareConfig { tile: 8, resolution, subtraction, active_rows: 5, ..HardwareConfig::default() };
        let calibration = batch(&data.train, 0..4);
        let simulator =
            Simulator::new(&spec, &weights, &hardware, &SimulationConfig::default(), &calibration)
                .expect("fits");
        let pixels = batch(&data.test, 1..2).images;
        let trace = |layer, tile, column, position| {
            simulator.trace_column(ColumnIndex { layer, tile, column, position }, &pixels, 1)
        };
        let column = trace(1, 2, 3, 40).expect("in range");
        assert_eq!((column.layer.as_str(), column.output, column.inputs), ("features.4.weight", 3, (16, 24)));
        assert_eq!(column.result == column.expected, resolution != Resolution::Bits(1), "{subtraction:?}");
        assert!(column.applied.iter().any(|&u| u > 0));
        assert_eq!(column.conversions.iter().any(|c| c.saturated), resolution == Resolution::Bits(1));
        for (field, result) in [
            ("layer", trace(2, 0, 0, 0)),
            ("tile", trace(0, 4, 0, 0)),
            ("column", trace(0, 0, 6, 0)),
            ("position", trace(0, 0, 0, 1024)),
        ] {
            assert_eq!(result.expect_err("out of range").field_name(), Some(field));
        }
    }
}

/// As on the page: prepared once, then a few images at a time, compared with the float network.
#[test]
fn an_incremental_simulation_continues_where_it_stopped() {
    let config = TrainConfig {
        plan: "4 M 6 M".parse().expect("a plan"),
        classifier: ClassifierWidths::default(),
        ..TrainConfig::default()
    };
    let hardware =
        HardwareConfig { tile: 8, resolution: Resolution::LosslessSliced, ..HardwareConfig::default() };
    let device = cpu();
    let data = synthetic::generate(0, 64, 7);
    let trainer = Trainer::new(config, hardware, data, device, u64::MAX, None).expect("a trainer");
    let weights = pollster::block_on(trainer.weights()).expect("reads");
    let mut simulation =
        IncrementalSimulation::new(&trainer, &weights, &SimulationConfig::default()).expect("starts");
    let mut report = || pollster::block_on(simulation.simulate_next(&trainer, 3)).expect("simulates");
    assert_eq!([report().images, report().images], [3, 6]);
    let last = report();
    assert!(last.exact && last.images == 7 && last.accuracy == last.quantized_accuracy);
    let test = trainer.data().test();
    let device = trainer.compute();
    let network =
        import(Network::new(trainer.network_spec(), &device.device), trainer.network_spec(), &weights)
            .expect("fits");
    let whole = pollster::block_on(evaluate(&network, test, 0..7, device)).expect("computes");
    assert!((last.digital_accuracy.expect("images") - whole.accuracy).abs() < 1e-9);
    assert_eq!(report(), last, "no images are left");
    let error = simulation.trace_column(&trainer, (1, 0, 2), (7, 100)).expect_err("7 images");
    assert!(error.to_string().contains("image (7)"));
    let example = simulation.trace_column(&trainer, (1, 0, 2), (5, 100)).expect("in range");
    assert_eq!(example.result, example.expected);
    assert_eq!(simulation.images_left(&trainer), Ok(0));
}

/// VGG11 unpruned: 271 million conversions for each image.
#[test]
fn vgg11_is_exact_at_lossless_resolutions() {
    let (spec, data) = (network(|config| config.set_model(NetworkName::Vgg11)), synthetic::generate(0, 2, 2));
    let hardware =
        HardwareConfig { tile: 64, resolution: Resolution::LosslessSliced, ..HardwareConfig::default() };
    let config = SimulationConfig { calibration: 2, ..SimulationConfig::default() };
    let weights = initialize(&spec, 0);
    let sliced = simulated(&spec, &weights, &hardware, &config, (&data, 2));
    assert!(sliced.exact && sliced.saturated_conversions == 0);
    let hardware = HardwareConfig { resolution: Resolution::Lossless, ..hardware };
    let lossless = simulated(&spec, &weights, &hardware, &config, (&data, 1));
    assert!(lossless.exact && lossless.saturated_conversions == 0);
    assert_eq!(lossless.conversions, 271_581_184, "no column is empty");
}

/// The reference network, pruned: exact at both lossless resolutions, with its accuracy.
#[test]
fn a_pruned_network_is_exact_at_lossless_resolutions() {
    let (Some(file), Some(batch)) =
        (shared("golden/models/vgg_small_dub.pth"), shared("data/cifar-10-batches-bin/data_batch_5.bin"))
    else {
        return;
    };
    let images = cifar::parse("data_batch_5.bin", &std::fs::read(batch).expect("readable")).expect("valid");
    let data = TrainTest { train: images.clone(), test: images };
    let (spec, mut weights) = (network(|_| {}), weights(&file));
    let hardware = HardwareConfig::default();
    let mut layers = weights.matrices(false).expect("layers");
    let method = PruneMethod::Exact(Cutoff::Ratios(vec![10.0, 70.0, 90.0]));
    prune(&mut layers, TileShape::from(&hardware), &method).expect("in range");
    for layer in layers {
        let tensor = weights.tensors.iter_mut().find(|tensor| tensor.name == layer.name);
        tensor.expect("the same names").data = layer.data;
    }
    for (resolution, per) in [
        (Resolution::Lossless, Granularity::Tile),
        (Resolution::Lossless, Granularity::Column),
        (Resolution::LosslessSliced, Granularity::Tile),
        (Resolution::LosslessSliced, Granularity::Column),
    ] {
        let hardware = HardwareConfig { resolution, per, ..hardware.clone() };
        let report = simulated(&spec, &weights, &hardware, &SimulationConfig::default(), (&data, 40));
        assert!(report.exact && report.saturated_conversions == 0, "{resolution}");
        assert!(report.accuracy.expect("images") > 65.0, "{:?}", report.accuracy);
    }
}
