//! Fits a checkpoint's names to a network's: prefixes, other names of the classifier, modules in the same order.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::network::NetworkSpec;
use super::param::ParamSpec;
use crate::checkpoint::{Checkpoint, NamedTensor, nearest};
use crate::error::{Error, Result};

/// What scripts call a single fully connected layer.
const HEADS: [&str; 7] = ["classifier", "fc", "linear", "head", "output", "out", "last_linear"];
/// PyTorch's counter of batches, which no computation uses.
const COUNTER: &str = ".num_batches_tracked";
/// The most prefixes that are tried.
const MAX_PREFIXES: usize = 64;

/// New names by old ones.
type Names = HashMap<String, String>;

impl NetworkSpec {
    /// The weights under this network's names. Accepted are a prefix that all its names share, `feature` for
    /// `features`, a single fully connected layer under another name, and other names of the same modules in the same
    /// order. Convolutions without a bias get one of zeros if a normalization follows.
    ///
    /// # Errors
    /// When a parameter is missing: with the name in the file that is nearest.
    pub fn adapt<'a>(&self, weights: &'a Checkpoint) -> Result<Cow<'a, Checkpoint>> {
        let Some((names, note)) = self.names_for(weights)? else { return Ok(Cow::Borrowed(weights)) };
        let mut adapted = weights.clone().renamed(|name| names.get(name).cloned()).with_note(note);
        let there: BTreeSet<String> = adapted.tensors.iter().map(|tensor| tensor.name.clone()).collect();
        for param in self.param_specs().iter().filter(|param| !there.contains(&param.name)) {
            let data = vec![0.0; param.shape.iter().product()];
            adapted.tensors.push(NamedTensor { name: param.name.clone(), shape: param.shape.clone(), data });
        }
        Ok(Cow::Owned(adapted))
    }

    /// Renames masks as [`NetworkSpec::adapt`] renames the weights that they were made for.
    ///
    /// # Errors
    /// As [`NetworkSpec::adapt`].
    pub fn adapt_masks(&self, masks: Checkpoint, weights: &Checkpoint) -> Result<Checkpoint> {
        match self.names_for(weights)? {
            Some((names, _)) if masks.tensors.iter().all(|mask| names.contains_key(&mask.name)) => {
                Ok(masks.renamed(|name| names.get(name).cloned()))
            }
            _ => Ok(masks),
        }
    }

    /// This network's names by those of the weights, with a note of what was done; `None` if they are the same.
    fn names_for(&self, weights: &Checkpoint) -> Result<Option<(Names, String)>> {
        let params = self.param_specs();
        let biases = optional_biases(&params);
        let there: BTreeSet<&str> = weights.tensors.iter().map(|tensor| &*tensor.name).collect();
        if params.iter().all(|param| there.contains(&*param.name)) {
            return Ok(None);
        }
        let names = match by_name(&params, &biases, weights)? {
            Some(found) => Ok(found),
            None => by_order(&params, &biases, weights),
        };
        names.map(Some).map_err(|by_order| {
            let missing = params.iter().find(|param| !there.contains(&*param.name));
            let missing = missing.map_or("", |param| &param.name);
            let near = nearest(missing, weights.tensors.iter().map(|tensor| &*tensor.name));
            let near =
                near.map_or_else(String::new, |near| format!("; the nearest name in the file is {near}"));
            let why = format!("parameter {missing} is missing{near}; by order, {by_order}");
            Error::file("loading weights", "", why)
        })
    }
}

/// Biases of convolutions with a normalization behind, which cancels them.
fn optional_biases(params: &[ParamSpec]) -> BTreeSet<&str> {
    let is_bias = |window: &[ParamSpec]| {
        window[0].shape.len() == 4
            && window[1].name.ends_with(".bias")
            && window[2].name.ends_with(".weight")
            && window[2].shape == window[1].shape
    };
    params.windows(3).filter(|window| is_bias(window)).map(|window| &*window[1].name).collect()
}

/// Renames by a prefix and by customary names.
///
/// # Errors
/// If several prefixes fit: each of these parts may be meant.
fn by_name(
    params: &[ParamSpec],
    biases: &BTreeSet<&str>,
    weights: &Checkpoint,
) -> Result<Option<(Names, String)>> {
    let linear: Vec<&str> = params.iter().filter(|p| p.shape.len() == 2).map(|p| &*p.name).collect();
    let head = match linear[..] {
        [single] => single.strip_suffix(".weight"),
        _ => None,
    };
    let Some(first) = params.first() else { return Ok(None) };
    let mut found: Vec<(&str, Names)> = Vec::new();
    let endings = [first.name.clone(), first.name.replacen("features.", "feature.", 1)];
    let prefixes: BTreeSet<&str> = weights
        .tensors
        .iter()
        .filter_map(|tensor| endings.iter().find_map(|ending| tensor.name.strip_suffix(&**ending)))
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        .take(MAX_PREFIXES)
        .collect();
    for prefix in prefixes {
        let rename = |name: &str| -> Option<String> {
            let own = name.strip_prefix(prefix)?;
            if params.iter().any(|param| param.name == own) {
                return Some(own.to_owned());
            }
            if let Some(rest) = own.strip_prefix("feature.") {
                return Some(format!("features.{rest}"));
            }
            match (own.rsplit_once('.'), head) {
                (Some((module, leaf)), Some(head)) if HEADS.contains(&module) => {
                    Some(format!("{head}.{leaf}"))
                }
                _ => Some(own.to_owned()),
            }
        };
        let pairs = weights.tensors.iter().filter_map(|t| Some((t.name.clone(), rename(&t.name)?)));
        let names: Names = pairs.collect();
        let new: BTreeSet<&str> = names.values().map(String::as_str).collect();
        let covered = |param: &ParamSpec| new.contains(&*param.name) || biases.contains(&*param.name);
        if new.len() == names.len() && params.iter().all(covered) {
            found.push((prefix, names));
        }
    }
    if let [(first, _), (second, _), ..] = &found[..] {
        let why = format!("several of its parts are this network ({first}* and {second}*): keep one of them");
        return Err(Error::file("loading weights", "", why));
    }
    Ok(found.pop().map(|(prefix, names)| {
        let note = match prefix {
            "" => "parameters are renamed to the network's names".to_owned(),
            prefix => format!("the prefix {prefix} is removed from the names"),
        };
        (names, note)
    }))
}

/// A module's parameters by the last parts of their names.
struct Module<'a> {
    name: &'a str,
    leaves: Vec<(&'a str, &'a [usize])>,
}

fn modules<'a>(params: impl Iterator<Item = (&'a str, &'a [usize])>) -> Vec<Module<'a>> {
    let mut modules: Vec<Module<'a>> = Vec::new();
    for (name, shape) in params.filter(|(name, _)| !name.ends_with(COUNTER)) {
        let (module, leaf) = name.rsplit_once('.').unwrap_or(("", name));
        match modules.last_mut().filter(|last| last.name == module) {
            Some(last) => last.leaves.push((leaf, shape)),
            None => modules.push(Module { name: module, leaves: vec![(leaf, shape)] }),
        }
    }
    modules
}

/// Renames module by module, where all have the same parameters in the same order; else why they don't.
fn by_order(
    params: &[ParamSpec],
    biases: &BTreeSet<&str>,
    weights: &Checkpoint,
) -> std::result::Result<(Names, String), String> {
    let wanted = modules(params.iter().map(|param| (&*param.name, &*param.shape)));
    let found = modules(weights.tensors.iter().map(|tensor| (&*tensor.name, &*tensor.shape)));
    let is_normalized = |modules: &[Module<'_>]| {
        modules.iter().any(|module| module.leaves.iter().any(|(leaf, _)| *leaf == "running_mean"))
    };
    if is_normalized(&wanted) && !is_normalized(&found) {
        return Err(
            "the network has batch normalizations and the file has none: exporters fold them into the \
                    convolutions unless told to export for training"
                .to_owned(),
        );
    }
    if wanted.len() != found.len() {
        return Err(format!("the file has {} modules, and the network {}", found.len(), wanted.len()));
    }
    let mut names = Names::new();
    for (wanted, found) in wanted.iter().zip(&found) {
        for &(leaf, shape) in &found.leaves {
            let fits = wanted.leaves.iter().find(|(other, size)| *other == leaf && *size == shape);
            let (new, _) = fits.ok_or_else(|| {
                let (theirs, ours) = (found.name, wanted.name);
                format!("{theirs}.{leaf} {shape:?} of the file does not fit {ours} of the network")
            })?;
            names.insert(format!("{}.{leaf}", found.name), format!("{}.{new}", wanted.name));
        }
        let missing = |leaf: &str| !found.leaves.iter().any(|(other, _)| *other == leaf);
        let is_optional = |leaf: &str| biases.contains(&*format!("{}.{leaf}", wanted.name));
        if let Some((leaf, _)) = wanted.leaves.iter().find(|(leaf, _)| missing(leaf) && !is_optional(leaf)) {
            return Err(format!("{} of the file lacks the {leaf} of {}", found.name, wanted.name));
        }
    }
    Ok((names, "parameters are matched to the network's by their order and shapes".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;
    use crate::network::spec::initialize;

    fn spec(batch_norm: bool) -> NetworkSpec {
        let (plan, classifier) = ("8 M 12 M".parse().expect("valid"), "".parse().expect("valid"));
        let config = TrainConfig { plan, classifier, batch_norm, ..TrainConfig::default() };
        NetworkSpec::from_config(&config, 10).expect("valid")
    }

    /// The network's own weights under other names, in its own order.
    fn renamed(spec: &NetworkSpec, rename: impl Fn(&str) -> Option<String>) -> Checkpoint {
        let weights = initialize(spec, 1);
        let in_order = spec.param_specs().into_iter().filter_map(|param| weights.get(&param.name).cloned());
        let mut file = Checkpoint::new(Vec::new());
        file.tensors = in_order.collect();
        file.renamed(rename)
    }

    fn check(spec: &NetworkSpec, file: &Checkpoint) {
        let adapted = spec.adapt(file).expect("fits");
        for param in spec.param_specs() {
            let tensor = adapted.get(&param.name).unwrap_or_else(|| panic!("{} is missing", param.name));
            assert_eq!(tensor.shape, param.shape, "{}", param.name);
        }
    }

    #[test]
    fn names_of_other_projects_fit() {
        let spec = spec(true);
        check(&spec, &renamed(&spec, |name| Some(name.to_owned())));
        check(&spec, &renamed(&spec, |name| Some(format!("model.net.{name}"))));
        check(&spec, &renamed(&spec, |name| Some(name.replace("classifier.0", "classifier"))));
        check(&spec, &renamed(&spec, |name| Some(format!("net.{}", name.replace("classifier.0", "fc")))));
        check(&spec, &renamed(&spec, |name| Some(name.replace("features", "feature"))));
        // Other numbers, in the same order.
        let other =
            |name: &str| Some(name.replace("features.", "layers.1").replace("classifier.0", "head.fc"));
        check(&spec, &renamed(&spec, other));
        // A convolution before a normalization needs no bias.
        let biases = ["features.0.bias", "features.4.bias"];
        let without = renamed(&spec, |name| (!biases.contains(&name)).then(|| name.to_owned()));
        check(&spec, &without);
        assert!(
            spec.adapt(&without).expect("fits").get(biases[0]).expect("added").data.iter().all(|v| *v == 0.0)
        );
    }

    #[test]
    fn several_parts_that_fit_are_refused() {
        let spec = spec(false);
        let part = |at: usize| renamed(&spec, |name| Some(format!("models.{at}.{name}"))).tensors;
        let both = Checkpoint::new([part(0), part(1)].concat());
        let error = spec.adapt(&both).expect_err("either may be meant").to_string();
        assert!(error.contains("models.0.*") && error.contains("models.1.*"), "{error}");
        check(&spec, &Checkpoint::new(part(1)));
    }

    #[test]
    fn a_mismatch_names_the_nearest_parameter() {
        let spec = spec(false);
        let error = |file: &Checkpoint| spec.adapt(file).expect_err("does not fit").to_string();
        let odd = renamed(&spec, |name| {
            Some(if name == "features.3.weight" { "x".into() } else { format!("m.{name}") })
        });
        let said = error(&odd);
        assert!(
            said.contains("features.0.weight is missing") && said.contains("m.features.0.weight"),
            "{said}"
        );
        let without = renamed(&spec, |name| (name != "features.0.bias").then(|| name.to_owned()));
        assert!(error(&without).contains("features.0.bias is missing"), "no normalization cancels it");
    }
}
