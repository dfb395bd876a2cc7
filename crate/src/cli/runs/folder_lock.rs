//! A lock on a run's folder: two processes would write each other's metrics and delete each other's checkpoints.
//!
//! The system's lock on the folder itself leaves no file, ends with the process however that ends, and does not go
//! along with a copy. Leases do more, for the stages that machines share.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::files;
use crate::cli::output;
use crate::error::{Error, Result};

/// A process that was killed or interrupted a moment ago may still be saving.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a held lock is tried again.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The exclusive right to train in a folder, until dropped.
pub struct FolderLock {
    /// `None` where folders can't be locked: on Windows, and on some network file systems.
    _folder: Option<File>,
}

impl FolderLock {
    /// Locks a folder.
    ///
    /// # Errors
    /// If another process goes on to hold it.
    pub fn acquire(path: &Path) -> Result<Self> {
        let Ok(folder) = File::open(path) else { return Ok(Self { _folder: None }) };
        let (began, mut waits) = (Instant::now(), false);
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(Self { _folder: Some(folder) }),
                Err(TryLockError::Error(_)) => return Ok(Self { _folder: None }),
                Err(TryLockError::WouldBlock) => {}
            }
            if began.elapsed() > PATIENCE {
                let why = "another process trains in this folder";
                return Err(Error::file("training", files::display_path(path), why));
            }
            if !waits {
                waits = true;
                let path = files::display_path(path);
                output::status(&format!(
                    "{path}: another process trains in this folder; waiting for its end"
                ));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}
