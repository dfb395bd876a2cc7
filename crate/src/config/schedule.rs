//! [`Schedule`]: how the learning rate changes over a run.

use serde::{Deserialize, Serialize};

/// Share of a one-cycle run in which the learning rate rises, as in PyTorch.
const RISING_SHARE: f64 = 0.3;
/// What a one-cycle run starts at: the largest learning rate divided by this.
const START_DIVISOR: f64 = 25.0;
/// What it ends at: the start divided by this.
const END_DIVISOR: f64 = 1e4;

/// How the learning rate changes over a run. The names are those of PyTorch's schedulers.
///
/// ```
/// use crossdub::config::Schedule;
///
/// let milestones = [2];
/// let rate = |schedule: Schedule, step| schedule.learning_rate(0.1, &milestones, step, (10, 4));
/// assert_eq!(rate(Schedule::MultiStep, 19), 0.1);
/// assert_eq!(rate(Schedule::OneCycle, 11), 0.1, "the largest, after 30 % of the 40 steps");
/// assert!(rate(Schedule::OneCycle, 39) < 1e-6);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schedule {
    /// Constant; a tenth after each milestone (PyTorch's `MultiStepLR` with `gamma=0.1`).
    #[default]
    MultiStep,
    /// Rises from 1/25 of the learning rate to all of it in the first 30 % of the steps, then falls to nearly 0, both along
    /// a cosine (PyTorch's `OneCycleLR` with its defaults). Momentum does not change (`cycle_momentum=False`), and
    /// milestones have no effect.
    OneCycle,
}

impl Schedule {
    /// The learning rate of a step, counted from 0, where `largest` is the configured one and `length` the run's steps an
    /// epoch and its epochs. It depends on the step alone, so a resumed run has the same.
    ///
    /// ```
    /// # use crossdub::config::Schedule;
    /// assert_eq!(Schedule::MultiStep.learning_rate(0.5, &[], 7, (4, 2)), 0.5);
    /// ```
    #[must_use]
    pub fn learning_rate(
        self,
        largest: f64,
        milestones: &[usize],
        step: u64,
        (steps_per_epoch, epochs): (u64, usize),
    ) -> f64 {
        match self {
            Self::MultiStep => {
                let epoch = (step / steps_per_epoch.max(1)) as usize;
                let passed = milestones.iter().filter(|&&milestone| epoch >= milestone).count();
                largest * 0.1_f64.powi(passed as i32)
            }
            Self::OneCycle => one_cycle(largest, step, steps_per_epoch * epochs as u64),
        }
    }
}

fn one_cycle(largest: f64, step: u64, steps: u64) -> f64 {
    let (start, step) = (largest / START_DIVISOR, step as f64);
    // The steps of the peak and of the end.
    let peak = RISING_SHARE * steps as f64 - 1.0;
    let end = steps as f64 - 1.0;
    if step <= peak {
        // A peak at the first step has no rise before it.
        let part = if peak > 0.0 { step / peak } else { 1.0 };
        along_cosine(start, largest, part)
    } else {
        along_cosine(largest, start / END_DIVISOR, ((step - peak) / (end - peak)).min(1.0))
    }
}

/// From one value to another along half a cosine.
fn along_cosine(from: f64, to: f64, part: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * part).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)`.
    const PYTORCH: [f64; 10] = [
        0.0040000000000000036,
        0.052000000000000005,
        0.1,
        0.09504846320134738,
        0.0811745653949763,
        0.06112620219362893,
        0.03887419780637107,
        0.0188258346050237,
        0.004951936798652629,
        4e-07,
    ];
    /// The same for `max_lr=0.4, total_steps=100`, at some steps.
    const PYTORCH_LONG: [(u64, f64); 8] = [
        (0, 0.016000000000000014),
        (1, 0.017125512226362993),
        (15, 0.21839467044840016),
        (29, 0.4),
        (30, 0.39979861411380974),
        (64, 0.2000008),
        (98, 0.0002029858861903152),
        (99, 1.6e-06),
    ];
    /// And for runs of 1, 2 and 3 steps, and `max_lr=0.1`.
    const PYTORCH_SHORT: [&[f64]; 3] =
        [&[4e-07], &[0.0811745653949763, 4e-07], &[0.09944154354509119, 0.046263710266697504, 4e-07]];

    fn assert_close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-12 * expected.abs().max(1e-3), "{got} instead of {expected}");
    }

    #[test]
    fn one_cycle_is_that_of_pytorch() {
        for (step, expected) in (0..).zip(PYTORCH) {
            assert_close(Schedule::OneCycle.learning_rate(0.1, &[], step, (5, 2)), expected);
        }
        for (step, expected) in PYTORCH_LONG {
            assert_close(Schedule::OneCycle.learning_rate(0.4, &[1, 2], step, (20, 5)), expected);
        }
        for (steps, expected) in (1..).zip(PYTORCH_SHORT) {
            for (step, expected) in (0..).zip(expected) {
                assert_close(Schedule::OneCycle.learning_rate(0.1, &[], step, (steps, 1)), *expected);
            }
        }
    }

    #[test]
    fn one_cycle_takes_any_length() {
        for (steps, epochs) in [(1, 1), (1, 4), (3, 1), (10, 1), (1000, 1000), (0, 0)] {
            for step in [0, 1, 2, 3, 9, 1_000_000] {
                let rate = Schedule::OneCycle.learning_rate(0.1, &[], step, (steps, epochs));
                assert!((0.0..=0.1 + 1e-12).contains(&rate), "{rate} at {step} of {steps} x {epochs}");
            }
        }
    }

    #[test]
    fn milestones_divide_by_ten() {
        let rate = |step| Schedule::MultiStep.learning_rate(1.0, &[1, 3], step, (2, 4));
        for (step, expected) in [(0, 1.0), (1, 1.0), (2, 0.1), (5, 0.1), (6, 0.01)] {
            assert_close(rate(step), expected);
        }
    }
}
