//! The line shown while a step runs: elapsed time and the number of crates compiled so far.
//!
//! `indicatif` would replace little more than `draw`, and a newcomer waits for xtask to compile before anything else.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Without a terminal (in CI), how often a long step prints that it is still running.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
/// On a terminal, how often the line is redrawn.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);
/// Characters of detail that fit on a terminal's line.
const DETAIL_WIDTH: usize = 60;

/// Set when standard output is reserved for a JSON object.
static TO_STDERR: AtomicBool = AtomicBool::new(false);

/// Sends all progress to standard error from now on.
pub fn use_stderr() {
    TO_STDERR.store(true, Ordering::SeqCst);
}

/// Prints a line where progress goes.
pub fn print_line(line: &str) {
    write(&format!("{line}\n"));
}

fn write(text: &str) {
    // A closed terminal is no reason to stop the work.
    if TO_STDERR.load(Ordering::SeqCst) {
        let _ = stderr().write_all(text.as_bytes());
    } else {
        let mut stdout = stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }
}

/// Progress of the running step.
pub struct Progress {
    title: String,
    started: Instant,
    last_draw: Instant,
    terminal: bool,
    silent: bool,
    compiled: usize,
    max_crates: Option<usize>,
    detail: String,
}

impl Progress {
    /// Starts a step's line, such as `[ 3/12] Clippy`.
    pub fn start(title: String) -> Self {
        let terminal =
            if TO_STDERR.load(Ordering::SeqCst) { stderr().is_terminal() } else { stdout().is_terminal() };
        let progress = Self { title, terminal, silent: false, ..Self::silent() };
        progress.draw();
        progress
    }

    /// Progress that is not shown.
    pub fn silent() -> Self {
        let now = Instant::now();
        Self {
            title: String::new(),
            started: now,
            last_draw: now,
            terminal: false,
            silent: true,
            compiled: 0,
            max_crates: None,
            detail: String::new(),
        }
    }

    /// Sets what the step is doing now.
    pub fn status(&mut self, detail: impl Into<String>) {
        self.detail = detail.into();
        self.draw();
    }

    /// Restarts the count of compiled crates, of which there are at most `max`; crates already built are not counted.
    pub fn count_crates(&mut self, max: Option<usize>) {
        self.compiled = 0;
        self.max_crates = max;
    }

    /// Takes one line of a program's output, counts cargo's `Compiling` and `Checking` lines, and shows when cargo waits.
    pub fn observe_line(&mut self, line: &str) {
        if line.trim_start().starts_with("Blocking waiting for file lock") {
            "waiting for another build to finish".clone_into(&mut self.detail);
        }
        let mut words = line.split_whitespace();
        if let (Some("Compiling" | "Checking"), Some(name)) = (words.next(), words.next()) {
            self.detail = match self.max_crates {
                Some(max) => format!("compiled {} of at most {max} crates, now {name}", self.compiled),
                None => format!("compiled {} crates, now {name}", self.compiled),
            };
            self.compiled += 1;
        }
        self.tick();
    }

    /// Redraws if it is time to.
    pub fn tick(&mut self) {
        let interval = if self.terminal { REDRAW_INTERVAL } else { LOG_INTERVAL };
        if self.last_draw.elapsed() >= interval {
            self.last_draw = Instant::now();
            self.draw();
        }
    }

    /// Ends the line with the result and returns how long the step took.
    pub fn finish(self, result: &str) -> Duration {
        let elapsed = self.started.elapsed();
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        print_line(&format!("{clear}{}: {result}, {}", self.title, format_duration(elapsed)));
        elapsed
    }

    fn draw(&self) {
        if self.silent {
            return;
        }
        let elapsed = self.started.elapsed();
        let detail = if self.detail.is_empty() { "..." } else { &self.detail };
        let (title, time) = (&self.title, format_duration(elapsed));
        if self.terminal {
            write(&format!("\r\x1b[2K{title} ({time}) {}", truncate(detail, DETAIL_WIDTH)));
        } else if elapsed >= LOG_INTERVAL {
            print_line(&format!("{title} ({time}) {detail}"));
        }
    }
}

fn truncate(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        text.to_owned()
    } else {
        text.chars().take(width - 1).chain(['…']).collect()
    }
}

/// `0.4 s`, `12 s`, `3 min 05 s`.
pub fn format_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        assert_eq!(format_duration(Duration::from_millis(420)), "0.4 s");
        assert_eq!(format_duration(Duration::from_secs(12)), "12 s");
        assert_eq!(format_duration(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn crates_are_counted_from_cargo_output() {
        let mut progress = Progress::silent();
        progress.count_crates(Some(7));
        progress.observe_line("   Compiling burn v0.22.1");
        progress.observe_line("warning: something");
        progress.observe_line("    Checking half v2.7.1");
        assert_eq!(progress.detail, "compiled 1 of at most 7 crates, now half");
    }

    #[test]
    fn long_details_are_truncated_by_characters() {
        assert_eq!(truncate("ééééé", 3), "éé…");
        assert_eq!(truncate("abc", 3), "abc");
    }
}
