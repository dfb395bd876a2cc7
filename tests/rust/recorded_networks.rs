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
    assert_eq!(networks.len(), 2);
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

/// The exported network sees a picture as its own does: scaled as a whole.
#[test]
fn an_exported_network_gives_the_same_answer_for_a_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (file, _) = networks().into_iter().next().expect("a network");
    let (file, model, picture) = (file.display().to_string(), path("model.onnx"), path("picture.png"));
    let shades = |x: u32, y: u32| image::Rgb([(5 * x) as u8, (4 * y) as u8, (x * y / 9) as u8]);
    image::RgbImage::from_fn(50, 40, shades).save(&picture).expect("writes");
    json_output(&["export", &file, "--model", "vgg-small", "--out", &model, "--json"]);
    let logits = |arguments: &[&str]| {
        let predicted = json_output(&[&["predict"], arguments, &[&*picture, "--json"][..]].concat());
        crate::shared::numbers(&predicted["predictions"][0]["logits"])
    };
    let (own, exported) = (logits(&[&*file, "--model", "vgg-small"]), logits(&[&*model]));
    let largest = own.iter().fold(0.0_f64, |most, logit| most.max(logit.abs()));
    let apart = own.iter().zip(&exported).map(|(a, b)| (a - b).abs()).fold(0.0_f64, f64::max);
    assert!(apart < 0.02 * largest, "{own:?} and {exported:?}");
}
