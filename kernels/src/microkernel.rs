//! The inner loop of every product here: a tile of 4 rows and 2 vectors.
//!
//! Its 8 accumulators cover the latency of both multiply-add units of a core, and with the operands they fit into the
//! 16 vector registers of AVX2 and of WebAssembly.

use pulp::Simd;

/// Rows of a tile: values that are broadcast.
pub const ROWS: usize = 4;
/// Vectors of a tile: its columns are this many times the lanes of the vector unit.
pub const VECTORS: usize = 2;

/// The accumulators of a tile, `[row][vector]`.
pub type Tile<S> = [[<S as Simd>::f32s; VECTORS]; ROWS];

/// A tile of zeros.
#[inline(always)]
pub fn zero<S: Simd>(simd: S) -> Tile<S> {
    [[simd.splat_f32s(0.0); VECTORS]; ROWS]
}

/// `tile[r][v] += rows[r][k] * b[k][v]` for every k, in order.
#[inline(always)]
pub fn multiply_rows<S: Simd>(simd: S, rows: [&[f32]; ROWS], b: &[S::f32s], mut tile: Tile<S>) -> Tile<S> {
    let (b, _) = b.as_chunks::<VECTORS>();
    let [r0, r1, r2, r3] = rows;
    for ((((b, a0), a1), a2), a3) in b.iter().zip(r0).zip(r1).zip(r2).zip(r3) {
        for (row, a) in [a0, a1, a2, a3].into_iter().enumerate() {
            let value = simd.splat_f32s(*a);
            for vector in 0..VECTORS {
                tile[row][vector] = simd.mul_add_e_f32s(value, b[vector], tile[row][vector]);
            }
        }
    }
    tile
}
