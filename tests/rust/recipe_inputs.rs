//! What a recipe's stages start from: files of weights, with what they say of their network, hardware and images.

use std::fs;
use std::path::Path;
use std::process::Command;

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
