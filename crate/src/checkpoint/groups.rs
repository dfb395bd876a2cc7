//! How many groups a convolution has, told from the shapes alone.
//!
//! A grouped convolution's weight is `[out, in / groups, kh, kw]`: the file says neither `in` nor
//! `groups`. Outputs of different groups have different inputs, so they can't share a crossbar's
//! word lines, and a tile must not span them. Two cases are told safely from the layers before:
//!
//! - **depthwise**: one input a group, in any layer but the first (whose one input is a grey image);
//! - **grouped**: the inputs a group divide the outputs of the layer before, and no earlier layer has
//!   that many outputs which a skip connection or a branch could bring here instead.
//!
//! Anything else counts as one group: then a tile may hold more columns than it could, never fewer.

use std::collections::HashSet;

/// Groups of the convolutions, given as outputs and inputs a group (`shape[0]`, `shape[1]`, none of
/// them 0) in the network's order.
pub(super) fn infer_groups(layers: &[(usize, usize)]) -> Vec<usize> {
    // What could come here whole: the image's channels, or any earlier layer's outputs.
    let mut known: HashSet<usize> = layers.first().map(|&(_, inputs)| inputs).into_iter().collect();
    let mut previous = None;
    let mut groups = Vec::with_capacity(layers.len());
    for &(outputs, inputs) in layers {
        groups.push(previous.map_or(1, |previous| groups_after(previous, outputs, inputs, &known)));
        known.insert(outputs);
        previous = Some(outputs);
    }
    groups
}

/// The groups of a layer that follows one of `previous` outputs.
fn groups_after(previous: usize, outputs: usize, inputs: usize, known: &HashSet<usize>) -> usize {
    if inputs == 1 {
        // With a multiplier several outputs share an input.
        return if outputs.is_multiple_of(previous) { previous } else { outputs };
    }
    let groups = previous / inputs;
    let grouped = groups > 1 && previous.is_multiple_of(inputs) && outputs.is_multiple_of(groups);
    if grouped && !known.contains(&inputs) { groups } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depthwise_layers_are_seen_but_not_in_a_first_layer_of_grey_images() {
        // MobileNetV2's beginning, then a multiplier of two.
        let layers = [(32, 3), (32, 1), (16, 32), (96, 16), (96, 1), (24, 96), (48, 1)];
        assert_eq!(infer_groups(&layers), [1, 32, 1, 1, 96, 1, 24]);
        assert_eq!(infer_groups(&[(32, 1), (64, 32)]), [1, 1]);
    }

    #[test]
    fn resnext_is_grouped_and_resnet_is_not() {
        // ResNeXt-50: stem, a block with its shortcut, the next block.
        let resnext = [(64, 3), (128, 64), (128, 4), (256, 128), (256, 64), (128, 256), (128, 4)];
        assert_eq!(infer_groups(&resnext), [1, 1, 32, 1, 1, 1, 32]);
        // ResNet-18: the shortcut takes 64 inputs after a layer of 128 outputs.
        let resnet = [(64, 3), (64, 64), (64, 64), (128, 64), (128, 128), (128, 64)];
        assert_eq!(infer_groups(&resnet), [1; 6]);
        // SqueezeNet: two branches from one layer.
        assert_eq!(infer_groups(&[(96, 3), (16, 96), (64, 16), (64, 16), (16, 128)]), [1; 5]);
    }
}
