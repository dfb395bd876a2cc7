//! Batches that worker threads prepare ahead of time, handed out in order.
//!
//! Workers take single items, so that no core waits for a batch's slowest image, and never get more than a few batches
//! ahead, so that memory stays bounded. An item depends on its position alone, not on the thread that makes it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// How batches are made.
pub trait BatchPipeline: Send + Sync + 'static {
    /// What a worker makes for one position.
    type Item: Send;
    /// A whole batch.
    type Batch: Send;

    /// Number of items in a batch; `None` after the last batch.
    fn items(&self, batch: u64) -> Option<usize>;
    /// Makes the item at a position in a batch.
    fn item(&self, batch: u64, place: usize) -> Self::Item;
    /// Assembles a batch from its items, in order.
    fn batch(&self, items: Vec<Self::Item>) -> Self::Batch;
}

/// Batches in order, some of them prepared ahead.
pub struct Prefetch<R: BatchPipeline> {
    shared: Arc<Shared<R>>,
    workers: Vec<JoinHandle<()>>,
    next: u64,
}

struct Shared<R: BatchPipeline> {
    pipeline: R,
    state: Mutex<PrefetchState<R>>,
    /// Signals that there is room to work ahead, or nothing left to do.
    room: Condvar,
    /// Signals that a batch is ready.
    ready: Condvar,
    ahead: u64,
}

struct PrefetchState<R: BatchPipeline> {
    /// The next item that no worker has taken.
    batch: u64,
    place: usize,
    /// Batches before this one were handed out.
    taken: u64,
    /// Items of batches that are being made.
    open: BTreeMap<u64, Vec<Option<R::Item>>>,
    made: BTreeMap<u64, R::Batch>,
    stop: bool,
}

impl<R: BatchPipeline> Prefetch<R> {
    /// Starts `threads` workers at batch `first`, which stay at most `ahead` batches ahead.
    pub fn start(pipeline: R, first: u64, threads: usize, ahead: usize) -> Self {
        let state = PrefetchState {
            batch: first,
            place: 0,
            taken: first,
            open: BTreeMap::new(),
            made: BTreeMap::new(),
            stop: false,
        };
        let shared = Arc::new(Shared {
            pipeline,
            state: Mutex::new(state),
            room: Condvar::new(),
            ready: Condvar::new(),
            ahead: ahead.max(1) as u64,
        });
        let worker = |_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.work())
        };
        let workers = (0..threads.max(1)).map(worker).collect();
        Self { shared, workers, next: first }
    }

    /// Number of the batch that comes next.
    pub fn next_batch(&self) -> u64 {
        self.next
    }

    /// Waits for the next batch; `None` after the last one, or if the workers have died.
    pub fn take(&mut self) -> Option<R::Batch> {
        let mut state = self.shared.state();
        loop {
            if let Some(batch) = state.made.remove(&self.next) {
                self.next += 1;
                state.taken = self.next;
                self.shared.room.notify_all();
                return Some(batch);
            }
            let ended = self.shared.pipeline.items(self.next).is_none();
            if ended || self.workers.iter().all(JoinHandle::is_finished) {
                return None;
            }
            // Waking up from time to time detects workers that have died.
            let wait = std::time::Duration::from_millis(200);
            state = self.shared.ready.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<R: BatchPipeline> Drop for Prefetch<R> {
    fn drop(&mut self) {
        self.shared.state().stop = true;
        self.shared.room.notify_all();
        for worker in self.workers.drain(..) {
            // A panic of the worker was reported where it happened.
            drop(worker.join());
        }
    }
}

impl<R: BatchPipeline> Shared<R> {
    fn state(&self) -> MutexGuard<'_, PrefetchState<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a worker does until the end.
    fn work(&self) {
        while let Some((batch, place)) = self.ticket() {
            let item = self.pipeline.item(batch, place);
            let mut state = self.state();
            let Some(items) = state.open.get_mut(&batch) else { return };
            items[place] = Some(item);
            if items.iter().any(Option::is_none) {
                continue;
            }
            let items = state.open.remove(&batch).unwrap_or_default();
            drop(state);
            let made = self.pipeline.batch(items.into_iter().flatten().collect());
            self.state().made.insert(batch, made);
            self.ready.notify_all();
        }
    }

    /// The next item to make, once there is room for its batch; `None` at the end.
    fn ticket(&self) -> Option<(u64, usize)> {
        let mut state = self.state();
        loop {
            if state.stop {
                return None;
            }
            let count = self.pipeline.items(state.batch)?;
            if state.batch < state.taken + self.ahead {
                let ticket = (state.batch, state.place);
                state.open.entry(ticket.0).or_insert_with(|| (0..count).map(|_| None).collect());
                state.place += 1;
                if state.place >= count {
                    (state.batch, state.place) = (state.batch + 1, 0);
                }
                return Some(ticket);
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Squares {
        made: Arc<AtomicU64>,
    }

    impl BatchPipeline for Squares {
        type Item = u64;
        type Batch = Vec<u64>;

        fn items(&self, batch: u64) -> Option<usize> {
            (batch < 20).then_some(1 + batch as usize % 3)
        }

        fn item(&self, batch: u64, place: usize) -> u64 {
            self.made.fetch_add(1, Ordering::Relaxed);
            // Later places are done sooner.
            std::thread::sleep(std::time::Duration::from_micros(300 - 100 * place as u64));
            100 * batch + place as u64
        }

        fn batch(&self, items: Vec<u64>) -> Vec<u64> {
            items
        }
    }

    fn all(threads: usize, ahead: usize, first: u64) -> Vec<Vec<u64>> {
        let mut batches = Prefetch::start(Squares { made: Arc::default() }, first, threads, ahead);
        std::iter::from_fn(|| batches.take()).collect()
    }

    #[test]
    fn batches_come_in_order_whatever_the_number_of_threads() {
        let expected: Vec<Vec<u64>> =
            (0..20).map(|batch| (0..1 + batch % 3).map(|place| 100 * batch + place).collect()).collect();
        for threads in [1, 2, 5] {
            assert_eq!(all(threads, 2, 0), expected);
        }
        assert_eq!(all(2, 1, 18), expected[18..]);
    }

    #[test]
    fn workers_stay_near_and_leave_when_dropped() {
        let made = Arc::new(AtomicU64::new(0));
        let mut batches = Prefetch::start(Squares { made: Arc::clone(&made) }, 0, 3, 2);
        assert_eq!(batches.take(), Some(vec![0]));
        std::thread::sleep(std::time::Duration::from_millis(50));
        // Batches 0 to 2 hold 1 + 2 + 3 items.
        assert_eq!(made.load(Ordering::Relaxed), 6);
        assert_eq!(batches.next_batch(), 1);
        drop(batches);
        assert_eq!(Arc::strong_count(&made), 1, "no worker lives on");
    }
}
