//! Medians of repeated runs.

use std::time::{Duration, Instant};

use crate::error::Result;

/// Runs after the warm-up: at least and at most.
const MIN_RUNS: usize = 5;
const MAX_RUNS: usize = 25;
/// No new run starts after this long.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// The result of `work` and the milliseconds it took, without dropping the result.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let result = work();
    (result, 1000.0 * started.elapsed().as_secs_f64())
}

/// The median of the milliseconds that `run` returns, after one run to warm up; and the number of runs.
///
/// # Errors
/// When a run fails.
pub fn median_time(mut run: impl FnMut() -> Result<f64>) -> Result<(f64, usize)> {
    run()?;
    let mut times = Vec::new();
    let started = Instant::now();
    while another_run(times.len(), MAX_RUNS, started) {
        times.push(run()?);
    }
    let runs = times.len();
    Ok((median(times), runs))
}

/// Whether to run once more after `runs` runs.
pub fn another_run(runs: usize, max_runs: usize, started: Instant) -> bool {
    runs < MIN_RUNS || (runs < max_runs && started.elapsed() < TIME_LIMIT)
}

/// The middle value, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
