//! Training lowers the loss, is reproducible to the bit, and balances columns.

use crossdub::config::{DeviceChoice, HardwareConfig, NetworkName, RegularizerKind, Schedule, TrainConfig};
use crossdub::crossbar::hoyer::tile_densities;
use crossdub::crossbar::tiling::TileShape;
use crossdub::data::{TrainTest, synthetic};
use crossdub::device::ComputeDevice;
use crossdub::error::ErrorKind;
use crossdub::train::trainer::Trainer;

/// A network small enough for a test.
pub fn small_config() -> TrainConfig {
    TrainConfig {
        model: NetworkName::Custom,
        plan: "8 M 16 M 16 M".parse().expect("a plan"),
        classifier: "32".parse().expect("widths"),
        batch: 16,
        learning_rate: 0.02,
        dropout: 0.2,
        epochs: 4,
        device: DeviceChoice::Cpu,
        ..TrainConfig::default()
    }
}

/// A small data set: 24 steps of 16 images per epoch.
pub fn small_data() -> TrainTest {
    synthetic::generate(5, 384, 200)
}

pub fn trainer(config: TrainConfig) -> Trainer {
    let device = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
    Trainer::new(config, HardwareConfig::default(), small_data(), device, 1 << 32, None).expect("valid")
}

fn advance(trainer: &mut Trainer, steps: usize) -> Vec<f64> {
    (0..steps).map(|_| pollster::block_on(trainer.step()).expect("trains").loss).collect()
}

#[test]
fn the_loss_falls_and_runs_are_reproducible() {
    let mut first = trainer(small_config());
    let losses = advance(&mut first, 80);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[70..]) < 0.85 * mean(&losses[..10]), "{losses:?}");
    let mut second = trainer(small_config());
    assert_eq!(losses[..20], advance(&mut second, 20));
    let mut other = trainer(TrainConfig { seed: 1, ..small_config() });
    assert_ne!(losses[..5], advance(&mut other, 5));
}

#[test]
fn the_regularizer_balances_columns() {
    let variance = |regularizer| {
        let config = TrainConfig { regularizer, lambda: 2e-2, ..small_config() };
        let mut trainer = trainer(config);
        advance(&mut trainer, 40);
        let shape = TileShape::from(trainer.hardware());
        let layers = pollster::block_on(trainer.matrices()).expect("reads");
        layers.iter().flat_map(|layer| tile_densities(layer, shape)).map(|tile| tile.variance).sum::<f64>()
    };
    let (without, with) = (variance(RegularizerKind::None), variance(RegularizerKind::Gated));
    assert!(with < 0.5 * without, "{with} with, {without} without");
}

#[test]
fn divergence_is_reported() {
    let mut trainer = trainer(TrainConfig { learning_rate: 900.0, ..small_config() });
    let error = (0..50).find_map(|_| pollster::block_on(trainer.step()).err()).expect("diverges");
    assert!(
        matches!(error.kind(), ErrorKind::Diverged { .. }) && error.to_string().contains("learning rate"),
        "{error}"
    );
}

#[test]
fn a_network_that_does_not_fit_memory_is_rejected_before_allocation() {
    let device = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
    let config = TrainConfig { plan: "16384 16384 16384".parse().expect("a plan"), ..small_config() };
    let result = Trainer::new(config, HardwareConfig::default(), small_data(), device, 1 << 32, None);
    assert!(result.err().and_then(|error| error.field_name().map(str::to_owned)).as_deref() == Some("plan"));
}

#[test]
fn one_cycle_rises_and_falls_over_the_whole_run() {
    let config = TrainConfig { schedule: Schedule::OneCycle, epochs: 1, ..small_config() };
    let mut trainer = trainer(config.clone());
    let steps = trainer.total_steps();
    let mut rates = Vec::new();
    while !trainer.finished() {
        rates.push(pollster::block_on(trainer.step()).expect("trains").learning_rate);
    }
    let expected =
        (0..steps).map(|step| Schedule::OneCycle.learning_rate(config.learning_rate, &[], step, (steps, 1)));
    assert_eq!(rates, expected.collect::<Vec<_>>());
    let largest = rates.iter().copied().fold(0.0, f64::max);
    assert!(rates[0] < largest / 20.0 && rates[rates.len() - 1] < largest / 1000.0, "{rates:?}");
}

#[test]
fn milestones_lower_the_learning_rate() {
    let mut trainer = trainer(TrainConfig { milestones: vec![1], ..small_config() });
    let rates: Vec<f64> =
        (0..25).map(|_| pollster::block_on(trainer.step()).expect("trains").learning_rate).collect();
    assert!((rates[23] - 0.02).abs() < 1e-12 && (rates[24] - 0.002).abs() < 1e-12, "{rates:?}");
}
