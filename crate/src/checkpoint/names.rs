//! Names of tensors: their order, what wrappers put around them, and which is nearest to another.

use std::cmp::Ordering;
use std::collections::HashMap;

/// Components that wrappers of PyTorch put before or between a parameter's own names.
const WRAPPERS: [&str; 4] =
    ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];

/// A name without what `DataParallel`, `torch.compile` and `FSDP` put into it. `module` goes only
/// in front, where the network begins.
pub(super) fn without_wrappers(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
    let front = parts.iter().take_while(|part| **part == "module").count();
    // A parameter's last name is its own.
    let front = front.min(parts.len().saturating_sub(1));
    if parts.is_empty() { name.to_owned() } else { parts[front..].join(".") }
}

/// These names without their wrappers, unless two of them would become the same.
pub(super) fn plain_names(names: &[String]) -> Vec<String> {
    let plain: Vec<String> = names.iter().map(|name| without_wrappers(name)).collect();
    let mut uses = HashMap::<&str, usize>::new();
    for name in &plain {
        *uses.entry(name).or_default() += 1;
    }
    let chosen = names.iter().zip(&plain).map(|(name, plain)| {
        let is_own = uses.get(&**plain) == Some(&1) && !plain.is_empty();
        if is_own { plain.clone() } else { name.clone() }
    });
    chosen.collect()
}

/// The text before and after the last dot, or the last slash of TensorFlow's names; without one, the text before is empty.
pub(super) fn split_leaf(name: &str) -> (&str, &str) {
    name.rsplit_once(['.', '/']).unwrap_or(("", name))
}

/// The name beside another under the same parent.
pub(crate) fn sibling(name: &str, leaf: &str) -> String {
    let end = if name.ends_with(":0") { ":0" } else { "" };
    match name.rfind(['.', '/']) {
        Some(at) => format!("{}{leaf}{end}", &name[..=at]),
        None => format!("{leaf}{end}"),
    }
}

/// The longest name that is compared, and the most names.
const MAX_COMPARED: (usize, usize) = (160, 20_000);

/// The name that is most like `wanted`: with the same ending if there is one, else by edit distance.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &str| {
        let ends = name.ends_with(wanted) || wanted.ends_with(name);
        (!ends, distance(wanted, name))
    };
    let short = names.filter(|name| name.len() <= MAX_COMPARED.0).take(MAX_COMPARED.1);
    short.min_by_key(|name| near(name))
}

/// Levenshtein's edit distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Compares names so that runs of digits count as numbers.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (head_a, rest_a) = split_run(a);
        let (head_b, rest_b) = split_run(b);
        let order = match (number(head_a), number(head_b)) {
            (Some(x), Some(y)) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
            _ => head_a.cmp(head_b),
        };
        if order != Ordering::Equal || head_a.is_empty() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The leading run of digits, or of anything else, and what follows.
fn split_run(text: &str) -> (&str, &str) {
    let digit = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(text.len());
    text.split_at(end)
}

/// A run of digits without its leading zeros: compares by length, then by text, at any size.
fn number(run: &str) -> Option<&str> {
    run.starts_with(|c: char| c.is_ascii_digit()).then(|| run.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_sort_by_number() {
        let mut names =
            vec!["features.11.weight", "features.3.weight", "classifier.0.weight", "features.3.bias"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            ["classifier.0.weight", "features.3.bias", "features.3.weight", "features.11.weight"]
        );
    }

    #[test]
    fn parts_are_separated_by_dots_or_slashes() {
        assert_eq!(split_leaf("a.b.weight"), ("a.b", "weight"));
        assert_eq!(split_leaf("net/conv2d/kernel:0"), ("net/conv2d", "kernel:0"));
        assert_eq!(split_leaf("weight"), ("", "weight"));
        assert_eq!(sibling("a.b.weight", "bias"), "a.b.bias");
        assert_eq!(sibling("net/conv2d/kernel:0", "bias"), "net/conv2d/bias:0");
        assert_eq!(sibling("weight", "bias"), "bias");
    }

    #[test]
    fn wrappers_vanish_wherever_they_are() {
        for (name, plain) in [
            ("module.conv.weight", "conv.weight"),
            ("_orig_mod.module.layers.0._checkpoint_wrapped_module.fc.weight", "layers.0.fc.weight"),
            ("_fsdp_wrapped_module.block._orig_mod.w", "block.w"),
            ("heads.module.weight", "heads.module.weight"),
            ("module", "module"),
        ] {
            assert_eq!(without_wrappers(name), plain);
        }
        let twins = ["module.a".to_owned(), "a".to_owned(), "module.b".to_owned()];
        assert_eq!(plain_names(&twins), ["module.a", "a", "b"]);
    }

    #[test]
    fn the_nearest_name_ends_alike_or_is_spelled_alike() {
        let names = ["model.features.0.weight", "features.1.weight", "classifier.weight"];
        let of = |wanted| nearest(wanted, names.iter().copied());
        assert_eq!(of("features.0.weight"), Some("model.features.0.weight"));
        assert_eq!(of("features.2.weight"), Some("features.1.weight"));
        assert_eq!(of("clasifier.weight"), Some("classifier.weight"));
        assert_eq!(nearest("a", std::iter::empty()), None);
    }
}
