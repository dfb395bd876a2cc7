//! Maps values to positions of a drawing, with ticks at round numbers.

/// An axis: maps the values `low..=high` to the positions `from..=to`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Scale {
    /// A linear axis around these values, with a margin; it is never empty.
    pub fn linear(values: impl IntoIterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let (low, high) = span(values);
        let margin = if high > low { 0.05 * (high - low) } else { 0.5 };
        Self { low: low - margin, high: high + margin, from, to, logarithmic: false }
    }

    /// A linear axis from `low` to `high`.
    pub fn exact((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        Self { low, high: if high > low { high } else { low + 1.0 }, from, to, logarithmic: false }
    }

    /// A logarithmic axis around these positive values.
    pub fn logarithmic(values: impl IntoIterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let (low, high) = span(values);
        let low = low.max(f64::MIN_POSITIVE);
        Self { low: low / 1.08, high: (high * 1.08).max(low * 1.5), from, to, logarithmic: true }
    }

    /// The position of a value; values beyond an end are drawn at that end.
    pub fn place(&self, value: f64) -> f64 {
        let (low, high, value) = if self.logarithmic {
            (self.low.ln(), self.high.ln(), value.max(f64::MIN_POSITIVE).ln())
        } else {
            (self.low, self.high, value)
        };
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        self.from + share * (self.to - self.from)
    }

    /// Whether the axis contains a value.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// About `count` round values within the axis.
    pub fn ticks(&self, count: usize) -> Vec<f64> {
        if self.logarithmic {
            return self.log_ticks();
        }
        let step = round_step((self.high - self.low) / count.max(1) as f64);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|at| at as f64 * step).collect()
    }

    /// 1, 2 and 5 times powers of ten; more on a short axis.
    fn log_ticks(&self) -> Vec<f64> {
        let fine: &[f64] = if self.high / self.low < 4.0 {
            &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        let tens = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let all = tens.flat_map(|ten| fine.iter().map(move |digit| digit * 10_f64.powi(ten)));
        all.filter(|tick| self.holds(*tick)).collect()
    }
}

/// The smallest and largest finite value; 0 and 1 if there is none.
fn span(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let ends = finite.fold(None, |ends: Option<(f64, f64)>, value| {
        Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    });
    ends.unwrap_or((0.0, 1.0))
}

/// The next larger 1, 2 or 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(f64::MIN_POSITIVE).log10().floor());
    let digit = step / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|round| digit <= round * 1.001).unwrap_or(10.0);
    round * power
}

/// A position as text: two decimals are finer than any screen.
pub fn at(place: f64) -> String {
    let text = format!("{place:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number as short text, its decimals by its size.
pub fn number(value: f64) -> String {
    let text = match value.abs() {
        size if size == 0.0 || size >= 1e6 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.2e}"),
    };
    let plain = text.contains('.') && !text.contains('e');
    if plain { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale::exact((0.0, 97.0), (0.0, 100.0));
        assert_eq!(scale.ticks(5), [0.0, 20.0, 40.0, 60.0, 80.0]);
        let log = Scale::logarithmic([1.0, 9.0], (0.0, 100.0));
        assert_eq!(log.ticks(0), [1.0, 2.0, 5.0]);
        assert!(log.place(1.0) > 0.0 && log.place(9.0) < 100.0);
        assert_eq!(log.place(1e9), 100.0, "clamped to the end");
    }

    #[test]
    fn an_axis_without_a_range_is_valid() {
        for values in [vec![], vec![3.0], vec![f64::NAN]] {
            let scale = Scale::linear(values, (0.0, 10.0));
            assert!(scale.place(3.0).is_finite() && scale.ticks(4).len() < 20);
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [number(0.0), number(12.5), number(0.12345), number(1e-3)],
            ["0", "12.5", "0.123", "1.00e-3"]
        );
        assert_eq!([at(1.0), at(0.126), at(-2.5)], ["1", "0.13", "-2.5"]);
    }
}
