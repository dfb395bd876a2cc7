//! Decides which tensors are layers, by names and shapes: a state dict has nothing else.

use std::collections::HashMap;

use super::account::FULLY_CONNECTED;
use super::file_facts::Hint;
use super::kernel_layout::is_kernel;
use super::names::{sibling, split_leaf};
use super::quantizers::is_quantizer;

/// What a tensor is to crossbars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TensorRole {
    /// A convolution in 1, 2 or 3 dimensions.
    Convolution,
    /// A fully connected layer.
    Linear,
    /// The weights of an analog tile, whatever layer it is of.
    Tile,
    /// No layer; why.
    None(&'static str),
}

/// Names of parameters that are added, compared or looked up, but multiply no input.
const NO_LAYER: [&str; 36] = [
    "pos_embed",
    "pos_emb",
    "pos_encoding",
    "position_embed",
    "positional",
    "rel_pos",
    "relative_position",
    "relative_coords",
    "bias_table",
    "token",
    "mask",
    "anchor",
    "queue",
    "running_",
    "num_batches",
    "inv_freq",
    "freqs",
    "grid",
    "gamma",
    "beta",
    "logit_scale",
    "layer_scale",
    "query_embed",
    "level_embed",
    "codebook",
    "centroid",
    "cluster",
    "buffer",
    "mean",
    "std",
    "var",
    "latent",
    "register",
    "prior",
    "noise",
    "constant",
];

/// Parts of modules' names that normalize or scale.
const NORMALIZATIONS: [&str; 8] = ["norm", "bn", "ln", "gn", "scale", "prelu", "act", "affine"];

/// The shape of a layer's weight: StyleGAN's modulated convolutions put a dimension of 1 before it. The
/// third dimension is then the number of inputs; a kernel's depth is at most its height, or 7.
pub(super) fn layer_shape(shape: &[usize]) -> &[usize] {
    if shape.len() == 5 && shape[0] == 1 && shape[2] > shape[3].max(7) { &shape[1..] } else { shape }
}

/// How many outputs a weight of this shape has, if they are its first dimension.
pub(super) fn outputs_of(shape: &[usize]) -> usize {
    layer_shape(shape).first().copied().unwrap_or(0)
}

/// The role of a tensor. `shapes` are those of all tensors by name, `count` is its number of elements.
pub(super) fn role(
    name: &str,
    shape: &[usize],
    count: usize,
    hint: &Hint,
    shapes: &HashMap<&str, &[usize]>,
) -> TensorRole {
    if count == 0 {
        return TensorRole::None("empty");
    }
    if is_quantizer(name, |name| shapes.contains_key(name)) {
        return TensorRole::None("quantizer (steps and bits of weights and inputs)");
    }
    if hint.analog {
        return TensorRole::Tile;
    }
    if hint.embedding {
        return TensorRole::None(EMBEDDING);
    }
    let (module, leaf) = split_leaf(name);
    let leaf = leaf.to_ascii_lowercase();
    let is_weight = leaf.contains("weight") || is_kernel(name) || leaf == "w";
    match shape.len() {
        0 => return TensorRole::None("single number"),
        1 => return TensorRole::None("vector (bias, normalization or the like)"),
        6.. => return TensorRole::None("more than 5 dimensions"),
        _ => {}
    }
    if leaf.ends_with("bias") || leaf == "b" {
        return TensorRole::None("bias");
    }
    // A layer's bias is a vector; that of a normalization over several dimensions is as large as its weight.
    if shapes.get(&*sibling(name, "bias")).is_some_and(|bias| *bias == shape) {
        return TensorRole::None("normalization over several dimensions");
    }
    if !is_weight && shape[0] == 1 && ["input", "const"].contains(&&*leaf) {
        return TensorRole::None("constant input");
    }
    if leaf == "mask" || leaf.ends_with("_mask") {
        return TensorRole::None("mask, not applied because its format is unknown");
    }
    if !is_weight && NO_LAYER.iter().any(|part| leaf.contains(part)) {
        return TensorRole::None("not a layer's weight, by its name");
    }
    // GPTQ's `scales`, packed weights' `weight_scale`, HQQ's `zero`. Scales of weights that were read have been used up
    // before; these belong to weights that were not.
    if leaf.contains("scale") || leaf == "zero" {
        return TensorRole::None("scale of quantized weights");
    }
    let is_flat = shape[0] == 1 && shape.iter().filter(|&&size| size > 1).count() <= 1;
    if shape.len() > 2 && is_flat && (!is_weight || is_normalization(module)) {
        return TensorRole::None("one number per channel");
    }
    match shape.len() {
        2 if is_embedding(module, is_weight) && !shapes.contains_key(&*sibling(name, "bias")) => {
            TensorRole::None(EMBEDDING)
        }
        2 if !is_weight && is_embedding(&leaf, true) => TensorRole::None(EMBEDDING),
        2 => TensorRole::Linear,
        3 if !is_weight => TensorRole::None("3-D, but by its name not a convolution"),
        3 if is_kernel(name) && is_projection(module) => TensorRole::None(
            "projection of several attention heads, whose kernel of 3 dimensions is not read",
        ),
        _ => TensorRole::Convolution,
    }
}

/// The reason of embeddings.
const EMBEDDING: &str = "embedding (looked up, not multiplied)";

fn last_part(module: &str) -> String {
    module.rsplit(['.', '/']).next().unwrap_or_default().to_ascii_lowercase()
}

fn is_normalization(module: &str) -> bool {
    let part = last_part(module);
    NORMALIZATIONS.iter().any(|word| part.contains(word))
}

/// Whether a module is part of an attention of Keras or Flax, whose kernels keep the heads apart.
fn is_projection(module: &str) -> bool {
    ["query", "key", "value", "out", "attention_output"].contains(&&*last_part(module))
}

/// Whether a module's name is that of an embedding.
fn is_embedding(module: &str, is_weight: bool) -> bool {
    let part = last_part(module);
    let known =
        ["wte", "wpe", "shared", "emb", "embed", "embedding", "embeddings", "relative_attention_bias"];
    let ends = ["_emb", "_embed", "_embedding", "_embeddings", "embedding", "embeddings"];
    let begins = ["embed_tokens", "embed_positions", "tok_embeddings", "emb_", "embedding_"];
    let is_output = part.ends_with("out") || part.ends_with("proj") || part.ends_with("head");
    is_weight
        && !is_output
        && (known.contains(&&*part)
            || ends.iter().any(|end| part.ends_with(end))
            || begins.iter().any(|begin| part.starts_with(begin)))
}

/// The reason of a role that is not taken.
pub(super) fn why(role: &TensorRole) -> &'static str {
    match role {
        TensorRole::None(why) => why,
        _ => FULLY_CONNECTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, shape: &[usize], expected: &str) {
        let steps = ["features.0.weight_step", "features.0.weight_bits"];
        let vectors = ["time_embed.0.bias", "patch_embed.bias"].into_iter().chain(steps);
        let mut shapes: HashMap<&str, &[usize]> = vectors.map(|name| (name, &[8][..])).collect();
        shapes.insert("cell.1.bias", &[32, 8, 8]);
        let role = role(name, shape, shape.iter().product(), &Hint::default(), &shapes);
        let got = match &role {
            TensorRole::Convolution => "convolution",
            TensorRole::Linear => "linear",
            TensorRole::Tile => "tile",
            TensorRole::None(why) => why,
        };
        assert!(got.contains(expected), "{name}: {got}");
    }

    #[test]
    fn a_leading_one_is_not_an_output() {
        for shape in [&[1, 512, 16, 3, 3][..], &[1, 16, 8, 3, 3], &[1, 3, 32, 1, 1]] {
            assert_eq!(outputs_of(shape), shape[1], "{shape:?}");
        }
        // Convolutions over time or volumes with one output.
        for shape in [&[1, 64, 3, 3, 3][..], &[1, 64, 7, 3, 3], &[1, 64, 7, 7, 7], &[1, 64, 3, 3]] {
            assert_eq!(outputs_of(shape), 1, "{shape:?}");
        }
    }

    #[test]
    fn layers_are_recognized_by_shape() {
        check("conv1.weight", &[8, 3, 3, 3], "convolution");
        check("conv1.weight", &[8, 3, 3], "convolution");
        check("conv1.weight", &[8, 3, 3, 3, 3], "convolution");
        check("layer.w", &[8, 3, 3, 3], "convolution");
        check("a", &[8, 3, 3, 3], "convolution");
        check("fc.weight", &[10, 64], "linear");
        check("rnn.weight_ih_l0", &[40, 10], "linear");
        check("attn.in_proj_weight", &[30, 10], "linear");
        check("outc.conv.weight", &[1, 64, 1, 1], "convolution");
        check("lm_head.weight", &[50, 8], "linear");
        check("time_embed.weight", &[64, 32], "embedding");
        check("patch_embed.weight", &[64, 32], "linear");
        check("embed_out.weight", &[50, 8], "linear");
        check("prototypes.weight", &[300, 128], "linear");
    }

    #[test]
    fn other_tensors_have_a_reason() {
        check("fc.bias", &[10], "vector");
        check("bn.num_batches_tracked", &[], "single number");
        check("pos_embed", &[1, 197, 64], "not a layer");
        check("pos_embed", &[1, 64, 14, 14], "not a layer");
        check("attn_mask", &[64, 49, 49], "mask");
        check("h.0.attn.bias", &[1, 1, 32, 32], "bias");
        check("layer_scale_1", &[1, 64, 1, 1], "not a layer");
        check("cell.1.weight", &[32, 8, 8], "several dimensions");
        check("noises.noise_3", &[1, 1, 16, 16], "not a layer");
        check("input.input", &[1, 512, 4, 4], "constant");
        check("norm1.weight", &[1, 64, 1, 1], "per channel");
        check("alpha", &[1, 64, 1, 1], "per channel");
        check("wte.weight", &[50, 8], "embedding");
        check("model.embed_tokens.weight", &[50, 8], "embedding");
        check("embeddings.word_embeddings.weight", &[50, 8], "embedding");
        check("emb.weight", &[50, 8], "embedding");
        check("positional_embedding", &[77, 8], "not a layer");
        check("queue", &[128, 64], "not a layer");
        check("q_proj.scales", &[32, 4096], "scale");
        check("q_proj.weight_scale", &[4096, 32], "scale");
        check("attention.query.kernel", &[64, 4, 16], "attention heads");
        check("conv1d/kernel:0", &[3, 64, 16], "convolution");
        check("experts", &[8, 64, 64], "3-D");
        check("conv.weight", &[0, 3, 3, 3], "empty");
        check("x.weight", &[1, 1, 1, 1, 1, 2], "more than 5");
        check("features.0.weight_step", &[64], "quantizer");
        check("features.3.weight_step", &[64], "vector");
    }
}
