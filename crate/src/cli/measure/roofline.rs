//! What the machine can do at most, measured once, and the least time that some work takes there.

use std::sync::OnceLock;

use super::timing::{median, timed};
use crate::network::NetworkSpec;
use crossdub_kernels::peak;

/// Values copied at a time: more than any cache holds.
const COPIED: usize = 1 << 26;
const RUNS: usize = 9;

/// A machine's limits.
#[derive(Debug, Clone, Copy)]
pub struct Roofline {
    /// Multiply-adds a millisecond, in registers, on all cores.
    pub multiply_adds: f64,
    /// Bytes read and written a millisecond, on all cores.
    pub bytes: f64,
}

impl Roofline {
    /// This machine's, as of the first call.
    pub fn here() -> Self {
        static HERE: OnceLock<Roofline> = OnceLock::new();
        *HERE.get_or_init(|| {
            let best = |mut run: Box<dyn FnMut() -> f64>| {
                run();
                median((0..RUNS).map(|_| run()).collect())
            };
            let multiply_adds = best(Box::new(|| {
                let (count, time) = timed(peak::multiply_add);
                count as f64 / time
            }));
            let (from, mut to) = (vec![1.0; COPIED], vec![0.0; COPIED]);
            let bytes = best(Box::new(move || {
                let ((), time) = timed(|| peak::copy(&from, &mut to));
                (2 * size_of::<f32>() * COPIED) as f64 / time
            }));
            Self { multiply_adds, bytes }
        })
    }

    /// What a step's multiply-adds take at the least, for a note.
    pub fn training_note(self, spec: &NetworkSpec, batch: usize) -> String {
        let time = multiply_adds(spec, batch, true) as f64 / self.multiply_adds;
        format!("{time:.1} ms at the machine's peak")
    }

    /// What a forward pass's multiply-adds take at the least, for a note.
    pub fn forward_note(self, spec: &NetworkSpec, batch: usize) -> String {
        let time = multiply_adds(spec, batch, false) as f64 / self.multiply_adds;
        format!("{time:.1} ms at the machine's peak")
    }
}

/// Multiply-adds of all layers: those of the forward pass; in training those of both gradients, too, except that the first
/// layer's input has none.
fn multiply_adds(spec: &NetworkSpec, batch: usize, training: bool) -> u64 {
    let convolutions = spec.conv_shapes();
    let of_convolutions = convolutions
        .iter()
        .map(|layer| layer.shape.iter().product::<usize>() as u64 * layer.output_positions);
    let matrices = spec.param_specs().into_iter().filter(|param| param.shape.len() == 2);
    let layers: Vec<u64> = of_convolutions.chain(matrices.map(|param| param.num_values())).collect();
    let (all, first) = (layers.iter().sum::<u64>(), layers.first().copied().unwrap_or(0));
    batch as u64 * if training { 3 * all - first } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NetworkName, TrainConfig};

    #[test]
    fn products_of_vgg_small_are_counted() {
        let mut config = TrainConfig::default();
        config.set_model(NetworkName::VggSmall);
        let spec = NetworkSpec::from_config(&config, 10).expect("valid");
        let first = 27 * 32 * 1024;
        let all = first + 288 * 64 * 256 + 576 * 128 * 64 + 2048 * 128 + 1280;
        assert_eq!(multiply_adds(&spec, 4, false), 4 * all);
        assert_eq!(multiply_adds(&spec, 4, true), 4 * (3 * all - first));
    }
}
