//! The Hoyer variance on Burn's CPU backend: the same formula in two passes over a band of tiles that stays in the
//! cache, instead of a dozen passes over the whole weight.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};

use super::HoyerVariance;
use crate::crossbar::hoyer::EPSILON;
use crate::kernels::cpu::values;
use crate::kernels::fits_cpu;
use crate::loss::penalty::Penalty;
use crate::parallel;
use crossdub_kernels::hoyer_variance;

/// The operation that [`Flex`] gains.
#[backend_extension(Flex)]
trait CpuVariance: Backend {
    /// Value, one element, and gradient of a weight.
    fn hoyer_variance(
        weight: FloatTensor<Self>,
        variance: HoyerVariance,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

type FlexTensor = FloatTensor<Flex>;

impl CpuVariance for Flex {
    fn hoyer_variance(weight: FlexTensor, variance: HoyerVariance) -> (FlexTensor, FlexTensor) {
        let weight = weight.to_contiguous();
        let shape = weight.layout().shape().clone();
        let weights = values(&weight);
        let inputs = weights.len() / shape[0].max(1);
        let (band, variance) = (variance.tile.columns * inputs, variance.kernel());
        let mut gradient = vec![0.0_f32; weights.len()];
        let losses = parallel::map_chunks(&mut gradient, band, |index, gradient| {
            let weights = &weights[index * band..][..gradient.len()];
            parallel::vectorized(
                #[inline(always)]
                || variance.add_band(weights, inputs, gradient, |_, _| ()),
            )
        });
        let loss = losses.iter().sum::<f64>() as f32;
        let loss = FlexTensor::from_data(TensorData::new(vec![loss], [1]));
        (loss, FlexTensor::from_data(TensorData::new(gradient, shape)))
    }
}

/// Value and gradient; `None` on other devices.
///
/// # Shapes
/// - `weight`: `[out, in, kh, kw]`
pub(super) fn evaluate(variance: &HoyerVariance, weight: &Tensor<4>) -> Option<Penalty> {
    if !fits_cpu(weight) || weight.shape().num_elements() == 0 {
        return None;
    }
    let (loss, gradient) =
        <Dispatch as CpuVariance>::hoyer_variance(weight.clone().into_dispatch(), *variance);
    Some(Penalty { loss: Tensor::from_dispatch(loss), gradient: Tensor::from_dispatch(gradient) })
}

impl HoyerVariance {
    /// As the loop takes it.
    pub(crate) fn kernel(&self) -> hoyer_variance::HoyerVariance {
        let Self { lambda, lambda_mean, gated, tile } = *self;
        let (rows, columns) = (tile.rows, tile.columns);
        hoyer_variance::HoyerVariance { lambda, lambda_mean, gated, epsilon: EPSILON, rows, columns }
    }
}
