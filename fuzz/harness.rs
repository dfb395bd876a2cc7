//! Runs a target with a limit on the memory it may hold at once.

#[cfg(feature = "application")]
#[path = "application_targets.rs"]
mod application_targets;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "seeds.rs"]
mod seeds;
#[path = "targets.rs"]
mod targets;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the bytes that are allocated, and the most that ever were.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Writes a target's seeds to the folder that `FUZZ_SEEDS` names, if it is set.
pub fn write_seeds(name: &str) {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).expect("a folder for the seeds");
    let (_, seeds) = seeds::all().into_iter().find(|(target, _)| *target == name).expect("a known target");
    for (at, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{at}")), seed).expect("writable");
    }
}

/// Runs one input; panics if it panics or holds more memory than its target allows.
pub fn run(name: &str, data: &[u8]) {
    // The crate catches the panics of image decoders, so a panic must not abort by itself. libfuzzer-sys
    // still reports those that leave a target.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
    let mut all = targets::TARGETS.iter();
    #[cfg(feature = "application")]
    let mut all = all.by_ref().chain(application_targets::TARGETS);
    let target = all.find(|target| target.name == name).expect("a known target");
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    (target.run)(data);
    let used = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    let allowed = target.spare + target.per_byte * data.len();
    assert!(used <= allowed, "{used} bytes of memory for {} bytes of input", data.len());
}
