//! Leases on folders: at most one process works in a folder, also among machines that share it.
//!
//! A lease is a file `lease-N` that only one process can create and that its owner rewrites every few
//! seconds (the heartbeat). A process that sees a lease unchanged for long enough takes the folder over by
//! creating `lease-N+1`; an owner that was merely suspended sees the higher number and stops. An owner that
//! died on the same host is recognized at once. No clocks are compared, only how long a file stays the same.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cli::files;
use crate::error::{Error, Result};

/// How often an owner rewrites its lease.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How long a lease may stay unchanged; shared folders can show changes a minute late.
const EXPIRES_AFTER: Duration = Duration::from_secs(120);

/// The content of a lease file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LeaseInfo {
    /// Boot ID of the host and its PID namespace.
    host: String,
    /// Process ID of the owner.
    pid: u32,
    /// When that process started: process IDs are reused.
    started: String,
    /// Increases with every rewrite.
    heartbeat: u64,
}

/// The exclusive right to work in a folder, until dropped.
pub struct Lease {
    folder: PathBuf,
    number: u64,
    stopped: Arc<AtomicBool>,
    heartbeat_thread: Option<JoinHandle<()>>,
}

/// Polls the leases of many folders, whoever asks.
#[derive(Default)]
pub struct LeaseMonitors(Mutex<HashMap<PathBuf, LeaseMonitor>>);

impl LeaseMonitors {
    /// As [`LeaseMonitor::try_acquire`], by what all calls have seen.
    ///
    /// # Errors
    /// If the folder can't be listed or written.
    pub fn try_acquire(&self, folder: &Path) -> Result<Option<Lease>> {
        // Ignores poisoning: each value is replaced whole.
        let mut monitors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        monitors.entry(folder.to_owned()).or_default().try_acquire(folder)
    }
}

/// Polls the leases of one folder and notices expired ones.
#[derive(Default)]
struct LeaseMonitor {
    seen: Option<(u64, String, Instant)>,
}

impl LeaseMonitor {
    /// Takes the lease on the folder, if no live process holds it.
    ///
    /// # Errors
    /// If the folder can't be listed or written.
    fn try_acquire(&mut self, folder: &Path) -> Result<Option<Lease>> {
        let Some(newest) = newest(folder)? else { return Lease::create(folder, 1) };
        let content = fs::read_to_string(path(folder, newest)).unwrap_or_default();
        let unchanged = match &self.seen {
            Some((number, before, since)) if *number == newest && *before == content => since.elapsed(),
            _ => {
                self.seen = Some((newest, content.clone(), Instant::now()));
                Duration::ZERO
            }
        };
        let dead = serde_json::from_str(&content).is_ok_and(|info| is_dead(&info));
        if dead || unchanged > EXPIRES_AFTER { Lease::create(folder, newest + 1) } else { Ok(None) }
    }
}

impl Lease {
    /// Creates a lease with this number; `None` if another process was faster.
    fn create(folder: &Path, number: u64) -> Result<Option<Self>> {
        let path = path(folder, number);
        let fail = |why| Error::file("taking the lease on a folder", files::display_path(&path), why);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(why) if why.kind() == ErrorKind::AlreadyExists => return Ok(None),
            other => other.map_err(fail)?,
        };
        let mut info = LeaseInfo {
            host: host_id(),
            pid: std::process::id(),
            started: process_start(std::process::id()),
            heartbeat: 0,
        };
        file.write_all(to_json(&info).as_bytes()).map_err(fail)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let heartbeat_thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                thread::park_timeout(HEARTBEAT_INTERVAL);
                info.heartbeat += 1;
                // Never recreates the file: a removed lease is gone. A failed heartbeat is merely late.
                drop(OpenOptions::new().write(true).open(&path).and_then(|mut file| {
                    let content = to_json(&info);
                    file.write_all(content.as_bytes())?;
                    file.set_len(content.len() as u64)
                }));
            }
        });
        Ok(Some(Self {
            folder: folder.to_owned(),
            number,
            stopped,
            heartbeat_thread: Some(heartbeat_thread),
        }))
    }

    /// Whether no other process has taken the folder over. A folder that can't be listed right now is not lost.
    pub fn is_held(&self) -> bool {
        newest(&self.folder).map_or(true, |newest| newest == Some(self.number))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(heartbeat_thread) = self.heartbeat_thread.take() {
            heartbeat_thread.thread().unpark();
            drop(heartbeat_thread.join());
        }
        // Our own lease goes last: while it exists, nobody creates a lower one.
        for number in 1..=self.number {
            drop(fs::remove_file(path(&self.folder, number)));
        }
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("lease-{number}"))
}

/// The highest lease number in a folder.
fn newest(folder: &Path) -> Result<Option<u64>> {
    let entries = fs::read_dir(folder)
        .map_err(|why| Error::file("listing leases", files::display_path(folder), &why).with_source(why))?;
    let number = |name: std::ffi::OsString| name.to_str()?.strip_prefix("lease-")?.parse().ok();
    Ok(entries.filter_map(|entry| number(entry.ok()?.file_name())).max())
}

fn to_json(info: &LeaseInfo) -> String {
    serde_json::to_string(info).unwrap_or_default()
}

/// Whether the owner is a process of this host that has ended; false if unknown.
fn is_dead(info: &LeaseInfo) -> bool {
    let here = host_id();
    !here.is_empty() && info.host == here && info.started != process_start(info.pid)
}

/// Boot ID and PID namespace of this host; empty if unknown.
fn host_id() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string());
    match (boot.trim(), space) {
        ("", _) | (_, Err(_)) => String::new(),
        (boot, Ok(space)) => format!("{boot} {space}"),
    }
}

/// When a process started, in clock ticks; empty if it doesn't exist.
fn process_start(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the program's name in parentheses, and may hold anything.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace();
    let state = fields.next();
    // A zombie has ended, though its process ID is still taken.
    if state == Some("Z") { String::new() } else { fields.nth(18).unwrap_or_default().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut monitor = LeaseMonitor::default();
        let lease = monitor.try_acquire(folder.path()).expect("writes").expect("free");
        assert!(lease.is_held());
        assert!(monitor.try_acquire(folder.path()).expect("reads").is_none());
        drop(lease);
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0);
        assert!(monitor.try_acquire(folder.path()).expect("writes").is_some());
    }

    /// As a sweep does, which goes on to another run in between.
    #[test]
    fn a_folder_that_is_asked_for_now_and_then_expires_too() {
        let (folder, other) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let elsewhere =
            LeaseInfo { host: "elsewhere".to_owned(), pid: 1, started: "1".to_owned(), heartbeat: 3 };
        fs::write(path(folder.path(), 1), to_json(&elsewhere)).expect("writes");
        let monitors = LeaseMonitors::default();
        assert!(monitors.try_acquire(folder.path()).expect("reads").is_none());
        assert!(monitors.try_acquire(other.path()).expect("writes").is_some());
        let long_ago =
            Instant::now().checked_sub(EXPIRES_AFTER + HEARTBEAT_INTERVAL).expect("a monotonic clock");
        let mut seen = monitors.0.lock().expect("not poisoned");
        seen.get_mut(folder.path()).and_then(|monitor| monitor.seen.as_mut()).expect("remembered").2 =
            long_ago;
        drop(seen);
        assert!(monitors.try_acquire(folder.path()).expect("writes").is_some());
    }

    #[test]
    fn concurrent_attempts_give_one_lease() {
        let folder = tempfile::tempdir().expect("a folder");
        let held: Vec<Option<Lease>> = thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| LeaseMonitor::default().try_acquire(folder.path()).expect("writes")))
                .collect();
            tries.into_iter().map(|one| one.join().expect("ends")).collect()
        });
        assert_eq!(held.iter().flatten().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn dead_owners_are_replaced_at_once_and_silent_ones_after_a_while() {
        let folder = tempfile::tempdir().expect("a folder");
        let dead = LeaseInfo { host: host_id(), pid: u32::MAX, started: "1".to_owned(), heartbeat: 3 };
        fs::write(path(folder.path(), 4), to_json(&dead)).expect("writes");
        let lease = LeaseMonitor::default().try_acquire(folder.path()).expect("writes").expect("takes over");
        assert_eq!(lease.number, 5);
        // On another host: all that is known is that the file doesn't change.
        let elsewhere = LeaseInfo { host: "elsewhere".to_owned(), ..dead };
        let content = to_json(&elsewhere);
        fs::write(path(folder.path(), 6), &content).expect("writes");
        assert!(!lease.is_held(), "a suspended owner sees that it was replaced");
        let mut monitor = LeaseMonitor::default();
        assert!(monitor.try_acquire(folder.path()).expect("reads").is_none());
        let long_ago = Instant::now()
            .checked_sub(EXPIRES_AFTER + HEARTBEAT_INTERVAL)
            .expect("a monotonic clock that started earlier");
        monitor.seen = Some((6, content, long_ago));
        assert!(monitor.try_acquire(folder.path()).expect("writes").is_some_and(|lease| lease.number == 7));
    }
}
