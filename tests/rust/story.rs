//! The page's trainer, taken through its story: looking commits nothing, pruned stays pruned, and
//! undoing leads back to the same bits.

use crossdub::checkpoint::Weights;
use crossdub::config::{DeviceChoice, HardwareConfig, Resolution};
use crossdub::device::Compute;
use crossdub::prune::Rule;
use crossdub::train::checkpoint::Checkpoint;
use crossdub::workflow::interactive::preview::Choice;
use crossdub::workflow::interactive::stage::Kind;
use crossdub::workflow::interactive::{CompletedStages, InteractiveRun};
use pollster::block_on;
use serde_json::{Map, Value, json};

use crate::training::{session, small_data, small_spec};

const CHOICE: Choice = Choice { rule: Rule::Exact, strength: 80.0, target: 2.0 };

fn trained(steps: usize) -> InteractiveRun {
    let mut story = block_on(InteractiveRun::new(session(small_spec()), None)).expect("reads");
    advance(&mut story, steps);
    story
}

fn advance(story: &mut InteractiveRun, steps: usize) {
    for _ in 0..steps {
        block_on(story.step()).expect("trains");
    }
}

fn weights(story: &InteractiveRun) -> Weights {
    block_on(story.session().weights()).expect("reads")
}

fn fields(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

#[test]
fn looking_changes_nothing_and_tells_what_pruning_then_does() {
    let mut story = trained(8);
    let before = weights(&story);
    let tried = block_on(story.try_out(CHOICE, 40)).expect("evaluates");
    let preview = story.view(CHOICE).expect("draws").preview;
    assert!(weights(&story) == before);
    assert!(story.stages().len() == 1 && story.stages()[0].kind == Kind::Train);

    block_on(story.prune(CHOICE, 40)).expect("prunes");
    let stages = story.stages();
    let [train, pruned] = stages.as_slice() else { panic!("{} stages", stages.len()) };
    assert_eq!((train.steps, train.zeros, pruned.kind), (8, 0, Kind::Prune));
    assert_eq!((pruned.accuracy, pruned.images), (Some(tried.accuracy), Some(40)));
    assert_eq!((pruned.zeros, &pruned.histogram), (preview.zeros, &preview.histogram));
    assert_eq!(pruned.energy, preview.energy);
    // What is previewed from now on is what is there.
    let view = story.view(Choice { strength: 99.0, ..CHOICE }).expect("draws");
    assert_eq!(view.preview.zeros, view.analysis.zeros);
    assert!(block_on(story.prune(CHOICE, 40)).is_err(), "once is enough");
}

#[test]
fn fine_tuning_keeps_the_zeros_and_one_history() {
    let mut story = trained(5);
    assert!(block_on(story.finetune(&Map::new())).is_err(), "not pruned yet");
    block_on(story.prune(CHOICE, 40)).expect("prunes");
    let masks = weights(&story).masks();
    block_on(story.finetune(&fields(json!({ "epochs": 1, "momentum": 0.9 })))).expect("begins");
    advance(&mut story, 3);
    block_on(story.evaluate(40)).expect("evaluates");
    block_on(story.finetune(&fields(json!({ "epochs": 1 })))).expect("begins again");
    advance(&mut story, 2);
    assert!(weights(&story).masks() == masks, "and nothing else became zero");

    let report = story.report();
    let kinds: Vec<_> = report.stages.iter().map(|stage| (stage.kind, stage.steps)).collect();
    assert_eq!(kinds, [(Kind::Train, 5), (Kind::Prune, 0), (Kind::Finetune, 3), (Kind::Finetune, 2)]);
    let steps: Vec<_> = report.whole.training.history.iter().map(|entry| entry.step).collect();
    assert_eq!(steps, (1..=10).collect::<Vec<_>>());
    assert_eq!((report.whole.training.step, &report.whole.spec), (10, &small_spec()));
    assert!(report.whole.training.history[7].accuracy.is_some(), "measured in the first fine-tuning");
    for wrong in [json!({ "epochs": 0 }), json!({ "wings": 2 }), json!({ "plan": "8 M" })] {
        assert!(block_on(story.finetune(&fields(wrong))).is_err());
    }
    assert_eq!(story.report(), report, "what is refused changes nothing");
}

#[test]
fn undoing_leads_back_to_the_same_bits() {
    let mut straight = trained(9);
    let mut story = trained(6);
    assert!(block_on(story.undo()).is_err(), "nothing to undo");
    block_on(story.prune(CHOICE, 40)).expect("prunes");
    advance(&mut story, 2);
    block_on(story.undo()).expect("goes back");
    advance(&mut story, 3);
    assert!(weights(&story) == weights(&straight));
    block_on(straight.refresh()).expect("reads");
    block_on(story.refresh()).expect("reads");
    assert_eq!(story.report().stages, straight.report().stages);
    assert_eq!(story.report().whole.training.history, straight.report().whole.training.history);
}

#[test]
fn a_kept_story_goes_on_and_can_still_be_undone() {
    let mut story = trained(4);
    let before = weights(&story);
    block_on(story.prune(CHOICE, 40)).expect("prunes");
    advance(&mut story, 2);
    let bytes = block_on(story.session().checkpoint()).expect("writes");
    let earlier = story.earlier().expect("pruned");
    // As the browser keeps it: an object, and the checkpoint beside it.
    let text = serde_json::to_string(earlier).expect("writes");
    let read: CompletedStages = serde_json::from_str(&text).expect("reads");
    let earlier = CompletedStages { trained: earlier.trained.clone(), ..read };

    let compute = block_on(Compute::open(&DeviceChoice::Cpu)).expect("a CPU");
    let session = Checkpoint::read(&bytes).expect("reads").resume(small_data(), compute, 1 << 32);
    let mut resumed = block_on(InteractiveRun::new(session.expect("fits"), Some(earlier))).expect("reads");
    advance(&mut story, 2);
    advance(&mut resumed, 2);
    assert!(weights(&resumed) == weights(&story));
    assert_eq!(resumed.report().stages.len(), 3);
    block_on(resumed.undo()).expect("goes back");
    assert!(weights(&resumed) == before);
}

#[test]
fn what_is_previewed_is_simulated_and_costed() {
    let mut story = trained(4);
    assert!(block_on(story.advance_proof(1)).is_err(), "nothing is open yet");
    let lossless = HardwareConfig { resolution: Resolution::LosslessSliced, ..HardwareConfig::default() };
    story.set_hardware(lossless).expect("in range");
    block_on(story.open_proof(CHOICE)).expect("maps");
    let proof = block_on(story.advance_proof(3)).expect("simulates");
    assert_eq!((proof.images, proof.exact, proof.saturated_conversions), (3, true, 0));
    assert!(proof.digital_accuracy.is_some());
    let example = story.column_example((0, 0, 0), (0, 0)).expect("is there");
    assert_eq!(example.result, example.expected);

    let table = story.inference(CHOICE).expect("in range").table;
    assert!(table.iter().all(|row| row.per_tile.is_some() && row.per_inference.is_some()));
    let paper = table.iter().find(|row| row.model == "paper").and_then(|row| row.per_tile).expect("listed");
    let preview = story.view(CHOICE).expect("draws").preview.energy.paper;
    assert_eq!(paper.improvement, preview.improvement, "one count, two ways");
    assert!(story.view(CHOICE).expect("draws").maps[0].bits_lossless_sliced[0] > 0);
}
