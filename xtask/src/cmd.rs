//! Runs other programs and collects their output line by line.
//!
//! Written by hand because `duct` and `xshell` return the output only at the end: a build of many minutes must show its
//! progress. [`crate::processes`] stops what a program leaves behind.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::processes;
use crate::progress::Progress;

/// Prefixes of the variables that `cargo run` sets for xtask itself. Build scripts that watch them would run again in
/// every inner cargo, and everything that depends on those scripts would be rebuilt.
const CARGO_RUN_VARIABLES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// How long to wait for the pipes of a program that has exited: a grandchild, such as a browser, may keep them open.
const PIPE_GRACE: Duration = Duration::from_secs(5);

/// A command to run, with its text for messages.
pub struct Cmd {
    command: Command,
    text: String,
}

impl Cmd {
    /// A program by name or path, without standard input.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let text = program.as_ref().to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).env_remove("CARGO");
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if CARGO_RUN_VARIABLES.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(&variable);
            }
        }
        Self { command, text }
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self.text.push(' ');
            self.text.push_str(&arg.as_ref().to_string_lossy());
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
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets the working directory.
    pub fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs to the end and returns everything written to either stream; `progress` sees each line as it comes.
    pub fn run(mut self, progress: &mut Progress) -> Result<String> {
        let child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| self.cannot_run(&error))?;
        let output = collect(&mut child, progress);
        let status = child.wait().map_err(|error| self.cannot_run(&error))?;
        processes::wait_if_stopping();
        if status.success() {
            return Ok(output);
        }
        Err(Error { message: format!("`{}` failed ({status})", self.text), output })
    }

    /// The trimmed standard output of a quick query such as `--version`; `None` if the program is missing or fails.
    pub fn stdout(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts the program and leaves it running; its output goes to the terminal.
    pub fn spawn(mut self) -> Result<Child> {
        self.command.spawn().map_err(|error| self.cannot_run(&error))
    }

    fn cannot_run(&self, error: &io::Error) -> Error {
        Error::new(format!("can't run `{}`: {error}", self.text))
    }
}

/// Reads both pipes until they close, or until [`PIPE_GRACE`] after the program has exited.
fn collect(child: &mut Child, progress: &mut Progress) -> String {
    let (sender, lines) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        send_lines(pipe, sender.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        send_lines(pipe, sender);
    }
    let mut output = String::new();
    let mut exited = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => {
                progress.observe_line(&line);
                output.push_str(&line);
                output.push('\n');
            }
            Err(RecvTimeoutError::Timeout) => progress.tick(),
            Err(RecvTimeoutError::Disconnected) => return output,
        }
        if exited.is_none() && matches!(child.try_wait(), Ok(Some(_))) {
            exited = Some(Instant::now());
        }
        if exited.is_some_and(|at| at.elapsed() > PIPE_GRACE) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_command_returns_its_output() {
        let mut progress = Progress::silent();
        let error = Cmd::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]).run(&mut progress);
        let error = error.expect_err("it exits with 3");
        assert!(error.message.contains("exit status: 3"), "{}", error.message);
        assert!(error.output.contains("out\n") && error.output.contains("err\n"));
    }
}
