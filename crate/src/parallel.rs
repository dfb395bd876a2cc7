//! Two helpers: the same map on all cores natively and on the only one in the browser, and loops
//! compiled for the widest vector unit of the machine they run on.

/// `f(0), f(1), ... f(count - 1)`, in that order.
#[cfg(not(target_arch = "wasm32"))]
pub fn map<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    use rayon::prelude::*;
    (0..count).into_par_iter().map(f).collect()
}

/// `f(0), f(1), ... f(count - 1)`, in that order.
#[cfg(target_arch = "wasm32")]
pub fn map<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    (0..count).map(f).collect()
}

/// The same over chunks of a slice, each of `size` elements but the last.
#[cfg(not(target_arch = "wasm32"))]
pub fn map_chunks<T: Send, R: Send>(
    data: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) -> R + Sync + Send,
) -> Vec<R> {
    use rayon::prelude::*;
    data.par_chunks_mut(size.max(1)).enumerate().map(|(index, chunk)| f(index, chunk)).collect()
}

/// Runs `work`, its loops compiled for the vector unit at hand: AVX-512 or AVX2 with a population
/// count, which the baseline of x86-64 lacks. What it calls must be inlined into it.
#[cfg(target_arch = "x86_64")]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    use pulp::x86::{V3, V4};

    struct Work<F>(F);
    impl<R, F: FnOnce() -> R> pulp::WithSimd for Work<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> R {
            (self.0)()
        }
    }
    if let Some(unit) = V4::try_new() {
        pulp::Simd::vectorize(unit, Work(work))
    } else if let Some(unit) = V3::try_new() {
        pulp::Simd::vectorize(unit, Work(work))
    } else {
        work()
    }
}

/// Runs `work`: elsewhere the compiler's baseline has a vector unit.
#[cfg(not(target_arch = "x86_64"))]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    work()
}
