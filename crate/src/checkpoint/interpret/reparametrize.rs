//! Weights that a state dict keeps in parts: masks of `torch.nn.utils.prune`, weight normalization,
//! spectral normalization.
//!
//! | in the file | weight |
//! | --- | --- |
//! | `weight_orig`, `weight_mask` | `orig * mask` |
//! | `weight_g`, `weight_v`; `parametrizations.weight.original0`, `original1` | `g * v / norm(v)` (Salimans and Kingma 2016) |
//! | `weight_orig` (or `weight_bar`), `weight_u`, `weight_v`; `parametrizations.weight.original`, `.0._u`, `.0._v` | `orig / sigma`, `sigma = u . (W v)` (Miyato et al. 2018) |

use super::super::dtype::Dtype;
use super::super::names::split_leaf;
use super::super::stored::{ParseResult, element_count};
use super::draft::{Draft, DraftValues, Drafts};

/// Puts every weight together whose parts are there, and leaves out by name what has only some. `transposed` are the
/// layers that the user says are transposed convolutions.
///
/// # Errors
/// When a part can't be read.
pub(super) fn reparametrize(drafts: &mut Drafts<'_, '_>, transposed: &[String]) -> ParseResult<()> {
    let mut combined = Combined::default();
    // Masks first: they may lie on the parts of a normalized weight.
    for name in drafts.names() {
        if let Some(weight) = name.strip_suffix("_orig")
            && drafts.has(&format!("{weight}_mask"))
        {
            combined.masks += usize::from(mask(drafts, &name, weight)?);
        } else if let Some(weight) = name.strip_suffix("_mask")
            && !drafts.has(&format!("{weight}_orig"))
        {
            combined.masks += usize::from(mask_in_place(drafts, &name, weight)?);
        }
    }
    for name in drafts.names() {
        if let Some(weight) = name.strip_suffix("_g")
            && drafts.has(&format!("{weight}_v"))
        {
            let direction = format!("{weight}_v");
            combined.weight_norms += usize::from(weight_norm(drafts, &name, &direction, weight)?);
        } else if let Some(weight) = parametrized(&name, ".original0") {
            let direction = name.replace(".original0", ".original1");
            if drafts.has(&direction) {
                combined.weight_norms += usize::from(weight_norm(drafts, &name, &direction, &weight)?);
            }
        }
    }
    for name in drafts.names() {
        let old = name.strip_suffix("_orig").or_else(|| name.strip_suffix("_bar"));
        if let Some(weight) = old.filter(|weight| drafts.has(&format!("{weight}_u"))) {
            let (u, v) = (format!("{weight}_u"), format!("{weight}_v"));
            combined.spectral_norms +=
                usize::from(spectral_norm(drafts, &name, [&u, &v], weight, transposed)?);
        } else if let Some(weight) = parametrized(&name, ".original") {
            let part = |leaf: &str| name.replace(".original", leaf);
            let (u, v) = (part(".0._u"), part(".0._v"));
            if drafts.has(&u) {
                combined.spectral_norms +=
                    usize::from(spectral_norm(drafts, &name, [&u, &v], &weight, transposed)?);
            }
        }
    }
    leave_out_parts(drafts);
    combined.remark(&mut drafts.notes);
    Ok(())
}

/// How many weights were put together.
#[derive(Default)]
struct Combined {
    masks: usize,
    weight_norms: usize,
    spectral_norms: usize,
}

impl Combined {
    fn remark(&self, notes: &mut Vec<String>) {
        let mut add = |count: usize, what: &str| {
            if count > 0 {
                notes
                    .push(format!("{count} {} {what}", if count == 1 { "tensor is" } else { "tensors are" }));
            }
        };
        add(self.masks, "masked: the weights times their pruning masks");
        add(self.weight_norms, "weight-normalized: g * v / norm(v)");
        add(self.spectral_norms, "spectrally normalized: the weight over its largest singular value");
    }
}

/// `block.0.weight` of `block.0.parametrizations.weight.original`, with `ending` `.original`.
fn parametrized(name: &str, ending: &str) -> Option<String> {
    let stem = name.strip_suffix(ending)?;
    let (before, parameter) = split_leaf(stem);
    let module = before.strip_suffix("parametrizations")?;
    Some(format!("{module}{parameter}"))
}

/// The draft of a combined weight, which takes the place of `like`.
fn combine(drafts: &mut Drafts<'_, '_>, like: &str, name: &str, values: Vec<f32>) -> bool {
    let Some(draft) = drafts.get(like).cloned() else { return false };
    let dtype = if draft.dtype.is_float() { draft.dtype } else { Dtype::F32 };
    let whole = Draft {
        name: name.to_owned(),
        source: DraftValues::Computed(values),
        dtype,
        affine: None,
        same: None,
        steps: None,
        ..draft
    };
    drafts.replace(like, whole)
}

/// `weight_orig * weight_mask`.
fn mask(drafts: &mut Drafts<'_, '_>, original: &str, weight: &str) -> ParseResult<bool> {
    let mask = format!("{weight}_mask");
    let shape = |name: &str| drafts.get(name).map(|draft| draft.shape.clone());
    if shape(original) != shape(&mask) {
        drafts.leave_out(&mask, format!("a pruning mask of another shape than {original}"));
        return Ok(false);
    }
    let (mut values, kept) = (drafts.values(original)?, drafts.values(&mask)?);
    for (value, kept) in values.iter_mut().zip(kept) {
        // Not a product: a pruned weight may be infinite.
        *value = if kept == 0.0 { 0.0 } else { *value * kept };
    }
    let done = combine(drafts, original, weight, values);
    if done {
        drafts.leave_out(&mask, "pruning mask, applied to its weight");
    }
    Ok(done)
}

/// A mask beside a weight that still has its own name, as NNI saves them.
fn mask_in_place(drafts: &mut Drafts<'_, '_>, mask: &str, weight: &str) -> ParseResult<bool> {
    let (module, leaf) = split_leaf(weight);
    let places = [weight.to_owned(), format!("{module}.module.{leaf}")];
    let shape = drafts.get(mask).map(|draft| draft.shape.clone());
    let found = places.into_iter().find(|place| {
        drafts.get(place).is_some_and(|draft| Some(&draft.shape) == shape.as_ref() && draft.dtype.is_float())
    });
    let Some(place) = found else { return Ok(false) };
    let kept = drafts.values(mask)?;
    if kept.iter().any(|&kept| kept != 0.0 && kept != 1.0) {
        return Ok(false);
    }
    let mut values = drafts.values(&place)?;
    values.iter_mut().zip(kept).filter(|(_, kept)| *kept == 0.0).for_each(|(value, _)| *value = 0.0);
    let done = combine(drafts, &place, &place, values);
    drafts.leave_out(mask, "pruning mask, applied to its weight");
    Ok(done)
}

/// `g * v / norm(v)`, the norm over all dimensions in which `g` has size 1.
fn weight_norm(drafts: &mut Drafts<'_, '_>, g: &str, v: &str, weight: &str) -> ParseResult<bool> {
    let shape = |name: &str| drafts.get(name).map(|draft| draft.shape.clone()).unwrap_or_default();
    let (g_shape, v_shape) = (shape(g), shape(v));
    // Names like these may mean something else, such as a gate and its value.
    let Some(kept) = kept_dimension(&g_shape, &v_shape) else { return Ok(false) };
    let (lengths, mut values) = (drafts.values(g)?, drafts.values(v)?);
    // Elements from one index of that dimension to the next.
    let (size, stride) = match kept {
        Some(dimension) => {
            (v_shape[dimension], element_count(&v_shape[dimension + 1..]).unwrap_or(usize::MAX))
        }
        None => (1, values.len().max(1)),
    };
    let index = |at: usize| (at / stride.max(1)) % size.max(1);
    let mut squares = vec![0.0_f64; size];
    for (at, &value) in values.iter().enumerate() {
        squares[index(at)] += f64::from(value) * f64::from(value);
    }
    let factors: Vec<f64> =
        squares.iter().zip(&lengths).map(|(square, &length)| f64::from(length) / square.sqrt()).collect();
    for (at, value) in values.iter_mut().enumerate() {
        *value = (f64::from(*value) * factors[index(at)]) as f32;
    }
    let done = combine(drafts, v, weight, values);
    if done {
        drafts.leave_out(g, "lengths of a weight normalization, applied to the weight");
    }
    Ok(done)
}

/// The dimension whose norms `g` holds, `None` for one norm of all. The outer `None`: it does not fit.
fn kept_dimension(g: &[usize], v: &[usize]) -> Option<Option<usize>> {
    if element_count(g) == Some(1) {
        return Some(None);
    }
    if g.len() == 1 && v.first() == g.first() {
        return Some(Some(0));
    }
    let kept: Vec<usize> = (0..g.len()).filter(|&dimension| g[dimension] != 1).collect();
    match kept[..] {
        [dimension] if g.len() == v.len() && g[dimension] == v[dimension] => Some(Some(dimension)),
        _ => None,
    }
}

/// `orig / (u . (W v))`, `W` the weight as a matrix of the dimension that `u` is as long as: the first, or the second
/// of a transposed convolution.
fn spectral_norm(
    drafts: &mut Drafts<'_, '_>,
    original: &str,
    [u, v]: [&str; 2],
    weight: &str,
    transposed: &[String],
) -> ParseResult<bool> {
    let Some(draft) = drafts.get(original) else { return Ok(false) };
    let (shape, count) = (draft.shape.clone(), draft.count());
    let length = |name: &str| drafts.get(name).map(Draft::count);
    let (rows, columns) = (length(u), length(v));
    let fits = |&at: &usize| {
        shape.len() > at
            && rows == Some(shape[at])
            && columns.and_then(|n| n.checked_mul(shape[at])) == Some(count)
    };
    let mut dimensions: Vec<usize> = [0, 1].into_iter().filter(fits).filter(|_| count > 0).collect();
    let named = transposed.iter().any(|name| name == weight || name == split_leaf(weight).0);
    match draft.module.transposed.or(named.then_some(true)) {
        // A matrix has its outputs first.
        _ if shape.len() < 3 => dimensions.truncate(1),
        Some(transposed) if dimensions.len() > 1 => dimensions = vec![usize::from(transposed)],
        _ => {}
    }
    let (mut values, mut found) = (Vec::new(), None);
    if !dimensions.is_empty() {
        values = drafts.values(original)?;
        let vectors = (drafts.values(u)?, drafts.values(v)?);
        let of = |&at: &usize| (at, Singular::new(&values, &shape, at, &vectors));
        let all: Vec<(usize, Singular)> = dimensions.iter().map(of).collect();
        // Of two dimensions of one length, `u` is along the product with the weight in one only.
        found = match all[..] {
            [only] => Some(only),
            [a, b] if a.1.alignment > b.1.alignment + MIN_DIFFERENCE => Some(a),
            [a, b] if b.1.alignment > a.1.alignment + MIN_DIFFERENCE => Some(b),
            _ => None,
        };
    }
    let sigma = found.map_or(f64::NAN, |(_, singular)| singular.sigma);
    if !(sigma.is_finite() && sigma != 0.0) {
        let why = match (columns, dimensions.len(), found) {
            (None, ..) => format!("spectrally normalized, and {v} is missing, so its weight is unknown"),
            (_, 0, _) => format!("spectrally normalized, and {u} and {v} do not fit it"),
            (.., None) => "spectrally normalized, and may be a transposed convolution or not".to_owned(),
            _ => format!("spectrally normalized by {sigma}, so its weight is unknown"),
        };
        drafts.lost.push(format!("{original} is {why}"));
        drafts.leave_out(original, why);
        return Ok(false);
    }
    values.iter_mut().for_each(|value| *value = (f64::from(*value) / sigma) as f32);
    let done = combine(drafts, original, weight, values);
    if done {
        for part in [u, v] {
            drafts.leave_out(part, "vector of a spectral normalization, applied to the weight");
        }
        if found.is_some_and(|(dimension, _)| dimension == 1) && shape.len() > 2 {
            drafts.mark_transposed(weight);
        }
    }
    Ok(done)
}

/// How much better `u` must fit one dimension than the other, as a difference of cosines.
const MIN_DIFFERENCE: f64 = 0.05;

/// What `u` and `v` say of a weight as a matrix `W`.
#[derive(Debug, Clone, Copy)]
struct Singular {
    /// `u . (W v)`: the largest singular value, once the power iteration that keeps `u` and `v` has converged.
    sigma: f64,
    /// The cosine between `u` and `W v`: nearly 1 in the dimension that `u` was computed for.
    alignment: f64,
}

impl Singular {
    /// Of the matrix whose rows are the indices of `dimension`.
    fn new(values: &[f32], shape: &[usize], dimension: usize, (u, v): &(Vec<f32>, Vec<f32>)) -> Self {
        let inner: usize = shape[dimension + 1..].iter().product();
        let mut products = vec![0.0_f64; shape[dimension]];
        for (at, &value) in values.iter().enumerate() {
            // Row and column of the weight with that dimension in front.
            let (outer, rest) = (at / (shape[dimension] * inner), at % (shape[dimension] * inner));
            let (row, column) = (rest / inner, outer * inner + rest % inner);
            products[row] += f64::from(value) * f64::from(v[column]);
        }
        let sigma: f64 = products.iter().zip(u).map(|(product, &u)| product * f64::from(u)).sum();
        let squares: f64 = products.iter().map(|product| product * product).sum();
        let unit: f64 = u.iter().map(|&u| f64::from(u) * f64::from(u)).sum();
        Self { sigma, alignment: sigma / (squares * unit).sqrt().max(f64::MIN_POSITIVE) }
    }
}

/// Names what could not be put together.
fn leave_out_parts(drafts: &mut Drafts<'_, '_>) {
    for name in drafts.names() {
        let (module, leaf) = split_leaf(&name);
        let is_weight = |stem: &str| stem.contains("weight");
        let why = if module.contains("parametrizations.") || module.ends_with("parametrizations") {
            Some("part of a parametrization that is not read here")
        } else if leaf.strip_suffix("_g").or_else(|| leaf.strip_suffix("_v")).is_some_and(is_weight) {
            Some("half of a normalized weight; the other half is missing")
        } else if leaf.strip_suffix("_orig").is_some_and(is_weight) {
            Some("a weight before pruning; its mask is missing")
        } else if leaf.strip_suffix("_u").is_some_and(is_weight) {
            Some("a vector of a spectral normalization; the other parts are missing")
        } else {
            None
        };
        if let Some(why) = why {
            let is_matrix = drafts.get(&name).is_some_and(|draft| draft.shape.len() > 1);
            if is_matrix {
                drafts.lost.push(format!("{name} is {why}"));
            }
            drafts.leave_out(&name, why);
        }
    }
}
