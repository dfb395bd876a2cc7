//! Training with quantized weights: its network is the one that is simulated, and a resumed run is the same.

use crossdub::checkpoint::Checkpoint;
use crossdub::config::{
    DeviceChoice, HardwareConfig, NetworkName, RegularizerKind, Resolution, TrainConfig, WeightScale,
};
use crossdub::crossbar::bit_planes::CellShape;
use crossdub::crossbar::bit_slicing::{BitSlicing, count_cells};
use crossdub::crossbar::quantize::QuantizedMatrix;
use crossdub::crossbar::tiling::Tiling;
use crossdub::data::batch::Batch;
use crossdub::data::loader::LabeledDataset;
use crossdub::data::synthetic;
use crossdub::device::ComputeDevice;
use crossdub::network::parameters::import;
use crossdub::network::{Network, NetworkSpec};
use crossdub::simulate::config::SimulationConfig;
use crossdub::simulate::simulator::Simulator;
use crossdub::train::checkpoint::TrainingCheckpoint;
use crossdub::train::evaluate::scores;
use crossdub::train::trainer::Trainer;
use crossdub::workflow::executor::run_recipe;
use crossdub::workflow::memory_store::MemoryStore;
use crossdub::workflow::recipe::Recipe;

use crate::training::{small_config, small_data};

fn cpu() -> ComputeDevice {
    pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU")
}

fn quantized_config(precision: &str, cap: &str) -> TrainConfig {
    TrainConfig {
        quantize_precision: precision.parse().expect("bits"),
        quantize_cap: cap.parse().expect("caps"),
        regularizer: RegularizerKind::None,
        ..small_config()
    }
}

fn trainer(config: &TrainConfig, hardware: &HardwareConfig, weights: Option<&Checkpoint>) -> Trainer {
    Trainer::new(config.clone(), hardware.clone(), small_data(), cpu(), 1 << 32, weights).expect("valid")
}

fn advance(trainer: &mut Trainer, steps: usize) -> Vec<f64> {
    (0..steps).map(|_| pollster::block_on(trainer.step()).expect("trains").loss).collect()
}

fn weights(trainer: &Trainer) -> Checkpoint {
    pollster::block_on(trainer.weights()).expect("reads")
}

/// Logits of the network in training and of its simulation.
fn both_logits(
    config: &TrainConfig,
    hardware: &HardwareConfig,
    weights: &Checkpoint,
    linear: bool,
) -> (Vec<f32>, Vec<f32>) {
    let spec = NetworkSpec::from_config(config, 10).expect("a network");
    let compute = cpu();
    let network = import(Network::new(&spec, &compute.device), &spec, weights).expect("fits");
    let images = synthetic::generate(1, 1, 6).test;
    let trained = pollster::block_on(scores(&network, &images, 0..6, &compute)).expect("runs");
    let batch: Batch = images.batches(0..6, 6).next().expect("one batch").expect("reads");
    let options = SimulationConfig { linear, ..SimulationConfig::default() };
    let mut simulator = Simulator::new(&spec, weights, hardware, &options, &batch).expect("maps");
    let simulated = simulator.logits(&batch, 0).expect("runs").concat();
    simulator.simulate(&batch, 0).expect("runs");
    assert!(simulator.report().exact, "as lossless-sliced says");
    (trained, simulated)
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    let largest = a.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    assert!(largest > 0.0);
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest
}

fn sliced() -> HardwareConfig {
    HardwareConfig { resolution: Resolution::LosslessSliced, ..HardwareConfig::default() }
}

/// With steps that are powers of two, floats hold all products exactly: nothing may differ but the last rounding.
#[test]
fn the_network_in_training_is_the_simulated_one() {
    let networks = [(NetworkName::VggSmall, 1e-6), (NetworkName::Vgg11, 1e-6), (NetworkName::ResNet18, 1e-3)];
    for ((name, tolerance), linear) in networks.into_iter().flat_map(|at| [(at, false), (at, true)]) {
        let mut config = TrainConfig { side: 32, ..TrainConfig::default() };
        config.set_model(name);
        config.quantize_precision = "3".parse().expect("bits");
        config.quantize_cap = "3".parse().expect("a cap");
        config.quantize_linear = linear;
        config.device = DeviceChoice::Cpu;
        let mut weights = weights(&trainer(&config, &sliced(), None));
        let cells = CellShape::from(&sliced());
        let power = |step: f32| step.log2().round().exp2();
        for matrix in weights.matrices(linear).expect("layers") {
            let mut quantizers = weights.quantizers(&matrix.name).expect("whole").expect("quantized");
            quantizers.weights.steps.iter_mut().for_each(|step| *step = power(*step));
            quantizers.inputs.iter_mut().for_each(|inputs| inputs.step = power(inputs.step));
            let values = quantizers.weights.values(&matrix, cells);
            let tensor = weights.tensors.iter_mut().find(|tensor| tensor.name == matrix.name);
            tensor.expect("the layer").data = values;
            weights = weights.with_quantizers(&matrix.name, &quantizers);
        }
        // Fully connected layers on crossbars, or computed digitally.
        for linear in [false, linear] {
            let (trained, simulated) = both_logits(&config, &sliced(), &weights, linear);
            let apart = apart(&trained, &simulated);
            assert!(apart < tolerance, "{name}, {linear}: {apart:e}");
        }
    }
}

/// Learned steps are any numbers, so that an input between two integers may be rounded either way.
#[test]
fn trained_weights_keep_to_their_caps_and_are_simulated() {
    for weight_scale in [WeightScale::Layer, WeightScale::Channel] {
        let (config, hardware) =
            (quantized_config("4,4,3", "15,7,3"), HardwareConfig { weight_scale, ..sliced() });
        let mut trainer = trainer(&config, &hardware, None);
        let losses = advance(&mut trainer, 90);
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        assert!(mean(&losses[80..]) < 0.95 * mean(&losses[..10]), "{losses:?}");
        let weights = weights(&trainer);
        let cells = CellShape::from(&hardware);
        for (matrix, (precision, cap)) in
            weights.matrices(false).expect("layers").iter().zip([(4, 15), (4, 7), (3, 3)])
        {
            let own = HardwareConfig { weight_precision: precision, ..hardware.clone() };
            let integers = QuantizedMatrix::from_integers(matrix, &own).expect("quantize to themselves");
            let tiling = Tiling::new(matrix, cells.tile);
            for index in 0..tiling.len() {
                let tile = tiling.tile(index);
                let counts = count_cells(&integers, tile.outputs, &tile.inputs, BitSlicing::from(&own));
                assert!(counts.iter().all(|count| count.set <= cap), "{}, tile {index}", matrix.name);
            }
            assert!(integers.data.iter().any(|integer| *integer != 0), "{}", matrix.name);
        }
        let (trained, simulated) = both_logits(&config, &hardware, &weights, false);
        assert!(apart(&trained, &simulated) < 0.02, "{}", apart(&trained, &simulated));
    }
}

#[test]
fn a_resumed_run_ends_at_the_same_bits() {
    let config = TrainConfig { quantize_ramp: 1, ..quantized_config("3", "3") };
    let mut whole = trainer(&config, &sliced(), None);
    advance(&mut whole, 7);
    let saved = pollster::block_on(whole.checkpoint()).expect("saves");
    let rest = advance(&mut whole, 30);
    let checkpoint = TrainingCheckpoint::read(&saved).expect("reads");
    let mut resumed = checkpoint.resume(small_data(), cpu(), 1 << 32).expect("the same run");
    assert_eq!(advance(&mut resumed, 30), rest);
    assert_eq!(weights(&resumed), weights(&whole));
}

#[test]
fn the_distance_to_the_caps_is_part_of_the_loss() {
    let distance = |cap: &str, lambda: f64| {
        let config = TrainConfig { quantize_lambda: lambda, ..quantized_config("3", cap) };
        let mut trainer = trainer(&config, &sliced(), None);
        let first = pollster::block_on(trainer.step()).expect("trains").regularizer;
        (0..20).fold(first, |_, _| pollster::block_on(trainer.step()).expect("trains").regularizer) / first
    };
    assert!(distance("", 0.5).is_nan(), "0 of 0 without caps");
    // A strong pull leaves less of it than a weak one.
    let (weak, strong) = (distance("1", 1e-3), distance("1", 5.0));
    assert!(strong < 0.8 * weak, "{strong} {weak}");
}

#[test]
fn a_run_continues_from_quantized_weights() {
    let mut first = trainer(&quantized_config("3", "3"), &sliced(), None);
    advance(&mut first, 5);
    let start = weights(&first);
    assert_eq!(weights(&trainer(&quantized_config("3", "3"), &sliced(), Some(&start))), start);
    // Without a word about quantization it stays as it is.
    assert_eq!(weights(&trainer(&small_config(), &sliced(), Some(&start))), start);
    let fewer = weights(&trainer(&quantized_config("2", "3"), &sliced(), Some(&start)));
    assert_eq!(
        fewer.quantizers("features.0.weight").expect("whole").expect("quantized").weights.precision,
        2
    );
}

/// The fully connected layers are trained quantized if that is asked for, and stay so.
#[test]
fn fully_connected_layers_have_a_precision_of_their_own() {
    let config = TrainConfig { quantize_linear: true, ..quantized_config("4,4,3,2,8", "15,7,3,1,31") };
    let mut first = trainer(&config, &sliced(), None);
    let losses = advance(&mut first, 60);
    assert!(losses[50..].iter().sum::<f64>() < losses[..10].iter().sum::<f64>(), "{losses:?}");
    let start = weights(&first);
    let precisions = |weights: &Checkpoint| -> Vec<u32> {
        let layers = weights.matrices(true).expect("layers");
        let of = |name: &str| weights.quantizers(name).expect("whole").map(|own| own.weights.precision);
        layers.iter().filter_map(|layer| of(&layer.name)).collect()
    };
    let mut sorted = precisions(&start);
    sorted.sort_unstable();
    assert_eq!(sorted, [2, 3, 4, 4, 8]);
    // Resumed and continued, with the convolutions' precisions alone too.
    let saved = pollster::block_on(first.checkpoint()).expect("saves");
    let checkpoint = TrainingCheckpoint::read(&saved).expect("reads");
    let mut resumed = checkpoint.resume(small_data(), cpu(), 1 << 32).expect("the same run");
    assert_eq!(advance(&mut resumed, 5), advance(&mut first, 5));
    assert_eq!(weights(&trainer(&small_config(), &sliced(), Some(&start))), start);
    let other = weights(&trainer(&quantized_config("3", "3"), &sliced(), Some(&start)));
    let mut sorted = precisions(&other);
    sorted.sort_unstable();
    assert_eq!(sorted, [2, 3, 3, 3, 8]);
    for linear in [false, true] {
        let (trained, simulated) = both_logits(&config, &sliced(), &start, linear);
        assert!(apart(&trained, &simulated) < 0.02, "{}", apart(&trained, &simulated));
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let error = |config: &TrainConfig, hardware: &HardwareConfig, weights: Option<&Checkpoint>| {
        let trainer = Trainer::new(config.clone(), hardware.clone(), small_data(), cpu(), 1 << 32, weights);
        trainer.err().expect("rejected").to_string()
    };
    let hardware = sliced();
    let message = error(&quantized_config("3,3", ""), &hardware, None);
    assert!(message.contains("quantize_precision (3,3): has 2 numbers for 3 crossbar layers"), "{message}");
    let linear = |config: TrainConfig| TrainConfig { quantize_linear: true, ..config };
    let message = error(&linear(quantized_config("3,3,3", "")), &hardware, None);
    assert!(message.contains("has 3 numbers for 5 crossbar layers"), "{message}");
    // Fields that would change nothing.
    let message = error(&linear(small_config()), &hardware, None);
    assert!(message.contains("quantize_linear (true): needs quantize_precision"), "{message}");
    let message = error(&quantized_config("", "3"), &hardware, None);
    assert!(message.contains("quantize_cap (3): needs quantize_precision"), "{message}");
    let narrow = HardwareConfig { weight_precision: 4, ..sliced() };
    let message = error(&quantized_config("8,3,3", ""), &narrow, None);
    assert!(message.contains("quantize_precision (8): exceeds weight_precision (4)"), "{message}");
    let message = error(&quantized_config("3", "7,33,7"), &hardware, None);
    assert!(message.contains("quantize_cap (33): exceeds the 32 rows of a crossbar (tile)"), "{message}");
    let ramp = TrainConfig { quantize_ramp: 9, ..quantized_config("3", "3") };
    assert!(error(&ramp, &hardware, None).contains("quantize_ramp (9): must be 0 to the 4 epochs"));
    let start = weights(&trainer(&quantized_config("3", ""), &hardware, None));
    let broken = |leaf: &str, value: f32| {
        let mut weights = start.clone();
        let name = format!("features.0.{leaf}");
        weights.tensors.iter_mut().find(|tensor| tensor.name == name).expect("there").data[0] = value;
        error(&small_config(), &hardware, Some(&weights))
    };
    for (leaf, value) in [
        ("weight_step", -1.0),
        ("weight_step", f32::NAN),
        ("weight_bits", 1.0),
        ("input_zero", 256.0),
        ("input_bits", 8.5),
    ] {
        let message = broken(leaf, value);
        assert!(message.contains(leaf), "{leaf}: {message}");
    }
}

/// The caps of a budget hold in training, so that its target does; and the simulation loses nothing.
#[test]
fn a_recipe_trains_under_the_caps_of_its_budget() {
    let text = r#"
        data = "builtin"
        plan = "8 M 16 M 16 M"
        classifier = "32"
        device = "cpu"
        batch = 16
        tile = 16
        weight_scale = "channel"
        regularizer = "none"
        [[stage]]
        name = "clean"
        kind = "train"
        epochs = 1
        [[stage]]
        name = "bits"
        kind = "prune"
        rule = "bit-planes"
        target = 12
        [[stage]]
        name = "quantized"
        kind = "finetune"
        epochs = 1
        trainable = "all"
    "#;
    let recipe = Recipe::read(text, &[]).expect("a recipe");
    assert!(!recipe.stages[2].masked, "zeros of integers may come back");
    let store = MemoryStore::new(small_data(), 1 << 32);
    let (data, compute) = (store.description("builtin"), cpu());
    let run = run_recipe(&recipe, &data, &compute, &store);
    let result = pollster::block_on(run).expect("runs").expect("alone");
    let sliced_energy = |stage: usize| result.report.stages[stage].energy.lossless_sliced;
    assert!(sliced_energy(0).is_none(), "floats");
    for stage in [1, 2] {
        let improvement = sliced_energy(stage).and_then(|energy| energy.improvement).expect("integers");
        assert!(improvement >= 12.0, "stage {stage}: {improvement}");
    }
    let hardware = HardwareConfig { resolution: Resolution::LosslessSliced, ..recipe.hardware.clone() };
    let (trained, simulated) = both_logits(&recipe.config, &hardware, &result.weights, false);
    assert!(apart(&trained, &simulated) < 0.02);
}
