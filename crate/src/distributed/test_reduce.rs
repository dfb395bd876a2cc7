//! An all-reduce in memory, for tests without CUDA.

use std::sync::{Barrier, Mutex};

use burn::tensor::{Tensor, TensorData};

use super::all_reduce::Reduce;

/// A sum over threads.
pub(super) struct InMemoryAllReduce {
    everyone: Barrier,
    sum: Mutex<Option<Vec<f32>>>,
}

impl InMemoryAllReduce {
    pub fn new(devices: usize) -> Self {
        Self { everyone: Barrier::new(devices), sum: Mutex::new(None) }
    }
}

impl Reduce for InMemoryAllReduce {
    fn sum<const D: usize>(&self, own: Tensor<D>) -> Tensor<D> {
        let (device, shape) = (own.device(), own.dims());
        let values: Vec<f32> = own.into_data().try_to_vec().expect("float32");
        let mut sum = self.sum.lock().expect("no panic");
        *sum = Some(match sum.take() {
            Some(sum) => sum.iter().zip(&values).map(|(a, b)| a + b).collect(),
            None => values,
        });
        drop(sum);
        self.everyone.wait();
        let all = self.sum.lock().expect("no panic").clone().expect("summed");
        // Everyone has read it before the next sum begins.
        if self.everyone.wait().is_leader() {
            *self.sum.lock().expect("no panic") = None;
        }
        self.everyone.wait();
        Tensor::from_data(TensorData::new(all, shape), &device)
    }
}
