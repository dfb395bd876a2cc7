//! Pruned weights stay zero: through momentum, weight decay, the regularizer, checkpoints and kills.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crossdub::checkpoint::{Checkpoint, safetensors};
use crossdub::config::{DeviceChoice, RegularizerKind, TrainConfig, Trainable};
use crossdub::device::ComputeDevice;
use crossdub::network::NetworkSpec;
use crossdub::network::spec::initialize;
use crossdub::train::checkpoint::TrainingCheckpoint;
use crossdub::train::trainer::Trainer;
use proptest::prelude::*;

use crate::training::{small_config, small_data, trainer};

fn advance(trainer: &mut Trainer, steps: usize) {
    for _ in 0..steps {
        pollster::block_on(trainer.step()).expect("trains");
    }
}

fn weights_of(trainer: &Trainer) -> Checkpoint {
    pollster::block_on(trainer.weights()).expect("reads")
}

/// Masks that prune the weights for whose indices `drop` is true.
fn masks_where(weights: &Checkpoint, drop: impl Fn(usize) -> bool) -> Checkpoint {
    let mut masks = weights.masks();
    let cells = masks.tensors.iter_mut().flat_map(|tensor| &mut tensor.data);
    cells.enumerate().for_each(|(at, cell)| *cell = if drop(at) { 0.0 } else { 1.0 });
    masks
}

/// Whether exactly the masked weights are zero, all of them positive zeros.
fn zero_where_masked(weights: &Checkpoint, masks: &Checkpoint) -> bool {
    masks.tensors.iter().all(|mask| {
        let tensor = weights.get(&mask.name).expect("a masked layer");
        let pairs = mask.data.iter().zip(&tensor.data);
        pairs.clone().all(|(mask, weight)| *mask == 1.0 || weight.to_bits() == 0)
            && pairs.filter(|(mask, weight)| **mask == 1.0 && **weight == 0.0).count() == 0
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn pruned_weights_stay_zero_through_momentum_decay_and_restarts(
        momentum in 0.0_f64..0.95, weight_decay in 0.0_f64..0.1, every in 2_usize..9, stop in 1_usize..6,
    ) {
        let kinds = [RegularizerKind::Gated, RegularizerKind::GroupLassoTile];
        let config = TrainConfig {
            momentum, weight_decay, regularizer: kinds[stop % 2], lambda: 1e-3, ..small_config()
        };
        let masks = masks_where(&weights_of(&trainer(config.clone())), |at| at % every == 0);
        let masked = || {
            let mut trainer = trainer(config.clone());
            pollster::block_on(trainer.set_masks(&masks)).expect("fit");
            trainer
        };
        let mut whole = masked();
        prop_assert!(zero_where_masked(&weights_of(&whole), &masks), "immediately");
        advance(&mut whole, 6);
        prop_assert!(zero_where_masked(&weights_of(&whole), &masks));

        let mut part = masked();
        advance(&mut part, stop);
        let bytes = pollster::block_on(part.checkpoint()).expect("writes");
        let device = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
        let saved = TrainingCheckpoint::read(&bytes).expect("reads");
        let mut resumed = saved.resume(small_data(), device, 1 << 32).expect("fits");
        advance(&mut resumed, 6 - stop);
        prop_assert!(weights_of(&whole) == weights_of(&resumed));
    }
}

#[test]
fn an_all_zero_layer_stays_zero() {
    let mut trainer = trainer(small_config());
    let masks = masks_where(&weights_of(&trainer), |_| true);
    pollster::block_on(trainer.set_masks(&masks)).expect("fit");
    advance(&mut trainer, 3);
    assert!(zero_where_masked(&weights_of(&trainer), &masks));
}

#[test]
fn only_convolutions_change_if_only_they_are_trained() {
    for batch_norm in [false, true] {
        let mut trainer =
            trainer(TrainConfig { trainable: Trainable::Convolutions, batch_norm, ..small_config() });
        let before = weights_of(&trainer);
        advance(&mut trainer, 3);
        let after = weights_of(&trainer);
        for (old, new) in before.tensors.iter().zip(&after.tensors) {
            let moves = old.shape.len() == 4 || old.name.contains("running");
            assert_eq!(old.data != new.data, moves, "{}", old.name);
        }
    }
}

#[test]
fn a_limit_shortens_the_training_set_only() {
    let open = |limit| {
        let config = TrainConfig { limit, holdout: 500, ..small_config() };
        crossdub::data::open(&config, Vec::new()).expect("built in")
    };
    let (whole, part) = (open(0), open(160));
    assert_eq!(part.train.len(), 160);
    assert_eq!(part.train.image(159), whole.train.image(159));
    assert!(part.test == whole.test);
    assert!(open(usize::MAX) == whole);
}

#[test]
fn masks_of_another_network_are_rejected() {
    let mut trainer = trainer(small_config());
    let good = weights_of(&trainer).masks();
    let changed = |change: &dyn Fn(&mut Checkpoint)| {
        let mut masks = good.clone();
        change(&mut masks);
        masks
    };
    for (masks, word) in [
        (changed(&|masks| masks.tensors[0].name.push('x')), "no convolution"),
        (changed(&|masks| masks.tensors[0].shape.swap(0, 1)), "expects"),
        (changed(&|masks| masks.tensors[0].data[0] = 0.5), "0.5"),
        (changed(&|masks| masks.tensors[0].data[0] = f32::NAN), "NaN"),
        (changed(&|masks| drop(masks.tensors.pop())), "no mask"),
        (Checkpoint::default(), "no mask"),
    ] {
        let error = pollster::block_on(trainer.set_masks(&masks)).expect_err("rejected").to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// Weights of the small network, pruned by hand: every third weight of a convolution is zero.
fn pruned_file(folder: &Path) -> String {
    let spec = NetworkSpec::from_config(
        &TrainConfig { plan: "4 M 8 M 8 M".parse().expect("a plan"), ..small_config() },
        10,
    )
    .expect("valid");
    let mut weights = initialize(&spec, 3);
    for tensor in weights.tensors.iter_mut().filter(|tensor| tensor.shape.len() == 4) {
        tensor.data.iter_mut().step_by(3).for_each(|weight| *weight = 0.0);
    }
    let path = folder.join("pruned.safetensors");
    std::fs::write(&path, safetensors::write(&weights).expect("fits")).expect("writes");
    path.display().to_string()
}

fn crossdub(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
    command.args(arguments).stdin(Stdio::null()).output().expect("runs")
}

const NETWORK: [&str; 6] = ["--plan", "4 M 8 M 8 M", "--classifier", "32", "--data", "builtin"];
const SHORT: [&str; 9] =
    ["--epochs", "1", "--batch", "32", "--limit", "640", "--checkpoint-every", "4", "--device=cpu"];

#[test]
fn a_killed_fine_tuning_resumes_with_its_masks() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let pruned = pruned_file(folder.path());
    let finetune = |out: &str, more: &[&str]| {
        let common = ["finetune", &pruned, "--out", out];
        crossdub(&[&common[..], &NETWORK, &SHORT, more].concat())
    };
    let (whole, killed) = (path("whole"), path("killed"));
    let output = finetune(&whole, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut child = Command::new(env!("CARGO_BIN_EXE_crossdub"))
        .args([&["finetune", &pruned, "--out", &killed], &NETWORK[..], &SHORT].concat())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("runs");
    crate::resume::wait_for_checkpoint(Path::new(&killed), 4);
    child.kill().expect("kills");
    child.wait().expect("ends");
    assert!(!Path::new(&killed).join("weights.safetensors").exists(), "it was killed before its end");
    assert!(crossdub(&["finetune", "--out", &killed, "--resume"]).status.success());
    let weights = |run: &str| crate::shared::weights(&Path::new(run).join("weights.safetensors"));
    assert!(weights(&whole) == weights(&killed));

    let (before, after) = (crate::shared::weights(Path::new(&pruned)), weights(&whole));
    assert!(zero_where_masked(&after, &before.masks()));
    for (old, new) in before.tensors.iter().zip(&after.tensors) {
        assert_eq!(old.data != new.data, old.shape.len() == 4, "{}", old.name);
    }
    let config = std::fs::read_to_string(Path::new(&whole).join("config.toml")).expect("written");
    for line in ["momentum = 0.0", "weight_decay = 0.0", "trainable = \"convolutions\"", "limit = 640"] {
        assert!(config.contains(line), "{line} in {config}");
    }
}

#[test]
fn train_accepts_masks_and_rejects_those_of_another_network() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let pruned = pruned_file(folder.path());
    let train = |out: &str, more: &[&str]| {
        crossdub(&[&["train", "--out", &path(out)], &NETWORK[..], &SHORT, more].concat())
    };
    let output = train("kept", &["--weights", &pruned, "--masks", "from-zeros"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let masks = crate::shared::weights(Path::new(&pruned)).masks();
    let trained = crate::shared::weights(&folder.path().join("kept/weights.safetensors"));
    assert!(zero_where_masked(&trained, &masks));

    let golden = crate::shared::repository().join("tests/golden/small_t16_ratio.weights.safetensors");
    let golden = golden.display().to_string();
    for (masks, code) in [(&*golden, 1), ("from-zeros", 2), ("/nowhere/masks.safetensors", 1)] {
        let output = train("rejected", &["--masks", masks]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.trim_end().lines().count() == 1, "{stderr}");
        assert!(!folder.path().join("rejected/config.toml").exists());
    }
}

/// Bit planes are integers under caps: fine-tuning may set other cells, whether `finetune` or a recipe starts it. What a
/// stage of a store makes of them depends on the hardware.
#[test]
fn quantized_weights_keep_their_caps_instead_of_their_zeros() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let succeed = |arguments: &[&str]| {
        let output = crossdub(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let (planes, store) = (path("planes.safetensors"), path("store"));
    let pruning = ["--rule", "bit-planes", "--target", "4", "--weight-scale", "channel", "--out", &planes];
    succeed(&[&["train", "--out", &path("trained")][..], &NETWORK, &SHORT].concat());
    succeed(&[&["prune", &path("trained/weights.safetensors")][..], &pruning].concat());
    let rate = ["--learning-rate", "0.5"];
    succeed(&[&["finetune", &planes, "--out", &path("tuned")][..], &NETWORK, &SHORT, &rate].concat());
    let recipe = format!(
        "data = \"builtin\"\nplan = \"4 M 8 M 8 M\"\nclassifier = \"32\"\ndevice = \"cpu\"\nlimit = 640\n\
         weight_scale = \"channel\"\n[[stage]]\nname = \"tuned\"\nkind = \"finetune\"\nepochs = 1\n\
         learning_rate = 0.5\nweights = {planes:?}\n"
    );
    std::fs::write(path("recipe.toml"), recipe).expect("writes");
    let run = ["run", &path("recipe.toml"), "--store", &store, "--out"];
    succeed(&[&run[..], &[&path("recipe")]].concat());
    succeed(&[&run[..], &[&path("coarse"), "--set", "input_bits=3"]].concat());

    let before = crate::shared::weights(Path::new(&planes));
    let tuned = |run: &str| crate::shared::weights(&folder.path().join(run).join("weights.safetensors"));
    for run in ["tuned", "recipe"] {
        let (tuned, masks) = (tuned(run), before.masks());
        let mut returned = masks.tensors.iter().map(|mask| {
            let pairs = mask.data.iter().zip(&tuned.get(&mask.name).expect("a layer").data);
            pairs.filter(|(mask, weight)| **mask == 0.0 && **weight != 0.0).count()
        });
        assert!(returned.any(|count| count > 0), "{run}");
        let analyzed = crate::command_line::json_output(&[
            "analyze",
            &path(&format!("{run}/weights.safetensors")),
            "--json",
        ]);
        let improvement = analyzed["energy"]["lossless_sliced"]["improvement"].as_f64();
        assert!(improvement >= Some(4.0), "{run}: {improvement:?}");
    }
    assert!(tuned("recipe") != tuned("coarse"), "inputs of 3 bits");
    let masked = ["train", "--weights", &planes, "--masks", "from-zeros", "--out", &path("kept")];
    succeed(&[&masked[..], &NETWORK, &SHORT, &rate].concat());
    // Other integers may become zero.
    let kept = tuned("kept");
    for mask in before.masks().tensors {
        let weights = &kept.get(&mask.name).expect("a layer").data;
        assert!(mask.data.iter().zip(weights).all(|(mask, weight)| *mask == 1.0 || *weight == 0.0));
    }
}
