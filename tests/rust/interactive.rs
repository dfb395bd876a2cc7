//! The page's interactive run: previews change nothing, pruned weights stay pruned, and undo restores the same
//! bits.

use crossdub::checkpoint::Checkpoint;
use crossdub::config::{DeviceChoice, HardwareConfig, Resolution};
use crossdub::device::ComputeDevice;
use crossdub::prune::PruneRule;
use crossdub::train::checkpoint::TrainingCheckpoint;
use crossdub::workflow::interactive::preview::PruneSettings;
use crossdub::workflow::interactive::{CompletedStages, InteractiveRun};
use crossdub::workflow::stage::StageKind;
use pollster::block_on;
use serde_json::{Map, Value, json};

use crate::training::{small_config, small_data, trainer};

const SETTINGS: PruneSettings = PruneSettings { rule: PruneRule::Exact, strength: 80.0, target: 2.0 };

fn trained(steps: usize) -> InteractiveRun {
    let mut run = block_on(InteractiveRun::new(trainer(small_config()), None)).expect("reads");
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
fn previews_change_nothing_and_predict_the_pruning() {
    let mut run = trained(8);
    let before = weights(&run);
    let previewed = block_on(run.evaluate_pruned(SETTINGS, 40)).expect("evaluates");
    let preview = run.view(SETTINGS).expect("draws").preview;
    assert!(weights(&run) == before);
    assert!(run.stages().len() == 1 && run.stages()[0].kind == StageKind::Train);

    block_on(run.prune(SETTINGS, 40)).expect("prunes");
    let stages = run.stages();
    let [train, pruned] = stages.as_slice() else { panic!("{} stages", stages.len()) };
    assert_eq!((train.steps, train.zeros, pruned.kind), (Some(8), 0, StageKind::Prune));
    assert_eq!((pruned.accuracy, pruned.images), (Some(previewed.accuracy), Some(40)));
    assert_eq!((pruned.zeros, &pruned.histogram), (preview.zeros, &preview.histogram));
    assert_eq!(pruned.energy, preview.energy);
    // From now on the preview shows the current weights.
    let view = run.view(PruneSettings { strength: 99.0, ..SETTINGS }).expect("draws");
    assert_eq!(view.preview.zeros, view.analysis.zeros);
    assert!(block_on(run.prune(SETTINGS, 40)).is_err(), "pruned already");
}

#[test]
fn fine_tuning_keeps_zeros_and_continues_one_history() {
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
    assert_eq!((report.training.step, &report.spec), (10, &small_config()));
    assert!(report.training.history[7].accuracy.is_some(), "measured in the first fine-tuning");
    for invalid in [json!({ "epochs": 0 }), json!({ "wings": 2 }), json!({ "plan": "8 M" })] {
        assert!(block_on(run.finetune(&fields(invalid))).is_err());
    }
    assert_eq!(run.report(), report, "rejected fields change nothing");
}

#[test]
fn undo_restores_the_same_bits() {
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
fn a_saved_run_resumes_and_can_still_be_undone() {
    let mut run = trained(4);
    let before = weights(&run);
    block_on(run.prune(SETTINGS, 40)).expect("prunes");
    advance(&mut run, 2);
    let bytes = block_on(run.trainer().checkpoint()).expect("writes");
    let completed = run.completed_stages().expect("pruned");
    // The browser saves it as an object, with the checkpoint beside it.
    let text = serde_json::to_string(completed).expect("writes");
    let read: CompletedStages = serde_json::from_str(&text).expect("reads");
    let completed = CompletedStages { trained: completed.trained.clone(), ..read };

    let compute = block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
    let trainer = TrainingCheckpoint::read(&bytes).expect("reads").resume(small_data(), compute, 1 << 32);
    let mut resumed = block_on(InteractiveRun::new(trainer.expect("fits"), Some(completed))).expect("reads");
    advance(&mut run, 2);
    advance(&mut resumed, 2);
    assert!(weights(&resumed) == weights(&run));
    assert_eq!(resumed.report().stages.len(), 3);
    block_on(resumed.undo()).expect("restores");
    assert!(weights(&resumed) == before);
}

#[test]
fn the_previewed_network_is_simulated_and_its_energy_computed() {
    let mut run = trained(4);
    assert!(block_on(run.simulate_next(1)).is_err(), "not started yet");
    let lossless = HardwareConfig { resolution: Resolution::LosslessSliced, ..HardwareConfig::default() };
    run.set_hardware(lossless).expect("in range");
    block_on(run.start_simulation(SETTINGS)).expect("starts");
    let report = block_on(run.simulate_next(3)).expect("simulates");
    assert_eq!((report.images, report.exact, report.saturated_conversions), (3, true, 0));
    assert!(report.digital_accuracy.is_some());
    let example = run.column_example((0, 0, 0), (0, 0)).expect("in range");
    assert_eq!(example.result, example.expected);

    let table = run.inference(SETTINGS).expect("in range").table;
    assert!(table.iter().all(|row| row.per_tile.is_some() && row.per_inference.is_some()));
    let paper = table.iter().find(|row| row.model == "paper").and_then(|row| row.per_tile).expect("listed");
    let preview = run.view(SETTINGS).expect("draws").preview.energy.paper;
    assert_eq!(paper.improvement, preview.improvement, "both ways of counting agree");
    assert!(run.view(SETTINGS).expect("draws").maps[0].bits_lossless_sliced[0] > 0);
}
