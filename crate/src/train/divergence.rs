//! Notices a run that has diverged: a loss that is no number, or an accuracy back at chance.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What was reached so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DivergenceDetector {
    best_accuracy: f64,
}

impl DivergenceDetector {
    /// Looks at a step's loss.
    ///
    /// # Errors
    /// When it is NaN or infinite.
    pub fn loss(self, step: u64, loss: f64) -> Result<()> {
        if loss.is_finite() {
            return Ok(());
        }
        let why = format!("the loss is {loss}: it has diverged; try a lower learning rate or lambda");
        Err(Error::diverged(step, why))
    }

    /// Looks at an accuracy in percent. A run that had learned (twice chance or more) and is back
    /// within a tenth of chance has diverged, as several of the authors' runs did at 10 %.
    ///
    /// # Errors
    /// When it has.
    pub fn accuracy(&mut self, step: u64, accuracy: f64, classes: usize) -> Result<()> {
        let chance = 100.0 / classes as f64;
        let best = self.best_accuracy;
        self.best_accuracy = best.max(accuracy);
        if best < 2.0 * chance || accuracy > 1.1 * chance {
            return Ok(());
        }
        let why = format!(
            "accuracy fell from {best:.1} % back to chance ({accuracy:.1} %): it has diverged; \
             try a lower learning rate or lambda"
        );
        Err(Error::diverged(step, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_divergence_only_after_learning() {
        let mut watch = DivergenceDetector::default();
        assert!(watch.accuracy(1, 10.0, 10).is_ok(), "not yet learned");
        assert!(watch.accuracy(2, 45.0, 10).is_ok());
        assert!(watch.accuracy(3, 30.0, 10).is_ok(), "worse, but learning");
        assert!(watch.accuracy(4, 10.2, 10).is_err());
        assert!(watch.loss(5, f64::NAN).is_err());
        assert!(watch.loss(5, 1e9).is_ok());
    }
}
