//! A converter as a table over bits; between and beyond its points values follow straight lines on a
//! logarithmic axis.

use crate::adc::estimate::ModelEstimate;

/// One number of bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TablePoint {
    /// Bits, 1 to 16.
    pub bits: u32,
    /// pJ a conversion, above 0.
    pub energy_pj: f64,
    /// Area, um2, above 0.
    pub area_um2: Option<f64>,
    /// Time of a conversion, ns, above 0.
    pub time_ns: Option<f64>,
}

/// Points of rising bits.
#[derive(Debug, Clone, PartialEq)]
pub struct LogTable {
    points: Vec<TablePoint>,
}

impl LogTable {
    /// A table of at least one point, with rising bits and positive values.
    pub fn new(points: Vec<TablePoint>) -> Self {
        Self { points }
    }

    /// What a conversion costs; marked beyond the first and last point.
    pub fn estimate(&self, bits: u32) -> ModelEstimate {
        let column = |value: fn(&TablePoint) -> Option<f64>| {
            let points: Vec<(u32, f64)> =
                self.points.iter().filter_map(|point| Some((point.bits, value(point)?))).collect();
            on_log_axis(&points, bits)
        };
        let estimate = ModelEstimate {
            energy: column(|point| Some(point.energy_pj)).unwrap_or(0.0),
            area_um2: column(|point| point.area_um2),
            time_ns: column(|point| point.time_ns),
            out_of_range: None,
        };
        let low = self.points.first().map_or(0, |point| point.bits);
        let high = self.points.last().map_or(0, |point| point.bits);
        estimate.within_bits(bits, low, high)
    }
}

/// The value at `bits` on straight lines through the points' logarithms; the outer lines continue.
fn on_log_axis(points: &[(u32, f64)], bits: u32) -> Option<f64> {
    if let Some(&(_, value)) = points.iter().find(|(at, _)| *at == bits) {
        return Some(value);
    }
    let ((from, low), (to, high)) = match points {
        [] => return None,
        [(_, only)] => return Some(*only),
        points => {
            let after = points.iter().position(|(at, _)| *at > bits).unwrap_or(points.len());
            let after = after.clamp(1, points.len() - 1);
            (points[after - 1], points[after])
        }
    };
    let along = (f64::from(bits) - f64::from(from)) / (f64::from(to) - f64::from(from));
    Some(low * (high / low).powf(along))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_straight_on_a_logarithmic_axis() {
        let points = [(4, 1.0), (6, 4.0), (8, 64.0)];
        let at = |bits| on_log_axis(&points, bits).expect("a value");
        for (bits, expected) in [(2, 0.25), (4, 1.0), (5, 2.0), (7, 16.0), (8, 64.0), (9, 256.0)] {
            assert!((at(bits) / expected - 1.0).abs() < 1e-12, "{bits} bits: {}", at(bits));
        }
        assert_eq!(on_log_axis(&points[..1], 9), Some(1.0));
        assert_eq!(on_log_axis(&[], 9), None);
    }
}
