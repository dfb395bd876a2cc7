//! Recipes and sweeps as processes: resuming after kills, skipping unchanged stages, sharing stages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crossdub::config::HardwareConfig;
use crossdub::report::analyze;
use serde_json::Value;

use crate::shared::{json, layers};

/// A recipe of a few seconds, which trains with masks after pruning.
pub const TINY: &str = r#"
name = "tiny"
data = "builtin"
plan = "4 M 8 M 8 M"
classifier = "16"
limit = 512
holdout = 250
batch = 64
tile = 8
device = "cpu"

[[stage]]
name = "clean"
kind = "train"
regularizer = "none"
epochs = 2

[[stage]]
name = "dub"
kind = "train"
learning_rate = 0.01
lambda = 1e-2
epochs = 1

[[stage]]
name = "prune"
kind = "prune"
ratios = [20, 60, 80]

[[stage]]
name = "again"
kind = "train"
learning_rate = 0.01
epochs = 1

[[stage]]
name = "finetune"
kind = "finetune"
epochs = 1
"#;

pub fn write_recipe(folder: &Path) -> PathBuf {
    let path = folder.join("tiny.toml");
    std::fs::write(&path, TINY).expect("writes");
    path
}

fn crossdub(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn succeeds(arguments: &[&str]) -> Output {
    let output = crossdub(arguments).output().expect("runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Number of stages that the run reports as computed.
fn computed_stages(output: &Output) -> usize {
    stderr(output).lines().filter(|line| line.contains(" of ") && line.contains("stage ")).count()
}

fn stages(report: &Value) -> &Vec<Value> {
    report["stages"].as_array().expect("stages")
}

#[test]
fn a_killed_recipe_resumes_to_the_same_weights_and_repeats_no_stage() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = write_recipe(folder.path()).display().to_string();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (whole, killed) = (path("whole"), path("killed"));
    let output = succeeds(&["run", &recipe, "--out", &whole, "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("exactly one JSON object");
    assert_eq!(report, json(&Path::new(&whole).join("report.json")));
    check_report(&report);

    // Spread over the run, so that kills hit different stages.
    let mut kills = 0;
    for delay in [150_u64, 320, 90, 500, 230, 410, 60, 700].into_iter().cycle() {
        let mut child =
            crossdub(&["run", &recipe, "--out", &killed, "--checkpoint-every", "2"]).spawn().expect("runs");
        let began = Instant::now();
        let ended = loop {
            if let Some(status) = child.try_wait().expect("waits") {
                assert!(status.success());
                break true;
            }
            if began.elapsed() > Duration::from_millis(delay + 40 * kills) {
                break false;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        if ended {
            break;
        }
        child.kill().expect("kills");
        child.wait().expect("ends");
        kills += 1;
        assert!(kills < 200, "it does not end");
    }
    assert!(kills > 0, "it was killed at least once");
    let weights = |run: &str| std::fs::read(Path::new(run).join("weights.safetensors")).expect("written");
    assert!(weights(&whole) == weights(&killed), "after {kills} kills");
    let again = json(&Path::new(&killed).join("report.json"));
    for (one, other) in stages(&report).iter().zip(stages(&again)) {
        for field in ["id", "accuracy", "loss", "histogram", "energy", "epochs"] {
            assert_eq!(one[field], other[field], "{field} of {}", one["name"]);
        }
    }

    check_page(folder.path(), &[&whole, &killed]);

    // Nothing is computed twice; a changed field recomputes its stage and the stages after it.
    assert_eq!(computed_stages(&succeeds(&["run", &recipe, "--out", &whole, "--resume"])), 0);
    assert_eq!(
        computed_stages(&succeeds(&["run", &recipe, "--out", &whole, "--set", "prune.rule=paper"])),
        3
    );
    assert_eq!(
        computed_stages(&succeeds(&["run", &recipe, "--out", &whole, "--set", "finetune.epochs=2"])),
        1
    );
    assert_eq!(computed_stages(&succeeds(&["run", &recipe, "--out", &whole, "--set", "adc=lossless"])), 0);
}

/// Checks the fields that scripts rely on, and that pruned weights stay zero.
fn check_report(report: &Value) {
    for field in ["schema_version", "version", "name", "seed", "spec", "hardware", "data", "device"] {
        assert!(!report[field].is_null(), "{field}");
    }
    let stages = stages(report);
    let kinds: Vec<&str> = stages.iter().filter_map(|stage| stage["kind"].as_str()).collect();
    assert_eq!(kinds, ["train", "train", "prune", "train", "finetune"]);
    for stage in stages {
        for field in ["name", "id", "accuracy", "loss", "histogram", "energy", "seconds", "zeros"] {
            assert!(!stage[field].is_null(), "{field} of {}", stage["name"]);
        }
    }
    assert!(stages[2]["zeros"].as_u64() > Some(0));
    for later in [3, 4] {
        assert_eq!(stages[later]["zeros"], stages[2]["zeros"], "masks are kept");
        assert_eq!(stages[later]["histogram"], stages[2]["histogram"]);
    }
    assert_eq!(stages[0]["epochs"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["training"]["history"].as_array().map(Vec::len), Some(5), "one entry an epoch");
    let tiles: usize = report["maps"]
        .as_array()
        .expect("maps")
        .iter()
        .map(|map| map["level"].as_array().expect("levels").len())
        .sum();
    assert_eq!(report["analysis"]["tiles"].as_u64(), Some(tiles as u64));
}

/// Checks the HTML, CSV and JSON reports of two equal runs; the page loads nothing.
fn check_page(folder: &Path, runs: &[&str]) {
    let path = |name: &str| folder.join(name).display().to_string();
    let (page, csv, out) = (path("page.html"), path("runs.csv"), path("runs.json"));
    succeeds(
        &[&["report"], runs, &["--out", &page, "--csv", &csv, "--json", &out, "--title", "A <b> & \"c\""]]
            .concat(),
    );
    let html = std::fs::read_to_string(&page).expect("written");
    for outside in ["http", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("<title>A &lt;b&gt; &amp; &quot;c&quot;</title>"), "titles are escaped");
    for part in [
        "Accuracy on held-out images",
        "Tiles by level",
        "Crossbars by level",
        "SHA-256",
        "features.0.weight",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(
        html.matches("<svg").count(),
        html.matches("aria-label=").count(),
        "figures are described for screen readers"
    );
    let csv = std::fs::read_to_string(&csv).expect("written");
    let columns = |line: &str| line.matches(',').count();
    let mut lines = csv.lines();
    let header = lines.next().expect("a header");
    assert!(header.contains("improvement_paper") && lines.clone().count() == 10, "{csv}");
    assert!(lines.all(|line| columns(line) == columns(header)), "{csv}");
    let report = json(Path::new(&out));
    assert_eq!(report["groups"].as_array().map(Vec::len), Some(1), "the runs are equal");
    assert_eq!(report["groups"][0]["accuracy"]["deviation"].as_f64(), Some(0.0));
    assert_eq!(report["runs"].as_array().map(Vec::len), Some(2));
    let failed = crossdub(&["report", &path("nowhere"), "--out", &path("none.html")]).output().expect("runs");
    assert!(failed.status.code() == Some(1) && !Path::new(&path("none.html")).exists());
}

/// A small S-DUB: whole tiles first, then balanced columns in the remaining ones.
const SDUB: &str = r#"
name = "sdub"
data = "builtin"
plan = "8 M 16 M 16 M"
classifier = "16"
limit = 512
holdout = 250
batch = 64
tile = 8
device = "cpu"

[[stage]]
name = "structured"
kind = "train"
regularizer = "group-lasso-tile"
lambda = 1e-2
epochs = 2

[[stage]]
name = "zero-tiles"
kind = "prune"
rule = "tiles"
ratios = [0, 25, 50]

[[stage]]
name = "dub"
kind = "train"
regularizer = "gated"
lambda = 1e-2
learning_rate = 0.01
epochs = 1

[[stage]]
name = "prune"
kind = "prune"
rule = "exact"
ratios = [20, 60, 80]

[[stage]]
name = "finetune"
kind = "finetune"
epochs = 1
"#;

#[test]
fn structured_dub_keeps_emptied_tiles_empty_and_balances_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = folder.path().join("sdub.toml");
    std::fs::write(&recipe, SDUB).expect("writes");
    let out = folder.path().join("run");
    let arguments = [recipe.display().to_string(), out.display().to_string()];
    let output = succeeds(&["run", &arguments[0], "--out", &arguments[1], "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("exactly one JSON object");
    let empty = |stage: &Value| -> Vec<Vec<bool>> {
        let file = out.join("stages").join(stage["id"].as_str().expect("an id")).join("weights.safetensors");
        let hardware = HardwareConfig { tile: 8, ..HardwareConfig::default() };
        let layers = analyze(&layers(&file), &hardware).layers;
        layers.iter().map(|layer| layer.tile_sparsity.iter().map(|&share| share == 1.0).collect()).collect()
    };
    let by_stage: Vec<Vec<Vec<bool>>> = stages(&report).iter().map(empty).collect();
    let count = |layer: &[bool]| layer.iter().filter(|&&empty| empty).count();
    let emptied = &by_stage[1];
    for (layer, share) in emptied.iter().zip([0.0, 0.25, 0.5]) {
        assert_eq!(count(layer), (share * layer.len() as f64).floor() as usize, "of {}", layer.len());
    }
    assert_eq!(by_stage[0].iter().map(|layer| count(layer)).sum::<usize>(), 0);
    for later in &by_stage[2..] {
        assert!(later == emptied, "no later stage fills an emptied tile or empties another");
    }
    // Both parts save energy: emptied tiles cost nothing, and the rest needs fewer bits.
    let improvement = |stage: usize| stages(&report)[stage]["energy"]["paper"]["improvement"].as_f64();
    let (structured, both) = (improvement(1).expect("a ratio"), improvement(3).expect("a ratio"));
    assert!(structured > 1.0 && both > structured, "{structured} then {both}");
    assert_eq!(improvement(4), improvement(3), "fine-tuning keeps every zero");
}

#[test]
fn a_sweep_computes_shared_stages_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = write_recipe(folder.path()).display().to_string();
    let out = folder.path().join("sweep");
    let folder_name = out.display().to_string();
    let common = ["sweep", &recipe, "--out", &folder_name, "--set", "dub.lambda=1e-3,1e-2"];
    let sweep = [&common[..], &["--stage", "prune.rule=exact,paper", "--jobs", "2"]].concat();
    let count = succeeds(&[&sweep[..], &["--count"]].concat());
    assert_eq!(String::from_utf8_lossy(&count.stdout), "4\n");
    let listed = succeeds(&[&sweep[..], &["--dry-run"]].concat());
    assert!(String::from_utf8_lossy(&listed.stdout).contains("dub.lambda=0.001,prune.rule=paper"));
    assert!(!out.exists(), "a dry run leaves nothing behind");

    let output = succeeds(&[&sweep[..], &["--json"]].concat());
    let answer: Value = serde_json::from_slice(&output.stdout).expect("exactly one JSON object");
    let runs = answer["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 4);
    assert!(runs.iter().all(|run| run["state"] == "done" && run["accuracy"].is_number()), "{answer}");
    // One clean stage, two dub stages, and for each run its own prune, again and finetune.
    assert_eq!(std::fs::read_dir(out.join("stages")).expect("lists").count(), 1 + 2 + 4 * 3);
    assert_eq!(computed_stages(&output), 15, "{}", stderr(&output));
    let ids = |stage: usize| -> BTreeSet<String> {
        let report = |run: &Value| json(&out.join(run["name"].as_str().expect("a name")).join("report.json"));
        runs.iter().map(|run| report(run)["stages"][stage]["id"].to_string()).collect()
    };
    assert_eq!((ids(0).len(), ids(1).len(), ids(2).len()), (1, 2, 4));
    // A single run, as in a cluster's job array, finds all stages computed.
    let task = succeeds(&[&sweep[..], &["--task", "3"]].concat());
    assert_eq!(computed_stages(&task), 0);
    let missing = crossdub(&[&sweep[..], &["--task", "4"]].concat()).output().expect("runs");
    assert!(!missing.status.success() && stderr(&missing).contains("task"));
}

#[test]
fn two_processes_share_the_stages_of_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = write_recipe(folder.path()).display().to_string();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (store, one, two) = (path("store"), path("one"), path("two"));
    let start =
        |out: &str| crossdub(&["run", &recipe, "--store", &store, "--out", out]).spawn().expect("runs");
    let children = [start(&one), start(&two)];
    let outputs = children.map(|child| child.wait_with_output().expect("ends"));
    for output in &outputs {
        assert!(output.status.success(), "{}", stderr(output));
    }
    assert_eq!(outputs.iter().map(computed_stages).sum::<usize>(), 5, "each stage is computed once");
    let left = |name: &str| {
        let folders = std::fs::read_dir(&store).expect("lists").flatten();
        folders.filter(|folder| folder.path().join(name).exists()).count()
    };
    assert_eq!((left("lease-1"), left("checkpoints"), left("result.json")), (0, 0, 5));
}

#[test]
fn a_sweep_continues_after_a_diverged_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = write_recipe(folder.path()).display().to_string();
    let out = folder.path().join("sweep").display().to_string();
    let rates = "dub.learning_rate=900,0.01";
    let output = crossdub(&["sweep", &recipe, "--out", &out, "--set", rates]).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains("1 of 2 runs failed"), "{stderr}");
    assert!(last.contains("stage dub") && last.contains("diverged"), "{last}");
    assert!(Path::new(&out).join("dub.learning_rate=0.01/report.json").exists());
}

#[test]
fn a_dry_run_estimates_every_stage_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = write_recipe(folder.path()).display().to_string();
    let out = folder.path().join("run");
    let out_text = out.display().to_string();
    let output = succeeds(&["run", &recipe, "--out", &out_text, "--dry-run", "--json"]);
    assert!(!out.exists());
    let estimate: Value = serde_json::from_slice(&output.stdout).expect("exactly one JSON object");
    let steps: Vec<_> = stages(&estimate).iter().map(|stage| stage["steps"].as_u64()).collect();
    assert_eq!(steps, [Some(16), Some(8), None, Some(8), Some(8)], "512 images in batches of 64");
    assert!(stages(&estimate)[2]["pruning_seconds"].as_f64() > Some(0.0));
    let seconds = |stage: &Value| stage["total_seconds"].as_f64().or(stage["pruning_seconds"].as_f64());
    let sum: f64 = stages(&estimate).iter().filter_map(seconds).sum();
    assert!((estimate["total_seconds"].as_f64().expect("a time") - sum).abs() < 1e-9);
    for field in ["memory_bytes", "disk_bytes"] {
        assert!(estimate[field].as_u64() > Some(0), "{field}");
    }
    let mut missing = crossdub(&["run", &recipe, "--dry-run", "--set", "dub.weights=none.safetensors"]);
    let output = missing.output().expect("runs");
    let stderr = stderr(&output);
    assert!(
        !output.status.success() && stderr.lines().last().is_some_and(|l| l.contains("none.safetensors")),
        "{stderr}"
    );
}
