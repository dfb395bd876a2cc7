//! A gradient and two steps that every backend must agree on. The page compares those of WebGPU with those of the CPU once,
//! and the command line those of each graphics processor before it trains there, because a faulty driver computes wrong
//! gradients without any error.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

#[cfg(not(target_arch = "wasm32"))]
use crate::config::DeviceChoice;
use crate::config::{RegularizerKind, TrainConfig};
use crate::crossbar::tiling::TileShape;
use crate::data::batch::evaluation_batch;
use crate::data::{SIDE, synthetic};
use crate::device::ComputeDevice;
#[cfg(not(target_arch = "wasm32"))]
use crate::error::Error;
use crate::error::Result;
use crate::loss::cross_entropy::cross_entropy;
use crate::loss::{Lambdas, Regularizer};
use crate::network::parameters::{ExportKind, export, import};
use crate::network::spec::CHANNELS;
use crate::network::spec::initialize;
use crate::network::{Network, NetworkSpec};
use crate::step::masks::Masks;
use crate::step::optimizer_step::OptimizerStep;
use crate::step::sgd::Sgd;
use crate::step::state::TrainState;

/// Images of the batch.
const IMAGES: usize = 4;

/// What rounding explains of a gradient's largest value. The page allows as much.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const ALLOWED: f64 = 1e-3;

/// What a fixed small network on a fixed batch gives, all parameters in order: the first gradient, then the velocities after
/// two steps with regularizer, decay, momentum and masks.
///
/// # Errors
/// When the device fails.
pub async fn run(compute: &ComputeDevice) -> Result<Vec<f32>> {
    let (plan, classifier) = ("8 M 16 M".parse()?, "16".parse()?);
    let config = TrainConfig { plan, classifier, ..TrainConfig::default() };
    let data = synthetic::generate(1, IMAGES, 1).train;
    let spec = NetworkSpec::from_config(&config, data.classes.len())?;
    let device = compute.device.clone().autodiff();
    let weights = initialize(&spec, 1);
    let network = import(Network::new(&spec, &device), &spec, &weights)?;
    let mut masks = weights.clone();
    masks.tensors.retain(|tensor| tensor.shape.len() == 4);
    for mask in &mut masks.tensors {
        let values = mask.data.iter_mut().enumerate();
        values.for_each(|(at, value)| *value = if at.is_multiple_of(3) { 0.0 } else { 1.0 });
    }
    let mut state = TrainState::new(network);
    state.masks = Some(Masks::new(&masks, &weights, &state.network, &spec)?);
    let lambdas = Lambdas { main: 0.01, mean: 0.0 };
    let step = OptimizerStep {
        sgd: Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 1e-3 },
        regularizer: Regularizer::new(RegularizerKind::Gated, lambdas, TileShape { rows: 8, columns: 8 }),
    };

    let (mut images, mut labels) = (Vec::new(), Vec::new());
    evaluation_batch(&data, 0..IMAGES, &mut images, &mut labels);
    let images = Tensor::<4>::from_data(TensorData::new(images, [IMAGES, CHANNELS, SIDE, SIDE]), &device);
    let mut results = Vec::new();
    for at in 0..2 {
        let loss = cross_entropy(state.network.forward(images.clone(), None), &labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &state.network);
        if at == 0 {
            let read = export(&state.network.valid(), &spec, ExportKind::ParamState(&gradients)).await?;
            results.extend(read.tensors.into_iter().flat_map(|tensor| tensor.data));
        }
        step.apply(&mut state, gradients);
    }
    let read = export(&state.network.valid(), &spec, ExportKind::ParamState(&state.velocities)).await?;
    results.extend(read.tensors.into_iter().flat_map(|tensor| tensor.data));
    Ok(results)
}

/// Opens a run's devices, as [`ComputeDevice::from_config`] does, and checks each graphics processor's gradient against
/// the CPU's, if this build has one.
///
/// # Errors
/// When a device can't be opened, fails, or computes another gradient.
#[cfg(not(target_arch = "wasm32"))]
pub async fn open_checked(config: &TrainConfig) -> Result<ComputeDevice> {
    let first = ComputeDevice::from_config(config).await?;
    for choice in config.device_choices() {
        let (DeviceChoice::Webgpu(_) | DeviceChoice::Vulkan(_) | DeviceChoice::Cuda(_) | DeviceChoice::Auto) =
            choice
        else {
            continue;
        };
        let compute = ComputeDevice::open(&choice).await?;
        if cfg!(feature = "cpu") && compute.kind != "cpu" {
            check(&compute).await?;
        }
    }
    Ok(first)
}

/// Checks a device's gradient against the CPU's.
#[cfg(not(target_arch = "wasm32"))]
async fn check(compute: &ComputeDevice) -> Result<()> {
    let expected = run(&ComputeDevice::open(&DeviceChoice::Cpu).await?).await?;
    let difference = relative_error(&run(compute).await?, &expected);
    if exceeds(difference, ALLOWED) {
        let why = format!(
            "computes wrong results: its self-test is {difference:.1e} off, and {ALLOWED:.0e} is allowed; `crossdub prove` \
             finds where"
        );
        return Err(Error::device(&*compute.adapter, why));
    }
    Ok(())
}

/// The largest difference, relative to the largest expected value; NaN if anything is.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn relative_error(got: &[f32], expected: &[f32]) -> f64 {
    if got.len() != expected.len() {
        return f64::NAN;
    }
    let largest = expected.iter().fold(0.0_f64, |most, value| most.max(f64::from(value.abs())));
    let differences = got.iter().zip(expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    differences.fold(0.0, nan_max) / largest.max(f64::MIN_POSITIVE)
}

/// Whether a difference is too large; NaN is.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn exceeds(difference: f64, allowed: f64) -> bool {
    difference.is_nan() || difference >= allowed
}

/// The larger of two; NaN if one is.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_and_nan_is_not_lost() {
        assert!((relative_error(&[1.0, 3.5], &[1.0, 4.0]) - 0.125).abs() < 1e-12);
        assert!(relative_error(&[f32::NAN, 4.0], &[1.0, 4.0]).is_nan());
        assert!(
            relative_error(&[1.0], &[1.0, 4.0]).is_nan(),
            "a gradient of another length can't be compared"
        );
        assert!(exceeds(f64::NAN, 1.0) && exceeds(1.0, 1.0) && !exceeds(0.5, 1.0));
    }

    #[test]
    fn the_cpu_needs_no_check_and_agrees_with_itself() {
        let config = TrainConfig { device: DeviceChoice::Cpu, ..TrainConfig::default() };
        let compute = pollster::block_on(open_checked(&config)).expect("a CPU");
        pollster::block_on(check(&compute)).expect("the same steps");
    }
}
