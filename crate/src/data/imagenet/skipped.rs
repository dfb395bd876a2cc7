//! Image files that could not be read: counted, named once, and no longer borne when they are too many.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};

/// The files passed over in a run.
#[derive(Debug)]
pub struct Skipped {
    files: Mutex<BTreeMap<String, String>>,
    images: usize,
    /// Share of all images that may be bad, in percent.
    limit: f64,
}

impl Skipped {
    /// None so far, of `images`; `limit` in percent.
    pub fn new(images: usize, limit: f64) -> Self {
        Self { files: Mutex::default(), images, limit }
    }

    /// Notes a file; a warning names it the first time.
    pub fn note(&self, file: &str, why: &str) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.insert(file.to_owned(), why.to_owned()).is_none() {
            tracing::warn!("passed over {file}: {why}");
        }
    }

    /// The files and what is wrong with each, by name.
    pub fn files(&self) -> Vec<(String, String)> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().map(|(file, why)| (file.clone(), why.clone())).collect()
    }

    /// Refuses to go on with too many.
    ///
    /// # Errors
    /// When more than the limit are bad.
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
            skipped.note(file, "cut off");
        }
        assert!(skipped.check().is_ok(), "two of 2000 are 0.1 %");
        skipped.note("c", "empty");
        assert!(skipped.check().is_err_and(|why| why.to_string().contains("3 of 2000")));
        assert_eq!(skipped.files().len(), 3);
    }
}
