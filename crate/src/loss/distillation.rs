//! Distillation: what a network's scores lack of a teacher's (Hinton et al., arXiv 1503.02531).

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Tensor, TensorData};

/// A teacher's scores of a batch, and how much they count.
#[derive(Debug, Clone, Copy)]
pub struct Distillation<'a> {
    /// The teacher's logits, `[batch, classes]` row-major.
    pub scores: &'a [f32],
    /// The teacher's share of the loss, 0 to 1; the labels have the rest.
    pub weight: f64,
    /// What both networks' logits are divided by.
    pub temperature: f64,
}

impl Distillation<'_> {
    /// The divergence from the teacher, one element: `T^2 mean_i sum_c p_ic (log p_ic - log q_ic)` of `p = softmax(teacher / T)`
    /// and `q = softmax(logits / T)`. The factor keeps its gradient at the size of the labels'.
    ///
    /// # Shapes
    /// - `logits`: `[batch, classes]`, as many as there are scores
    /// - output: `[1]`
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// use burn::tensor::{Device, Tensor};
    /// use crossdub::loss::distillation::Distillation;
    ///
    /// // The teacher is sure of the first class, the network of none: log 2.
    /// let teacher = Distillation { scores: &[50.0, 0.0], weight: 1.0, temperature: 1.0 };
    /// let loss = teacher.divergence(Tensor::<2>::zeros([1, 2], &Device::flex())).into_scalar::<f32>();
    /// assert!((loss - 2_f32.ln()).abs() < 1e-6);
    /// # }
    /// ```
    pub fn divergence(&self, logits: Tensor<2>) -> Tensor<1> {
        let scores = TensorData::new(self.scores.to_vec(), logits.dims());
        let teacher = Tensor::<2>::from_data(scores, &logits.device()) / self.temperature;
        let apart = log_softmax(teacher.clone(), 1) - log_softmax(logits / self.temperature, 1);
        (softmax(teacher, 1) * apart).sum_dim(1).mean() * self.temperature.powi(2)
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn soft(logits: &[f32], temperature: f64) -> Vec<f64> {
        let all: Vec<f64> = logits.iter().map(|&score| (f64::from(score) / temperature).exp()).collect();
        all.iter().map(|one| one / all.iter().sum::<f64>()).collect()
    }

    /// By hand: `T (q - p) / batch`.
    #[test]
    fn the_gradient_is_the_difference_of_both_distributions() {
        let (logits, scores) = ([0.3, -1.2, 2.0, 0.0, 0.5, -0.5], [1.0, 2.0, -1.0, 0.2, 0.4, 3.0]);
        for temperature in [1.0, 4.0] {
            let teacher = Distillation { scores: &scores, weight: 0.5, temperature };
            let device = Device::flex().autodiff();
            let network =
                Tensor::<2>::from_data(TensorData::new(logits.to_vec(), [2, 3]), &device).require_grad();
            let loss = teacher.divergence(network.clone());
            let gradient = network.grad(&loss.backward()).expect("a gradient").into_data();
            let gradient = gradient.as_slice::<f32>().expect("float32");
            let mut expected = 0.0;
            for row in 0..2 {
                let own = row * 3..row * 3 + 3;
                let (q, p) = (soft(&logits[own.clone()], temperature), soft(&scores[own], temperature));
                for class in 0..3 {
                    let by_hand = temperature * (q[class] - p[class]) / 2.0;
                    let found = f64::from(gradient[row * 3 + class]);
                    assert!((found - by_hand).abs() < 1e-6, "{found} and {by_hand}");
                    expected += temperature.powi(2) * p[class] * (p[class] / q[class]).ln() / 2.0;
                }
            }
            let loss = f64::from(loss.into_scalar::<f32>());
            assert!((loss - expected).abs() < 1e-5, "{loss} and {expected}");
        }
    }
}
