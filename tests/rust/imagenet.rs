//! Image files: decoding as in torchvision, all layouts, and runs on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crossdub::data::imagenet::decode::{decode, decode_rows};
use crossdub::data::imagenet::transform::{evaluation, normalize};
use crossdub::data::standardization::IMAGENET;

use crate::shared::{json, repository, shared, weights};

/// The mean and the largest difference of bytes.
fn differences(got: &[u8], expected: &[u8]) -> (f64, u8) {
    assert_eq!(got.len(), expected.len());
    let each = || got.iter().zip(expected).map(|(&a, &b)| a.abs_diff(b));
    (each().map(f64::from).sum::<f64>() / got.len() as f64, each().max().unwrap_or(0))
}

/// CMYK, grey and progressive files. The last has an EXIF rotation, which Pillow ignores too.
#[test]
fn pictures_decode_as_in_pillow() {
    let folder = repository().join("tests/golden/pictures");
    for name in ["cmyk", "grey", "turned"] {
        let read = |ending: &str| {
            let bytes = fs::read(folder.join(format!("{name}.{ending}"))).expect("readable");
            decode(&bytes).unwrap_or_else(|why| panic!("{name}.{ending}: {why}"))
        };
        let (jpeg, png) = (read("jpg"), read("png"));
        assert_eq!((jpeg.width, jpeg.height), (24, 16), "{name}");
        let (mean, largest) = differences(&jpeg.pixels, &png.pixels);
        assert!(mean < 1.0 && largest <= 6, "{name}: {mean} {largest}");
    }
}

/// A crop's rows and all above them are those of the whole picture, and most photographs are not decoded to the end.
#[test]
fn upper_rows_are_those_of_the_whole_picture() {
    let pictures = repository().join("tests/golden/pictures");
    let mut folders = vec![pictures];
    if let Some(data) = shared("data/imagenet-native") {
        folders.extend(fs::read_dir(data).expect("readable").map(|entry| entry.expect("readable").path()));
    }
    let (mut files, mut shorter) = (0, 0);
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            let bytes = fs::read(&path).expect("readable");
            let Ok(whole) = decode(&bytes) else { continue };
            for part in [1, 3, 5, 7] {
                let rows = (whole.height * part).div_ceil(8);
                let upper = decode_rows(&bytes, |width, height| {
                    assert_eq!((width, height), (whole.width, whole.height));
                    rows
                });
                let upper = upper.unwrap_or_else(|why| panic!("{}: {why}", path.display()));
                assert!(upper.width == whole.width && (rows..=whole.height).contains(&upper.height));
                let count = 3 * whole.width * rows;
                assert!(upper.pixels[..count] == whole.pixels[..count], "{}, {rows} rows", path.display());
                files += 1;
                shorter += usize::from(upper.height < whole.height);
            }
        }
    }
    assert!(files >= 12, "there are pictures");
    if folders.len() > 1 {
        assert!(shorter > files / 2, "only {shorter} of {files} end early");
    }
}

#[test]
fn damaged_pictures_are_rejected() {
    let whole = fs::read(repository().join("tests/golden/pictures/turned.jpg")).expect("readable");
    for end in [0, 2, 10, whole.len() / 2, whole.len() - 2] {
        assert!(decode(&whole[..end]).is_err(), "{end}");
    }
    assert!(decode(b"GIF89a").is_err());
    // No damaged file may cause a panic.
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x5a;
        drop(decode(&damaged));
    }
}

#[test]
fn evaluation_input_agrees_with_torchvision() {
    let (Some(data), Some(golden), Some(about)) = (
        shared("data/imagenet-native"),
        shared("golden/models/resnet18.expected.safetensors"),
        shared("golden/models/resnet18.json"),
    ) else {
        return;
    };
    let golden = weights(&golden);
    let expected = golden.get("input").expect("stored").data.chunks_exact(3 * 224 * 224);
    for (name, expected) in json(&about)["images"].as_array().expect("a list").iter().zip(expected) {
        let name = name.as_str().expect("a path").trim_start_matches("imagenet-native/");
        let file = fs::read(data.join(name)).expect("readable");
        let input = normalize(&[evaluation(&file, 224).expect("decodes")], 224, IMAGENET);
        let sum: f64 = input.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs())).sum();
        let mean = sum / input.len() as f64;
        assert!(mean < 0.02, "{name}: {mean}");
    }
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
    command.args(arguments).stdin(Stdio::null()).output().expect("runs")
}

fn json_output(arguments: &[&str]) -> serde_json::Value {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("exactly one JSON object")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Writes pictures of two classes that differ in color to `train/` and `val/`.
fn write_pictures(root: &Path, train: u32, val: u32) {
    for (part, count) in [("train", train), ("val", val)] {
        for (class, base) in [("n01", [200, 40, 40]), ("n02", [40, 60, 220])] {
            let folder = root.join(part).join(class);
            fs::create_dir_all(&folder).expect("makes");
            for number in 0..count {
                let shade = |at: u32| (at * 3 + number * 7) as u8 % 30;
                let pixel = |x, y| image::Rgb(base.map(|value: u8| value.wrapping_add(shade(x + y))));
                let picture = image::RgbImage::from_fn(48, 40, pixel);
                picture.save(folder.join(format!("{class}_{number}.JPEG.png"))).expect("writes");
            }
        }
    }
}

fn folder_of_pictures(train: u32, val: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("images");
    write_pictures(&root, train, val);
    (folder, root)
}

#[test]
fn data_info_counts_image_files() {
    let (_folder, root) = folder_of_pictures(3, 2);
    let info = json_output(&["data", "info", text(&root), "--json"]);
    assert_eq!(info["data"], "imagenet");
    assert_eq!(info["classes"], serde_json::json!(["n01", "n02"]));
    assert_eq!(info["train"]["per_class"], serde_json::json!([3, 3]));
    let listed = json_output(&["data", "imagenet", text(&root), "--json"]);
    assert_eq!((&listed["train"], &listed["val"]), (&6.into(), &4.into()));
    // From now on the index is read, not the folder.
    fs::remove_dir_all(root.join("train/n02")).expect("removes");
    assert_eq!(json_output(&["data", "info", text(&root), "--json"])["train"]["images"], 6);
}

#[test]
fn a_flat_validation_folder_needs_labels() {
    let (_folder, root) = folder_of_pictures(1, 0);
    for class in ["n01", "n02"] {
        drop(fs::remove_dir(root.join("val").join(class)));
        let from = root.join("train").join(class).join(format!("{class}_0.JPEG.png"));
        fs::copy(from, root.join("val").join(format!("val_{class}.png"))).expect("copies");
    }
    let output = run(&["data", "info", text(&root)]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("labels are missing"));
    fs::write(root.join("val_labels.txt"), "val_n01.png n01\nval_n02.png 1\n").expect("writes");
    let info = json_output(&["data", "info", text(&root), "--json"]);
    assert_eq!(info["test"]["per_class"], serde_json::json!([1, 1]));
}

const TINY: [&str; 10] =
    ["--plan", "basic 1x4 1x8", "--side", "32", "--batch", "8", "--epochs", "3", "--learning-rate", "0.1"];

fn train(data: &Path, out: &Path, more: &[&str]) -> Output {
    run(&[&["train", "--data", text(data), "--out", text(out), "--device", "cpu"], &TINY[..], more].concat())
}

#[test]
fn a_resnet_learns_from_image_files() {
    let (folder, root) = folder_of_pictures(16, 4);
    let out = folder.path().join("run");
    let output = train(&root, &out, &["--json", "--lambda", "1e-4"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["spec"]["data"], "imagenet");
    assert_eq!(report["training"]["accuracy"], 100.0, "two colors are easy to distinguish");
    let weights = out.join("weights.safetensors");
    let network = ["--plan", "basic 1x4 1x8", "--side", "32", "--json"];
    let evaluated =
        json_output(&[&["evaluate", text(&weights), "--data", text(&root)], &network[..]].concat());
    assert_eq!((&evaluated["accuracy"], &evaluated["images"]), (&100.0.into(), &8.into()));
    let crossbars = ["--tile", "16", "--resolution", "lossless", "--calibration", "9", "--range", "1..8"];
    let simulate = ["simulate", text(&weights), "--data", text(&root)];
    let simulated = json_output(&[&simulate[..], &network[..], &crossbars[..]].concat());
    assert_eq!((&simulated["exact"], &simulated["images"]), (&true.into(), &7.into()));
    assert_eq!((&simulated["accuracy"], &simulated["digital_accuracy"]), (&100.0.into(), &100.0.into()));
    let picture = root.join("val/n02/n02_1.JPEG.png");
    let predicted = json_output(&[&["predict", text(&weights), text(&picture)], &network[..]].concat());
    assert_eq!(predicted["predictions"][0]["top"][0]["class"], 1);
    let pruned = folder.path().join("pruned.safetensors");
    let prune = ["prune", text(&weights), "--tile", "16", "--out", text(&pruned), "--json"];
    let pruned = json_output(&[&prune[..], &["--ratios", "90,90,90,90,90,90"]].concat());
    // conv1, two convolutions in layer1, two in layer2 and their downsample.
    assert_eq!(pruned["weights"], 4 * 3 * 49 + 2 * 4 * 4 * 9 + (8 * 4 + 8 * 8) * 9 + 8 * 4);
    assert!(pruned["zeros"].as_u64().expect("a count") > 0);
}

#[test]
fn a_killed_run_on_image_files_resumes_to_the_same_weights() {
    let (folder, root) = folder_of_pictures(24, 2);
    let (whole, part) = (folder.path().join("whole"), folder.path().join("part"));
    assert!(train(&root, &whole, &[]).status.success());
    // Killed in the middle of an epoch.
    let mut child = Command::new(env!("CARGO_BIN_EXE_crossdub"))
        .args(["train", "--data", text(&root), "--out", text(&part), "--device", "cpu"])
        .args(TINY)
        .args(["--checkpoint-every", "1"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("runs");
    let has_checkpoint =
        || fs::read_dir(part.join("checkpoints")).is_ok_and(|mut files| files.next().is_some());
    while !has_checkpoint() && child.try_wait().expect("waits").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(child.kill());
    child.wait().expect("ends");
    let resumed = run(&["train", "--out", text(&part), "--resume", "--device", "cpu"]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let read = |run: &Path| fs::read(run.join("weights.safetensors")).expect("written");
    assert!(read(&whole) == read(&part));
}

#[test]
fn bad_image_files_are_named_and_too_many_stop_the_run() {
    let (folder, root) = folder_of_pictures(8, 2);
    fs::write(root.join("train/n01/n01_3.JPEG.png"), b"").expect("writes");
    let strict = train(&root, &folder.path().join("strict"), &[]);
    let stderr = String::from_utf8_lossy(&strict.stderr);
    assert_eq!(strict.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.lines().last().is_some_and(|line| line.contains("n01_3") && line.contains("--max-bad")),
        "{stderr}"
    );
    let output = train(&root, &folder.path().join("lenient"), &["--max-bad", "10"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("n01_3"), "{stderr}");
    // A resumed run keeps the option; here it repeats the last epoch.
    let lenient = folder.path().join("lenient");
    let mut checkpoints: Vec<_> =
        fs::read_dir(lenient.join("checkpoints")).expect("lists").flatten().map(|file| file.path()).collect();
    checkpoints.sort();
    assert_eq!(checkpoints.len(), 2);
    fs::remove_file(&checkpoints[1]).expect("was written");
    let resumed = run(&["train", "--out", text(&lenient), "--resume", "--device", "cpu"]);
    let stderr = String::from_utf8_lossy(&resumed.stderr);
    assert!(resumed.status.success() && stderr.contains("n01_3"), "{stderr}");
}

#[test]
fn a_dry_run_estimates_time_and_memory_and_writes_nothing() {
    let (folder, root) = folder_of_pictures(16, 4);
    let out = folder.path().join("run");
    let output = train(&root, &out, &["--dry-run", "--json"]);
    assert!(output.status.success() && !out.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    let estimate: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(estimate["steps"], 12, "three epochs of four");
    for field in ["parameters", "memory_bytes", "step_seconds", "total_seconds", "disk_bytes"] {
        assert!(estimate[field].as_f64().is_some_and(|value| value > 0.0), "{field}");
    }
}

#[test]
fn the_newest_checkpoints_and_tensorboard_metrics_are_kept() {
    let (folder, root) = folder_of_pictures(16, 2);
    let out = folder.path().join("run");
    assert!(train(&root, &out, &["--keep", "3", "--checkpoint-every", "1"]).status.success());
    let kept = fs::read_dir(out.join("checkpoints")).expect("lists").count();
    assert_eq!(kept, 3);
    let events = fs::read(out.join("events.out.tfevents.0.crossdub")).expect("written");
    let count = |text: &[u8]| events.windows(text.len()).filter(|part| *part == text).count();
    assert_eq!((count(b"training/loss"), count(b"evaluation/accuracy")), (12, 3));
}

/// Writes an index of the shared sample with three images of each class: two for training, one for evaluation.
fn write_sample_index(root: &Path) -> bool {
    let Some(sample) = shared("data/imagenet-sample") else { return false };
    let mut classes: Vec<PathBuf> =
        fs::read_dir(sample.join("train")).expect("lists").flatten().map(|entry| entry.path()).collect();
    classes.sort();
    let mut index = "crossdub-index 1\n".to_owned();
    let mut lines = String::new();
    for (label, class) in classes.iter().enumerate() {
        let wnid = class.file_name().and_then(|name| name.to_str()).expect("text");
        index.push_str(&format!("class\t{wnid}\n"));
        for (part, count) in [("train", 2), ("val", 1)] {
            let folder = sample.join(part).join(wnid);
            let mut names: Vec<_> =
                fs::read_dir(&folder).expect("lists").flatten().map(|entry| entry.file_name()).collect();
            names.sort();
            for name in names.iter().take(count) {
                let (folder, name) = (text(&folder), name.to_str().expect("text"));
                lines.push_str(&format!("{part}\t{label}\t-\t-\t{folder}\t{name}\n"));
            }
        }
    }
    fs::create_dir_all(root).expect("makes");
    fs::write(root.join("crossdub-index.txt"), index + &lines).expect("writes");
    true
}

/// On small images of ImageNet, from clean training to the report.
#[test]
fn resnet18_runs_the_whole_recipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("images");
    if !write_sample_index(&root) {
        return;
    }
    let recipe = folder.path().join("recipe.toml");
    let stage = |name: &str, more: &str| format!("[[stage]]\nname = '{name}'\n{more}\n");
    let ratios = ["70"; 20].join(", ");
    let stages = [
        stage("clean", "kind = 'train'\nregularizer = 'none'"),
        stage("dub", "kind = 'train'\nregularizer = 'gated'\nlambda = 5e-4"),
        stage("prune", &format!("kind = 'prune'\nrule = 'exact'\nratios = [{ratios}]")),
        stage("finetune", "kind = 'finetune'\nepochs = 1"),
    ];
    let common = "name = 'tiny'\ndata = 'x'\nmodel = 'resnet18'\nside = 64\nbatch = 10\nepochs = 1\ntile = 64\n\
        device = 'cpu'\nlearning_rate = 0.01\n";
    fs::write(&recipe, format!("{common}{}", stages.concat())).expect("writes");
    let out = folder.path().join("run");
    let report = json_output(&["run", text(&recipe), "--data", text(&root), "--out", text(&out), "--json"]);
    let analysis = &report["analysis"];
    assert_eq!((&analysis["tiles"], &analysis["weights"]), (&2727.into(), &11_166_912.into()));
    let (zeros, weights) = (analysis["zeros"].as_f64().expect("a count"), 11_166_912.0);
    assert!(zeros > 0.4 * weights, "pruned weights stay zero: {zeros}");
    assert!(analysis["energy"]["paper"]["improvement"].as_f64().is_some_and(|improvement| improvement > 1.0));
}

#[test]
fn a_killed_resnet18_resumes_to_the_same_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("images");
    if !write_sample_index(&root) {
        return;
    }
    let train = |out: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
        command.args([
            "train",
            "--data",
            text(&root),
            "--out",
            text(out),
            "--model",
            "resnet18",
            "--side",
            "48",
        ]);
        command.args(["--batch", "4", "--epochs", "1", "--device", "cpu", "--checkpoint-every", "2"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    assert!(train(&whole).status().expect("runs").success());
    let mut child = train(&killed).spawn().expect("runs");
    let has_checkpoint =
        || fs::read_dir(killed.join("checkpoints")).is_ok_and(|mut files| files.next().is_some());
    while !has_checkpoint() && child.try_wait().expect("waits").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(child.kill());
    child.wait().expect("ends");
    let resumed = run(&["train", "--out", text(&killed), "--resume", "--workers", "3"]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let read = |run: &Path| fs::read(run.join("weights.safetensors")).expect("written");
    assert!(read(&whole) == read(&killed));
}
