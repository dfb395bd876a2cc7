//! All-reduced gradients (distributed data parallel): every device holds a replica of the network, gradients are summed
//! between the devices, and all take the same step. Only scores and losses travel to the first device.
//!
//! Burn implements all-reduce for CUDA devices (through NCCL); tests use a sum in memory instead.

use std::collections::HashSet;
use std::ops::Range;
use std::thread;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::distributed::{ReduceOperation, all_reduce};
use burn::tensor::{Device, Tensor};

use super::panics::{catch_panic, panic_error};
use super::part_output::{PartOutput, join};
use super::parts::split_batch;
use super::replica::Replica;
use crate::config::{DeviceChoice, Trainable};
use crate::device::ComputeDevice;
use crate::error::Result;
use crate::network::Network;
use crate::step::forward_backward::{StepInput, StepOutput};

/// Whether these devices support all-reduce: several CUDA devices, each named once.
pub(super) fn supports_all_reduce(choices: &[DeviceChoice]) -> bool {
    let distinct: HashSet<_> = choices.iter().collect();
    let cuda = |choice: &DeviceChoice| matches!(choice, DeviceChoice::Cuda(_));
    choices.len() > 1 && distinct.len() == choices.len() && choices.iter().all(cuda)
}

/// A sum over all devices. Every device calls it for the same tensors in the same order, and waits for the others.
pub(super) trait Reduce: Sync {
    fn sum<const D: usize>(&self, own: Tensor<D>) -> Tensor<D>;
}

/// Burn's all-reduce, which is NCCL's on CUDA.
pub(super) struct AllReduce {
    devices: Vec<Device>,
}

impl AllReduce {
    pub fn new(devices: &[ComputeDevice]) -> Self {
        Self { devices: devices.iter().map(|device| device.device.clone()).collect() }
    }
}

impl Reduce for AllReduce {
    fn sum<const D: usize>(&self, own: Tensor<D>) -> Tensor<D> {
        all_reduce(own, ReduceOperation::Sum, self.devices.clone()).resolve()
    }
}

/// A batch over all devices: the first part on `main`, which holds `network`, the others on the replicas, which keep
/// their summed gradients.
///
/// # Errors
/// When a device fails before the others wait for it. A device that fails later leaves them waiting, as everywhere with
/// NCCL.
pub(super) fn forward_backward(
    input: &StepInput<'_>,
    network: &Network,
    main: &ComputeDevice,
    replicas: &mut [Replica],
    reduce: &impl Reduce,
) -> Result<StepOutput> {
    // A device without images contributes zeros, because the others wait for it.
    let mut parts = split_batch(input.batch.labels.len(), 1 + replicas.len());
    parts.resize(1 + replicas.len(), 0..0);
    let work = |rows: Range<usize>, network: &Network, device: &ComputeDevice| {
        catch_panic(device, || {
            let output =
                (!rows.is_empty()).then(|| input.forward_backward_rows(network, &device.device, rows));
            let (gradients, part) = match output {
                Some(StepOutput { loss, logits, gradients }) => {
                    (gradients, Some(PartOutput { loss, logits }))
                }
                None => (GradientsParams::new(), None),
            };
            (reduce_gradients(network, input.trainable, gradients, reduce), part)
        })
    };
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = replicas
            .iter_mut()
            .zip(&parts[1..])
            .map(|(replica, rows)| {
                scope.spawn(move || {
                    let (gradients, part) = work(rows.clone(), &replica.state.network, &replica.device)?;
                    replica.gradients = gradients;
                    Ok(part.map(|part| part.move_to(main)))
                })
            })
            .collect();
        let own = work(parts[0].clone(), network, main);
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| Err(panic_error(main, &*panic))));
        let others = joined.collect::<Result<Vec<_>>>()?;
        let (gradients, part) = own?;
        // The first part is never empty.
        let PartOutput { loss, logits } = part.expect("a batch has an image");
        Ok(join(StepOutput { loss, logits, gradients }, others.into_iter().flatten()))
    })
}

/// The gradients of the trained parameters, each summed over all devices.
fn reduce_gradients(
    network: &Network,
    trainable: Trainable,
    gradients: GradientsParams,
    reduce: &impl Reduce,
) -> GradientsParams {
    let convolutions: HashSet<ParamId> = network.convolutions().iter().map(|layer| layer.weight.id).collect();
    let only = (trainable == Trainable::Convolutions).then_some(convolutions);
    let mut visitor = ReduceGradients { reduce, only, gradients, reduced: GradientsParams::new() };
    network.visit(&mut visitor);
    visitor.reduced
}

struct ReduceGradients<'a, R> {
    reduce: &'a R,
    /// The trained parameters; `None` if all are.
    only: Option<HashSet<ParamId>>,
    gradients: GradientsParams,
    reduced: GradientsParams,
}

impl<R: Reduce> ModuleVisitor for ReduceGradients<'_, R> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        // Running statistics have no gradient.
        if !value.is_require_grad() || self.only.as_ref().is_some_and(|only| !only.contains(&param.id)) {
            return;
        }
        let own = self.gradients.remove::<D>(param.id).unwrap_or_else(|| value.inner().zeros_like());
        self.reduced.register(param.id, self.reduce.sum(own));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DeviceList;

    #[test]
    fn only_distinct_cuda_devices_support_all_reduce() {
        for (names, expected) in [
            ("cuda,cuda:1", true),
            ("cuda", false),
            ("cuda,cuda", false),
            ("cuda,cpu", false),
            ("cpu,cpu", false),
        ] {
            let devices: DeviceList = names.parse().expect("known");
            assert_eq!(supports_all_reduce(devices.as_slice()), expected, "{names}");
        }
    }
}
