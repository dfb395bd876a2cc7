//! Running other programs: their output collected line by line, and none of them left behind.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// Variables that `cargo run` sets for xtask itself. Inner cargos must not see them: build scripts that
/// watch them would run again, and everything behind those scripts would be rebuilt.
const CARGO_RUN_VARIABLES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// Set on Ctrl-C: programs that end now did not fail.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// A program about to run.
pub struct Program {
    command: Command,
    shown: String,
}

impl Program {
    /// A program by name or path; it reads no input.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        let shown = name.as_ref().to_string_lossy().into_owned();
        let mut command = Command::new(name);
        command.stdin(Stdio::null()).env_remove("CARGO");
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            if CARGO_RUN_VARIABLES.iter().any(|start| text.starts_with(start)) {
                command.env_remove(&variable);
            }
        }
        Self { command, shown }
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self.shown.push(' ');
            self.shown.push_str(&arg.as_ref().to_string_lossy());
            self.command.arg(arg);
        }
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable.
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs in this folder.
    pub fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs to the end and returns everything it wrote; `progress` sees each line as it comes.
    pub fn run(mut self, progress: &mut Progress) -> Result<String> {
        let child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| self.not_started(&error))?;
        let output = collect(&mut child, progress);
        let status = child.wait().map_err(|error| self.not_started(&error))?;
        stay_quiet_if_stopping();
        if status.success() {
            return Ok(output);
        }
        Err(Failure { message: format!("`{}` failed ({status})", self.shown), output })
    }

    /// What it writes to standard output, trimmed, if it is there and succeeds: for questions such as `--version`.
    pub fn answer(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts it and leaves it running; what it writes goes to the terminal.
    pub fn start(mut self) -> Result<Child> {
        self.command.spawn().map_err(|error| self.not_started(&error))
    }

    fn not_started(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("can't run `{}`: {error}", self.shown))
    }
}

/// Reads both pipes until they close. A grandchild may keep one open after the program has ended
/// (a browser does), so an ended program's pipes are given up after a moment.
fn collect(child: &mut Child, progress: &mut Progress) -> String {
    let (sender, lines) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        send_lines(pipe, sender.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        send_lines(pipe, sender);
    }
    let mut output = String::new();
    let mut ended = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => {
                progress.line(&line);
                output.push_str(&line);
                output.push('\n');
            }
            Err(RecvTimeoutError::Timeout) => progress.tick(),
            Err(RecvTimeoutError::Disconnected) => return output,
        }
        if ended.is_none() && matches!(child.try_wait(), Ok(Some(_))) {
            ended = Some(Instant::now());
        }
        if ended.is_some_and(|at| at.elapsed() > Duration::from_secs(5)) {
            return output;
        }
    }
}

fn send_lines(pipe: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(1..)) {
            let line = String::from_utf8_lossy(&bytes);
            if sender.send(line.trim_end_matches(['\r', '\n']).to_owned()).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// On Ctrl-C or a termination signal, stops everything that was started before going.
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

/// After Ctrl-C the handler ends everything; until then no one may call the stopped programs' ends failures.
pub fn stay_quiet_if_stopping() {
    while STOPPING.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_secs(1));
    }
}

/// Stops every program that xtask started, and those that they started: first politely, then not.
pub fn stop_descendants() {
    for signal in ["-TERM", "-KILL"] {
        let running = descendants_of(std::process::id(), &process_table());
        if running.is_empty() {
            return;
        }
        let ids: Vec<String> = running.iter().map(u32::to_string).collect();
        // The shell's own `kill`: a bare machine may have no program of that name.
        let _ = Command::new("sh")
            .args(["-c", &format!("kill {signal} {} 2>/dev/null", ids.join(" "))])
            .stdin(Stdio::null())
            .status();
        let sent = Instant::now();
        while sent.elapsed() < Duration::from_secs(3) {
            if descendants_of(std::process::id(), &process_table()).is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Pairs of process and parent, without those that have ended but are not waited for yet.
fn process_table() -> Vec<(u32, u32)> {
    let Ok(folders) = std::fs::read_dir("/proc") else {
        let table = Program::new("ps").args(["-A", "-o", "stat=,pid=,ppid="]).answer().unwrap_or_default();
        return table.lines().filter_map(ps_line).collect();
    };
    folders
        .flatten()
        .filter_map(|folder| std::fs::read_to_string(folder.path().join("stat")).ok())
        .filter_map(|stat| proc_stat(&stat))
        .collect()
}

/// `/proc/PID/stat`: pid (name) state parent ...; the name may hold spaces and parentheses.
fn proc_stat(stat: &str) -> Option<(u32, u32)> {
    let (before, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let pid = before.split_whitespace().next()?.parse().ok()?;
    (state != "Z").then_some((pid, parent))
}

fn ps_line(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.split_whitespace();
    let state = fields.next()?;
    let pair = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (!state.starts_with('Z')).then_some(pair)
}

fn descendants_of(ancestor: u32, table: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(table.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_lines_are_read_and_ended_processes_left_out() {
        assert_eq!(proc_stat("12 (a) b) S 7 12 12 0"), Some((12, 7)));
        assert_eq!(proc_stat("12 (gone) Z 7 12"), None);
        assert_eq!(ps_line("Ss   12     7"), Some((12, 7)));
        assert_eq!(ps_line("Z+   12     7"), None);
    }

    #[test]
    fn descendants_are_found_through_generations() {
        let table = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 99)];
        assert_eq!(descendants_of(2, &table), [3, 4]);
    }

    #[test]
    fn a_failed_program_hands_back_its_output() {
        let mut progress = Progress::silent();
        let failure = Program::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]).run(&mut progress);
        let failure = failure.expect_err("it exits with 3");
        assert!(failure.message.contains("exit status: 3"), "{}", failure.message);
        assert!(failure.output.contains("out\n") && failure.output.contains("err\n"));
    }
}
