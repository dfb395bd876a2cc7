//! Training with a teacher: what the loss becomes, that a resumed run keeps its teacher, and where recipes name one.

use std::collections::BTreeMap;

use crossdub::checkpoint::{Checkpoint, safetensors};
use crossdub::config::{DeviceChoice, HardwareConfig, RegularizerKind, TrainConfig};
use crossdub::device::ComputeDevice;
use crossdub::train::checkpoint::TrainingCheckpoint;
use crossdub::train::trainer::Trainer;
use crossdub::workflow::executor::run_recipe;
use crossdub::workflow::memory_store::MemoryStore;
use crossdub::workflow::recipe::{Change, Recipe};
use serde_json::json;

use crate::training::{small_config, small_data};

fn cpu() -> ComputeDevice {
    pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU")
}

fn trainer(config: &TrainConfig, weights: Option<&Checkpoint>) -> Trainer {
    Trainer::new(config.clone(), HardwareConfig::default(), small_data(), cpu(), 1 << 32, weights)
        .expect("valid")
}

fn losses(trainer: &mut Trainer, steps: usize) -> Vec<f64> {
    (0..steps).map(|_| pollster::block_on(trainer.step()).expect("trains").loss).collect()
}

fn weights(trainer: &Trainer) -> Checkpoint {
    pollster::block_on(trainer.weights()).expect("reads")
}

fn plain() -> TrainConfig {
    TrainConfig { regularizer: RegularizerKind::None, dropout: 0.0, ..small_config() }
}

#[test]
fn a_network_has_nothing_to_learn_from_itself() {
    let of_labels = losses(&mut trainer(&plain(), None), 1)[0];
    let with_itself = |distill_weight: f64| {
        let mut trainer = trainer(&TrainConfig { distill_weight, ..plain() }, None);
        let own = weights(&trainer);
        trainer.set_teacher(&own).expect("the same network");
        losses(&mut trainer, 1)[0]
    };
    assert!(with_itself(1.0).abs() < 1e-6);
    assert!((with_itself(0.25) - 0.75 * of_labels).abs() < 1e-5);
    assert!((with_itself(0.0) - of_labels).abs() < 1e-6);
}

/// One batch feeds both, with the pixels of the run.
#[test]
fn a_teacher_of_other_images_is_refused() {
    let mut student = trainer(&plain(), None);
    let own = weights(&student);
    let mut refused = |field: &str, value: &str| {
        let notes = BTreeMap::from([(field.to_owned(), value.to_owned())]);
        let bytes = safetensors::write_with_metadata(&own, &notes).expect("writes");
        student.set_teacher(&Checkpoint::from_bytes(&bytes).expect("reads")).err().map(|why| why.to_string())
    };
    assert_eq!(refused("standardize", "image"), None);
    assert_eq!(refused("side", "32"), None);
    assert!(refused("standardize", "half").is_some_and(|why| why.contains("standardize (image)")));
    assert!(refused("standardize", "zscore").is_some_and(|why| why.contains("zscore")));
    assert!(refused("side", "224").is_some_and(|why| why.contains("images of 224")));
}

#[test]
fn a_network_comes_to_score_as_its_teacher() {
    let mut taught = trainer(&plain(), None);
    losses(&mut taught, 30);
    let teacher = weights(&taught);
    let mut student = trainer(&TrainConfig { distill_weight: 1.0, seed: 1, ..plain() }, None);
    student.set_teacher(&teacher).expect("the same plan");
    let losses = losses(&mut student, 60);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&losses[..5]), mean(&losses[55..]));
    assert!(last < 0.7 * first, "{first} to {last}");
}

#[test]
fn a_resumed_run_keeps_its_teacher() {
    for precision in ["", "3"] {
        let config = TrainConfig { quantize_precision: precision.parse().expect("bits"), ..plain() };
        let mut whole = trainer(&config, None);
        let teacher = weights(&trainer(&TrainConfig { seed: 1, ..plain() }, None));
        whole.set_teacher(&teacher).expect("the same plan");
        losses(&mut whole, 4);
        let saved = pollster::block_on(whole.checkpoint()).expect("saves");
        let rest = losses(&mut whole, 6);
        let checkpoint = TrainingCheckpoint::read(&saved).expect("reads");
        let mut resumed = checkpoint.resume(small_data(), cpu(), 1 << 32).expect("the same run");
        assert_eq!(losses(&mut resumed, 6), rest);
        assert_eq!(weights(&resumed), weights(&whole));
        let mut alone = trainer(&config, None);
        assert_ne!(losses(&mut alone, 10)[4..], rest);
    }
}

/// A teacher whose modules fit by their order alone, which its names do not keep.
#[test]
fn a_teacher_under_other_names_is_kept_under_the_network_s() {
    let config = TrainConfig { batch_norm: true, ..plain() };
    let mut taught = weights(&trainer(&TrainConfig { seed: 1, ..config.clone() }, None));
    // In the network's order, which is not that of the new names.
    taught.tensors.sort_by_key(|tensor| tensor.name.starts_with("classifier"));
    let names = BTreeMap::from([
        ("features.0", "conv1"),
        ("features.1", "bn1"),
        ("features.4", "conv2"),
        ("features.5", "bn2"),
        ("features.8", "conv3"),
        ("features.9", "bn3"),
        ("classifier.0", "fc1"),
        ("classifier.3", "fc2"),
    ]);
    let other = taught.renamed(|name| {
        let (module, leaf) = name.rsplit_once('.')?;
        Some(format!("{}.{leaf}", names.get(module).unwrap_or_else(|| panic!("{module}"))))
    });
    let mut whole = trainer(&config, None);
    whole.set_teacher(&other).expect("fits by order");
    let saved = pollster::block_on(whole.checkpoint()).expect("saves");
    let rest = losses(&mut whole, 3);
    let checkpoint = TrainingCheckpoint::read(&saved).expect("reads");
    let mut resumed = checkpoint.resume(small_data(), cpu(), 1 << 32).expect("the same run");
    assert_eq!(losses(&mut resumed, 3), rest);
}

#[test]
fn a_teacher_of_another_network_is_named() {
    let other = TrainConfig { plan: "4 M".parse().expect("a plan"), ..plain() };
    let teacher = weights(&trainer(&other, None));
    assert!(trainer(&plain(), None).set_teacher(&teacher).is_err());
}

const RECIPE: &str = r#"
    data = "builtin"
    plan = "4 M 8 M"
    classifier = ""
    device = "cpu"
    batch = 16
    tile = 8
    regularizer = "none"
    epochs = 1
    [[stage]]
    name = "clean"
    kind = "train"
    [[stage]]
    name = "prune"
    kind = "prune"
    ratios = [60, 60]
    [[stage]]
    name = "taught"
    kind = "finetune"
    teacher = "clean"
"#;

#[test]
fn a_recipe_names_an_earlier_stage_as_the_teacher() {
    let run = |changes: &[Change]| {
        let recipe = Recipe::read(RECIPE, changes).expect("a recipe");
        assert_eq!(recipe.weight_files().count(), 0, "no file is read");
        let store = MemoryStore::new(small_data(), 1 << 32);
        let (data, compute) = (store.description("builtin"), cpu());
        pollster::block_on(run_recipe(&recipe, &data, &compute, &store))
            .expect("runs")
            .expect("alone")
            .weights
    };
    let taught = run(&[]);
    assert_ne!(taught, run(&[Change::new("taught.distill_weight", json!(0))]));
    assert_eq!(taught, run(&[]));
}

#[test]
fn a_teacher_in_the_wrong_place_is_named() {
    let error = |stage: &str, teacher: &str| {
        let changes = [Change::new(&format!("{stage}.teacher"), json!(teacher))];
        Recipe::read(RECIPE, &changes).expect_err("rejected").to_string()
    };
    for later in ["taught", "clean"] {
        let message = error("clean", later);
        assert!(
            message.contains("clean.teacher") && message.contains("must be an earlier stage"),
            "{message}"
        );
    }
    assert!(error("prune", "clean").contains("is a field of stages that train"));
    let file = Recipe::read(RECIPE, &[Change::new("taught.teacher", json!("t.pth"))]).expect("a file's name");
    assert_eq!(file.weight_files().collect::<Vec<_>>(), ["t.pth"]);
    let field = |name: &str, value: f64| {
        Recipe::read(RECIPE, &[Change::new(name, json!(value))]).expect_err("rejected").to_string()
    };
    assert!(field("taught.distill_weight", 1.5).contains("must be 0 to 1"));
    assert!(field("taught.distill_temperature", 0.0).contains("must be 0.1 to 100"));
}
