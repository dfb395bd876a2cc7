//! A batch in parts over devices that each hold the network (distributed data parallel): gradients are summed by an
//! all-reduce between the devices, and every device takes the same step. Only scores and losses travel to the first
//! one. Burn has the all-reduce for CUDA devices alone; tests put a sum in memory in its place.

use std::collections::HashSet;
use std::mem::take;
use std::thread;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::distributed::{ReduceOperation, all_reduce};
use burn::tensor::{Device, Tensor};

use crate::config::{DeviceChoice, Trainable};
use crate::device::ComputeDevice;
use crate::distributed::gather::{attached, failed, guarded, parts};
use crate::error::Result;
use crate::network::Network;
use crate::train::forward_backward::{StepInput, StepOutput};
use crate::train::masks::Masks;
use crate::train::optimizer_step::OptimizerStep;

/// Whether these devices can reduce among themselves: several CUDA devices, each named once.
pub(crate) fn can_reduce(choices: &[DeviceChoice]) -> bool {
    let distinct: HashSet<_> = choices.iter().collect();
    let cuda = |choice: &DeviceChoice| matches!(choice, DeviceChoice::Cuda(_));
    choices.len() > 1 && distinct.len() == choices.len() && choices.iter().all(cuda)
}

/// A sum over all devices. Each of them calls it for the same tensors in the same order, and waits for the others.
pub(crate) trait Reduce: Sync {
    fn sum<const D: usize>(&self, own: Tensor<D>) -> Tensor<D>;
}

/// Burn's all-reduce, which is NCCL's on CUDA.
pub(crate) struct AllReduce {
    devices: Vec<Device>,
}

impl AllReduce {
    pub fn between(all: &[ComputeDevice]) -> Self {
        Self { devices: all.iter().map(|compute| compute.device.clone()).collect() }
    }
}

impl Reduce for AllReduce {
    fn sum<const D: usize>(&self, own: Tensor<D>) -> Tensor<D> {
        all_reduce(own, ReduceOperation::Sum, self.devices.clone()).resolve()
    }
}

/// What a further device holds: the same as the first one, after every step.
pub(crate) struct Replica {
    compute: ComputeDevice,
    network: Network,
    velocities: GradientsParams,
    masks: Option<Masks>,
    /// Of the last pass, summed; until [`Replica::follow`] uses them.
    gradients: GradientsParams,
}

impl Replica {
    /// A copy of what the first device holds.
    pub fn of(
        network: &Network,
        velocities: &GradientsParams,
        masks: Option<&Masks>,
        compute: ComputeDevice,
    ) -> Self {
        Self {
            network: attached(network.valid(), &compute),
            velocities: held_on(&compute.device, network, velocities),
            masks: masks.map(|masks| masks.on(&compute.device, network)),
            gradients: GradientsParams::new(),
            compute,
        }
    }

    /// Its weights, under PyTorch's names.
    #[cfg(test)]
    pub fn weights(&self, plan: &crate::network::NetworkSpec) -> crate::checkpoint::Checkpoint {
        use crate::network::parameters::{ExportKind, export};
        pollster::block_on(export(&self.network, plan, ExportKind::Weights)).expect("reads")
    }

    /// Takes the first device's step.
    pub fn follow(&mut self, update: &OptimizerStep) {
        let gradients = take(&mut self.gradients);
        update.apply(&mut self.network, gradients, &mut self.velocities, self.masks.as_ref());
    }
}

impl StepInput<'_> {
    /// The batch in parts: the first on `main`, which holds `network`, the others on the replicas, which keep their
    /// gradients.
    ///
    /// # Errors
    /// When a device fails before the others wait for it; one that fails later leaves them waiting, as everywhere
    /// that NCCL is used.
    pub fn together(
        &self,
        network: &Network,
        main: &ComputeDevice,
        replicas: &mut [Replica],
        sum: &impl Reduce,
    ) -> Result<StepOutput> {
        // A device without an image gives zeros: the others wait for it.
        let mut parts = parts(self.batch.labels.len(), 1 + replicas.len());
        parts.resize(1 + replicas.len(), 0..0);
        let work = |rows: std::ops::Range<usize>, network: &Network, compute: &ComputeDevice| {
            guarded(compute, || {
                let passed =
                    (!rows.is_empty()).then(|| self.part(network, &compute.device.clone().autodiff(), rows));
                let (gradients, rest) = match passed {
                    Some(StepOutput { loss, logits, gradients }) => (gradients, Some((loss, logits))),
                    None => (GradientsParams::new(), None),
                };
                (summed(network, self.trainable, gradients, sum), rest)
            })
        };
        thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = replicas
                .iter_mut()
                .zip(&parts[1..])
                .map(|(replica, rows)| {
                    scope.spawn(move || {
                        let (gradients, rest) = work(rows.clone(), &replica.network, &replica.compute)?;
                        replica.gradients = gradients;
                        let to_main = |(loss, logits): (Tensor<1>, Tensor<2>)| {
                            (loss.to_device(&main.device), logits.to_device(&main.device))
                        };
                        Ok(rest.map(to_main))
                    })
                })
                .collect();
            let own = work(parts[0].clone(), network, main);
            let joined = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| Err(failed(main, &*panic))));
            let others = joined.collect::<Result<Vec<_>>>()?;
            let (gradients, rest) = own?;
            // The first part is never empty.
            let (loss, logits) = rest.expect("a batch has an image");
            Ok(StepOutput { loss, logits, gradients }.with_parts(others.into_iter().flatten().collect()))
        })
    }
}

/// The gradients of what is trained, each summed over all devices.
fn summed(
    network: &Network,
    trainable: Trainable,
    gradients: GradientsParams,
    sum: &impl Reduce,
) -> GradientsParams {
    let convolutions: HashSet<ParamId> = network.convolutions().iter().map(|layer| layer.weight.id).collect();
    let only = (trainable == Trainable::Convolutions).then_some(convolutions);
    let mut visitor = ReduceGradients { sum, only, gradients, done: GradientsParams::new() };
    network.visit(&mut visitor);
    visitor.done
}

struct ReduceGradients<'a, S> {
    sum: &'a S,
    /// The parameters that are trained; none for all.
    only: Option<HashSet<ParamId>>,
    gradients: GradientsParams,
    done: GradientsParams,
}

impl<S: Reduce> ModuleVisitor for ReduceGradients<'_, S> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        // Running statistics have no gradient.
        if !value.is_require_grad() || self.only.as_ref().is_some_and(|only| !only.contains(&param.id)) {
            return;
        }
        let own = self.gradients.remove::<D>(param.id).unwrap_or_else(|| value.inner().zeros_like());
        self.done.register(param.id, self.sum.sum(own));
    }
}

/// What is held for a network's parameters, copied to another device.
pub(crate) fn held_on(device: &Device, network: &Network, held: &GradientsParams) -> GradientsParams {
    let mut visitor = CopyToDevice { device, held, copies: GradientsParams::new() };
    network.visit(&mut visitor);
    visitor.copies
}

struct CopyToDevice<'a> {
    device: &'a Device,
    held: &'a GradientsParams,
    copies: GradientsParams,
}

impl ModuleVisitor for CopyToDevice<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(tensor) = self.held.get::<D>(param.id) {
            self.copies.register(param.id, tensor.to_device(self.device));
        }
    }
}
