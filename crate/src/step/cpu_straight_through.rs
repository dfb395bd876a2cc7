//! Gradients through quantized weights in one pass over memory, on the CPU backend; see
//! [`straight_through`](super::straight_through).

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};

use super::straight_through::{Limits, Passed};
use crate::kernels::cpu::values;
use crate::matrix::step_of;
use crate::parallel;

/// The operation that [`Flex`] gains.
#[backend_extension(Flex)]
pub(crate) trait CpuStraightThrough: Backend {
    /// The gradients by the weights and by their steps, and the weighted distance to the caps.
    fn straight_through(
        weight: FloatTensor<Self>,
        used: FloatTensor<Self>,
        step: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        largest: f32,
        lambda: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

type FlexTensor = FloatTensor<Flex>;

impl CpuStraightThrough for Flex {
    fn straight_through(
        weight: FlexTensor,
        used: FlexTensor,
        step: FlexTensor,
        gradient: FlexTensor,
        largest: f32,
        lambda: f32,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let shape = weight.layout().shape().clone();
        let [weight, used, step, mut gradient] =
            [weight, used, step, gradient].map(|tensor| tensor.to_contiguous());
        let (steps, all, outputs) = (values(&step), values(&weight), shape[0].max(1));
        let inputs = (all.len() / outputs).max(1);
        let rows: Vec<&mut [f32]> = gradient.storage_mut().chunks_mut(inputs).collect();
        let sums = parallel::map_items(rows, |output, gradient| {
            let own = output * inputs..output * inputs + gradient.len();
            let step = step_of(steps, output);
            row(&all[own.clone()], &values(&used)[own], step, gradient, Limits { largest, lambda })
        });
        let distance: f64 = sums.iter().map(|(_, distance)| distance).sum();
        let sums: Vec<f64> = sums.into_iter().map(|(by_step, _)| by_step).collect();
        let sums: Vec<f64> = if steps.len() == 1 { vec![sums.iter().sum()] } else { sums };
        let scale = 1.0 / ((all.len() / sums.len().max(1)) as f64 * f64::from(largest)).sqrt();
        let of_step: Vec<f32> = sums.iter().map(|sum| (sum * scale) as f32).collect();
        let count = of_step.len();
        let one = |values: Vec<f32>, count: usize| FlexTensor::from_data(TensorData::new(values, [count]));
        (gradient, one(of_step, count), one(vec![distance as f32], 1))
    }
}

/// Stops the gradient where a weight is beyond the largest integer, and pulls it where a cap has moved it. Returns the sum
/// by the row's step, and the weighted distance.
fn row(weight: &[f32], used: &[f32], step: f32, gradient: &mut [f32], limits: Limits) -> (f64, f64) {
    let Limits { largest, lambda } = limits;
    let (mut sum, mut distance) = (0.0, 0.0);
    for ((weight, used), gradient) in weight.iter().zip(used).zip(gradient) {
        let (ratio, integer) = (weight / step, used / step);
        let moved = (integer - ratio.round().clamp(-largest, largest)).abs() > 0.5;
        let beyond = ratio.abs() > largest;
        let inside = if moved || beyond { 0.0 } else { ratio };
        sum += f64::from(*gradient * (integer - inside));
        if moved {
            let apart = weight - used;
            distance += f64::from(apart * apart);
            *gradient += lambda * apart;
        } else if beyond {
            *gradient = 0.0;
        }
    }
    (sum, 0.5 * f64::from(lambda) * distance)
}

/// See [`CpuStraightThrough::straight_through`].
pub(super) fn pass(
    weight: Tensor<4>,
    used: Tensor<4>,
    step: Tensor<1>,
    gradient: Tensor<4>,
    Limits { largest, lambda }: Limits,
) -> Passed {
    let (weight, used, step) = (weight.into_dispatch(), used.into_dispatch(), step.into_dispatch());
    let (gradient, step, distance) = <Dispatch as CpuStraightThrough>::straight_through(
        weight,
        used,
        step,
        gradient.into_dispatch(),
        largest,
        lambda,
    );
    Passed {
        weight: Tensor::from_dispatch(gradient),
        step: Tensor::from_dispatch(step),
        distance: Tensor::from_dispatch(distance),
    }
}
