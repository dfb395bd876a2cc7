//! Where in a checkpoint its networks are: which of all its values are named tensors, in the file's order.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::checkpoint::pytorch::limits::{MAX_DEPTH, MAX_ITEMS, MAX_NAME_BYTES, MAX_VISITS};
use crate::checkpoint::pytorch::object::{Id, Map, Pickle, Value};
use crate::checkpoint::stored::{ModuleFacts, ParseResult, StoredNetwork};

/// Keys under which training scripts keep a network beside optimizer, epoch and the like.
const NETWORK_KEYS: [&str; 34] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "model_state",
    "weights",
    "params",
    "module",
    "state_dict_ema",
    "model_ema",
    "ema",
    "ema_state_dict",
    "ema_model",
    "params_ema",
    "student",
    "teacher",
    "online",
    "target",
    "generator",
    "discriminator",
    "G",
    "D",
    "G_ema",
    "netG",
    "netD",
    "net_g",
    "net_d",
    "encoder",
    "decoder",
    "backbone",
    "head",
    "actor",
    "critic",
];
/// Attributes in which `torch.nn.Module` keeps things that its names don't mention.
const TRANSPARENT: [&str; 3] = ["_modules", "_parameters", "_buffers"];
/// What optimizers keep for every parameter.
const MOMENTS: [&str; 8] = [
    "exp_avg",
    "exp_avg_sq",
    "max_exp_avg_sq",
    "momentum_buffer",
    "square_avg",
    "acc_delta",
    "grad_avg",
    "exp_inf",
];

/// A tensor of the pickle.
pub(super) struct FoundTensor {
    /// The keys that lead to it, joined by dots.
    pub name: String,
    /// A [`Value::Tensor`], a [`Value::Unreadable`] or an array.
    pub id: Id,
    /// The network that it belongs to.
    pub network: Option<usize>,
    /// What its module says of itself.
    pub module: ModuleFacts,
}

/// All tensors of a pickle.
#[derive(Default)]
pub(super) struct Contents {
    /// The tensors.
    pub tensors: Vec<FoundTensor>,
    /// The networks that they belong to.
    pub networks: Vec<StoredNetwork>,
    /// Tensors of optimizers, which are of no network.
    pub moments: usize,
}

/// A value on the way down: `parent` is its place in the list of visits.
#[derive(Clone)]
struct Visit {
    id: Id,
    name: String,
    parent: Option<usize>,
    depth: usize,
    network: Option<usize>,
    module: ModuleFacts,
    /// Whether it is part of an optimizer.
    moments: bool,
}

/// Lists the tensors below the root, depth first: in the order in which they were saved.
pub(super) fn contents(pickle: &Pickle<'_>) -> ParseResult<Contents> {
    let mut contents = Contents::default();
    let mut places = HashMap::new();
    let root = Visit {
        id: pickle.root,
        name: String::new(),
        parent: None,
        depth: 0,
        network: None,
        module: ModuleFacts::default(),
        moments: false,
    };
    let mut visits = vec![root];
    let mut stack = vec![0];
    let (mut name_bytes, mut items) = (0, 0);
    while let Some(at) = stack.pop() {
        let visit = visits[at].clone();
        match pickle.value(visit.id) {
            Value::Tensor(_) | Value::Unreadable(_) => contents.add(visit, &mut places),
            Value::Map(map) if map.is_array => contents.add(visit, &mut places),
            _ if visit.depth >= MAX_DEPTH || is_cycle(&visits, at) => {}
            value => {
                let next = visit.enter(pickle, value, &mut contents.networks);
                let first = visits.len();
                for (key, id) in children(pickle, visit.id, &mut items) {
                    let child = next.child(pickle, &key, id, at);
                    name_bytes += child.name.len();
                    visits.push(child);
                    if visits.len() > MAX_VISITS || name_bytes > MAX_NAME_BYTES {
                        return Err("it names too many tensors".into());
                    }
                }
                if items > MAX_ITEMS {
                    return Err("its dictionaries are too large".into());
                }
                stack.extend((first..visits.len()).rev());
            }
        }
    }
    Ok(contents)
}

impl Contents {
    fn add(&mut self, visit: Visit, places: &mut HashMap<String, usize>) {
        let last = visit.name.rsplit('.').next().unwrap_or_default();
        if visit.moments || MOMENTS.contains(&last) {
            self.moments += 1;
            return;
        }
        let name = if visit.name.is_empty() { "tensor".to_owned() } else { visit.name };
        let found = FoundTensor { name, id: visit.id, network: visit.network, module: visit.module };
        // Of two items of one key Python keeps the first's place and the last's value.
        match places.get(&found.name) {
            Some(&at) => self.tensors[at] = found,
            None => {
                places.insert(found.name.clone(), self.tensors.len());
                self.tensors.push(found);
            }
        }
    }
}

impl Visit {
    /// The same visit, knowing what its value is.
    fn enter(&self, pickle: &Pickle<'_>, value: &Value<'_>, networks: &mut Vec<StoredNetwork>) -> Self {
        let mut next = self.clone();
        let Value::Map(map) = value else { return next };
        let entries = || entries(pickle, map);
        next.moments |= entries().any(|(key, _)| key == "param_groups");
        let is_module = entries().any(|(key, _)| key == "_modules" || key == "_parameters");
        if is_module {
            next.module = ModuleFacts::default();
            for (key, id) in entries() {
                match (&*key, pickle.value(id)) {
                    ("groups", Value::Int(groups)) => next.module.groups = usize::try_from(*groups).ok(),
                    ("transposed", Value::Bool(transposed)) => next.module.transposed = Some(*transposed),
                    ("num_embeddings", Value::Int(_)) => next.module.embedding = true,
                    _ => {}
                }
            }
        }
        let starts = is_module || is_state_dict(pickle, map, &self.name);
        if self.network.is_none() && !next.moments && starts {
            next.network = Some(networks.len());
            networks.push(StoredNetwork { path: self.name.clone(), is_module });
        }
        next
    }

    fn child(&self, pickle: &Pickle<'_>, key: &str, id: Id, parent: usize) -> Self {
        let name = match (&*self.name, TRANSPARENT.contains(&key)) {
            (_, true) => self.name.clone(),
            ("", false) => key.to_owned(),
            (name, false) => format!("{name}.{key}"),
        };
        // A module's own facts are those of its parameters, not of the modules in it.
        let is_direct = key == "_parameters" || matches!(pickle.value(id), Value::Tensor(_));
        let module = if is_direct { self.module } else { ModuleFacts::default() };
        let moments = self.moments || key.to_ascii_lowercase().starts_with("optim");
        Self { id, name, parent: Some(parent), depth: self.depth + 1, network: self.network, module, moments }
    }
}

/// Whether a dictionary is a network's: its keys are paths to tensors, or its own key says so.
fn is_state_dict(pickle: &Pickle<'_>, map: &Map, name: &str) -> bool {
    let own_key = name.rsplit('.').next().unwrap_or_default();
    let known = NETWORK_KEYS.contains(&own_key);
    entries(pickle, map).any(|(key, id)| match pickle.value(id) {
        Value::Tensor(_) | Value::Unreadable(_) => known || key.contains('.'),
        Value::Map(map) if map.is_array => known || key.contains('.'),
        Value::Map(_) | Value::Tuple(_) => key.contains(".analog_") || key.contains("_packed_params"),
        _ => false,
    })
}

/// Whether a value contains itself: objects may know their parents.
fn is_cycle(visits: &[Visit], at: usize) -> bool {
    let mut above = visits[at].parent;
    while let Some(parent) = above {
        if visits[parent].id == visits[at].id {
            return true;
        }
        above = visits[parent].parent;
    }
    false
}

/// The items and attributes of a dictionary or an object, under the text or number that names them.
fn entries<'p, 'a: 'p>(
    pickle: &'p Pickle<'a>,
    map: &'p Map,
) -> impl Iterator<Item = (Cow<'a, str>, Id)> + use<'p, 'a> {
    let state = map.state.and_then(|state| match pickle.value(state) {
        Value::Map(state) => Some(&**state),
        _ => None,
    });
    let items = map.items.iter().chain(state.into_iter().flat_map(|state| &state.items));
    items.filter_map(|&(key, value)| {
        let key = match pickle.value(key) {
            Value::Text(text) => Cow::Borrowed(*text),
            Value::Int(number) => Cow::Owned(number.to_string()),
            _ => return None,
        };
        Some((key, value))
    })
}

/// The tensors and containers right below a value; counts all items.
fn children<'a>(pickle: &Pickle<'a>, id: Id, count: &mut usize) -> Vec<(Cow<'a, str>, Id)> {
    let leads_on = |id: Id| {
        matches!(
            pickle.value(id),
            Value::Tensor(_) | Value::Unreadable(_) | Value::Map(_) | Value::List(_) | Value::Tuple(_)
        )
    };
    match pickle.value(id) {
        Value::Map(map) => {
            let all: Vec<_> = entries(pickle, map).collect();
            *count += all.len();
            // Other attributes of a module are not part of its state dict.
            let is_module = all.iter().any(|(key, _)| key == "_modules" || key == "_parameters");
            let belongs = |key: &str| !is_module || TRANSPARENT.contains(&key);
            all.into_iter().filter(|(key, id)| belongs(key) && leads_on(*id)).collect()
        }
        Value::List(items) | Value::Tuple(items) => {
            *count += items.len();
            let numbered = items.iter().enumerate().filter(|(_, id)| leads_on(**id));
            numbered.map(|(at, &id)| (Cow::Owned(at.to_string()), id)).collect()
        }
        _ => Vec::new(),
    }
}
