//! Random numbers by seed and position, never by how many were drawn before.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// An independent random stream for each (seed, purpose, index, index). Drawing from one never shifts
/// another, so image 7 or epoch 7 is the same regardless of what came before it.
///
/// The four numbers are the key itself: a key is a stable format, while the seeding helpers of
/// libraries change.
pub(crate) fn rng_for(seed: u64, purpose: u64, first: u64, second: u64) -> ChaCha8Rng {
    let mut key = [0_u8; 32];
    for (bytes, number) in key.chunks_exact_mut(8).zip([seed, purpose, first, second]) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A uniform integer below `limit`. Always takes 32 random bits, so native builds and the browser,
/// where `usize` is narrower, agree. For the small limits used here the bias is far below one in a
/// million.
pub(crate) fn uniform_below(rng: &mut impl rand::Rng, limit: u32) -> u32 {
    let scaled = (u64::from(rng.next_u32()) * u64::from(limit)) >> 32;
    scaled as u32
}
