//! Gradients through quantized weights in one pass over memory, on the CPU backend; see
//! [`straight_through`](super::straight_through).

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::kernels::values;
use crate::parallel;

/// The operation that [`Flex`] gains.
#[backend_extension(Flex)]
pub(crate) trait CpuStraightThrough: Backend {
    /// The gradients by the weights and by their steps.
    fn straight_through(
        weight: FloatTensor<Self>,
        used: FloatTensor<Self>,
        step: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        largest: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

type FlexTensor = FloatTensor<Flex>;

impl CpuStraightThrough for Flex {
    fn straight_through(
        weight: FlexTensor,
        used: FlexTensor,
        step: FlexTensor,
        gradient: FlexTensor,
        largest: f32,
    ) -> (FlexTensor, FlexTensor) {
        let shape = weight.layout().shape().clone();
        let [weight, used, step, mut gradient] =
            [weight, used, step, gradient].map(|tensor| tensor.to_contiguous());
        let (steps, all, outputs) = (values(&step), values(&weight), shape[0].max(1));
        let inputs = (all.len() / outputs).max(1);
        let rows: Vec<&mut [f32]> = gradient.storage_mut().chunks_mut(inputs).collect();
        let sums = parallel::map_items(rows, |output, gradient| {
            let own = output * inputs..output * inputs + gradient.len();
            let step = steps[if steps.len() == 1 { 0 } else { output }];
            row(&all[own.clone()], &values(&used)[own], step, gradient, largest)
        });
        let sums: Vec<f64> = if steps.len() == 1 { vec![sums.iter().sum()] } else { sums };
        let scale = 1.0 / ((all.len() / sums.len().max(1)) as f64 * f64::from(largest)).sqrt();
        let of_step: Vec<f32> = sums.iter().map(|sum| (sum * scale) as f32).collect();
        let count = of_step.len();
        (gradient, FlexTensor::from_data(TensorData::new(of_step, [count])))
    }
}

/// Stops the gradient where a weight is beyond the largest integer. Returns the sum by the row's step.
fn row(weight: &[f32], used: &[f32], step: f32, gradient: &mut [f32], largest: f32) -> f64 {
    let mut sum = 0.0;
    for ((weight, used), gradient) in weight.iter().zip(used).zip(gradient) {
        let (ratio, integer) = (weight / step, used / step);
        let moved = (integer - ratio.round().clamp(-largest, largest)).abs() > 0.5;
        let beyond = ratio.abs() > largest;
        let inside = if moved || beyond { 0.0 } else { ratio };
        sum += f64::from(*gradient * (integer - inside));
        if beyond && !moved {
            *gradient = 0.0;
        }
    }
    sum
}

/// Whether a weight lies where this operation works.
pub(super) fn applies(weight: &Tensor<4>) -> bool {
    weight.dtype() == DType::F32 && weight.device().inner() == Device::flex()
}

/// See [`CpuStraightThrough::straight_through`].
pub(super) fn pass(
    weight: Tensor<4>,
    used: Tensor<4>,
    step: Tensor<1>,
    gradient: Tensor<4>,
    largest: f32,
) -> (Tensor<4>, Tensor<1>) {
    let (weight, used, step) = (weight.into_dispatch(), used.into_dispatch(), step.into_dispatch());
    let (gradient, step) = <Dispatch as CpuStraightThrough>::straight_through(
        weight,
        used,
        step,
        gradient.into_dispatch(),
        largest,
    );
    (Tensor::from_dispatch(gradient), Tensor::from_dispatch(step))
}
