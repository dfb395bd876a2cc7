//! The networks of `recipes/networks/`: each is as good, and saves as much, as the run says that comes with the page.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::command_line::json_output;
use crate::shared::{json, repository, shared};

/// Each network with the last stage of its run.
fn networks() -> Vec<(PathBuf, Value)> {
    let folder = fs::read_dir(repository().join("recipes/networks")).expect("a folder");
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.expect("readable").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    let last = |file: &PathBuf| {
        let name = file.file_stem().expect("a name").display();
        let report = json(&repository().join(format!("web/runs/recorded/{name}.json")));
        report["stages"].as_array().and_then(|stages| stages.last()).expect("stages").clone()
    };
    files.into_iter().map(|file| (file.clone(), last(&file))).collect()
}

#[test]
fn networks_of_the_recipes_save_what_their_runs_say() {
    let networks = networks();
    assert!(!networks.is_empty());
    for (file, stage) in networks {
        let analysis = json_output(&["analyze", &file.display().to_string(), "--json"]);
        let count = "lossless_sliced";
        assert!(stage["energy"][count]["improvement"].as_f64() >= Some(12.0), "{stage}");
        assert_eq!(analysis["energy"][count], stage["energy"][count], "{}", file.display());
    }
}

#[test]
fn networks_of_the_recipes_are_as_good_as_their_runs_say() {
    let Some(data) = shared("data/cifar-10-batches-bin") else { return };
    for (file, stage) in networks() {
        let (file, data) = (file.display().to_string(), data.display().to_string());
        let command = |name: &'static str, images: &'static str| {
            [name, &file, "--model", "vgg-small", "--data", &data, "--json", "--holdout", images]
        };
        let evaluated = json_output(&command("evaluate", "10000"));
        let apart =
            evaluated["accuracy"].as_f64().expect("a number") - stage["accuracy"].as_f64().expect("a number");
        // One image of ten thousand is 0.01 points; another processor may round a sum differently.
        assert!(apart.abs() < 0.025, "{file}: {apart}");
        let resolution = ["--resolution", "lossless-sliced"];
        let simulated = json_output(&[&command("simulate", "40")[..], &resolution].concat());
        assert_eq!(simulated["exact"], true, "{simulated}");
    }
}
