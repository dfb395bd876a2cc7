//! Where in a checkpoint the network is: which of all its values are named tensors.

use std::collections::BTreeMap;

use crate::checkpoint::pytorch::cursor::ParseResult;
use crate::checkpoint::pytorch::object::{Id, Map, Pickle, Tensor, Value};

/// Keys under which training scripts put the network beside optimizer, epoch and the like; the
/// first that holds tensors is taken.
const WRAPPERS: [&str; 9] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "model_state",
    "weights",
    "params",
    "module",
];
/// Attributes in which `torch.nn.Module` keeps things that its names don't mention.
const TRANSPARENT: [&str; 3] = ["_modules", "_parameters", "_buffers"];
/// Deeper nesting is no network.
const MAX_DEPTH: usize = 32;
/// A few shared dictionaries can spell out any number of names: so many are looked at.
const MAX_VISITS: usize = 1 << 20;
const MAX_ITEMS: usize = 1 << 23;
const MAX_NAME_BYTES: usize = 1 << 26;

/// The tensors of the network, by name.
pub(super) fn tensors<'p, 'a>(pickle: &'p Pickle<'a>) -> ParseResult<BTreeMap<String, &'p Tensor<'a>>> {
    let mut root = pickle.root;
    let mut found = collect(pickle, root)?;
    // A wrapper may hold a wrapper: { "model": { "state_dict": ... } }.
    for _ in 0..4 {
        let Some((inner, tensors)) = unwrap(pickle, root)? else { break };
        (root, found) = (inner, tensors);
    }
    Ok(found)
}

type Found<'p, 'a> = BTreeMap<String, &'p Tensor<'a>>;

fn unwrap<'p, 'a>(pickle: &'p Pickle<'a>, root: Id) -> ParseResult<Option<(Id, Found<'p, 'a>)>> {
    let Value::Map(map) = pickle.value(root) else { return Ok(None) };
    for wrapper in WRAPPERS {
        let item = map.items.iter().rev().find(|(key, _)| pickle.text(*key) == Some(wrapper));
        let Some(&(_, inner)) = item else { continue };
        if let Value::Map(_) = pickle.value(inner) {
            let tensors = collect(pickle, inner)?;
            if !tensors.is_empty() {
                return Ok(Some((inner, tensors)));
            }
        }
    }
    Ok(None)
}

/// A value on the way down: `parent` is its place in the list of visits.
struct Visit {
    id: Id,
    name: String,
    parent: Option<usize>,
    depth: usize,
}

/// All tensors below a value, their names joined by dots.
fn collect<'p, 'a>(pickle: &'p Pickle<'a>, root: Id) -> ParseResult<Found<'p, 'a>> {
    let mut found = BTreeMap::new();
    let mut visits = vec![Visit { id: root, name: String::new(), parent: None, depth: 0 }];
    let (mut name_bytes, mut items) = (0, 0);
    let mut at = 0;
    while let Some(visit) = visits.get(at) {
        if let Value::Tensor(tensor) = pickle.value(visit.id) {
            let name = if visit.name.is_empty() { "tensor" } else { &visit.name };
            found.insert(name.to_owned(), &**tensor);
        } else if visit.depth < MAX_DEPTH && !is_cycle(&visits, at) {
            for (key, id) in children(pickle, visit.id, &mut items) {
                let visit = &visits[at];
                let name = join(&visit.name, key);
                let depth = visit.depth + 1;
                name_bytes += name.len();
                visits.push(Visit { id, name, parent: Some(at), depth });
                if visits.len() > MAX_VISITS || name_bytes > MAX_NAME_BYTES {
                    return Err("it names too many tensors".into());
                }
            }
            if items > MAX_ITEMS {
                return Err("its dictionaries are too large".into());
            }
        }
        at += 1;
    }
    Ok(found)
}

fn join(prefix: &str, key: &str) -> String {
    match (prefix, TRANSPARENT.contains(&key)) {
        (_, true) => prefix.to_owned(),
        ("", false) => key.to_owned(),
        (_, false) => format!("{prefix}.{key}"),
    }
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

/// The tensors and containers right below a value, under the text that names them; counts all items.
fn children<'p, 'a>(pickle: &'p Pickle<'a>, id: Id, count: &mut usize) -> Vec<(&'a str, Id)> {
    let Value::Map(map) = pickle.value(id) else { return Vec::new() };
    let state = map.state.and_then(|state| match pickle.value(state) {
        Value::Map(state) => Some(&**state),
        _ => None,
    });
    *count += map.items.len() + state.map_or(0, |state| state.items.len());
    let items = |map: &'p Map| map.items.iter().filter_map(|&(key, value)| Some((pickle.text(key)?, value)));
    let all: Vec<_> = items(map).chain(state.into_iter().flat_map(items)).collect();
    // An optimizer: its moments have the shapes of layers but are none.
    if all.iter().any(|(key, _)| *key == "param_groups") {
        return Vec::new();
    }
    all.into_iter().filter(|(_, id)| matches!(pickle.value(*id), Value::Tensor(_) | Value::Map(_))).collect()
}
