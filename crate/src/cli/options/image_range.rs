//! The option `--range`.

use std::ops::Range;

use crate::error::{Error, Result};

/// Parses `FROM..TO` within the available images; without `text`, all of them.
///
/// # Errors
/// If it is not such a range.
pub fn parse_range(text: Option<&str>, images: usize) -> Result<Range<usize>> {
    let Some(text) = text else { return Ok(0..images) };
    let parse = || {
        let (from, to) = text.split_once("..")?;
        let from = if from.is_empty() { 0 } else { from.parse().ok()? };
        let to = if to.is_empty() { images } else { to.parse().ok()? };
        (from < to && to <= images).then_some(from..to)
    };
    parse().ok_or_else(|| Error::field("range", text, format!("must be FROM..TO within 0..{images}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_within_the_images() {
        assert_eq!(parse_range(Some("2..5"), 8), Ok(2..5));
        assert_eq!(parse_range(None, 8), Ok(0..8));
        assert_eq!(parse_range(Some(".."), 8), Ok(0..8));
        for bad in ["5..2", "0..9", "3", "a..b", "-1..2"] {
            assert!(parse_range(Some(bad), 8).is_err(), "{bad}");
        }
    }
}
