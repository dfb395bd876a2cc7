//! Checks all-reduce on known values before training. A collective that is set up wrongly gives wrong sums, or waits
//! forever, and reports neither.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use burn::tensor::{Tensor, TensorData};

use super::all_reduce::Reduce;
use crate::device::{ComputeDevice, device_error};

/// The outcome of a check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CheckResult {
    /// Every device got the correct sums.
    Ok,
    /// Every device answered, but one of them failed or got wrong sums.
    Mismatch(String),
    /// Some devices did not answer; they may be waiting for one another forever.
    Timeout,
}

/// Two shapes, so that a mixed-up order is noticed.
const SHAPES: [[usize; 2]; 2] = [[1, 1000], [7, 3]];

/// Lets every device sum known values with the others, for at most `timeout`. Threads that do not answer are abandoned.
pub(super) fn check_all_reduce<R: Reduce + Send + 'static>(
    reduce: R,
    devices: &[ComputeDevice],
    timeout: Duration,
) -> CheckResult {
    let (reduce, (send, answers), deadline) = (Arc::new(reduce), channel(), Instant::now() + timeout);
    for (rank, device) in devices.iter().cloned().enumerate() {
        let (reduce, send, world_size) = (Arc::clone(&reduce), send.clone(), devices.len());
        thread::spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                sums_are_correct(&*reduce, &device, Rank { rank, world_size })
            }));
            let failure = match outcome {
                Ok(true) => None,
                Ok(false) => Some(format!("{} got wrong sums", device.adapter)),
                Err(panic) => Some(device_error(&*panic).to_string()),
            };
            // After the timeout nobody receives it.
            drop(send.send(failure));
        });
    }
    drop(send);
    let mut mismatch = None;
    for _ in devices {
        match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(None) => {}
            Ok(Some(reason)) => mismatch = mismatch.or(Some(reason)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return CheckResult::Timeout,
        }
    }
    mismatch.map_or(CheckResult::Ok, CheckResult::Mismatch)
}

/// A device's place in the group, as in PyTorch's `torch.distributed`.
#[derive(Clone, Copy)]
struct Rank {
    /// From 0.
    rank: usize,
    /// Number of devices.
    world_size: usize,
}

/// Whether one device gets the correct sums: each device contributes `rank + 1` times small integers, which are exact
/// in float32.
fn sums_are_correct(reduce: &impl Reduce, device: &ComputeDevice, Rank { rank, world_size }: Rank) -> bool {
    SHAPES.iter().all(|&shape| {
        let pattern =
            |times: usize| (0..shape[0] * shape[1]).map(|at| (times * (at % 97)) as f32).collect::<Vec<_>>();
        let own = Tensor::<2>::from_data(TensorData::new(pattern(rank + 1), shape), &device.device);
        let expected = pattern(world_size * (world_size + 1) / 2);
        reduce.sum(own).into_data().try_to_vec::<f32>().is_ok_and(|got| got == expected)
    })
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::*;
    use crate::config::DeviceChoice;
    use crate::distributed::test_reduce::InMemoryAllReduce;

    const LONG: Duration = Duration::from_secs(60);

    fn devices(count: usize) -> Vec<ComputeDevice> {
        let device = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
        vec![device; count]
    }

    /// Like NCCL when each device thinks that it is alone.
    struct NoSum;

    impl Reduce for NoSum {
        fn sum<const D: usize>(&self, own: Tensor<D>) -> Tensor<D> {
            own
        }
    }

    /// Like NCCL where it is not installed.
    struct Missing;

    impl Reduce for Missing {
        fn sum<const D: usize>(&self, _: Tensor<D>) -> Tensor<D> {
            panic!("no collective here")
        }
    }

    #[test]
    fn correct_sums_pass() {
        let result = check_all_reduce(InMemoryAllReduce::new(3), &devices(3), LONG);
        assert_eq!(result, CheckResult::Ok);
    }

    #[test]
    fn wrong_sums_failures_and_timeouts_are_distinguished() {
        let CheckResult::Mismatch(reason) = check_all_reduce(NoSum, &devices(2), LONG) else {
            panic!("the sums are wrong")
        };
        assert!(reason.contains("wrong sums"), "{reason}");
        let CheckResult::Mismatch(reason) = check_all_reduce(Missing, &devices(2), LONG) else {
            panic!("the sum fails")
        };
        assert!(reason.contains("no collective here"), "{reason}");
        // One of the three never comes.
        let result = check_all_reduce(InMemoryAllReduce::new(3), &devices(2), Duration::from_millis(50));
        assert_eq!(result, CheckResult::Timeout);
    }
}
