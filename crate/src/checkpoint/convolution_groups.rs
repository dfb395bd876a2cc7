//! How many groups a convolution has, told from the shapes alone.
//!
//! A grouped convolution's weight is `[out, in / groups, kh, kw]`: the file says neither `in` nor
//! `groups`. Outputs of different groups have different inputs, so they can't share a crossbar's
//! word lines, and a tile must not span them. These cases are told safely from all layers:
//!
//! - **depthwise**: one input a group, in any layer but the stem (whose one input is a grey image);
//! - **all of one input**: equal shapes are depthwise (Mamba's), kernels of different sizes and as many outputs look at one
//!   text or image side by side (TextCNN's);
//! - **grouped**: the inputs a group divide the outputs of the layer before, and no layer has
//!   that many outputs which a skip connection or a branch could bring here instead.
//!
//! Anything else counts as one group: then a tile may hold more columns than it could, never fewer.

use std::collections::HashSet;

/// A convolution by its sizes, none of them 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConvolutionShape {
    /// Outputs.
    pub outputs: usize,
    /// Inputs of each group.
    pub inputs: usize,
    /// Weights of one output for one input.
    pub kernel: usize,
    /// Whether its name says that it is the first.
    pub is_stem: bool,
    /// Whether it is transposed.
    pub is_transposed: bool,
    /// Its groups, where they are known.
    pub groups: Option<usize>,
}

/// Groups of the convolutions, given in the order of the file, which is the network's or nearly so.
pub(super) fn infer_groups(layers: &[ConvolutionShape]) -> Vec<usize> {
    if let Some(depthwise) = all_of_one_input(layers) {
        let groups = |layer: &ConvolutionShape| if depthwise { layer.outputs } else { 1 };
        return layers.iter().map(|layer| layer.groups.unwrap_or(groups(layer))).collect();
    }
    let grey_stem = grey_stem(layers);
    // Outputs of layers that are not depthwise themselves.
    let dense: HashSet<usize> =
        layers.iter().filter(|layer| layer.inputs != 1).map(|layer| layer.outputs).collect();
    // What could come here whole: the image's channels, or any layer's outputs. Not only an earlier
    // one's: the file's order may not be the network's.
    let outputs = layers.iter().map(|layer| layer.outputs);
    let images = [3].into_iter().chain(layers.first().map(|layer| layer.inputs));
    let known: HashSet<usize> = images.chain(outputs).collect();
    let mut previous = None;
    let mut groups = Vec::with_capacity(layers.len());
    for (at, &layer) in layers.iter().enumerate() {
        let ConvolutionShape { outputs, inputs, is_transposed, groups: own, .. } = layer;
        groups.push(match previous {
            _ if own.is_some() => own.unwrap_or(1),
            _ if is_transposed || grey_stem == Some(at) => 1,
            _ if inputs == 1 && dense.contains(&outputs) => outputs,
            Some(previous) if inputs == 1 && outputs % previous == 0 => previous,
            _ if inputs == 1 => outputs,
            Some(previous) => groups_after(previous, outputs, inputs, &known),
            None => 1,
        });
        previous = Some(outputs.max(1));
    }
    groups
}

/// Whether all layers of a network whose layers have one input are depthwise; `None` for other networks, and for those
/// that tell too little.
fn all_of_one_input(layers: &[ConvolutionShape]) -> Option<bool> {
    let first = layers.first().filter(|_| layers.len() > 2)?;
    let alike = |layer: &ConvolutionShape| {
        layer.inputs == 1 && layer.outputs == first.outputs && !layer.is_stem && !layer.is_transposed
    };
    if !layers.iter().all(alike) {
        return None;
    }
    let kernels: HashSet<usize> = layers.iter().map(|layer| layer.kernel).collect();
    match kernels.len() {
        1 => Some(true),
        different if different == layers.len() => Some(false),
        _ => None,
    }
}

/// The layer whose one input is a grey image, not a group's: the first of one input in a network
/// that has no other beginning.
fn grey_stem(layers: &[ConvolutionShape]) -> Option<usize> {
    // Color images have 3 channels.
    if layers.iter().any(|layer| layer.inputs == 3) {
        return None;
    }
    // In the network's order the first layer is the stem.
    let outputs: HashSet<usize> = layers.iter().map(|layer| layer.outputs).collect();
    if layers.first().is_some_and(|first| first.inputs != 1 && !outputs.contains(&first.inputs)) {
        return None;
    }
    let one_input =
        |layer: &ConvolutionShape| layer.inputs == 1 && layer.groups.is_none_or(|groups| groups == 1);
    let named = layers.iter().position(|layer| one_input(layer) && layer.is_stem);
    named.or_else(|| layers.iter().position(one_input))
}

/// The groups of a layer that follows one of `previous` outputs.
fn groups_after(previous: usize, outputs: usize, inputs: usize, known: &HashSet<usize>) -> usize {
    let groups = previous / inputs;
    let grouped = groups > 1 && previous.is_multiple_of(inputs) && outputs.is_multiple_of(groups);
    if grouped && !known.contains(&inputs) { groups } else { 1 }
}

/// Layers that fit their neighbours better as transposed convolutions: as many first channels as the
/// layer before has outputs, and as many second ones as the layer behind has inputs.
pub(super) fn looks_transposed(layers: &[ConvolutionShape]) -> Vec<usize> {
    let outputs: HashSet<usize> = layers.iter().map(|layer| layer.outputs).collect();
    let fits = |at: &usize| {
        let (before, layer, after) = (layers[at - 1], layers[*at], layers[at + 1]);
        layer.inputs > 1
            && !layer.is_transposed
            && layer.outputs == before.outputs
            && layer.inputs != before.outputs
            && after.inputs == layer.inputs
            && after.inputs != layer.outputs
            && !outputs.contains(&layer.inputs)
    };
    (1..layers.len().saturating_sub(1)).filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(layers: &[(usize, usize)]) -> Vec<ConvolutionShape> {
        let shape = |&(outputs, inputs): &(usize, usize)| ConvolutionShape {
            outputs,
            inputs,
            kernel: 9,
            is_stem: false,
            is_transposed: false,
            groups: None,
        };
        layers.iter().map(shape).collect()
    }

    fn check(layers: &[(usize, usize)], expected: &[usize]) {
        assert_eq!(infer_groups(&shapes(layers)), expected);
    }

    #[test]
    fn depthwise_layers_are_seen_but_not_in_a_first_layer_of_grey_images() {
        // MobileNetV2's beginning, then a multiplier of two.
        check(&[(32, 3), (32, 1), (16, 32), (96, 16), (96, 1), (24, 96), (48, 1)], &[1, 32, 1, 1, 96, 1, 24]);
        check(&[(32, 1), (64, 32)], &[1, 1]);
        check(&[(32, 1), (32, 1), (64, 32)], &[1, 32, 1]);
        check(&[(6, 1), (16, 6)], &[1, 1]);
        // Nothing but layers of one input: depthwise if they are alike, side by side if their kernels differ.
        check(&[(64, 1), (64, 1), (64, 1)], &[64, 64, 64]);
        let mut texts = shapes(&[(100, 1), (100, 1), (100, 1)]);
        (texts[0].kernel, texts[1].kernel, texts[2].kernel) = (900, 1200, 1500);
        assert_eq!(infer_groups(&texts), [1, 1, 1]);
        // Known groups leave the stem to another layer.
        let mut known = shapes(&[(8, 1), (4, 8), (8, 1)]);
        known[0].groups = Some(8);
        assert_eq!(infer_groups(&known), [8, 1, 1]);
    }

    #[test]
    fn depthwise_layers_are_seen_in_the_order_of_names_too() {
        // timm's `blocks...` sort before `conv_head` and `conv_stem`.
        check(&[(16, 1), (8, 16), (48, 1), (48, 8), (12, 48), (64, 12), (16, 3)], &[16, 1, 48, 1, 1, 1, 1]);
        // 48 outputs before 16 inputs are no 3 groups: the stem has 16 outputs, wherever it is.
        check(&[(48, 1), (48, 16), (24, 48), (16, 3)], &[48, 1, 1, 1]);
        // The same of grey images: the name tells the stem.
        let mut grey = shapes(&[(16, 1), (8, 16), (16, 1)]);
        grey[2].is_stem = true;
        assert_eq!(infer_groups(&grey), [16, 1, 1]);
    }

    #[test]
    fn resnext_is_grouped_and_resnet_is_not() {
        // ResNeXt-50: stem, a block with its shortcut, the next block.
        let resnext = [(64, 3), (128, 64), (128, 4), (256, 128), (256, 64), (128, 256), (128, 4)];
        check(&resnext, &[1, 1, 32, 1, 1, 1, 32]);
        // ResNet-18: the shortcut takes 64 inputs after a layer of 128 outputs.
        check(&[(64, 3), (64, 64), (64, 64), (128, 64), (128, 128), (128, 64)], &[1; 6]);
        // SqueezeNet: two branches from one layer.
        check(&[(96, 3), (16, 96), (64, 16), (64, 16), (16, 128)], &[1; 5]);
    }

    #[test]
    fn a_transposed_convolution_is_suspected_by_its_neighbours() {
        // A U-Net's end: 64 inputs, 16 outputs, then 3.
        assert_eq!(looks_transposed(&shapes(&[(32, 3), (64, 32), (64, 16), (3, 16)])), [2]);
        assert_eq!(looks_transposed(&shapes(&[(64, 3), (128, 64), (128, 4), (256, 128)])), [0; 0]);
    }
}
