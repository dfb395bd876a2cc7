//! A network's parameters as named tensors: under PyTorch's names and in PyTorch's layouts.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use crossdub_kernels::transpose::transposed;

use super::module::Network;
use super::quantizer::LayerQuantizer;
use super::spec::{NetworkSpec, ParamSpec, WeightShape};
use crate::checkpoint::{Checkpoint, NamedTensor};
use crate::error::{Error, Result};

/// What [`export`] reads of each parameter.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum ExportKind<'a> {
    /// Its value.
    Weights,
    /// Its value, if this is true of its name.
    Selected(&'a dyn Fn(&str) -> bool),
    /// What is kept for it under its id, such as its momentum or gradient; parameters without an entry are left out.
    ParamState(&'a GradientsParams),
}

/// Reads a network's parameters, or something kept for each, in one transfer from the device.
///
/// # Errors
/// When the device fails.
pub async fn export(network: &Network, spec: &NetworkSpec, kind: ExportKind<'_>) -> Result<Checkpoint> {
    let mut visitor = Exporter { path: Vec::new(), spec, kind, found: Vec::new() };
    // Running statistics are kept per thread; `valid` merges them.
    network.valid().visit(&mut visitor);
    let (shapes, flat): (Vec<_>, Vec<_>) = visitor.found.into_iter().unzip();
    if flat.is_empty() {
        return Ok(Checkpoint::default());
    }
    let read = Tensor::cat(flat, 0).into_data_async().await;
    let read = read.map_err(|why| Error::device("training device", format!("{why:?}")))?;
    let mut values = read.as_slice::<f32>().map_err(|why| mismatch(&format!("{why:?}")))?;
    let mut tensors = Vec::with_capacity(shapes.len());
    for NamedShape { name, shape } in shapes {
        let (own, rest) = values.split_at(shape.iter().product());
        tensors.push(to_torch(name, shape, own));
        values = rest;
    }
    Ok(Checkpoint::new(tensors))
}

/// Loads weights into a network built from the same `spec`. PyTorch's `num_batches_tracked` is ignored.
///
/// # Errors
/// When a parameter is missing, unknown, of another shape or not finite.
pub fn import(network: Network, spec: &NetworkSpec, weights: &Checkpoint) -> Result<Network> {
    let weights = &*spec.adapt(weights)?;
    let network = quantized(network, spec, weights)?;
    let mut mapper = Importer { path: Vec::new(), spec, weights, imported: 0, error: None };
    let network = network.map(&mut mapper);
    if let Some(error) = mapper.error {
        return Err(error);
    }
    // PyTorch counts batches for normalizations without a momentum; ours have one.
    let counts = |name: &str| !name.ends_with(".num_batches_tracked") && !weights.is_quantizer(name);
    let mut expected = weights.tensors.iter().filter(|tensor| counts(&tensor.name));
    if mapper.imported < expected.clone().count() {
        let known: Vec<ParamSpec> = spec.param_specs();
        let unknown = expected.find(|tensor| known.iter().all(|param| param.name != tensor.name));
        let name = unknown.map_or("?", |tensor| &tensor.name);
        return Err(mismatch(&format!("the network has no parameter {name}")));
    }
    Ok(network)
}

/// Gives the network the quantizers of these weights, if they have them for all convolutions, and those of fully
/// connected layers.
fn quantized(network: Network, spec: &NetworkSpec, weights: &Checkpoint) -> Result<Network> {
    let convolutions = network.convolutions();
    let Some(device) = convolutions.first().map(|layer| layer.weight.val().device()) else {
        return Ok(network);
    };
    let of_layer = |layer: WeightShape| {
        let quantizers = weights.quantizers(&layer.name)?;
        Ok(quantizers.and_then(|quantizers| LayerQuantizer::new(&quantizers, &device)))
    };
    let quantizers: Vec<Option<LayerQuantizer>> =
        spec.weight_shapes().into_iter().map(of_layer).collect::<Result<_>>()?;
    let whole = quantizers.iter().take(convolutions.len()).all(Option::is_some);
    Ok(if whole { network.with_quantizers(quantizers) } else { network })
}

/// Puts tensors into a container under the ids of a network's parameters: the inverse of [`export`] with
/// [`ExportKind::ParamState`].
///
/// # Errors
/// When a tensor has another shape than its parameter.
pub fn import_param_state(
    network: &Network,
    spec: &NetworkSpec,
    tensors: &Checkpoint,
) -> Result<GradientsParams> {
    let state = GradientsParams::new();
    let mut visitor = StateImporter { path: Vec::new(), spec, tensors, state, error: None };
    network.visit(&mut visitor);
    visitor.error.map_or(Ok(visitor.state), Err)
}

fn mismatch(reason: &str) -> Error {
    Error::file("loading weights", "", reason)
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

/// The data for a parameter of Burn's `shape`, checked.
fn from_torch<const D: usize>(tensor: &NamedTensor, shape: [usize; D]) -> Result<TensorData> {
    let (expected, data) = match shape.as_slice() {
        &[inputs, outputs] if tensor.shape == [outputs, inputs] => {
            (vec![outputs, inputs], transposed(&tensor.data, outputs, inputs))
        }
        &[inputs, outputs] => (vec![outputs, inputs], Vec::new()),
        other => (other.to_vec(), tensor.data.clone()),
    };
    if tensor.shape != expected {
        let reason = format!("{} is {:?}, but the network expects {expected:?}", tensor.name, tensor.shape);
        return Err(mismatch(&reason));
    }
    if let Some(bad) = data.iter().find(|value| !value.is_finite()) {
        return Err(mismatch(&format!("{} holds {bad}", tensor.name)));
    }
    Ok(TensorData::new(data, shape))
}

/// PyTorch's name of a parameter, and Burn's shape.
struct NamedShape {
    name: String,
    shape: Vec<usize>,
}

struct Exporter<'a> {
    path: Vec<String>,
    spec: &'a NetworkSpec,
    kind: ExportKind<'a>,
    /// Each with its values as one row.
    found: Vec<(NamedShape, Tensor<1>)>,
}

impl ModuleVisitor for Exporter<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.spec.torch_name(&self.path);
        let tensor = match self.kind {
            ExportKind::Weights => Some(param.val().inner()),
            ExportKind::Selected(wanted) => wanted(&name).then(|| param.val().inner()),
            ExportKind::ParamState(state) => state.get::<D>(param.id),
        };
        if let Some(tensor) = tensor {
            let named = NamedShape { name, shape: tensor.dims().to_vec() };
            let count = named.shape.iter().product::<usize>();
            self.found.push((named, tensor.reshape([count])));
        }
    }
}

struct Importer<'a> {
    path: Vec<String>,
    spec: &'a NetworkSpec,
    weights: &'a Checkpoint,
    imported: usize,
    error: Option<Error>,
}

impl ModuleMapper for Importer<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.spec.torch_name(&self.path);
        let Some(tensor) = self.weights.get(&name) else {
            self.error.get_or_insert_with(|| mismatch(&format!("parameter {name} is missing")));
            return param;
        };
        self.imported += usize::from(!self.weights.is_quantizer(&name));
        match from_torch(tensor, param.val().dims()) {
            Ok(data) => param.map(|old| {
                let new = Tensor::from_data(data, &old.device());
                if old.is_require_grad() { new.require_grad() } else { new }
            }),
            Err(error) => {
                self.error.get_or_insert(error);
                param
            }
        }
    }
}

struct StateImporter<'a> {
    path: Vec<String>,
    spec: &'a NetworkSpec,
    tensors: &'a Checkpoint,
    state: GradientsParams,
    error: Option<Error>,
}

impl ModuleVisitor for StateImporter<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(tensor) = self.tensors.get(&self.spec.torch_name(&self.path)) else { return };
        let value = param.val();
        match from_torch(tensor, value.dims()) {
            Ok(data) => {
                let device = value.device().without_autodiff();
                self.state.register::<D>(param.id, Tensor::from_data(data, &device));
            }
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
    }
}
