//! Who works in a folder: a claim that several processes, and machines over a shared folder, respect.
//!
//! A claim is a file `claim-N` that only one process can create. Its holder rewrites it every few
//! seconds. Who finds a claim unchanged for a while takes the folder over by creating `claim-N+1`; a
//! holder that had only slept then sees the higher number and leaves. A holder that died on this very
//! machine is known to be dead at once. No clocks are compared, only how long a file stays the same.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cli::files;
use crate::error::{Error, Result};

/// How often a holder shows that it is alive.
const BEAT: Duration = Duration::from_secs(5);
/// How long a claim may stay the same; shared folders can show changes a minute late.
const STALE: Duration = Duration::from_secs(120);

/// What a claim says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    /// The machine, as long as it is up.
    machine: String,
    /// Its process.
    pid: u32,
    /// When that process began, since process numbers come again.
    began: String,
    /// Counts up.
    beat: u64,
}

/// The right to work in a folder, until it is dropped.
pub struct Claim {
    folder: PathBuf,
    number: u64,
    ended: Arc<AtomicBool>,
    heart: Option<JoinHandle<()>>,
}

/// Looks at the claims of one folder from time to time.
#[derive(Default)]
pub struct Watcher {
    seen: Option<(u64, String, Instant)>,
}

impl Watcher {
    /// Claims the folder, if no one alive has.
    ///
    /// # Errors
    /// When the folder can't be listed or written.
    pub fn try_claim(&mut self, folder: &Path) -> Result<Option<Claim>> {
        let Some(newest) = newest(folder)? else { return Claim::create(folder, 1) };
        let said = fs::read_to_string(path(folder, newest)).unwrap_or_default();
        let unchanged = match &self.seen {
            Some((number, before, since)) if *number == newest && *before == said => since.elapsed(),
            _ => {
                self.seen = Some((newest, said.clone(), Instant::now()));
                Duration::ZERO
            }
        };
        let dead = serde_json::from_str(&said).is_ok_and(|holder| is_dead(&holder));
        if dead || unchanged > STALE { Claim::create(folder, newest + 1) } else { Ok(None) }
    }
}

impl Claim {
    /// Creates the claim of a number; none when another process was faster.
    fn create(folder: &Path, number: u64) -> Result<Option<Self>> {
        let path = path(folder, number);
        let fail = |why| Error::file("claiming a folder", files::name(&path), why);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(why) if why.kind() == ErrorKind::AlreadyExists => return Ok(None),
            other => other.map_err(fail)?,
        };
        let mut holder =
            Holder { machine: machine(), pid: std::process::id(), began: began(std::process::id()), beat: 0 };
        file.write_all(text(&holder).as_bytes()).map_err(fail)?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let heart = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                thread::park_timeout(BEAT);
                holder.beat += 1;
                // Not created anew: a claim that was removed is gone. A beat that fails is only late.
                drop(OpenOptions::new().write(true).open(&path).and_then(|mut file| {
                    let said = text(&holder);
                    file.write_all(said.as_bytes())?;
                    file.set_len(said.len() as u64)
                }));
            }
        });
        Ok(Some(Self { folder: folder.to_owned(), number, ended, heart: Some(heart) }))
    }

    /// Whether no one has taken the folder over.
    pub fn is_mine(&self) -> bool {
        newest(&self.folder).is_ok_and(|newest| newest == Some(self.number))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(heart) = self.heart.take() {
            heart.thread().unpark();
            drop(heart.join());
        }
        // The own claim goes last: while it stands, no one creates a lower one.
        for number in 1..=self.number {
            drop(fs::remove_file(path(&self.folder, number)));
        }
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("claim-{number}"))
}

/// The highest claim of a folder.
fn newest(folder: &Path) -> Result<Option<u64>> {
    let entries = fs::read_dir(folder)
        .map_err(|why| Error::file("listing claims", files::name(folder), &why).with_source(why))?;
    let number = |name: std::ffi::OsString| name.to_str()?.strip_prefix("claim-")?.parse().ok();
    Ok(entries.filter_map(|entry| number(entry.ok()?.file_name())).max())
}

fn text(holder: &Holder) -> String {
    serde_json::to_string(holder).unwrap_or_default()
}

/// Whether a holder is a process of this machine that has ended. Where that can't be told it is not.
fn is_dead(holder: &Holder) -> bool {
    let here = machine();
    !here.is_empty() && holder.machine == here && holder.began != began(holder.pid)
}

/// This machine since it was started, and its space of process numbers; empty where unknown.
fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string());
    match (boot.trim(), space) {
        ("", _) | (_, Err(_)) => String::new(),
        (boot, Ok(space)) => format!("{boot} {space}"),
    }
}

/// When a process began, in the system's ticks; empty when there is none.
fn began(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the program's name in parentheses, and may hold anything.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace();
    let state = fields.next();
    // A zombie has ended, though its number is still taken.
    if state == Some("Z") { String::new() } else { fields.nth(18).unwrap_or_default().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_a_folder_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut watcher = Watcher::default();
        let claim = watcher.try_claim(folder.path()).expect("writes").expect("free");
        assert!(claim.is_mine());
        assert!(watcher.try_claim(folder.path()).expect("reads").is_none());
        drop(claim);
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0);
        assert!(watcher.try_claim(folder.path()).expect("writes").is_some());
    }

    #[test]
    fn many_at_once_give_one_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let held: Vec<Option<Claim>> = thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Watcher::default().try_claim(folder.path()).expect("writes")))
                .collect();
            tries.into_iter().map(|one| one.join().expect("ends")).collect()
        });
        assert_eq!(held.iter().flatten().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_dead_are_followed_at_once_and_the_silent_after_a_while() {
        let folder = tempfile::tempdir().expect("a folder");
        let dead = Holder { machine: machine(), pid: u32::MAX, began: "1".to_owned(), beat: 3 };
        fs::write(path(folder.path(), 4), text(&dead)).expect("writes");
        let claim = Watcher::default().try_claim(folder.path()).expect("writes").expect("takes over");
        assert_eq!(claim.number, 5);
        // Another machine's: nothing is known but that it says nothing new.
        let elsewhere = Holder { machine: "elsewhere".to_owned(), ..dead };
        let said = text(&elsewhere);
        fs::write(path(folder.path(), 6), &said).expect("writes");
        assert!(!claim.is_mine(), "a sleeper sees that it was taken over");
        let mut watcher = Watcher::default();
        assert!(watcher.try_claim(folder.path()).expect("reads").is_none());
        let long_ago = Instant::now().checked_sub(STALE + BEAT).expect("a clock that began before");
        watcher.seen = Some((6, said, long_ago));
        assert!(watcher.try_claim(folder.path()).expect("writes").is_some_and(|claim| claim.number == 7));
    }
}
