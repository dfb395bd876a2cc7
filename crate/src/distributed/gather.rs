//! Gathered gradients: every further device gets a copy of the network for each step, and losses and gradients are
//! summed on the first device, which takes the step. Works on every backend.

use std::thread;

use burn::module::Module;
use burn::optim::GradientsAccumulator;

use super::panics::{catch_panic, panic_error};
use super::part_output::{PartOutput, attach, join};
use super::parts::split_batch;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::step::forward_backward::{StepInput, StepOutput};

/// A batch over all devices: the first part on `main`, which holds the network, the others on `others`.
///
/// # Errors
/// When a device fails.
pub(super) fn forward_backward(
    input: &StepInput<'_>,
    network: &Network,
    main: &ComputeDevice,
    others: &[ComputeDevice],
) -> Result<StepOutput> {
    let mut parts = split_batch(input.batch.labels.len(), 1 + others.len()).into_iter();
    let first = parts.next().unwrap_or(0..0);
    let outputs: Vec<Result<StepOutput>> = thread::scope(|scope| {
        let threads: Vec<_> = parts
            .zip(others)
            .map(|(rows, device)| {
                // Detached here from what the threads share; each thread makes its own copy.
                let detached = network.valid();
                scope.spawn(move || {
                    catch_panic(device, || {
                        let copy = attach(detached, device);
                        let output = input.forward_backward_rows(&copy, &device.device, rows);
                        to_device(output, main, &copy)
                    })
                })
            })
            .collect();
        let own = catch_panic(main, || input.forward_backward_rows(network, &main.device, first));
        let joined = threads
            .into_iter()
            .zip(others)
            .map(|(thread, device)| thread.join().unwrap_or_else(|panic| Err(panic_error(device, &*panic))));
        std::iter::once(own).chain(joined).collect()
    });
    sum(network, outputs.into_iter().collect::<Result<_>>()?)
}

fn to_device(output: StepOutput, device: &ComputeDevice, network: &Network) -> StepOutput {
    let part = PartOutput { loss: output.loss, logits: output.logits }.move_to(device);
    let gradients = output.gradients.to_device(&device.device, network);
    StepOutput { loss: part.loss, logits: part.logits, gradients }
}

/// The sum over the parts.
fn sum(network: &Network, outputs: Vec<StepOutput>) -> Result<StepOutput> {
    let mut gradients = GradientsAccumulator::<Network>::new();
    let mut parts = Vec::new();
    for output in outputs {
        gradients.accumulate(network, output.gradients);
        parts.push(PartOutput { loss: output.loss, logits: output.logits });
    }
    let mut parts = parts.into_iter();
    let PartOutput { loss, logits } =
        parts.next().ok_or_else(|| Error::device("of the run", "the batch is empty"))?;
    Ok(join(StepOutput { loss, logits, gradients: gradients.grads() }, parts))
}
