//! Detects divergence: a loss that is not finite, or accuracy back at chance.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Watches a run for divergence.
///
/// ```
/// use crossdub::train::divergence::DivergenceDetector;
///
/// let mut detector = DivergenceDetector::default();
/// assert!(detector.check_accuracy(100, 45.0, 10).is_ok());
/// // Ten classes: 10 % is chance.
/// assert_eq!(detector.check_accuracy(200, 10.1, 10).unwrap_err().code(), "diverged");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DivergenceDetector {
    /// In percent.
    best_accuracy: f64,
}

impl DivergenceDetector {
    /// Checks a step's loss.
    ///
    /// # Errors
    /// When it is NaN or infinite.
    pub fn check_loss(self, step: u64, loss: f64) -> Result<()> {
        if loss.is_finite() {
            return Ok(());
        }
        let reason = format!("the loss is {loss}: it has diverged; try a lower learning rate or lambda");
        Err(Error::diverged(step, reason))
    }

    /// Checks an accuracy, in percent. A run that had learned (twice chance or more) and is back within a tenth of
    /// chance has diverged, as several of the authors' runs did at 10 %.
    ///
    /// # Errors
    /// When the run has diverged.
    pub fn check_accuracy(&mut self, step: u64, accuracy: f64, classes: usize) -> Result<()> {
        let chance = 100.0 / classes as f64;
        let best = self.best_accuracy;
        self.best_accuracy = best.max(accuracy);
        if best < 2.0 * chance || accuracy > 1.1 * chance {
            return Ok(());
        }
        let reason = format!(
            "accuracy fell from {best:.1} % back to chance ({accuracy:.1} %): it has diverged; \
             try a lower learning rate or lambda"
        );
        Err(Error::diverged(step, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_at_chance_is_divergence_only_after_learning() {
        let mut detector = DivergenceDetector::default();
        assert!(detector.check_accuracy(1, 10.0, 10).is_ok(), "not yet learned");
        assert!(detector.check_accuracy(2, 45.0, 10).is_ok());
        assert!(detector.check_accuracy(3, 30.0, 10).is_ok(), "worse, but learning");
        assert!(detector.check_accuracy(4, 10.2, 10).is_err());
        assert!(detector.check_loss(5, f64::NAN).is_err());
        assert!(detector.check_loss(5, 1e9).is_ok());
    }
}
