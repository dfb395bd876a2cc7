//! A network's parameters under PyTorch's names: out of Burn and back, in PyTorch's layouts.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

use crate::checkpoint::{Checkpoint, NamedTensor};
use crate::error::{Error, Result};
use crate::network::{Network, Plan};

/// What is read of each parameter.
#[derive(Clone, Copy)]
pub enum Which<'a> {
    /// Its value.
    Values,
    /// What a container holds under its id; parameters without an entry are left out.
    Held(&'a GradientsParams),
}

/// Reads a network's parameters, or something kept for each, in one transfer from the device.
///
/// # Errors
/// When the device fails.
pub async fn export(network: &Network, plan: &Plan, which: Which<'_>) -> Result<Checkpoint> {
    let mut visitor = Exporter { path: Vec::new(), plan, which, found: Vec::new() };
    // Running statistics are gathered for each thread; `valid` brings them together.
    network.valid().visit(&mut visitor);
    let (places, flat): (Vec<_>, Vec<_>) = visitor.found.into_iter().unzip();
    if flat.is_empty() {
        return Ok(Checkpoint::default());
    }
    let read = Tensor::cat(flat, 0).into_data_async().await;
    let read = read.map_err(|why| Error::device("training device", format!("{why:?}")))?;
    let mut values = read.as_slice::<f32>().map_err(|why| mismatch(&format!("{why:?}")))?;
    let mut tensors = Vec::with_capacity(places.len());
    for (name, shape) in places {
        let (own, rest) = values.split_at(shape.iter().product());
        tensors.push(to_torch(name, shape, own));
        values = rest;
    }
    Ok(Checkpoint::new(tensors))
}

/// Puts weights into a network of the same plan.
///
/// # Errors
/// When a parameter is missing, superfluous, of another shape or not finite.
pub fn import(network: Network, plan: &Plan, weights: &Checkpoint) -> Result<Network> {
    let mut mapper = Importer { path: Vec::new(), plan, weights, taken: 0, failure: None };
    let network = network.map(&mut mapper);
    if let Some(failure) = mapper.failure {
        return Err(failure);
    }
    // PyTorch counts batches for normalizations without a momentum; ours have one.
    let mut meant = weights.tensors.iter().filter(|tensor| !tensor.name.ends_with(".num_batches_tracked"));
    if mapper.taken < meant.clone().count() {
        let known = parameter_names(plan);
        let extra = meant.find(|tensor| !known.contains(&tensor.name));
        let name = extra.map_or("?", |tensor| &tensor.name);
        return Err(mismatch(&format!("the network has no parameter {name}")));
    }
    Ok(network)
}

/// Puts tensors into a container under the ids of a network's parameters, as [`export`] of
/// [`Which::Held`] gave them.
///
/// # Errors
/// When one has another shape than its parameter.
pub fn import_held(network: &Network, plan: &Plan, weights: &Checkpoint) -> Result<GradientsParams> {
    let mut visitor =
        HeldImporter { path: Vec::new(), plan, weights, held: GradientsParams::new(), failure: None };
    network.visit(&mut visitor);
    visitor.failure.map_or(Ok(visitor.held), Err)
}

/// Names of all parameters of a plan's network.
fn parameter_names(plan: &Plan) -> Vec<String> {
    plan.blanks().into_iter().map(|blank| blank.name).collect()
}

fn mismatch(why: &str) -> Error {
    Error::file("loading weights", "", why)
}

/// Burn keeps a fully connected weight as `[in, out]`, PyTorch as `[out, in]`.
fn to_torch(name: String, shape: Vec<usize>, values: &[f32]) -> NamedTensor {
    match *shape.as_slice() {
        [inputs, outputs] => {
            NamedTensor { name, shape: vec![outputs, inputs], data: transposed(values, inputs, outputs) }
        }
        _ => NamedTensor { name, shape, data: values.to_vec() },
    }
}

/// The row-major matrix `rows x columns` turned into `columns x rows`.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}

/// The tensor for a parameter of our `shape`, checked.
fn from_torch<const D: usize>(tensor: &NamedTensor, shape: [usize; D]) -> Result<TensorData> {
    let (expected, data) = match shape.as_slice() {
        &[inputs, outputs] if tensor.shape == [outputs, inputs] => {
            (vec![outputs, inputs], transposed(&tensor.data, outputs, inputs))
        }
        &[inputs, outputs] => (vec![outputs, inputs], Vec::new()),
        other => (other.to_vec(), tensor.data.clone()),
    };
    if tensor.shape != expected {
        let why = format!("{} is {:?} and the network wants {expected:?}", tensor.name, tensor.shape);
        return Err(mismatch(&why));
    }
    if let Some(bad) = data.iter().find(|value| !value.is_finite()) {
        return Err(mismatch(&format!("{} holds {bad}", tensor.name)));
    }
    Ok(TensorData::new(data, shape))
}

struct Exporter<'a> {
    path: Vec<String>,
    plan: &'a Plan,
    which: Which<'a>,
    /// Name, our shape, and values as one row.
    found: Vec<((String, Vec<usize>), Tensor<1>)>,
}

impl ModuleVisitor for Exporter<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.which {
            Which::Values => Some(param.val().inner()),
            Which::Held(container) => container.get::<D>(param.id),
        };
        if let Some(tensor) = tensor {
            let place = (self.plan.torch_name(&self.path), tensor.dims().to_vec());
            let count = place.1.iter().product::<usize>();
            self.found.push((place, tensor.reshape([count])));
        }
    }
}

struct Importer<'a> {
    path: Vec<String>,
    plan: &'a Plan,
    weights: &'a Checkpoint,
    taken: usize,
    failure: Option<Error>,
}

impl ModuleMapper for Importer<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.plan.torch_name(&self.path);
        let Some(tensor) = self.weights.get(&name) else {
            self.failure.get_or_insert_with(|| mismatch(&format!("parameter {name} is missing")));
            return param;
        };
        self.taken += 1;
        match from_torch(tensor, param.val().dims()) {
            Ok(data) => param.map(|old| {
                let new = Tensor::from_data(data, &old.device());
                if old.is_require_grad() { new.require_grad() } else { new }
            }),
            Err(why) => {
                self.failure.get_or_insert(why);
                param
            }
        }
    }
}

struct HeldImporter<'a> {
    path: Vec<String>,
    plan: &'a Plan,
    weights: &'a Checkpoint,
    held: GradientsParams,
    failure: Option<Error>,
}

impl ModuleVisitor for HeldImporter<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(tensor) = self.weights.get(&self.plan.torch_name(&self.path)) else { return };
        let value = param.val();
        match from_torch(tensor, value.dims()) {
            Ok(data) => {
                let device = value.device().without_autodiff();
                self.held.register::<D>(param.id, Tensor::from_data(data, &device));
            }
            Err(why) => {
                self.failure.get_or_insert(why);
            }
        }
    }
}
