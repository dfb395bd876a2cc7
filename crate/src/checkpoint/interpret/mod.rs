//! From the tensors of a file to the weights of one network: which network, under which names, put
//! together from their parts, as numbers. What is left out is kept with the reason.

mod analog;
mod draft;
mod networks;
mod quantized;
mod reparametrize;

use std::collections::BTreeMap;

use self::draft::{Draft, DraftValues, Drafts};
use super::account::LeftOut;
use super::dtype::Dtype;
use super::file_facts::{FileFacts, Hint, KeptTensor};
use super::kernel_layout::is_kernel;
use super::names::{nearest, plain_names};
use super::stored::{ParseResult, StoredFile};
use super::{Checkpoint, NamedTensor, ReadOptions, sanitize};
use crate::error::{Error, Result};

/// The metadata key of a training run's own checkpoints, whose weights have a prefix.
const TRAINING_RUN: (&str, &str) = ("crossdub_checkpoint", "weight/");

/// The weights of one network of a file.
///
/// # Errors
/// When an option names what is not there, a tensor is damaged, or no tensor has numbers.
pub(super) fn interpret(mut file: StoredFile<'_>, options: &ReadOptions) -> Result<Checkpoint> {
    let mut facts = FileFacts {
        format: file.format.to_owned(),
        metadata: std::mem::take(&mut file.metadata),
        notes: std::mem::take(&mut file.notes),
        ..FileFacts::default()
    };
    if facts.metadata.remove(TRAINING_RUN.0).is_some() {
        keep_training_weights(&mut file, &mut facts);
    }
    let chosen = networks::choose(&file, options.network.as_deref())?;
    facts.network.clone_from(&chosen.name);
    facts.other_networks = chosen.others;
    if let (Some(name), false) = (&chosen.name, facts.other_networks.is_empty()) {
        let others = brief_list(&facts.other_networks);
        facts.notes.push(format!("several networks: {name} is taken, not {others}"));
    }
    for (index, why) in &chosen.left_out {
        let tensor = &file.tensors[*index];
        facts.left_out.push(LeftOut {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            dtype: tensor.dtype.name().to_owned(),
            why: why.clone(),
        });
    }
    let drafts = drafts(&file, &chosen.tensors);
    let format = facts.format.clone();
    let failed = |why: String| Error::file(action(&format), "", why);
    let mut drafts = Drafts::new(&mut file, drafts);
    reparametrize::reparametrize(&mut drafts, &options.transposed).map_err(failed)?;
    quantized::dequantize(&mut drafts).map_err(failed)?;
    analog::analog_tiles(&mut drafts);
    let tensors = decode(drafts, &mut facts).map_err(failed)?;
    let mut weights = Checkpoint { tensors, facts };
    weights.apply(options)?;
    Ok(weights)
}

fn action(format: &str) -> &'static str {
    if format.starts_with("pytorch") { "reading a PyTorch checkpoint" } else { "reading safetensors" }
}

/// Up to four names.
fn brief_list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(4).map(sanitize).collect();
    let more = if names.len() > 4 { format!(" and {} more", names.len() - 4) } else { String::new() };
    shown.join(", ") + &more
}

/// Of a training run's checkpoint the weights, without momentum and masks.
fn keep_training_weights(file: &mut StoredFile<'_>, facts: &mut FileFacts) {
    let network = file.networks.len();
    file.networks.push(super::stored::StoredNetwork::default());
    for tensor in &mut file.tensors {
        if let Some(name) = tensor.name.strip_prefix(TRAINING_RUN.1) {
            tensor.name = name.to_owned();
            tensor.network = Some(network);
        }
    }
    facts.notes.push("the weights of a training run's checkpoint, without its momentum and masks".to_owned());
}

/// The chosen tensors under their plain names.
fn drafts(file: &StoredFile<'_>, tensors: &[(usize, String)]) -> Vec<Draft> {
    let names: Vec<String> = tensors.iter().map(|(_, name)| unpacked(name)).collect();
    let drafts = tensors.iter().zip(plain_names(&names)).map(|((index, _), name)| {
        let tensor = &file.tensors[*index];
        Draft {
            name,
            shape: tensor.shape.clone(),
            dtype: tensor.dtype,
            source: DraftValues::Stored(*index),
            module: tensor.module,
            affine: tensor.affine.clone(),
            same: tensor.same.clone(),
            unreadable: tensor.unreadable.clone(),
            analog: false,
            steps: None,
        }
    });
    drafts.collect()
}

/// PyTorch's quantized fully connected layers keep weight and bias as a pair.
fn unpacked(name: &str) -> String {
    let part = |ending: &str, leaf: &str| Some(format!("{}.{leaf}", name.strip_suffix(ending)?));
    part("._packed_params._packed_params.0", "weight")
        .or_else(|| part("._packed_params._packed_params.1", "bias"))
        .unwrap_or_else(|| name.to_owned())
}

/// Decodes all floats. Other tensors are kept as they are, to be written again.
fn decode(drafts: Drafts<'_, '_>, facts: &mut FileFacts) -> ParseResult<Vec<NamedTensor>> {
    let (drafts, file, left_out, notes, lost) = drafts.into_drafts();
    facts.left_out.extend(left_out);
    facts.notes.extend(notes);
    facts.lost.extend(lost);
    let (mut tensors, mut others) = (Vec::new(), false);
    let mut seen = BTreeMap::<Vec<u64>, String>::new();
    for draft in drafts {
        let is_number = draft.dtype.is_float() || draft.dtype.is_float8() || draft.steps.is_some();
        let computed = matches!(draft.source, DraftValues::Computed(_));
        if draft.unreadable.is_some() || !(is_number || computed) {
            others = true;
            keep(&draft, file, facts);
            continue;
        }
        let tied = draft.same.as_ref().and_then(|same| seen.get(same).cloned());
        if let (Some(same), None) = (draft.same, &tied) {
            seen.insert(same, draft.name.clone());
        }
        let data = match draft.source {
            DraftValues::Computed(values) => values,
            DraftValues::Stored(index) => {
                file.values(index).map_err(|why| format!("its tensor {}: {why}", sanitize(&draft.name)))?
            }
        };
        let hint = Hint {
            dtype: draft.dtype.name(),
            groups: draft.module.groups,
            transposed: draft.module.transposed,
            embedding: draft.module.embedding,
            analog: draft.analog,
            steps: draft.steps,
            tied,
        };
        if hint != Hint::default() {
            facts.hints.insert(draft.name.clone(), hint);
        }
        tensors.push(NamedTensor { name: draft.name, shape: draft.shape, data });
    }
    match (tensors.is_empty(), others) {
        (false, _) => Ok(tensors),
        (true, true) => Err(no_numbers(facts)),
        (true, false) => Err("it holds no named tensors".into()),
    }
}

fn no_numbers(facts: &FileFacts) -> String {
    let kinds: std::collections::BTreeSet<&str> =
        facts.left_out.iter().map(|tensor| &*tensor.dtype).collect();
    let kinds: Vec<&str> = kinds.into_iter().take(4).collect();
    format!("it holds no tensor of floating-point numbers, only {}", kinds.join(", "))
}

/// Keeps a tensor that does not hold floats, for a file written later.
fn keep(draft: &Draft, file: &mut StoredFile<'_>, facts: &mut FileFacts) {
    let why = reason(draft);
    if let DraftValues::Stored(index) = draft.source {
        let bytes = match (&draft.unreadable, draft.dtype.safetensors_name()) {
            (Some(why), _) => Err(why.clone()),
            (None, None) => Err(format!("safetensors can't hold {}", draft.dtype.name())),
            (None, Some(_)) => file.elements.bytes(index).map(|bytes| bytes.into_owned()),
        };
        match bytes {
            Ok(bytes) => facts.kept.push(KeptTensor {
                name: draft.name.clone(),
                dtype: draft.dtype,
                shape: draft.shape.clone(),
                bytes,
            }),
            Err(why) => facts.lost.push(format!("{} can't be written: {why}", draft.name)),
        }
    }
    facts.left_out.push(draft.left_out(why));
}

/// Why a tensor does not hold floats.
fn reason(draft: &Draft) -> String {
    if let Some(why) = &draft.unreadable {
        return why.clone();
    }
    let is_weight = draft.shape.len() >= 2
        && (draft.name.contains("weight") || draft.name.contains("blocks") || draft.name.contains("zeros"));
    match draft.dtype {
        Dtype::Bool => "boolean".to_owned(),
        Dtype::U8 | Dtype::I32 if is_weight => "packed integers, probably of 4 bits".to_owned(),
        Dtype::Other("quint4x2" | "quint2x4", _) => "packed integers of 2 or 4 bits".to_owned(),
        Dtype::Other(..) | Dtype::C64 => format!("{} is not read here", draft.dtype.name()),
        dtype => format!("not floating point ({})", dtype.name()),
    }
}

impl Checkpoint {
    /// Notes the options that name tensors.
    fn apply(&mut self, options: &ReadOptions) -> Result<()> {
        for name in &options.transposed {
            let name = self.layer_name("transposed", name)?;
            self.facts.hints.entry(name).or_default().transposed = Some(true);
        }
        for (name, groups) in &options.groups {
            let name = self.layer_name("groups", name)?;
            let outputs = self.get(&name).and_then(|tensor| match is_kernel(&name) {
                true => tensor.shape.last().copied(),
                false => tensor.shape.first().copied(),
            });
            let outputs = outputs.unwrap_or(0);
            if *groups == 0 || !outputs.is_multiple_of(*groups) {
                let why =
                    format!("{name} has {outputs} outputs, which can't be divided into {groups} groups");
                return Err(Error::field("groups", format!("{name}={groups}"), why));
            }
            self.facts.hints.entry(name).or_default().groups = Some(*groups);
        }
        Ok(())
    }

    /// The tensor that an option means: by its name, or by its module's.
    fn layer_name(&self, field: &str, name: &str) -> Result<String> {
        let weight = format!("{name}.weight");
        let found = self.tensors.iter().find(|tensor| tensor.name == name || tensor.name == weight);
        found.filter(|tensor| tensor.shape.len() > 1).map(|tensor| tensor.name.clone()).ok_or_else(|| {
            let matrices = self.tensors.iter().filter(|tensor| tensor.shape.len() > 1);
            let near = nearest(&weight, matrices.map(|tensor| &*tensor.name));
            let why = match near {
                Some(near) => format!("the file has no weight of this name; the nearest is {near}"),
                None => "the file has no weight of this name".to_owned(),
            };
            Error::field(field, name, why)
        })
    }
}
