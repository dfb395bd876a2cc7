//! Whole networks on simulated crossbars: exact with lossless resolutions, not with the paper's;
//! errors by their seeds; step by step as on the page.

use std::ops::Range;

use crossdub::checkpoint::Checkpoint;
use crossdub::config::{
    ClassifierWidths, DataSource, DeviceChoice, Granularity, HardwareConfig, NetworkName, Resolution,
    Subtraction, TrainConfig,
};
use crossdub::crossbar::tiling::TileShape;
use crossdub::data::batch::{Batch, evaluation_batch};
use crossdub::data::{Dataset, IMAGE, TrainTest, cifar10, synthetic};
use crossdub::device::ComputeDevice;
use crossdub::network::parameters::import;
use crossdub::network::spec::initialize;
use crossdub::network::{Network, NetworkSpec};
use crossdub::prune::{Cutoff, PruneMethod, prune};
use crossdub::simulate::activations::Activations;
use crossdub::simulate::network::layers;
use crossdub::simulate::options::{AdcRange, SimulationConfig};
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
    let mut spec = TrainConfig::default();
    change(&mut spec);
    NetworkSpec::from_config(&spec, 10).expect("valid")
}

fn small_network() -> NetworkSpec {
    network(|spec| {
        (spec.plan, spec.classifier) = ("6 M 8 M".parse().expect("a plan"), "7".parse().expect("a width"));
        spec.batch_norm = true;
    })
}

/// Simulates the first images of a data set's test split.
fn simulated(
    plan: &NetworkSpec,
    weights: &Checkpoint,
    hardware: &HardwareConfig,
    spec: &SimulationConfig,
    (data, images): (&TrainTest, usize),
) -> SimulationReport {
    let calibration = batch(&data.train, 0..spec.calibration.min(data.train.len()));
    let mut simulator = Simulator::new(plan, weights, hardware, spec, &calibration).expect("fits");
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
    let (plan, data) = (small_network(), synthetic::generate(0, 8, 8));
    let mut weights = initialize(&plan, 3);
    for tensor in weights.tensors.iter_mut().filter(|tensor| tensor.shape.len() == 4) {
        // Sparse enough that columns are left with one active row.
        tensor.data.iter_mut().enumerate().filter(|(at, _)| at % 5 != 0).for_each(|(_, w)| *w = 0.0);
    }
    let spec = SimulationConfig { calibration: 4, linear: true, ..SimulationConfig::default() };
    let report = |resolution, subtraction, dac_bits| {
        let hardware = HardwareConfig {
            tile: 8,
            resolution,
            subtraction,
            dac_bits,
            per: Granularity::Column,
            ..HardwareConfig::default()
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

fn other_network(text: &str) -> NetworkSpec {
    network(|spec| {
        (spec.plan, spec.classifier) = (text.parse().expect("a plan"), ClassifierWidths::default());
        spec.batch_norm = !text.contains('x');
    })
}

/// The layers as they are simulated, in floats.
fn in_floats(plan: &NetworkSpec, weights: &Checkpoint, image: &[f32]) -> Vec<f32> {
    let layers = layers(plan, weights, false).expect("fits");
    let mut activations = Activations::new(layers.iter(), image.to_vec());
    for layer in &layers {
        let (input, added) = activations.inputs_of(layer);
        let given = layer.forward(input, added.map(Vec::as_slice));
        activations.push(given);
    }
    activations.into_output().expect("scores")
}

#[test]
fn simulated_layers_are_the_network_s() {
    let (data, compute) = (synthetic::generate(0, 1, 3), cpu());
    for text in ["4 M 6 M", "4 M 6 M A3", "basic 2x4 1x6 2x6", "bottleneck 1x2 2x3"] {
        let plan = other_network(text);
        let weights = by_formula(&plan);
        let network = import(Network::new(&plan, &compute.device), &plan, &weights).expect("fits");
        let expected = pollster::block_on(scores(&network, &data.test, 0..3, &compute)).expect("computes");
        let images = batch(&data.test, 0..3).images;
        let got = images.chunks(IMAGE).flat_map(|image| in_floats(&plan, &weights, image));
        let difference = relative_difference(&got.collect::<Vec<_>>(), &expected);
        assert!(difference < 1e-5, "{text}: {difference:e}");
    }
}

/// torchvision's scores of a real image of 224 x 224.
#[test]
fn simulated_layers_of_resnet18_agree_with_torchvision() {
    let Some(file) = shared("golden/models/resnet18.expected.safetensors") else { return };
    let golden = weights(&file);
    let tensor = |name: &str| &golden.get(name).expect("stored").data;
    let mut spec = TrainConfig { side: 224, data: DataSource::ImageNet, ..TrainConfig::default() };
    spec.set_model(NetworkName::ResNet18);
    let plan = NetworkSpec::from_config(&spec, 1000).expect("valid");
    let got = in_floats(&plan, &by_formula(&plan), &tensor("input")[..3 * 224 * 224]);
    let difference = relative_difference(&got, &tensor("logits")[..1000]);
    assert!(difference < 2e-2, "{difference:e}");
}

/// What comes around a block must be the simulated network's own once it differs.
#[test]
fn residual_blocks_are_exact_and_paper_resolutions_are_not() {
    let data = synthetic::generate(0, 4, 4);
    for (text, layers) in [("basic 1x4 2x6", 8), ("bottleneck 1x2 1x3", 9)] {
        let plan = other_network(text);
        let weights = by_formula(&plan);
        let spec = SimulationConfig { calibration: 4, ..SimulationConfig::default() };
        let report = |resolution| {
            let hardware = HardwareConfig { tile: 8, resolution, ..HardwareConfig::default() };
            simulated(&plan, &weights, &hardware, &spec, (&data, 4))
        };
        for resolution in [Resolution::Lossless, Resolution::LosslessSliced] {
            let report = report(resolution);
            assert!(report.exact && report.saturated_conversions == 0, "{text} {resolution}");
            let names: Vec<&str> = report.layers.iter().map(|layer| layer.name.as_str()).collect();
            assert_eq!(names.len(), layers, "{names:?}");
            let known: Vec<String> = plan.conv_shapes().into_iter().map(|conv| conv.name).collect();
            assert_eq!(names, known, "in the order of every other report");
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
fn conversions_are_counted() {
    let (plan, data) = (small_network(), synthetic::generate(0, 2, 2));
    let hardware = HardwareConfig { tile: 8, resolution: Resolution::Bits(4), ..HardwareConfig::default() };
    let report = simulated(&plan, &initialize(&plan, 3), &hardware, &SimulationConfig::default(), (&data, 2));
    assert_eq!(report.layers[0].conversions, 4 * 6 * 14 * 8 * 1024 * 2);
    assert_eq!(report.layers[0].columns_by_bits, [0, 0, 0, 0, 4 * 6 * 14]);
}

#[test]
fn errors_are_drawn_from_their_seed_and_ranges_lose_little() {
    let (plan, data) = (small_network(), synthetic::generate(0, 8, 4));
    let weights = initialize(&plan, 3);
    let hardware = HardwareConfig { tile: 8, resolution: Resolution::Lossless, ..HardwareConfig::default() };
    let report = |spec: &SimulationConfig| simulated(&plan, &weights, &hardware, spec, (&data, 4));
    let ideal = SimulationConfig::default();
    for spec in [
        // Two units a row: sums outgrow their codes. (What fits cancels between the polarities.)
        SimulationConfig { on_off_ratio: 1.5, ..ideal.clone() },
        SimulationConfig { proportional_error: 0.5, ..ideal.clone() },
        SimulationConfig { independent_error: 0.2, ..ideal.clone() },
        SimulationConfig { read_noise: 0.2, ..ideal.clone() },
        SimulationConfig { stuck_on: 0.05, ..ideal.clone() },
        SimulationConfig { stuck_off: 0.2, ..ideal.clone() },
    ] {
        let first = report(&spec);
        assert!(!first.exact, "{spec:?}");
        assert_eq!(first, report(&spec), "the same seed draws the same");
        let other = report(&SimulationConfig { noise_seed: 1, ..spec.clone() });
        assert_eq!(first.layers == other.layers, spec.on_off_ratio > 0.0, "{spec:?}");
    }
    // Tiny errors round away, and a current of cells at level 0 cancels between the polarities.
    assert!(report(&SimulationConfig { on_off_ratio: 20.0, ..ideal.clone() }).exact);
    assert!(report(&SimulationConfig { proportional_error: 1e-3, ..ideal.clone() }).exact);
    assert!(report(&SimulationConfig { adc_range: AdcRange::Max, ..ideal.clone() }).exact);
    let calibrated = SimulationConfig { adc_range: AdcRange::Calibrated, percentile: 100.0, ..ideal };
    assert!(report(&calibrated).saturated_conversions < report(&calibrated).conversions / 100);
    let coarse = HardwareConfig { resolution: Resolution::Bits(2), ..hardware.clone() };
    let max = SimulationConfig { adc_range: AdcRange::Max, ..SimulationConfig::default() };
    let coarse = simulated(&plan, &weights, &coarse, &max, (&data, 4));
    assert!(!coarse.exact && coarse.saturated_conversions == 0, "rounded, never clipped");
}

#[test]
fn one_column_can_be_worked_through() {
    let (plan, data) = (small_network(), synthetic::generate(0, 4, 2));
    let weights = initialize(&plan, 3);
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
            Simulator::new(&plan, &weights, &hardware, &SimulationConfig::default(), &calibration)
                .expect("fits");
        let pixels = batch(&data.test, 1..2).images;
        let work_through = |at, position| simulator.trace_column(at, (&pixels, 1), position);
        let example = work_through((1, 2, 3), 40).expect("there");
        assert_eq!(
            (example.layer.as_str(), example.output, example.inputs),
            ("features.4.weight", 3, (16, 24))
        );
        assert_eq!(example.result == example.expected, resolution != Resolution::Bits(1), "{subtraction:?}");
        assert!(example.applied.iter().any(|&u| u > 0));
        assert_eq!(example.conversions.iter().any(|c| c.saturated), resolution == Resolution::Bits(1));
        for (field, at, position) in [
            ("layer", (2, 0, 0), 0),
            ("tile", (0, 4, 0), 0),
            ("column", (0, 0, 6), 0),
            ("position", (0, 0, 0), 1024),
        ] {
            let refused = work_through(at, position);
            assert!(refused.err().map(|why| why.to_string()).unwrap_or_default().contains(field), "{field}");
        }
    }
}

/// As the page does: prepared once, a few images at a time, beside the float network.
#[test]
fn a_session_s_network_is_simulated_step_by_step() {
    let spec = TrainConfig {
        plan: "4 M 6 M".parse().expect("a plan"),
        classifier: ClassifierWidths::default(),
        ..TrainConfig::default()
    };
    let hardware =
        HardwareConfig { tile: 8, resolution: Resolution::LosslessSliced, ..HardwareConfig::default() };
    let compute = cpu();
    let data = synthetic::generate(0, 64, 7);
    let trainer = Trainer::new(spec, hardware, data, compute, u64::MAX, None).expect("a trainer");
    let weights = pollster::block_on(trainer.weights()).expect("reads");
    let mut live =
        IncrementalSimulation::new(&trainer, &weights, &SimulationConfig::default()).expect("prepares");
    let mut report = || pollster::block_on(live.simulate_next(&trainer, 3)).expect("simulates");
    assert_eq!([report().images, report().images], [3, 6]);
    let last = report();
    assert!(last.exact && last.images == 7 && last.accuracy == last.quantized_accuracy);
    let test = trainer.data().test();
    let compute = trainer.compute();
    let network =
        import(Network::new(trainer.network_spec(), &compute.device), trainer.network_spec(), &weights)
            .expect("fits");
    let whole = pollster::block_on(evaluate(&network, test, 0..7, compute)).expect("computes");
    assert!((last.digital_accuracy.expect("images") - whole.accuracy).abs() < 1e-9);
    assert_eq!(report(), last, "nothing is left");
    let beyond = live.column_example(&trainer, (1, 0, 2), (7, 100)).err().map(|why| why.to_string());
    assert!(beyond.unwrap_or_default().contains("image (7)"));
    let example = live.column_example(&trainer, (1, 0, 2), (5, 100)).expect("there");
    assert_eq!(example.result, example.expected);
    assert_eq!(live.images_left(&trainer), Ok(0));
}

/// VGG11 as it comes, with 271 million conversions an image.
#[test]
fn vgg11_is_exact() {
    let (plan, data) = (network(|spec| spec.set_model(NetworkName::Vgg11)), synthetic::generate(0, 2, 2));
    let hardware =
        HardwareConfig { tile: 64, resolution: Resolution::LosslessSliced, ..HardwareConfig::default() };
    let spec = SimulationConfig { calibration: 2, ..SimulationConfig::default() };
    let weights = initialize(&plan, 0);
    let sliced = simulated(&plan, &weights, &hardware, &spec, (&data, 2));
    assert!(sliced.exact && sliced.saturated_conversions == 0);
    let hardware = HardwareConfig { resolution: Resolution::Lossless, ..hardware };
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
    let data = TrainTest { train: images.clone(), test: images };
    let (plan, mut weights) = (network(|_| {}), weights(&file));
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
        let report = simulated(&plan, &weights, &hardware, &SimulationConfig::default(), (&data, 40));
        assert!(report.exact && report.saturated_conversions == 0, "{resolution}");
        assert!(report.accuracy.expect("images") > 65.0, "{:?}", report.accuracy);
    }
}
