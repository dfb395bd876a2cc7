//! Work on a network's weights: analysis, pruning, the regularizer.

use burn::tensor::{Tensor, TensorData};

use super::BenchTime;
use crate::checkpoint::Checkpoint;
use crate::cli::measure::timing::{median_time, timed};
use crate::config::{DeviceChoice, HardwareConfig, NetworkName, RegularizerKind, TrainConfig};
use crate::crossbar::tiling::TileShape;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::loss::Regularizer;
use crate::matrix::Matrix;
use crate::network::NetworkSpec;
use crate::network::spec::initialize;
use crate::prune::{Cutoff, PruneMethod, prune};
use crate::report::analyze;

const CLASSES: usize = 10;
/// Share of a layer to prune: every level occurs, as after training with a regularizer.
const PRUNED_PERCENT: f64 = 90.0;
/// About the energy improvement that this share gives.
const PRUNED_IMPROVEMENT: f64 = 3.0;

/// The crossbar analysis.
///
/// # Errors
/// When the network is invalid.
pub(super) fn analysis() -> Result<Vec<BenchTime>> {
    let layers = weights(NetworkName::Vgg11)?.matrices(false)?;
    let hardware = HardwareConfig::default();
    let (time, n) = median_time(|| Ok(timed(|| analyze(&layers, &hardware)).1))?;
    let what = format!("analysis, VGG11, tile {}", hardware.tile);
    Ok(vec![BenchTime::new("analysis", what, time, n)])
}

/// Pruning to levels, by each rule.
///
/// # Errors
/// When pruning fails.
pub(super) fn pruning() -> Result<Vec<BenchTime>> {
    let layers = weights(NetworkName::Vgg11)?.matrices(false)?;
    let hardware = HardwareConfig::default();
    let shape = TileShape::from(&hardware);
    let ratios = Cutoff::uniform(PRUNED_PERCENT, layers.len());
    let methods = [
        PruneMethod::Exact(ratios.clone()),
        PruneMethod::Percentile(ratios),
        PruneMethod::Budget { target: PRUNED_IMPROVEMENT },
    ];
    let measure = |method: PruneMethod| {
        let rule = method.rule();
        let (time, n) = median_time(|| {
            // Copying is not part of pruning.
            let mut copy: Vec<Matrix> = layers.clone();
            let (pruned, time) = timed(|| prune(&mut copy, shape, &method));
            pruned.map(|_| time)
        })?;
        let what = format!("level pruning, VGG11, tile {}, {} rule", hardware.tile, rule.id());
        Ok(BenchTime::new(format!("pruning-{}", rule.id()), what, time, n))
    };
    methods.into_iter().map(measure).collect()
}

/// The gated regularizer's value and gradient on the convolutions of two networks.
///
/// # Errors
/// When the device fails.
pub(super) fn regularizer() -> Result<Vec<BenchTime>> {
    Ok(vec![regularizer_on(NetworkName::Vgg11, 32)?, regularizer_on(NetworkName::ResNet18, 64)?])
}

fn regularizer_on(model: NetworkName, tile: usize) -> Result<BenchTime> {
    let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu))?;
    let hardware = HardwareConfig { tile, ..HardwareConfig::default() };
    let config = TrainConfig { regularizer: RegularizerKind::Gated, ..TrainConfig::default() };
    let regularizer = Regularizer::from_config(&config, TileShape::from(&hardware));
    let regularizer = regularizer.ok_or_else(|| Error::field("lambda", config.lambda, "is off"))?;
    let weights = weights(model)?.tensors.into_iter().filter(|tensor| tensor.shape.len() == 4);
    let layers: Vec<Tensor<4>> = weights
        .map(|tensor| Tensor::from_data(TensorData::new(tensor.data, tensor.shape), &compute.device))
        .collect();
    let (time, n) = median_time(|| {
        let evaluate = || {
            let penalties = layers.iter().map(|layer| regularizer.evaluate(layer.clone()));
            penalties.map(|penalty| (penalty.loss.into_data(), penalty.gradient)).collect::<Vec<_>>()
        };
        Ok(timed(evaluate).1)
    })?;
    let what = format!("D.U.B. loss and gradient, {model}, tile {tile}");
    Ok(BenchTime::new(format!("loss-{model}"), what, time, n))
}

/// A network's initial weights.
fn weights(model: NetworkName) -> Result<Checkpoint> {
    let mut config = TrainConfig::default();
    config.set_model(model);
    Ok(initialize(&NetworkSpec::from_config(&config, CLASSES)?, 0))
}
