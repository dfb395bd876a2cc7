//! The closed-form gradients, checked against finite differences of the losses.

use burn::tensor::{Tensor, TensorData};
use crossdub::config::{DeviceChoice, RegularizerKind};
use crossdub::crossbar::hoyer::tile_densities;
use crossdub::crossbar::tiling::TileShape;
use crossdub::device::ComputeDevice;
use crossdub::loss::{Lambdas, Regularizer};
use crossdub::matrix::Matrix;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// With partial tiles along both sides.
const SHAPE: [usize; 4] = [6, 3, 3, 3];
const TILE: TileShape = TileShape { rows: 8, columns: 4 };

fn random_weights(seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = SHAPE.iter().product();
    // Away from zero, where |w| is not differentiable.
    let draw = |rng: &mut ChaCha8Rng| {
        let magnitude = 0.2 + rng.next_u32() as f32 / u32::MAX as f32;
        if rng.next_u32().is_multiple_of(2) { magnitude } else { -magnitude }
    };
    (0..count).map(|_| draw(&mut rng)).collect()
}

fn evaluate(kind: RegularizerKind, weights: &[f32]) -> (f64, Vec<f32>) {
    let device = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
    let lambdas = Lambdas { main: 0.7, mean: 0.3 };
    let regularizer = Regularizer::new(kind, lambdas, TILE).expect("not none");
    let weight = Tensor::from_data(TensorData::new(weights.to_vec(), SHAPE), &device.device);
    let penalty = regularizer.evaluate(weight);
    let loss = penalty.loss.into_data().as_slice::<f32>().expect("float32")[0];
    (f64::from(loss), penalty.gradient.into_data().as_slice().expect("float32").to_vec())
}

#[test]
fn ungated_gradients_match_finite_differences() {
    use RegularizerKind::{GroupLassoColumn, GroupLassoRow, GroupLassoTile, MeanAndVariance, Ungated};
    for kind in [Ungated, MeanAndVariance, GroupLassoTile, GroupLassoRow, GroupLassoColumn] {
        let weights = random_weights(1);
        let (_, gradient) = evaluate(kind, &weights);
        let largest = gradient.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
        for at in (0..weights.len()).step_by(7) {
            let step = 4e-3;
            let moved = |by: f32| {
                let mut moved = weights.clone();
                moved[at] += by;
                evaluate(kind, &moved).0
            };
            let slope = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            let difference = (slope - f64::from(gradient[at])).abs() / f64::from(largest);
            assert!(difference < 1e-2, "{kind:?} at {at}: {slope} for {}", gradient[at]);
        }
    }
}

#[test]
fn the_gate_zeroes_gradients_of_sparse_columns_and_keeps_the_loss() {
    let weights = random_weights(2);
    let (ungated_loss, ungated) = evaluate(RegularizerKind::Ungated, &weights);
    let (gated_loss, gated) = evaluate(RegularizerKind::Gated, &weights);
    assert!((gated_loss - ungated_loss).abs() < 1e-6 * ungated_loss);
    let same = gated.iter().zip(&ungated).filter(|(g, u)| g == u).count();
    let stopped = gated.iter().filter(|g| **g == 0.0).count();
    assert_eq!(same + stopped, gated.len(), "each gradient is the ungated one or 0");
    assert!(same > 0 && stopped > 0);
}

#[test]
fn an_all_zero_weight_has_a_zero_gradient() {
    for kind in [RegularizerKind::Gated, RegularizerKind::MeanAndVariance, RegularizerKind::GroupLassoTile] {
        let (_, gradient) = evaluate(kind, &vec![0.0; SHAPE.iter().product()]);
        assert!(gradient.iter().all(|g| *g == 0.0), "{kind:?}");
    }
}

/// The maps and the regularizer have separate implementations of the Hoyer density, which must agree.
#[test]
fn maps_show_the_variance_that_the_regularizer_minimizes() {
    let weights = random_weights(3);
    let (loss, _) = evaluate(RegularizerKind::Ungated, &weights);
    let matrix = Matrix::new("w", SHAPE[0], SHAPE[1] * 9, weights).expect("fits");
    let variance: f64 = tile_densities(&matrix, TILE).iter().map(|tile| tile.variance).sum();
    assert!((0.7 * variance - loss).abs() < 1e-4 * loss, "{variance} for {loss}");
}
