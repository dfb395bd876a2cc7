//! The page's run: previews change nothing, pruned weights stay zero, undoing restores the same bits, and the stages
//! are those of a recipe.

use crossdub::checkpoint::Checkpoint;
use crossdub::config::{DeviceChoice, HardwareConfig, Resolution, TrainConfig};
use crossdub::device::ComputeDevice;
use crossdub::prune::PruneRule;
use crossdub::train::checkpoint::TrainingCheckpoint;
use crossdub::workflow::executor::run_recipe;
use crossdub::workflow::interactive::preview::PruneSettings;
use crossdub::workflow::interactive::{CompletedStages, InteractiveRun};
use crossdub::workflow::memory_store::MemoryStore;
use crossdub::workflow::recipe::{Change, Recipe};
use crossdub::workflow::stage::StageKind;
use crossdub::workflow::train_stage::RunSetup;
use pollster::block_on;
use serde_json::{Map, Value, json};

use crate::training::{small_config, small_data};

const SETTINGS: PruneSettings = PruneSettings::new(PruneRule::Exact, 80.0, 2.0);
const MEMORY: u64 = 1 << 32;

fn cpu() -> ComputeDevice {
    block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU")
}

fn setup() -> RunSetup {
    RunSetup {
        hardware: HardwareConfig::default(),
        data: small_data().into(),
        compute: cpu(),
        memory: MEMORY,
    }
}

fn trained(steps: usize) -> InteractiveRun {
    let mut run = block_on(InteractiveRun::start(small_config(), setup())).expect("starts");
    advance(&mut run, steps);
    run
}

fn advance(run: &mut InteractiveRun, steps: usize) {
    for _ in 0..steps {
        block_on(run.step()).expect("trains");
    }
}

fn weights(run: &InteractiveRun) -> Checkpoint {
    block_on(run.trainer().weights()).expect("reads")
}

fn fields(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

#[test]
fn a_preview_changes_nothing_and_equals_the_pruned_network() {
    let mut run = trained(8);
    let before = weights(&run);
    let evaluated = block_on(run.evaluate_pruned(SETTINGS, 40)).expect("evaluates");
    let preview = run.view(SETTINGS).expect("in range").preview;
    assert!(weights(&run) == before);
    assert!(run.stages().len() == 1 && run.stages()[0].kind == StageKind::Train);

    block_on(run.prune(SETTINGS, 40)).expect("prunes");
    let stages = run.stages();
    let [train, pruned] = stages.as_slice() else { panic!("{} stages", stages.len()) };
    assert_eq!((train.steps, train.zeros, pruned.kind), (Some(8), 0, StageKind::Prune));
    assert_eq!((pruned.accuracy, pruned.images), (Some(evaluated.accuracy), Some(40)));
    assert_eq!((pruned.zeros, &pruned.histogram), (preview.zeros, &preview.histogram));
    assert_eq!(pruned.energy, preview.energy);
    // From now on, the preview is the network itself.
    let view = run.view(PruneSettings::new(PruneRule::Exact, 99.0, 2.0)).expect("in range");
    assert_eq!(view.preview.zeros, view.analysis.zeros);
    assert!(block_on(run.prune(SETTINGS, 40)).is_err(), "pruned already");
}

#[test]
fn fine_tuning_keeps_the_zeros_and_one_history() {
    let mut run = trained(5);
    assert!(block_on(run.finetune(&Map::new())).is_err(), "not pruned yet");
    block_on(run.prune(SETTINGS, 40)).expect("prunes");
    let masks = weights(&run).masks();
    block_on(run.finetune(&fields(json!({ "epochs": 1, "momentum": 0.9 })))).expect("starts");
    advance(&mut run, 3);
    block_on(run.evaluate(40)).expect("evaluates");
    block_on(run.finetune(&fields(json!({ "epochs": 1 })))).expect("starts again");
    advance(&mut run, 2);
    assert!(weights(&run).masks() == masks, "no other weight became zero");

    let report = run.report();
    let kinds: Vec<_> = report.stages.iter().map(|stage| (stage.kind, stage.steps.unwrap_or(0))).collect();
    assert_eq!(
        kinds,
        [(StageKind::Train, 5), (StageKind::Prune, 0), (StageKind::Finetune, 3), (StageKind::Finetune, 2)]
    );
    let steps: Vec<_> = report.training.history.iter().map(|entry| entry.step).collect();
    assert_eq!(steps, (1..=10).collect::<Vec<_>>());
    assert_eq!((report.training.step, &report.config), (10, &small_config()));
    assert!(report.training.history[7].accuracy.is_some(), "measured in the first fine-tuning");
    for invalid in [json!({ "epochs": 0 }), json!({ "wings": 2 }), json!({ "plan": "8 M" })] {
        assert!(block_on(run.finetune(&fields(invalid))).is_err());
    }
    assert_eq!(run.report(), report, "rejected fields change nothing");
}

#[test]
fn undoing_restores_the_same_bits() {
    let mut straight = trained(9);
    let mut run = trained(6);
    assert!(block_on(run.undo()).is_err(), "nothing to undo");
    block_on(run.prune(SETTINGS, 40)).expect("prunes");
    advance(&mut run, 2);
    block_on(run.undo()).expect("restores");
    advance(&mut run, 3);
    assert!(weights(&run) == weights(&straight));
    block_on(straight.sync_weights()).expect("reads");
    block_on(run.sync_weights()).expect("reads");
    assert_eq!(run.report().stages, straight.report().stages);
    assert_eq!(run.report().training.history, straight.report().training.history);
}

#[test]
fn a_stored_run_resumes_and_can_still_be_undone() {
    let mut run = trained(4);
    let before = weights(&run);
    block_on(run.prune(SETTINGS, 40)).expect("prunes");
    advance(&mut run, 2);
    let bytes = block_on(run.trainer().checkpoint()).expect("writes");
    let completed = run.completed_stages().expect("pruned");
    // Stored as in the browser: a JSON object, and the checkpoint as bytes.
    let text = serde_json::to_string(completed).expect("writes");
    let read: CompletedStages = serde_json::from_str(&text).expect("reads");
    let completed = read.with_trained(completed.trained.clone());

    let checkpoint = TrainingCheckpoint::read(&bytes).expect("reads");
    let mut resumed =
        block_on(InteractiveRun::resume(checkpoint, Some(completed), setup())).expect("resumes");
    advance(&mut run, 2);
    advance(&mut resumed, 2);
    assert!(weights(&resumed) == weights(&run));
    let kinds: Vec<_> = resumed.report().stages.iter().map(|stage| stage.kind).collect();
    assert_eq!(kinds, [StageKind::Train, StageKind::Prune, StageKind::Finetune]);
    block_on(resumed.undo()).expect("restores");
    assert!(weights(&resumed) == before);
    assert_eq!(resumed.stages()[0].kind, StageKind::Train);
}

/// Running statistics too, though those of the last forward pass may not have been taken over yet.
#[test]
fn undoing_brings_the_normalizations_back() {
    let config = TrainConfig { batch_norm: true, ..small_config() };
    let mut run = block_on(InteractiveRun::start(config, setup())).expect("starts");
    advance(&mut run, 3);
    let before = weights(&run);
    block_on(run.prune(SETTINGS, 10)).expect("prunes");
    block_on(run.finetune(&Map::new())).expect("starts");
    advance(&mut run, 2);
    block_on(run.undo()).expect("restores");
    for (after, before) in weights(&run).tensors.iter().zip(&before.tensors) {
        assert!(after == before, "{} is another", before.name);
    }
}

/// Energies of a completed stage stay those of its crossbars, and say so.
#[test]
fn completed_stages_name_their_hardware_once_it_changes() {
    let mut run = trained(4);
    let before = run.trainer().hardware().clone();
    block_on(run.prune(SETTINGS, 10)).expect("prunes");
    let named =
        |run: &InteractiveRun| -> Vec<_> { run.stages().into_iter().map(|stage| stage.hardware).collect() };
    assert_eq!(named(&run), [None, None]);
    let counted = HardwareConfig { resolution: Resolution::LosslessSliced, ..before.clone() };
    run.set_hardware(counted).expect("in range");
    assert_eq!(named(&run), [None, None], "the same crossbars");
    run.set_hardware(HardwareConfig { tile: 8, ..before.clone() }).expect("in range");
    assert_eq!(named(&run), [Some(before.clone()), Some(before)]);
    block_on(run.undo()).expect("restores");
    assert_eq!(named(&run), [None]);
}

#[test]
fn the_previewed_network_is_simulated_and_costed() {
    let mut run = trained(4);
    let error = block_on(run.simulate_next(1)).expect_err("not started");
    assert_eq!(error.code(), "invalid-state");
    let lossless = HardwareConfig { resolution: Resolution::LosslessSliced, ..HardwareConfig::default() };
    run.set_hardware(lossless).expect("in range");
    block_on(run.start_simulation(SETTINGS)).expect("maps");
    let report = block_on(run.simulate_next(3)).expect("simulates");
    assert_eq!((report.images, report.exact, report.saturated_conversions), (3, true, 0));
    assert!(report.digital_accuracy.is_some());
    let example = run.trace_column((0, 0, 0), (0, 0)).expect("exists");
    assert_eq!(example.result, example.expected);

    let table = run.inference(SETTINGS).expect("in range").table;
    assert!(table.iter().all(|row| row.per_tile.is_some() && row.per_inference.is_some()));
    let paper = table.iter().find(|row| row.model == "paper").and_then(|row| row.per_tile).expect("listed");
    let preview = run.view(SETTINGS).expect("in range").preview.energy.paper;
    assert_eq!(paper.improvement, preview.improvement, "computed in two ways");
    assert!(run.view(SETTINGS).expect("in range").maps[0].bits_lossless_sliced[0] > 0);
}

const RECIPE: &str = r#"
data = "builtin"
model = "custom"

[[stage]]
name = "train"
kind = "train"

[[stage]]
name = "prune"
kind = "prune"

[[stage]]
name = "finetune"
kind = "finetune"
epochs = 1
"#;

/// The page's run and a recipe of the same stages give the same weights, to the bit, and the same reports.
#[test]
fn a_recipe_and_an_interactive_run_give_the_same_results() {
    let small = |name: &str, value: Value| Change::new(name, value);
    let changes = [
        small("plan", json!("8 M 16 M 16 M")),
        small("classifier", json!("32")),
        small("batch", json!(16)),
        small("dropout", json!(0.2)),
        small("device", json!("cpu")),
        small("train.learning_rate", json!(0.02)),
        small("train.epochs", json!(1)),
    ];
    for (settings, prune) in [
        (SETTINGS, small("prune.ratios", json!([80, 80, 80]))),
        (PruneSettings::new(PruneRule::Budget, 0.0, 2.0), small("prune.target", json!(2))),
        (PruneSettings::new(PruneRule::BitPlanes, 0.0, 12.0), small("prune.target", json!(12))),
    ] {
        let rule = small("prune.rule", json!(settings.rule.id()));
        let recipe = Recipe::read(RECIPE, &[&changes[..], &[rule, prune]].concat()).expect("valid");
        let store = MemoryStore::new(small_data(), MEMORY);
        let result = block_on(run_recipe(&recipe, &store.description("builtin"), &cpu(), &store));
        let result = result.expect("runs").expect("not busy");

        let config = recipe.stages[0].train_config().expect("trains").clone();
        let mut run = block_on(InteractiveRun::start(config, setup())).expect("starts");
        let finish = |run: &mut InteractiveRun| {
            let steps = run.progress().total_steps as usize;
            advance(run, steps);
            block_on(run.evaluate(usize::MAX)).expect("evaluates");
            block_on(run.sync_weights()).expect("reads");
        };
        finish(&mut run);
        block_on(run.prune(settings, usize::MAX)).expect("prunes");
        block_on(run.finetune(&fields(json!({ "epochs": 1 })))).expect("starts");
        finish(&mut run);

        assert!(weights(&run) == result.weights, "{:?}", settings.rule);
        let stages = run.stages();
        assert_eq!(stages.len(), result.report.stages.len());
        for (own, other) in stages.iter().zip(&result.report.stages) {
            assert_eq!((own.kind, own.accuracy, own.stats), (other.kind, other.accuracy, other.stats));
            assert_eq!((own.zeros, &own.histogram), (other.zeros, &other.histogram));
            assert_eq!((&own.histogram_before, &own.energy), (&other.histogram_before, &other.energy));
            assert_eq!(own.config, other.config);
        }
    }
}

#[test]
fn previewed_bit_planes_are_simulated_as_pruned_ones() {
    let settings = PruneSettings::new(PruneRule::BitPlanes, 0.0, 15.0);
    for precision in ["", "6"] {
        let config = TrainConfig { quantize_precision: precision.parse().expect("bits"), ..small_config() };
        let mut run = block_on(InteractiveRun::start(config, setup())).expect("starts");
        let sliced =
            HardwareConfig { resolution: Resolution::LosslessSliced, ..run.trainer().hardware().clone() };
        run.set_hardware(sliced).expect("in range");
        advance(&mut run, 4);
        let simulate = |run: &mut InteractiveRun| {
            block_on(run.start_simulation(settings)).expect("maps");
            let report = block_on(run.simulate_next(2)).expect("simulates");
            assert!(report.exact, "{precision}");
            (report.conversions, report.accuracy)
        };
        let previewed = simulate(&mut run);
        block_on(run.prune(settings, 10)).expect("prunes");
        assert_eq!(simulate(&mut run), previewed, "{precision}");
    }
}

/// A quantized run keeps the integers that it started with, whatever tile or input bits are set later.
#[test]
fn a_quantized_run_resumes_on_other_hardware() {
    let settings = PruneSettings::new(PruneRule::BitPlanes, 0.0, 15.0);
    for tile in [16, 64] {
        let mut run = trained(4);
        block_on(run.prune(settings, 10)).expect("prunes");
        block_on(run.finetune(&fields(json!({ "epochs": 1 })))).expect("starts");
        advance(&mut run, 2);
        let other = HardwareConfig { tile, input_bits: 4, ..run.trainer().hardware().clone() };
        run.set_hardware(other.clone()).expect("in range");
        advance(&mut run, 1);
        let bytes = block_on(run.trainer().checkpoint()).expect("saves");
        let checkpoint = TrainingCheckpoint::read(&bytes).expect("reads");
        let completed = run.completed_stages().cloned();
        let setup = RunSetup { hardware: other.clone(), ..setup() };
        let mut resumed = block_on(InteractiveRun::resume(checkpoint, completed, setup)).expect("resumes");
        advance(&mut run, 2);
        advance(&mut resumed, 2);
        assert!(weights(&run) == weights(&resumed), "{tile}");
        assert_eq!(resumed.trainer().hardware(), &other);
    }
}

/// Also after training with other integers, and after a checkpoint: the caps hold, undo returns to what was trained.
#[test]
fn bit_planes_stay_within_their_caps() {
    let settings = PruneSettings::new(PruneRule::BitPlanes, 0.0, 15.0);
    for precision in ["", "6"] {
        let config = TrainConfig { quantize_precision: precision.parse().expect("bits"), ..small_config() };
        let mut run = block_on(InteractiveRun::start(config, setup())).expect("starts");
        advance(&mut run, 4);
        let trained = weights(&run);
        let improvement = |run: &mut InteractiveRun| {
            block_on(run.sync_weights()).expect("reads");
            let energy = run.view(settings).expect("in range").preview.energy;
            energy.lossless_sliced.and_then(|energy| energy.improvement).expect("integers")
        };
        let previewed = improvement(&mut run);
        assert!(previewed >= 15.0, "{previewed}");
        block_on(run.prune(settings, 10)).expect("prunes");
        assert_eq!(improvement(&mut run), previewed);
        block_on(run.finetune(&fields(json!({ "epochs": 1, "learning_rate": 0.05 })))).expect("starts");
        advance(&mut run, 3);
        let checkpoint = block_on(run.trainer().checkpoint()).expect("saves");
        let checkpoint = TrainingCheckpoint::read(&checkpoint).expect("reads");
        let completed = run.completed_stages().cloned();
        let mut resumed = block_on(InteractiveRun::resume(checkpoint, completed, setup())).expect("resumes");
        for run in [&mut run, &mut resumed] {
            advance(run, 3);
            assert!(improvement(run) >= 15.0);
        }
        assert!(weights(&run) == weights(&resumed));
        block_on(run.undo()).expect("returns");
        assert!(weights(&run) == trained, "{precision}");
    }
}
