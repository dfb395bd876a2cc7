//! Snapshots of what users see: help, reports as text and JSON, CSV, and the report's drawings.
//!
//! After an intended change, `INSTA_UPDATE=always cargo test snapshots` rewrites the files in `snapshots/`;
//! read their diff before committing. With `CI=true` a missing or different snapshot fails and writes nothing.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::command_line::{golden_weights, small_network};
use crate::shared::repository;

/// Stdout of a command that succeeds.
fn stdout(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
    // Help is wrapped at the terminal's width.
    command.args(arguments).env_remove("COLUMNS").stdin(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Compares with the snapshot of this name.
fn check(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(repository().join("tests/rust/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A JSON object with one field per line.
fn pretty(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).expect("JSON");
    serde_json::to_string_pretty(&value).expect("JSON")
}

/// Compares a command's text and JSON.
fn check_both(name: &str, arguments: &[&str]) {
    check(name, &stdout(arguments));
    check(&format!("{name}-json"), &pretty(&stdout(&[arguments, &["--json"]].concat())));
}

/// The names under `Commands:` in a help text.
fn commands(help: &str) -> Vec<&str> {
    let list =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A name is indented by two, a continued description by more.
    let names =
        list.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    // `worker` exists only in builds with the feature `remote`.
    names.filter(|name| !["help", "worker"].contains(name)).collect()
}

/// Compares the help of a command and of its subcommands.
fn check_help(words: &[&str]) {
    let help = stdout(&[words, &["--help"]].concat());
    let name = [&["help"], words].concat().join("-");
    check(&name, &help.replace("  worker       Serve this machine's device to runs on other machines\n", ""));
    for command in commands(&help) {
        check_help(&[words, &[command]].concat());
    }
}

#[test]
fn help_is_as_recorded() {
    check_help(&[]);
}

#[test]
fn reports_are_as_recorded() {
    let weights = golden_weights();
    check_both("analyze", &["analyze", &weights, "--tile", "16"]);
    let inference = ["--tile", "16", "--per-inference", "--positions", "100,25", "--adc", "puma"];
    check("analyze-per-inference", &stdout(&[&["analyze", &weights][..], &inference].concat()));
    check_both("energy", &["energy", "--histogram", "61,646,827,86,767,5481,1134", "--tile", "32"]);
    check_both("adc", &["adc", "--model", "accelergy", "--bits", "8"]);
    check("adc-compare", &stdout(&["adc", "--compare", "--bits", "1..8"]));
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("pruned.safetensors").display().to_string();
    check_both("prune", &["prune", &weights, "--tile", "16", "--ratios", "30,85", "--out", &out]);
}

#[test]
fn simulations_are_as_recorded() {
    let (_folder, weights) = small_network();
    let network = ["--plan", "4 M 6 M", "--data", "builtin", "--tile", "8", "--images", "4"];
    check_both("simulate", &[&["simulate", &weights][..], &network].concat());
}

#[test]
fn csv_and_drawings_are_as_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let read = |name: &str| std::fs::read_to_string(Path::new(&path(name))).expect("written");
    stdout(&["analyze", &golden_weights(), "--tile", "16", "--adc-plan", &path("plan.csv")]);
    check("adc-plan-csv", &read("plan.csv"));
    // Written by version 0.1.0: finished runs stay readable.
    let run = repository().join("tests/golden/finished_run").display().to_string();
    stdout(&["report", &run, "--out", &path("page.html"), "--csv", &path("runs.csv")]);
    check("report-csv", &read("runs.csv"));
    let page = read("page.html");
    let drawings = page.split("<svg").skip(1).filter_map(|rest| rest.split_once("</svg>"));
    let drawings: Vec<String> = drawings.map(|(svg, _)| format!("<svg{svg}</svg>")).collect();
    assert!(drawings.len() > 3, "{} drawings", drawings.len());
    check("report-svg", &drawings.join("\n").replace("><", ">\n<"));
}
