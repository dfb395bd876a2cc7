//! Stops everything that xtask started, children of children included, when it exits or is interrupted.
//!
//! The process table is walked because process groups do not suffice: npm, Playwright and browsers make their own.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cmd::Cmd;

/// Set on Ctrl-C: a program that exits after that has not failed.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// How long programs may take to react to a signal.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(3);

/// Installs a handler for Ctrl-C and termination signals that stops all descendants, then exits.
pub fn stop_descendants_on_signal() {
    let handler = || {
        STOPPING.store(true, Ordering::SeqCst);
        eprintln!("\nstopping");
        stop_descendants();
        std::process::exit(130);
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        eprintln!("warning: Ctrl-C may leave programs running: {error}");
    }
}

/// Blocks after Ctrl-C until the handler exits, so that no stopped program is reported as failed.
pub fn wait_if_stopping() {
    while STOPPING.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_secs(1));
    }
}

/// Sends SIGTERM to every descendant, then SIGKILL to those still running.
pub fn stop_descendants() {
    for signal in ["-TERM", "-KILL"] {
        let running = descendants_of(std::process::id(), &process_table());
        if running.is_empty() {
            return;
        }
        let ids: Vec<String> = running.iter().map(u32::to_string).collect();
        // The shell's built-in `kill`: a bare machine may lack the program.
        let _ = Command::new("sh")
            .args(["-c", &format!("kill {signal} {} 2>/dev/null", ids.join(" "))])
            .stdin(Stdio::null())
            .status();
        let sent = Instant::now();
        while sent.elapsed() < SIGNAL_TIMEOUT {
            if descendants_of(std::process::id(), &process_table()).is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Pairs of process and parent, without zombies.
fn process_table() -> Vec<(u32, u32)> {
    let Ok(folders) = std::fs::read_dir("/proc") else {
        let table = Cmd::new("ps").args(["-A", "-o", "stat=,pid=,ppid="]).stdout().unwrap_or_default();
        return table.lines().filter_map(parse_ps_line).collect();
    };
    folders
        .flatten()
        .filter_map(|folder| std::fs::read_to_string(folder.path().join("stat")).ok())
        .filter_map(|stat| parse_proc_stat(&stat))
        .collect()
}

/// `/proc/PID/stat`: pid (name) state parent ...; the name may hold spaces and parentheses.
fn parse_proc_stat(stat: &str) -> Option<(u32, u32)> {
    let (before, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let pid = before.split_whitespace().next()?.parse().ok()?;
    (state != "Z").then_some((pid, parent))
}

fn parse_ps_line(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.split_whitespace();
    let state = fields.next()?;
    let pair = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (!state.starts_with('Z')).then_some(pair)
}

fn descendants_of(ancestor: u32, table: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(table.iter().filter(|(_, ppid)| *ppid == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_lines_are_parsed_without_zombies() {
        assert_eq!(parse_proc_stat("12 (a) b) S 7 12 12 0"), Some((12, 7)));
        assert_eq!(parse_proc_stat("12 (gone) Z 7 12"), None);
        assert_eq!(parse_ps_line("Ss   12     7"), Some((12, 7)));
        assert_eq!(parse_ps_line("Z+   12     7"), None);
    }

    #[test]
    fn descendants_include_grandchildren() {
        let table = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 99)];
        assert_eq!(descendants_of(2, &table), [3, 4]);
    }
}
