//! What a measurement depends on besides the code.

use std::fs;

use crate::cmd::Cmd;
use crate::env::BuildEnv;

/// Machine, date, commit and load before measuring, in one line.
pub fn describe(env: &BuildEnv) -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let date = Cmd::new("date").args(["-u", "+%Y-%m-%d"]).stdout().unwrap_or_default();
    let git = Cmd::new("git").current_dir(&env.root).args(["describe", "--always", "--dirty"]);
    let commit = git.stdout().unwrap_or_else(|| "unknown".to_owned());
    format!("Machine: {model}, {cores} cores. Date: {date}. Commit: {commit}.{}", load())
}

/// Other programs' load distorts ratios too.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = text.split_whitespace().next();
    load.map(|load| format!(" Load before measuring: {load}.")).unwrap_or_default()
}
