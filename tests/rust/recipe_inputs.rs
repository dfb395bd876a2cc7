//! What a recipe's stages start from: files of weights, with what they say of their network, hardware and images.

use std::fs;
use std::path::Path;
use std::process::Command;

use crossdub::checkpoint::{Checkpoint, safetensors};
use serde_json::Value;

use crate::command_line::{failure, json_output};

const NETWORK: [&str; 7] =
    ["--plan", "4 M 8 M 8 M", "--classifier", "32", "--data", "builtin", "--device=cpu"];
const SHORT: [&str; 6] = ["--epochs", "1", "--batch", "32", "--limit", "320"];

/// A folder with a trained network in `run/weights.safetensors`.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(training: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        let out = folder.path("run");
        json_output(&[&["train", "--out", &out, "--json"], &NETWORK[..], &SHORT, training].concat());
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// A recipe of one stage or more.
    fn recipe(&self, stages: &str) -> String {
        let common = "data = 'builtin'\nplan = '4 M 8 M 8 M'\nclassifier = '32'\ndevice = 'cpu'\nlimit = 320\nbatch = 32\n";
        let path = self.path("recipe.toml");
        fs::write(&path, format!("{common}{stages}")).expect("writes");
        path
    }

    /// The IDs of the stages of a run in the folder's store.
    fn stage_ids(&self, recipe: &str, changes: &[&str]) -> Vec<String> {
        let (store, out) = (self.path("stages"), self.path("out"));
        let run = ["run", recipe, "--store", &store, "--out", &out, "--json"];
        let report = json_output(&[&run[..], changes].concat());
        let stages = report["stages"].as_array().expect("stages").iter();
        stages.map(|stage| stage["id"].as_str().expect("an ID").to_owned()).collect()
    }
}

/// A stage of this kind that starts from the trained network.
fn from_file(kind: &str, weights: &str) -> String {
    format!("[[stage]]\nname = 'first'\nkind = '{kind}'\nweights = {weights:?}\n")
}

#[test]
fn a_stage_that_prunes_a_file_depends_on_network_and_hardware() {
    let folder = Folder::new(&["--quantize-precision", "4"]);
    let weights = folder.path("run/weights.safetensors");
    let recipe = folder.recipe(&(from_file("prune", &weights) + "ratios = [0, 0, 0]\n"));
    let ids = folder.stage_ids(&recipe, &[]);
    assert_eq!(folder.stage_ids(&recipe, &[]), ids);
    assert_ne!(folder.stage_ids(&recipe, &["--set", "input_bits=3"]), ids, "other integers");
    let other = ["run", &recipe, "--store", &folder.path("stages"), "--set", "plan=4 8 M 8 M"];
    let output = Command::new(env!("CARGO_BIN_EXE_crossdub")).args(other).output().expect("runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("features.2"), "a network that does not fit: {error}");
}

#[test]
fn weights_of_other_images_are_refused_unless_the_recipe_says_so() {
    let folder = Folder::new(&["--standardize", "none"]);
    let weights = folder.path("run/weights.safetensors");
    let recipe = folder.recipe(&(from_file("prune", &weights) + "ratios = [0, 0, 0]\n"));
    let run = ["run", &recipe, "--out", &folder.path("out")];
    let error = failure(&run);
    assert!(
        error.contains("standardize (image): ") && error.contains("was trained with 0,0,0/1,1,1"),
        "{error}"
    );
    let report = json_output(&[&run[..], &["--set", "standardize=none", "--json"]].concat());
    let evaluated = json_output(&[&["evaluate", &weights, "--json"], &NETWORK[..]].concat());
    assert_eq!(report["stages"][0]["accuracy"], evaluated["accuracy"]);
}

#[test]
fn weights_may_be_a_folder_and_a_dry_run_follows_the_quantization_before() {
    let folder = Folder::new(&[]);
    let alone = folder.path("alone");
    fs::create_dir(&alone).expect("a folder");
    let file = Path::new(&alone).join("weights.safetensors");
    fs::copy(folder.path("run/weights.safetensors"), file).expect("copies");
    let stages = from_file("train", &alone)
        + "epochs = 1\nquantize = { precision = 4 }\n\
           [[stage]]\nname = 'second'\nkind = 'finetune'\nepochs = 1\nquantize = { cap = 15 }\n";
    let recipe = folder.recipe(&stages);
    let dry = json_output(&["run", &recipe, "--dry-run", "--json"]);
    assert_eq!(dry["stages"].as_array().map(Vec::len), Some(2), "{dry}");
    let report = json_output(&["run", &recipe, "--out", &folder.path("out"), "--json"]);
    assert_eq!(report["stages"][0]["weights_file"], Value::from(alone));
    assert_eq!(report["stages"][1]["weights_file"], Value::Null);
}

/// A named network takes the place of the recipe's own plan, and a device that of its list.
#[test]
fn a_change_wins_over_what_a_recipe_says_in_other_words() {
    let folder = Folder::new(&[]);
    let stages = "[[stage]]\nname = 'first'\nkind = 'train'\nepochs = 1\n";
    let recipe = folder.recipe(stages).replace("recipe.toml", "two.toml");
    let text = fs::read_to_string(folder.path("recipe.toml")).expect("reads");
    fs::write(&recipe, text.replace("device = 'cpu'", "devices = 'cpu,cpu'")).expect("writes");
    let dry = |changes: &[&str]| json_output(&[&["run", &recipe, "--dry-run", "--json"], changes].concat());
    let parameters = |run: &Value| run["stages"][0]["parameters"].as_u64().expect("a number");
    let (own, named) = (dry(&[]), dry(&["--set", "model=vgg-small"]));
    let expected = json_output(&[
        "train",
        "--model",
        "vgg-small",
        "--data",
        "builtin",
        "--dry-run",
        "--json",
        "--limit",
        "320",
        "--out",
        &folder.path("dry"),
    ]);
    assert_eq!(parameters(&named), expected["parameters"].as_u64().expect("a number"));
    assert_ne!(parameters(&named), parameters(&own));
    let one = json_output(&["run", &recipe, "--out", &folder.path("one"), "--set", "device=cpu", "--json"]);
    let spec = &one["stages"][0]["spec"];
    assert_eq!((spec["devices"].as_str(), spec["device"].as_str()), (Some(""), Some("cpu")));
    // The same for a file of settings under options.
    let config = folder.path("run/config.toml");
    let other = ["train", "--config", &config, "--model", "vgg-small", "--dry-run", "--json", "--out"];
    assert_eq!(
        json_output(&[&other[..], &[&folder.path("dry2")]].concat())["parameters"],
        expected["parameters"]
    );
}

/// Weights of another project, whose names are adapted, keep their zeros too.
#[test]
fn adapted_weights_keep_their_zeros() {
    let folder = Folder::new(&[]);
    let bytes = fs::read(folder.path("run/weights.safetensors")).expect("reads");
    let weights = Checkpoint::from_bytes(&bytes).expect("weights");
    let mut other = weights.renamed(|name| Some(name.replace("features.", "feature.")));
    for tensor in other.tensors.iter_mut().filter(|tensor| tensor.shape.len() == 4) {
        tensor.data.iter_mut().step_by(2).for_each(|weight| *weight = 0.0);
    }
    let path = folder.path("other.safetensors");
    fs::write(&path, safetensors::write(&other).expect("valid")).expect("writes");
    let out = folder.path("fine");
    json_output(&[&["finetune", &path, "--out", &out, "--json"], &NETWORK[..], &SHORT].concat());
    let fine = fs::read(folder.path("fine/weights.safetensors")).expect("reads");
    let fine = Checkpoint::from_bytes(&fine).expect("weights");
    let zeros = |weights: &Checkpoint| -> usize {
        let layers = weights.tensors.iter().filter(|tensor| tensor.shape.len() == 4);
        layers.map(|tensor| tensor.data.iter().filter(|weight| **weight == 0.0).count()).sum()
    };
    assert!(zeros(&other) > 100);
    assert_eq!(zeros(&fine), zeros(&other));
    // By masks of their own, under the file's names.
    let (pruned, masks, out) =
        (folder.path("pruned.safetensors"), folder.path("m.safetensors"), folder.path("masked"));
    let prune = ["prune", &path, "--rule", "magnitude", "--ratios", "50,50,50", "--out", &pruned];
    json_output(&[&prune[..], &["--masks", &masks, "--json"]].concat());
    let finetune = ["finetune", &pruned, "--masks", &masks, "--out", &out, "--json"];
    json_output(&[&finetune[..], &NETWORK, &SHORT].concat());
    // In a recipe, after a stage that prunes the file.
    let finetune = "[[stage]]\nname = 'fine'\nkind = 'finetune'\nepochs = 1\n";
    let recipe = folder.recipe(&(from_file("prune", &path) + "ratios = [50, 50, 50]\n" + finetune));
    json_output(&["run", &recipe, "--out", &folder.path("recipe"), "--json"]);
}

/// Not after the hours of training before it.
#[test]
fn a_rule_without_a_count_on_the_hardware_is_refused_at_once() {
    let folder = Folder(tempfile::tempdir().expect("a folder"));
    let train = "subtraction = 'offset'\nadc = 'isaac'\n[[stage]]\nname = 'a'\nkind = 'train'\nepochs = 1\n";
    for rule in ["budget", "bit-planes"] {
        let prune = format!("[[stage]]\nname = 'p'\nkind = 'prune'\nrule = '{rule}'\ntarget = 2\n");
        let recipe = folder.recipe(&(train.to_owned() + &prune));
        let error = failure(&["run", &recipe, "--out", &folder.path("run")]);
        assert!(error.contains("subtraction"), "{error}");
        assert!(!Path::new(&folder.path("run/stages")).exists(), "{rule}");
    }
}

/// The energy of groups of rows is counted otherwise than it was: what was pruned by it before is not taken for it.
#[test]
fn a_budget_by_groups_of_rows_is_a_stage_of_its_own() {
    let inputs = |adc: &str, rows: &str| {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        let prune = "[[stage]]\nname = 'p'\nkind = 'prune'\nrule = 'budget'\ntarget = 1.2\n";
        let train = "[[stage]]\nname = 'a'\nkind = 'train'\nepochs = 1\n";
        let recipe = folder.recipe(&format!("adc = '{adc}'\nactive_rows = {rows}\n{train}{prune}"));
        let out = folder.path("run");
        json_output(&["run", &recipe, "--out", &out, "--json"]);
        let stages = fs::read_dir(folder.path("run/stages")).expect("lists").flatten();
        let texts = stages.map(|stage| fs::read_to_string(stage.path().join("inputs.json")).expect("reads"));
        texts.filter(|text| text.contains("budget")).collect::<String>()
    };
    assert!(inputs("lossless", "16").contains("revision"));
    assert!(!inputs("lossless", "0").contains("revision"));
    assert!(!inputs("paper", "16").contains("revision"));
}

/// A name such as resnet18 does not say the size of the images that a network was trained on; its weights do.
#[test]
fn images_are_of_the_size_that_the_weights_say() {
    let folder = Folder::new(&[]);
    let data = ["--data", "builtin", "--limit", "8", "--epochs", "1", "--batch", "8", "--device=cpu"];
    let (out, network) = (folder.path("residual"), ["--model", "resnet18"]);
    json_output(&[&["train", "--out", &out, "--json"], &network[..], &data].concat());
    let (weights, model) = (folder.path("residual/weights.safetensors"), folder.path("n.onnx"));
    json_output(&[&["export", &weights, "--out", &model, "--json"], &network[..]].concat());
    // The built-in images are 32 x 32, and the first convolution takes every second place.
    for (path, network) in [(&model, &[][..]), (&weights, &network)] {
        let analysis = json_output(&[&["analyze", path, "--per-inference", "--json"], network].concat());
        assert_eq!(analysis["inference"]["positions"][0], 16 * 16, "{path}");
    }
}
