//! Image files that could not be read: each is logged once, and too many of them end the run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};

/// The files skipped in a run.
#[derive(Debug)]
pub struct Skipped {
    files: Mutex<BTreeMap<String, String>>,
    images: usize,
    /// Share of all images that may be unreadable, in percent.
    limit: f64,
}

impl Skipped {
    /// No skipped files yet, out of `images`; `limit` in percent.
    pub fn new(images: usize, limit: f64) -> Self {
        Self { files: Mutex::default(), images, limit }
    }

    /// Records a file, and logs a warning the first time.
    pub fn note(&self, file: &str, why: &str) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.insert(file.to_owned(), why.to_owned()).is_none() {
            tracing::warn!("passed over {file}: {why}");
        }
    }

    /// The files with the reasons, sorted by name.
    pub fn files(&self) -> Vec<(String, String)> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().map(|(file, why)| (file.clone(), why.clone())).collect()
    }

    /// Checks that not too many files are unreadable.
    ///
    /// # Errors
    /// If there are more than the limit.
    pub fn check(&self) -> Result<()> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((file, why)) = files.first_key_value() else { return Ok(()) };
        if files.len() as f64 <= self.limit / 100.0 * self.images as f64 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::TooManyUnreadable {
            file: file.clone(),
            reason: why.clone(),
            unreadable: files.len(),
            images: self.images,
            max_percent: self.limit.to_string(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_bad_files_end_the_run() {
        let skipped = Skipped::new(2000, 0.1);
        assert!(skipped.check().is_ok());
        for file in ["a", "b", "a"] {
            skipped.note(file, "truncated");
        }
        assert!(skipped.check().is_ok(), "two of 2000 are 0.1 %");
        skipped.note("c", "empty");
        assert!(skipped.check().is_err_and(|why| why.to_string().contains("3 of 2000")));
        assert_eq!(skipped.files().len(), 3);
    }
}
