//! What layers hand on, each kept until the last layer that wants it: a residual block's input is
//! wanted twice.

use super::layer::Layer;

/// The values of a network on their way, by place (see [`Layer`]).
#[derive(Debug)]
pub struct Activations<T> {
    places: Vec<Option<T>>,
    /// The last layer that wants each place.
    last: Vec<usize>,
}

impl<T> Activations<T> {
    /// Starts with the images.
    pub fn new<'a>(layers: impl ExactSizeIterator<Item = &'a Layer>, images: T) -> Self {
        let mut last: Vec<usize> = (0..=layers.len()).collect();
        for (at, layer) in layers.enumerate() {
            [Some(layer.input), layer.add].into_iter().flatten().for_each(|place| last[place] = at);
        }
        Self { places: vec![Some(images)], last }
    }

    /// The input of a layer, and what it adds.
    ///
    /// # Panics
    /// When the layers before it have not been gone through in order.
    pub fn inputs_of(&self, layer: &Layer) -> (&T, Option<&T>) {
        let of = |place: usize| self.places[place].as_ref().expect("kept for its last layer");
        (of(layer.input), layer.add.map(of))
    }

    /// Takes what the next layer gives, and drops what no later one wants.
    pub fn push(&mut self, given: T) {
        let at = self.places.len() - 1;
        for (place, last) in self.places.iter_mut().zip(&self.last) {
            if *last <= at {
                *place = None;
            }
        }
        self.places.push(Some(given));
    }

    /// What the last layer gave.
    pub fn into_output(mut self) -> Option<T> {
        self.places.pop().flatten()
    }
}
