//! What the machine can do at most: the roof over all other times.

use super::BenchTime;
use crate::cli::measure::roofline::Roofline;

/// Measures products in registers and copies in memory.
pub(super) fn measure() -> Vec<BenchTime> {
    let Roofline { multiply_adds, bytes } = Roofline::here();
    let products = BenchTime::new(
        "peak-products",
        "the machine's peak: a thousand million multiply-adds in registers",
        1e9 / multiply_adds,
        9,
    );
    let copies = BenchTime::new(
        "peak-memory",
        "the machine's peak: a gigabyte read and written in memory",
        1e9 / bytes,
        9,
    );
    vec![
        products.with_note(format!("{:.0} GFLOP/s", 2.0 * multiply_adds / 1e6)),
        copies.with_note(format!("{:.1} GB/s", bytes / 1e6)),
    ]
}
