//! One helper: the same map on all cores natively and on the only one in the browser.

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
