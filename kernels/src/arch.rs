//! The vector unit of this machine.

use pulp::{Simd, WithSimd};

/// Runs `work` compiled for the widest vector unit of this machine. Everything it calls must be inlined into it.
#[cfg(not(all(target_arch = "wasm32", feature = "relaxed-simd")))]
pub fn dispatch<W: WithSimd>(work: W) -> W::Output {
    pulp::Arch::new().dispatch(work)
}

/// Runs `work` with relaxed SIMD. A module that has such instructions loads only where the browser has them, so that nothing else
/// is compiled into it.
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
pub fn dispatch<W: WithSimd>(work: W) -> W::Output {
    pulp::wasm::enable_relaxed_simd();
    match pulp::wasm::RelaxedSimd::try_new() {
        Some(simd) => Simd::vectorize(simd, work),
        None => unreachable!("relaxed SIMD is enabled"),
    }
}

/// Floats in a vector of this machine.
pub fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(Lanes)
}
