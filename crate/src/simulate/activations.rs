//! The activations between layers, each kept until the last layer that reads it: a residual block reads
//! its input twice.

use super::layer::SimulatedLayer;

/// The activations of a network in progress, by index (see [`SimulatedLayer`]).
#[derive(Debug)]
pub struct Activations<T> {
    values: Vec<Option<T>>,
    /// The last layer that reads each activation.
    last_reader: Vec<usize>,
}

impl<T> Activations<T> {
    /// Starts with the images.
    pub fn new<'a>(layers: impl ExactSizeIterator<Item = &'a SimulatedLayer>, images: T) -> Self {
        let mut last_reader: Vec<usize> = (0..=layers.len()).collect();
        for (index, layer) in layers.enumerate() {
            [Some(layer.input), layer.add].into_iter().flatten().for_each(|read| last_reader[read] = index);
        }
        Self { values: vec![Some(images)], last_reader }
    }

    /// The input of a layer, and the activation that it adds.
    ///
    /// # Panics
    /// If the outputs of the layers before it were not pushed in order.
    pub fn inputs_of(&self, layer: &SimulatedLayer) -> (&T, Option<&T>) {
        let value = |index: usize| self.values[index].as_ref().expect("kept for its last reader");
        (value(layer.input), layer.add.map(value))
    }

    /// Adds the next layer's output, and drops activations that no later layer reads.
    pub fn push(&mut self, output: T) {
        let layer = self.values.len() - 1;
        for (value, last_reader) in self.values.iter_mut().zip(&self.last_reader) {
            if *last_reader <= layer {
                *value = None;
            }
        }
        self.values.push(Some(output));
    }

    /// The output of the last layer.
    pub fn into_output(mut self) -> Option<T> {
        self.values.pop().flatten()
    }
}
