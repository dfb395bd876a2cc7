//! Which of a file's networks is taken, and which tensors are its own.
//!
//! A file may hold several: a state dict and its average, student and teacher, generator and
//! discriminator. Pickled dictionaries keep them apart; inside one state dict their names do.

use std::collections::{BTreeMap, BTreeSet};

use super::super::names::{nearest, without_wrappers};
use super::super::stored::{StoredFile, StoredTensor};
use crate::error::{Error, Result};

/// Networks by name, the most wanted first: what scripts load for inference. Others come by size.
const PREFERRED: [&str; 24] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "model_state",
    "weights",
    "params",
    "module",
    "teacher",
    "student",
    "encoder_q",
    "base_encoder",
    "online",
    "online_network",
    "online_encoder",
    "generator",
    "netg",
    "net_g",
    "g",
    "gen",
    "policy_net",
    "q_network",
    "actor",
];

/// Names under which one state dict keeps whole networks beside each other.
const FAMILIES: [&[&str]; 17] = [
    &["student", "teacher"],
    &["encoder_q", "encoder_k"],
    &["base_encoder", "momentum_encoder"],
    &["online", "target"],
    &["online_encoder", "target_encoder"],
    &["online_network", "target_network"],
    &["online_net", "target_net"],
    &["policy_net", "target_net"],
    &["q_network", "target_network"],
    &["generator", "discriminator"],
    &["gen", "dis"],
    &["gen", "disc"],
    &["g", "d"],
    &["netg", "netd"],
    &["net_g", "net_d"],
    &["g_a", "g_b", "d_a", "d_b"],
    &["netg_a", "netg_b", "netd_a", "netd_b"],
];

/// Marks of a copy's name: `model_ema`, `ema_model`, `target_encoder`.
const COPY_MARKS: [&str; 8] = ["ema", "target", "momentum", "avg", "swa", "teacher", "averaged", "shadow"];

/// Deeper names are not searched for networks.
const MAX_DEPTH: usize = 8;

/// More parts beside each other are layers.
const MAX_PARTS: usize = 64;

/// A network that can be taken.
struct Candidate {
    /// Its name; empty if it is all there is.
    name: String,
    /// What its tensors' names begin with, with a dot behind it.
    prefix: String,
    is_module: bool,
    /// Indices of its tensors.
    tensors: Vec<usize>,
    /// Weights of its layers.
    weights: usize,
}

/// The network that is taken.
pub(super) struct Chosen {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Other networks.
    pub others: Vec<String>,
    /// Its tensors: indices, with their names inside the network.
    pub tensors: Vec<(usize, String)>,
    /// All other tensors, with the reasons.
    pub left_out: Vec<(usize, String)>,
}

/// Chooses a network: the wanted one, or the one that scripts load for inference.
///
/// # Errors
/// When there is no network of the wanted name.
pub(super) fn choose(file: &StoredFile<'_>, wanted: Option<&str>) -> Result<Chosen> {
    let mut candidates = candidates(file);
    let chosen = match wanted {
        Some(wanted) => find(&candidates, wanted)?,
        None => preferred(&candidates),
    };
    let others = candidates
        .iter()
        .enumerate()
        .filter(|(at, other)| *at != chosen && other.weights > 0)
        .map(|(_, other)| other.name.clone())
        .collect();
    let mut left_out = Vec::new();
    let mut owned = BTreeSet::new();
    for (at, candidate) in candidates.iter().enumerate() {
        owned.extend(candidate.tensors.iter().copied());
        if at != chosen {
            let why = format!("of another network, {}", candidate.name);
            left_out.extend(candidate.tensors.iter().map(|&tensor| (tensor, why.clone())));
        }
    }
    let loose = (0..file.tensors.len()).filter(|tensor| !owned.contains(tensor));
    left_out.extend(loose.map(|tensor| (tensor, "beside the network".to_owned())));
    left_out.sort_by_key(|(tensor, _)| *tensor);
    let Candidate { name, prefix, tensors, .. } = candidates.swap_remove(chosen);
    let own_name = |tensor: &usize| {
        let whole = &file.tensors[*tensor].name;
        (*tensor, whole.strip_prefix(&prefix).unwrap_or(whole).to_owned())
    };
    let tensors = tensors.iter().map(own_name).collect();
    Ok(Chosen { name: Some(name).filter(|name| !name.is_empty()), others, tensors, left_out })
}

fn find(candidates: &[Candidate], wanted: &str) -> Result<usize> {
    let matches = |test: &dyn Fn(&str) -> bool| {
        let mut found = candidates.iter().enumerate().filter(|(_, c)| test(&c.name)).map(|(at, _)| at);
        found.next().filter(|_| found.next().is_none())
    };
    let has_part = |name: &str| name.split('.').any(|part| part == wanted);
    let begins = |name: &str| name.starts_with(&format!("{wanted}."));
    let found = matches(&|name| name == wanted)
        .or_else(|| matches(&|name| name.eq_ignore_ascii_case(wanted)))
        .or_else(|| matches(&begins))
        .or_else(|| matches(&has_part));
    found.ok_or_else(|| {
        let names: Vec<&str> =
            candidates.iter().map(|c| &*c.name).filter(|name| !name.is_empty()).take(16).collect();
        let why = match nearest(wanted, names.iter().copied()) {
            Some(_) => format!("the file has no network of this name; it has {}", names.join(", ")),
            None => "the file holds one network, which has no name".to_owned(),
        };
        Error::field("network", wanted, why)
    })
}

fn preferred(candidates: &[Candidate]) -> usize {
    let has_layers = candidates.iter().any(|candidate| candidate.weights > 0);
    let rank = |(at, candidate): &(usize, &Candidate)| {
        let lower = candidate.name.to_ascii_lowercase();
        let last = lower.rsplit('.').find(|part| *part != "module").unwrap_or(&lower);
        // Projects that pickle whole modules load the average when there is one.
        let average = candidate.is_module && last == "ema";
        let known = PREFERRED.iter().position(|name| *name == last).unwrap_or(PREFERRED.len());
        let empty = has_layers && candidate.weights == 0;
        (empty, !average, known, std::cmp::Reverse(candidate.weights), *at)
    };
    candidates.iter().enumerate().min_by_key(rank).map_or(0, |(at, _)| at)
}

/// All networks of a file, at least one.
fn candidates(file: &StoredFile<'_>) -> Vec<Candidate> {
    let mut of_network = vec![Vec::new(); file.networks.len()];
    let mut loose = Vec::new();
    for (at, tensor) in file.tensors.iter().enumerate() {
        match tensor.network.and_then(|network| of_network.get_mut(network)) {
            Some(own) => own.push(at),
            None => loose.push(at),
        }
    }
    let weights = |tensors: &[usize]| -> usize {
        tensors.iter().map(|&at| layer_weights(&file.tensors[at])).fold(0, usize::saturating_add)
    };
    let mut found = Vec::new();
    for (network, tensors) in file.networks.iter().zip(of_network) {
        let prefix = if network.path.is_empty() { String::new() } else { format!("{}.", network.path) };
        split(
            file,
            Candidate {
                name: network.path.clone(),
                prefix,
                is_module: network.is_module,
                weights: weights(&tensors),
                tensors,
            },
            &mut found,
        );
    }
    // Dictionaries that don't look like networks, in a file that has no other layers.
    if found.iter().all(|candidate| candidate.weights == 0) && weights(&loose) > 0 || found.is_empty() {
        let whole = Candidate {
            name: String::new(),
            prefix: String::new(),
            is_module: false,
            weights: weights(&loose),
            tensors: loose,
        };
        let at = found.len();
        split(file, whole, &mut found);
        found.drain(..at);
    }
    found
}

/// The numbers of a tensor that could be a layer's.
fn layer_weights(tensor: &StoredTensor) -> usize {
    if tensor.shape.len() < 2 { 0 } else { tensor.shape.iter().fold(1, |n, &d| n.saturating_mul(d)) }
}

/// Adds the networks that the names of a candidate's tensors keep apart, or the candidate itself.
fn split(file: &StoredFile<'_>, whole: Candidate, found: &mut Vec<Candidate>) {
    let name_of = |at: usize| {
        let name = &file.tensors[at].name;
        name.strip_prefix(&whole.prefix).unwrap_or(name).to_owned()
    };
    let names: Vec<(usize, String)> = whole.tensors.iter().map(|&at| (at, name_of(at))).collect();
    let mut shared = String::new();
    for _ in 0..MAX_DEPTH {
        // What follows the shared prefix, of the tensors that could be layers.
        let mut parts = BTreeMap::<&str, Vec<(usize, &str)>>::new();
        let layers = names.iter().filter(|(at, _)| layer_weights(&file.tensors[*at]) > 0);
        for (at, name) in layers {
            let Some((part, rest)) = name.strip_prefix(&shared).and_then(|name| name.split_once('.')) else {
                continue;
            };
            parts.entry(part).or_default().push((*at, rest));
        }
        match parts.len() {
            0 => break,
            1 => {
                let part = parts.keys().next().copied().unwrap_or_default();
                shared = format!("{shared}{part}.");
                continue;
            }
            _ => {}
        }
        let networks = separate(file, &parts);
        if networks.len() > 1 {
            for network in networks {
                let prefix = format!("{shared}{network}.");
                let tensors: Vec<usize> =
                    names.iter().filter(|(_, name)| name.starts_with(&prefix)).map(|(at, _)| *at).collect();
                let weights = tensors.iter().map(|&at| layer_weights(&file.tensors[at]));
                let path = format!("{}{shared}{network}", whole.prefix);
                let parts = path.split('.').filter(|part| *part != "module");
                let label = without_wrappers(&parts.collect::<Vec<_>>().join("."));
                found.push(Candidate {
                    name: label,
                    prefix: format!("{}{prefix}", whole.prefix),
                    is_module: whole.is_module,
                    weights: weights.fold(0, usize::saturating_add),
                    tensors,
                });
            }
            return;
        }
        break;
    }
    found.push(whole);
}

/// The parts that are networks of their own.
fn separate<'n>(file: &StoredFile<'_>, parts: &BTreeMap<&'n str, Vec<(usize, &str)>>) -> BTreeSet<&'n str> {
    let mut networks = BTreeSet::new();
    if parts.len() > MAX_PARTS {
        return networks;
    }
    for family in FAMILIES {
        let own: Vec<&str> = parts.keys().copied().filter(|part| is_of_family(part, family)).collect();
        if own.len() > 1 {
            networks.extend(own);
        }
    }
    for part in parts.keys() {
        let unmarked = unmarked(part);
        if unmarked != part.to_ascii_lowercase() {
            networks.extend(parts.keys().filter(|other| {
                other.to_ascii_lowercase() == unmarked && is_copy(file, &parts[part], &parts[*other])
            }));
            if networks.iter().any(|other| other.to_ascii_lowercase() == unmarked) {
                networks.insert(part);
            }
        }
    }
    // A pair of copies and nothing else, not numbered as blocks are.
    let is_numbered = |part: &&str| part.ends_with(|c: char| c.is_ascii_digit());
    let mut pair = parts.iter();
    if let (Some((_, one)), Some((_, other)), None) = (pair.next(), pair.next(), pair.next())
        && networks.is_empty()
        && !parts.keys().any(is_numbered)
        && one.len() > 1
        && is_copy(file, one, other)
    {
        networks.extend(parts.keys());
    }
    networks
}

/// Whether a part's name is one of a family's. Layers may be called `g` and `d` too: a single letter counts as a
/// network's name only if it is a capital.
fn is_of_family(part: &str, family: &[&str]) -> bool {
    let is_capital = part.len() > 1 || part.starts_with(|c: char| c.is_ascii_uppercase());
    is_capital && family.contains(&&*part.to_ascii_lowercase())
}

/// A part's name in lower case, without the mark of a copy.
fn unmarked(part: &str) -> String {
    let lower = part.to_ascii_lowercase();
    let words: Vec<&str> = lower.split('_').filter(|word| !COPY_MARKS.contains(word)).collect();
    // Plain `ema` is a copy of `model`.
    if words.is_empty() { "model".to_owned() } else { words.join("_") }
}

/// Whether two parts have tensors of the same names and shapes.
fn is_copy(file: &StoredFile<'_>, one: &[(usize, &str)], other: &[(usize, &str)]) -> bool {
    let shapes = |part: &[(usize, &str)]| -> BTreeSet<(String, Vec<usize>)> {
        part.iter().map(|(at, name)| (without_wrappers(name), file.tensors[*at].shape.clone())).collect()
    };
    shapes(one) == shapes(other)
}
