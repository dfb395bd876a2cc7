//! Maps that run on all cores natively and on the one core of the browser, and loops compiled for the
//! widest vector unit of the machine they run on.

/// Threads that share the work.
#[cfg(not(target_arch = "wasm32"))]
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Threads that share the work.
#[cfg(target_arch = "wasm32")]
pub fn threads() -> usize {
    1
}

/// `f(0), f(1), ... f(count - 1)`, in that order.
///
/// ```
/// assert_eq!(crossdub_kernels::parallel::map(4, |n| n * n), [0, 1, 4, 9]);
/// ```
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

/// Maps over items, in order.
#[cfg(not(target_arch = "wasm32"))]
pub fn map_items<T: Send, R: Send>(items: Vec<T>, f: impl Fn(usize, T) -> R + Sync + Send) -> Vec<R> {
    use rayon::prelude::*;
    items.into_par_iter().enumerate().map(|(index, item)| f(index, item)).collect()
}

/// Maps over items, in order.
#[cfg(target_arch = "wasm32")]
pub fn map_items<T: Send, R: Send>(items: Vec<T>, f: impl Fn(usize, T) -> R + Sync + Send) -> Vec<R> {
    items.into_iter().enumerate().map(|(index, item)| f(index, item)).collect()
}

/// Maps over chunks of a slice, each of `size` elements except the last, in order.
#[cfg(not(target_arch = "wasm32"))]
pub fn map_chunks<T: Send, R: Send>(
    data: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) -> R + Sync + Send,
) -> Vec<R> {
    use rayon::prelude::*;
    data.par_chunks_mut(size.max(1)).enumerate().map(|(index, chunk)| f(index, chunk)).collect()
}

/// Maps over chunks of a slice, each of `size` elements except the last, in order.
#[cfg(target_arch = "wasm32")]
pub fn map_chunks<T: Send, R: Send>(
    data: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) -> R + Sync + Send,
) -> Vec<R> {
    data.chunks_mut(size.max(1)).enumerate().map(|(index, chunk)| f(index, chunk)).collect()
}

/// Runs `work` with its loops compiled for the machine's vector unit: AVX-512 or AVX2 with a
/// population count, which baseline x86-64 lacks. `work` and the functions that it calls must be `#[inline(always)]`: what
/// is called as a function of its own lacks the unit.
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

/// Runs `work`: on other architectures the compiler's baseline has a vector unit.
#[cfg(not(target_arch = "x86_64"))]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    work()
}
