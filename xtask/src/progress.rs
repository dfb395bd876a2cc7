//! What the person at the terminal sees while a step runs: elapsed time and the crates compiled so far.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Without a terminal (in CI) a long step says every so often that it is alive.
const QUIET_FOR: Duration = Duration::from_secs(30);

/// The running step's line.
pub struct Progress {
    title: String,
    started: Instant,
    shown: Instant,
    terminal: bool,
    silent: bool,
    compiled: usize,
    at_most: Option<usize>,
    detail: String,
}

impl Progress {
    /// Starts a line, such as `[ 3/12] Clippy`.
    pub fn start(title: String) -> Self {
        let now = Instant::now();
        let terminal = std::io::stdout().is_terminal();
        let progress = Self {
            title,
            started: now,
            shown: now,
            terminal,
            silent: false,
            compiled: 0,
            at_most: None,
            detail: String::new(),
        };
        progress.draw();
        progress
    }

    /// Shows nothing, for questions asked outside a step.
    #[cfg(test)]
    pub fn silent() -> Self {
        let now = Instant::now();
        Self {
            title: String::new(),
            started: now,
            shown: now,
            terminal: false,
            silent: true,
            compiled: 0,
            at_most: None,
            detail: String::new(),
        }
    }

    /// Says what the step is doing now.
    pub fn say(&mut self, detail: impl Into<String>) {
        self.detail = detail.into();
        self.draw();
    }

    /// Says of how many crates at most the compiled ones are counted; those already compiled are never counted.
    pub fn crates_at_most(&mut self, count: Option<usize>) {
        self.compiled = 0;
        self.at_most = count;
    }

    /// A program's line: cargo's `Compiling` and `Checking` lines are counted.
    pub fn line(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        if let (Some("Compiling" | "Checking"), Some(name)) = (words.next(), words.next()) {
            self.compiled += 1;
            self.detail = match self.at_most {
                Some(total) => {
                    format!("compiled {} of at most {total} crates, now {name}", self.compiled - 1)
                }
                _ => format!("compiled {} crates, now {name}", self.compiled - 1),
            };
        }
        self.tick();
    }

    /// Time passes: redraws when that is due.
    pub fn tick(&mut self) {
        let due = if self.terminal { Duration::from_millis(200) } else { QUIET_FOR };
        if self.shown.elapsed() >= due {
            self.shown = Instant::now();
            self.draw();
        }
    }

    /// Ends the line with the result, and returns how long the step took.
    pub fn finish(self, result: &str) -> Duration {
        let took = self.started.elapsed();
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        println!("{clear}{}: {result}, {}", self.title, duration(took));
        took
    }

    fn draw(&self) {
        if self.silent {
            return;
        }
        let elapsed = self.started.elapsed();
        let detail = if self.detail.is_empty() { "..." } else { &self.detail };
        if self.terminal {
            print!("\r\x1b[2K{} ({}) {}", self.title, duration(elapsed), shorten(detail, 60));
            // A terminal that went away is no reason to stop the work.
            let _ = std::io::stdout().flush();
        } else if elapsed >= QUIET_FOR {
            println!("{} ({}) {detail}", self.title, duration(elapsed));
        }
    }
}

fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        text.to_owned()
    } else {
        text.chars().take(width - 1).chain(['…']).collect()
    }
}

/// `0.4 s`, `12 s`, `3 min 05 s`.
pub fn duration(time: Duration) -> String {
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
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(420)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(12)), "12 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn crates_are_counted_from_cargos_lines() {
        let mut progress = Progress::silent();
        progress.crates_at_most(Some(7));
        progress.line("   Compiling burn v0.22.1");
        progress.line("warning: something");
        progress.line("    Checking half v2.7.1");
        assert_eq!(progress.detail, "compiled 1 of at most 7 crates, now half");
    }

    #[test]
    fn long_details_are_cut_by_characters() {
        assert_eq!(shorten("ééééé", 3), "éé…");
        assert_eq!(shorten("abc", 3), "abc");
    }
}
