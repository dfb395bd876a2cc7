//! Whether devices sum between them: numbers that are known, before the first gradients. A collective that is set up
//! wrongly gives wrong sums, or none at all, and neither says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use burn::tensor::{Tensor, TensorData};

use crate::device::ComputeDevice;
use crate::distributed::all_reduce::Reduce;

/// What a rehearsal found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CheckResult {
    /// Every device got the right sums.
    Ok,
    /// Every device answered, and this one not with the sums.
    Mismatch(String),
    /// Some devices did not answer; they may be waiting for one another for ever.
    Timeout,
}

/// Two shapes, so that an order that is mixed up shows.
const SHAPES: [[usize; 2]; 2] = [[1, 1000], [7, 3]];

/// Lets every device sum known numbers with the others, for as long as `patience`. Threads that don't answer are left behind.
pub(crate) fn check_all_reduce<S: Reduce + Send + 'static>(
    sum: S,
    computes: &[ComputeDevice],
    patience: Duration,
) -> CheckResult {
    let (sum, (send, answers), until) = (Arc::new(sum), channel(), Instant::now() + patience);
    for (at, compute) in computes.iter().cloned().enumerate() {
        let (sum, send, devices) = (Arc::clone(&sum), send.clone(), computes.len());
        thread::spawn(move || {
            let done = catch_unwind(AssertUnwindSafe(|| sums(&*sum, &compute, at, devices)));
            let answer = match done {
                Ok(true) => None,
                Ok(false) => Some(format!("{} got wrong sums", compute.adapter)),
                Err(panic) => Some(crate::device::device_error(&*panic).to_string()),
            };
            // Nobody listens any more when the time is over.
            drop(send.send(answer));
        });
    }
    drop(send);
    let mut wrong = None;
    for _ in computes {
        match answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(None) => {}
            Ok(Some(why)) => wrong = wrong.or(Some(why)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return CheckResult::Timeout,
        }
    }
    wrong.map_or(CheckResult::Ok, CheckResult::Mismatch)
}

/// Whether one device gets the sums of what all devices have: `device + 1` times small integers, which are exact in f32.
fn sums(sum: &impl Reduce, compute: &ComputeDevice, device: usize, devices: usize) -> bool {
    SHAPES.iter().all(|&shape| {
        let pattern =
            |times: usize| (0..shape[0] * shape[1]).map(|at| (times * (at % 97)) as f32).collect::<Vec<_>>();
        let own = Tensor::<2>::from_data(TensorData::new(pattern(device + 1), shape), &compute.device);
        let expected = pattern(devices * (devices + 1) / 2);
        sum.sum(own).into_data().try_to_vec::<f32>().is_ok_and(|got| got == expected)
    })
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::*;
    use crate::config::DeviceChoice;
    use crate::distributed::group::tests::InMemoryAllReduce;

    fn computes(count: usize) -> Vec<ComputeDevice> {
        let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
        vec![compute; count]
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn devices_that_sum_are_heard() {
        assert_eq!(check_all_reduce(InMemoryAllReduce::new(3), &computes(3), LONG), CheckResult::Ok);
    }

    /// What NCCL gives when each device thinks that it is alone.
    struct Alone;

    impl Reduce for Alone {
        fn sum<const D: usize>(&self, own: Tensor<D>) -> Tensor<D> {
            own
        }
    }

    /// Where it is not installed.
    struct Missing;

    impl Reduce for Missing {
        fn sum<const D: usize>(&self, _: Tensor<D>) -> Tensor<D> {
            panic!("no collective here")
        }
    }

    #[test]
    fn wrong_sums_and_failures_are_told_from_silence() {
        let CheckResult::Mismatch(why) = check_all_reduce(Alone, &computes(2), LONG) else {
            panic!("it is wrong")
        };
        assert!(why.contains("wrong sums"), "{why}");
        let CheckResult::Mismatch(why) = check_all_reduce(Missing, &computes(2), LONG) else {
            panic!("it fails")
        };
        assert!(why.contains("no collective here"), "{why}");
        // One of the three never comes.
        assert_eq!(
            check_all_reduce(InMemoryAllReduce::new(3), &computes(2), Duration::from_millis(50)),
            CheckResult::Timeout
        );
    }
}
