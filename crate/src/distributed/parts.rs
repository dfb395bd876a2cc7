//! How a batch is split: the one rule of devices and of the browser's workers.

use std::ops::Range;

/// Splits a batch into parts of nearly equal size, in order and without empty ones.
pub(super) fn split_batch(batch: usize, devices: usize) -> Vec<Range<usize>> {
    let ends = (0..=devices).map(|at| at * batch / devices);
    let starts = ends.clone();
    starts.zip(ends.skip(1)).map(|(start, end)| start..end).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::split_batch;

    #[test]
    fn parts_cover_the_batch_in_order() {
        assert_eq!(split_batch(5, 2), [0..2, 2..5]);
        assert_eq!(split_batch(2, 3), [0..1, 1..2]);
        assert_eq!(split_batch(64, 1).first(), Some(&(0..64)));
        for batch in 1..40 {
            for devices in 1..9 {
                let parts = split_batch(batch, devices);
                assert_eq!(parts.len(), devices.min(batch));
                assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, batch));
                assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            }
        }
    }
}
