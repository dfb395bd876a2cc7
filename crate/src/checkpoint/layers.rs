//! The layers of a checkpoint: which tensors they are, how they lie in memory, and their groups.

use std::collections::HashMap;

use super::convolution_groups::{ConvolutionShape, infer_groups, looks_transposed};
use super::file_facts::Hint;
use super::kernel_layout::{Neighbours, is_kernel, kernel_layout};
use super::matrix_view::{DimOrder, MatrixView};
use super::names::sibling;
use super::roles::{TensorRole, layer_shape, role};
use super::{Checkpoint, NamedTensor};

/// A tensor's part in the network.
pub(super) struct ClassifiedTensor<'a> {
    pub tensor: &'a NamedTensor,
    pub hint: Hint,
    pub role: TensorRole,
    /// How it becomes a matrix; `None` if it is not a layer.
    pub view: Option<MatrixView>,
}

/// All tensors with their roles, and remarks on what was concluded.
pub(super) struct Layers<'a> {
    pub tensors: Vec<ClassifiedTensor<'a>>,
    pub notes: Vec<String>,
}

impl ClassifiedTensor<'_> {
    /// Whether it lies on crossbars; `linear` if fully connected layers do.
    pub fn is_taken(&self, linear: bool) -> bool {
        match self.role {
            TensorRole::Convolution | TensorRole::Tile => self.hint.tied.is_none(),
            TensorRole::Linear => linear && self.hint.tied.is_none(),
            TensorRole::None(_) => false,
        }
    }
}

/// Finds the layers of a checkpoint.
pub(super) fn layers(weights: &Checkpoint) -> Layers<'_> {
    let shapes: HashMap<&str, &[usize]> =
        weights.tensors.iter().map(|tensor| (&*tensor.name, &*tensor.shape)).collect();
    let hint = |name: &str| weights.facts.hints.get(name).cloned().unwrap_or_default();
    let mut tensors: Vec<ClassifiedTensor<'_>> = Vec::with_capacity(weights.tensors.len());
    let mut roles = HashMap::<&str, bool>::new();
    for tensor in &weights.tensors {
        let mut hint = hint(&tensor.name);
        let role = role(&tensor.name, &tensor.shape, tensor.data.len(), &hint, &shapes);
        let is_layer = !matches!(role, TensorRole::None(_));
        // A layer that shares its weights with an embedding is still a layer.
        if hint.tied.as_deref().is_some_and(|other| roles.get(other) == Some(&false)) {
            hint.tied = None;
        }
        roles.insert(&tensor.name, is_layer);
        tensors.push(ClassifiedTensor { tensor, hint, role, view: None });
    }
    let mut notes = Vec::new();
    let layouts = layouts(weights, &shapes, &tensors, &mut notes);
    set_views(&mut tensors, &layouts, &mut notes);
    let tied = tensors
        .iter()
        .filter(|layer| weights.facts.hints.get(&layer.tensor.name).is_some_and(|h| h.tied.is_some()));
    for layer in tied.take(8) {
        let other = weights.facts.hints.get(&layer.tensor.name).and_then(|hint| hint.tied.clone());
        if layer.tensor.shape.len() > 1 {
            notes.push(format!(
                "{} and {} are the same tensor (tied)",
                other.unwrap_or_default(),
                layer.tensor.name
            ));
        }
    }
    Layers { tensors, notes }
}

/// The layout of each tensor.
fn layouts(
    weights: &Checkpoint,
    shapes: &HashMap<&str, &[usize]>,
    tensors: &[ClassifiedTensor<'_>],
    notes: &mut Vec<String>,
) -> Vec<DimOrder> {
    let convolutions: Vec<&[usize]> = tensors
        .iter()
        .filter(|layer| layer.role == TensorRole::Convolution && !is_kernel(&layer.tensor.name))
        .map(|layer| layer_shape(&layer.tensor.shape))
        .collect();
    let is_mlx = weights.facts.metadata.get("format").is_some_and(|format| format == "mlx");
    let channels_last = is_mlx || is_channels_last(&convolutions);
    if channels_last && !convolutions.is_empty() {
        notes.push("convolutions are read as [out, ..., in], as MLX stores them".to_owned());
    }
    let mut swapped = Vec::new();
    let mut vectors = vectors_behind(tensors).into_iter();
    let of_layer = |layer: &ClassifiedTensor<'_>| {
        let (name, shape) = (&layer.tensor.name, layer_shape(&layer.tensor.shape));
        let vector = if layer.role == TensorRole::Convolution { vectors.next().flatten() } else { None };
        if matches!(layer.role, TensorRole::None(_) | TensorRole::Tile) {
            return DimOrder::OutIn;
        }
        // A bias has one number for each output.
        let outputs = match shapes.get(&*sibling(name, "bias")) {
            Some([outputs]) => Some(*outputs),
            _ => None,
        };
        if is_kernel(name) {
            return kernel_layout(name, shape, layer.hint.transposed, Neighbours { bias: outputs, vector });
        }
        if channels_last && layer.role == TensorRole::Convolution {
            return DimOrder::ChannelsLast;
        }
        if layer.hint.transposed == Some(true) {
            return DimOrder::InOut;
        }
        let is_swapped = outputs.is_some_and(|outputs| outputs != shape[0] && outputs == shape[1]);
        if is_swapped && layer.hint.transposed.is_none() {
            swapped.push(name.clone());
            return DimOrder::InOut;
        }
        DimOrder::OutIn
    };
    let mut layouts: Vec<DimOrder> = tensors.iter().map(of_layer).collect();
    let squares = square_layers(tensors, &layouts, shapes);
    squares.iter().for_each(|&at| layouts[at] = DimOrder::InOut);
    let kernels = [
        (DimOrder::Depthwise, "as depthwise kernels, [..., in, multiplier], as Keras stores them"),
        (DimOrder::KernelOutIn, "as transposed kernels, [..., out, in], as Keras stores them"),
    ];
    for (wanted, what) in kernels {
        match layouts.iter().filter(|layout| **layout == wanted).count() {
            0 => {}
            1 => notes.push(format!("1 layer is read {what}")),
            count => notes.push(format!("{count} layers are read {what}")),
        }
    }
    if let Some(first) = swapped.first() {
        notes.push(format!(
            "{} stored as [in, out, ...] by the length of their biases, as transposed convolutions are ({first}{})",
            if swapped.len() == 1 { "1 layer is".to_owned() } else { format!("{} layers are", swapped.len()) },
            if swapped.len() == 1 { "" } else { ", ..." },
        ));
    }
    match squares[..] {
        [] => {}
        [at] => {
            notes
                .push(format!("{}, as long as wide, is read as its neighbours are", tensors[at].tensor.name));
        }
        [at, ..] => notes.push(format!(
            "{} layers as long as wide are read as their neighbours are ({}, ...)",
            squares.len(),
            tensors[at].tensor.name
        )),
    }
    layouts
}

/// Fully connected layers as long as wide, of which the length of the bias says nothing, where that of every other says
/// that they are stored as [in, out], as GPT-2's are.
fn square_layers(
    tensors: &[ClassifiedTensor<'_>],
    layouts: &[DimOrder],
    shapes: &HashMap<&str, &[usize]>,
) -> Vec<usize> {
    let with_bias = |layer: &ClassifiedTensor<'_>| {
        let bias = shapes.get(&*sibling(&layer.tensor.name, "bias"));
        layer.role == TensorRole::Linear
            && !is_kernel(&layer.tensor.name)
            && layer.hint.transposed.is_none()
            && matches!(bias, Some([outputs]) if layer.tensor.shape.contains(outputs))
    };
    let known: Vec<usize> = (0..tensors.len()).filter(|&at| with_bias(&tensors[at])).collect();
    let is_square = |at: usize| tensors[at].tensor.shape[0] == tensors[at].tensor.shape[1];
    let mut others = known.iter().filter(|&&at| !is_square(at)).peekable();
    if others.peek().is_none() || others.any(|&at| layouts[at] != DimOrder::InOut) {
        return Vec::new();
    }
    known.into_iter().filter(|&at| is_square(at)).collect()
}

/// Whether convolutions have their inputs last: at least one must, and none may have them second.
fn is_channels_last(shapes: &[&[usize]]) -> bool {
    let (mut last, mut second) = (0, 0);
    for shape in shapes.iter().filter(|shape| shape.len() == 4) {
        let (a, b, c) = (shape[1], shape[2], shape[3]);
        // Square kernels, in one place only. A kernel of one pixel says nothing.
        if a == b && a > 1 && b != c && a <= 16 && c > 1 {
            last += 1;
        } else if a != b && (b == c || c == 1) {
            second += 1;
        }
    }
    last > 0 && second == 0
}

/// Sets how each layer becomes a matrix, with its groups.
fn set_views(tensors: &mut [ClassifiedTensor<'_>], layouts: &[DimOrder], notes: &mut Vec<String>) {
    let mut shapes = Vec::new();
    for (layer, &layout) in
        tensors.iter().zip(layouts).filter(|(layer, _)| layer.role == TensorRole::Convolution)
    {
        let shape = layer_shape(&layer.tensor.shape);
        let view = MatrixView::new(shape, layout, 1);
        let kernel: usize = match layout {
            DimOrder::OutIn | DimOrder::InOut => shape[2..].iter().product(),
            DimOrder::ChannelsLast => shape[1..shape.len() - 1].iter().product(),
            DimOrder::KernelFirst | DimOrder::KernelOutIn | DimOrder::Depthwise => {
                shape[..shape.len() - 2].iter().product()
            }
        };
        shapes.push(ConvolutionShape {
            outputs: view.rows,
            inputs: view.cols / kernel.max(1),
            kernel,
            is_stem: layer.tensor.name.contains("stem"),
            // Never grouped by a guess: its second dimension holds outputs.
            is_transposed: matches!(layout, DimOrder::InOut | DimOrder::KernelOutIn),
            groups: layer.hint.groups.or_else(|| depthwise_groups(shape, layout)),
        });
    }
    suspect_transposed(tensors, &mut shapes, notes);
    let mut guesses = infer_groups(&shapes).into_iter();
    let mut guessed = 0;
    for (layer, &layout) in tensors.iter_mut().zip(layouts) {
        let guess = if layer.role == TensorRole::Convolution { guesses.next().unwrap_or(1) } else { 1 };
        let shape = layer_shape(&layer.tensor.shape);
        let known = layer.hint.groups.or_else(|| depthwise_groups(shape, layout));
        let groups = known.unwrap_or(guess);
        let divided = match layout {
            DimOrder::KernelFirst => shape.last().copied(),
            DimOrder::KernelOutIn => shape.get(shape.len() - 2).copied(),
            DimOrder::Depthwise => known,
            _ => shape.first().copied(),
        };
        let fits = groups > 0 && divided.is_some_and(|size| size.is_multiple_of(groups));
        let groups = if fits { groups } else { 1 };
        guessed += usize::from(known.is_none() && groups > 1);
        if !matches!(layer.role, TensorRole::None(_)) {
            layer.view = Some(MatrixView::new(shape, layout, groups));
        }
    }
    if guessed > 0 {
        let layers = if guessed == 1 { "1 layer is".to_owned() } else { format!("{guessed} layers are") };
        notes.push(format!("{layers} taken as grouped by shape, which a state dict does not say"));
    }
}

/// The groups that a layout says: each input of a depthwise kernel is one.
fn depthwise_groups(shape: &[usize], layout: DimOrder) -> Option<usize> {
    (layout == DimOrder::Depthwise).then(|| shape[shape.len() - 2])
}

/// Names layers that may be transposed convolutions, and marks them so that no groups are guessed.
fn suspect_transposed(
    tensors: &[ClassifiedTensor<'_>],
    shapes: &mut [ConvolutionShape],
    notes: &mut Vec<String>,
) {
    let is_convolution = |layer: &&ClassifiedTensor<'_>| layer.role == TensorRole::Convolution;
    let convolutions: Vec<&ClassifiedTensor<'_>> = tensors.iter().filter(is_convolution).collect();
    let by_neighbours = looks_transposed(shapes);
    let mut suspects: Vec<&str> = Vec::new();
    for (at, (layer, vector)) in convolutions.iter().zip(vectors_behind(tensors)).enumerate() {
        let shape = layer_shape(&layer.tensor.shape);
        // Even kernels enlarge; a normalization behind has one number for each output.
        let is_even = shape[2..].iter().all(|size| size % 2 == 0);
        let by_vector = is_even && shape[1] != shape[0] && vector == Some(shape[1]);
        let is_said = is_kernel(&layer.tensor.name)
            || shapes[at].is_transposed
            || layer.hint.transposed.is_some()
            || layer.hint.groups.is_some();
        if !is_said && (by_vector || by_neighbours.contains(&at)) {
            suspects.push(&layer.tensor.name);
            shapes[at].is_transposed = true;
        }
    }
    if let Some(first) = suspects.first() {
        let more =
            if suspects.len() > 1 { format!(" and {} more", suspects.len() - 1) } else { String::new() };
        notes.push(format!("{first}{more} may be a transposed convolution, which a state dict does not say"));
    }
}

/// For each convolution the length of the vector behind it, before the next layer.
fn vectors_behind(tensors: &[ClassifiedTensor<'_>]) -> Vec<Option<usize>> {
    let (mut behind, mut next) = (Vec::new(), None);
    for layer in tensors.iter().rev() {
        match layer.tensor.shape[..] {
            [size] => next = Some(size),
            [] => {}
            _ => {
                if layer.role == TensorRole::Convolution {
                    behind.push(next);
                }
                next = None;
            }
        }
    }
    behind.reverse();
    behind
}
