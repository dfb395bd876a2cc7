//! Whole networks by this crate's CPU kernels and by Burn's.

use burn::tensor::{Device, Tensor, TensorData};
use crossdub::config::{Kernels, NetworkName, TrainConfig};
use crossdub::network::parameters::import;
use crossdub::network::spec::initialize;
use crossdub::network::{Network, NetworkSpec};

/// The length of the difference over that of the expected. A maximum would show where rounding moves a value across a
/// ReLU's zero, which changes single gradients by far more than rounding.
fn relative_distance(got: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let square = |x: f64| x * x;
    let distance: f64 = got.iter().zip(expected).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let length: f64 = expected.iter().map(|x| square(f64::from(*x))).sum();
    (distance / length).sqrt()
}

/// Scores, the gradient of each convolution's weight, and of the images.
fn pass(model: NetworkName, side: usize, kernels: Kernels, autodiff: bool, scale: f32) -> Vec<Vec<f32>> {
    let mut config = TrainConfig { side, ..TrainConfig::default() };
    config.set_model(model);
    let spec = NetworkSpec::from_config(&config, 10).expect("a network");
    let device = if autodiff { Device::flex().autodiff() } else { Device::flex() };
    let network = import(Network::new(&spec, &device), &spec, &initialize(&spec, 5)).expect("fits");
    let network = network.with_kernels(kernels);
    let values: Vec<f32> = (0..3 * 3 * side * side).map(|at| scale * (at as f32 * 0.37).sin()).collect();
    let images = Tensor::<4>::from_data(TensorData::new(values, [3, 3, side, side]), &device);
    let images = if autodiff { images.require_grad() } else { images };
    let scores = network.forward(images.clone(), None);
    let floats = |data: TensorData| data.as_slice::<f32>().expect("float32").to_vec();
    let mut results = vec![floats(scores.clone().into_data())];
    if autodiff {
        let weights = Tensor::<2>::from_data(
            TensorData::new((0..30).map(|at| (at as f32).cos()).collect::<Vec<_>>(), [3, 10]),
            &device,
        );
        let gradients = (scores * weights).sum().backward();
        results.push(floats(images.grad(&gradients).expect("a gradient").into_data()));
        for layer in network.convolutions() {
            results.push(floats(layer.weight.val().grad(&gradients).expect("a gradient").into_data()));
        }
    }
    results
}

#[test]
fn networks_compute_the_same_by_both_kernels() {
    for (model, side) in [
        (NetworkName::VggSmall, 32),
        (NetworkName::Vgg11, 32),
        (NetworkName::Vgg11Bn, 32),
        (NetworkName::ResNet18, 64),
    ] {
        for autodiff in [false, true] {
            let ours = pass(model, side, Kernels::Crossdub, autodiff, 1.0);
            let burns = pass(model, side, Kernels::Burn, autodiff, 1.0);
            // What rounding may do: a deep network multiplies it, and more so where few pixels are normalized.
            let moved = pass(model, side, Kernels::Burn, autodiff, 1.0 + 1e-6);
            assert!(ours != burns, "{model:?}: both are the same, so one was not used");
            for (at, ((ours, burns), moved)) in ours.iter().zip(&burns).zip(&moved).enumerate() {
                let (distance, rounding) = (relative_distance(ours, burns), relative_distance(moved, burns));
                assert!(
                    distance < (4.0 * rounding).max(2e-5),
                    "{model:?}, autodiff {autodiff}, result {at}: {distance}, rounding {rounding}"
                );
            }
        }
    }
}
