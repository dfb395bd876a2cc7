//! The tensors of one network while they are interpreted: described, renamed, combined, then decoded.

use std::collections::HashMap;

use super::super::account::LeftOut;
use super::super::dtype::Dtype;
use super::super::sanitize;
use super::super::stored::{Affine, ModuleFacts, ParseResult, StoredFile, element_count};

/// Where the values of a draft come from.
#[derive(Debug, Clone)]
pub(super) enum DraftValues {
    /// A tensor of the file.
    Stored(usize),
    /// Tensors of the file, combined.
    Computed(Vec<f32>),
}

/// A tensor that is not decoded yet.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub name: String,
    pub shape: Vec<usize>,
    pub dtype: Dtype,
    pub source: DraftValues,
    pub module: ModuleFacts,
    pub affine: Option<Affine>,
    pub same: Option<Vec<u64>>,
    pub unreadable: Option<String>,
    /// Weights of an analog tile.
    pub analog: bool,
    /// What integers are multiplied with, one number for each output or one for all.
    pub steps: Option<Vec<f32>>,
}

impl Draft {
    /// Number of elements.
    pub fn count(&self) -> usize {
        element_count(&self.shape).unwrap_or(usize::MAX)
    }

    /// The remark that leaves it out.
    pub fn left_out(&self, why: impl Into<String>) -> LeftOut {
        LeftOut {
            name: self.name.clone(),
            shape: self.shape.clone(),
            dtype: self.dtype.name().to_owned(),
            why: why.into(),
        }
    }
}

/// The drafts of a network, in the file's order, by name.
pub(super) struct Drafts<'f, 'a> {
    pub file: &'f mut StoredFile<'a>,
    slots: Vec<Option<Draft>>,
    places: HashMap<String, usize>,
    /// Tensors that were left out so far.
    pub left_out: Vec<LeftOut>,
    /// Remarks so far.
    pub notes: Vec<String>,
    /// Tensors whose loss a written file must not hide, with the reasons.
    pub lost: Vec<String>,
}

impl<'f, 'a> Drafts<'f, 'a> {
    pub fn new(file: &'f mut StoredFile<'a>, drafts: Vec<Draft>) -> Self {
        let mut places = HashMap::with_capacity(drafts.len());
        for (at, draft) in drafts.iter().enumerate() {
            places.insert(draft.name.clone(), at);
        }
        let slots = drafts.into_iter().map(Some).collect();
        Self { file, slots, places, left_out: Vec::new(), notes: Vec::new(), lost: Vec::new() }
    }

    /// The names, in the file's order.
    pub fn names(&self) -> Vec<String> {
        self.slots.iter().flatten().map(|draft| draft.name.clone()).collect()
    }

    pub fn get(&self, name: &str) -> Option<&Draft> {
        self.places.get(name).and_then(|&at| self.slots[at].as_ref())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Takes a draft out.
    pub fn remove(&mut self, name: &str) -> Option<Draft> {
        self.places.remove(name).and_then(|at| self.slots[at].take())
    }

    /// Takes a draft out and says why.
    pub fn leave_out(&mut self, name: &str, why: impl Into<String>) {
        if let Some(draft) = self.remove(name) {
            self.left_out.push(draft.left_out(why));
        }
    }

    /// Puts a draft where `place` was, under its own name. Fails if another has that name.
    pub fn replace(&mut self, place: &str, draft: Draft) -> bool {
        if draft.name != place && self.places.contains_key(&draft.name) {
            return false;
        }
        let Some(at) = self.places.remove(place) else { return false };
        self.places.insert(draft.name.clone(), at);
        self.slots[at] = Some(draft);
        true
    }

    /// Notes that a draft is the weight of a transposed convolution, unless its module says otherwise.
    pub fn mark_transposed(&mut self, name: &str) {
        if let Some(draft) = self.places.get(name).and_then(|&at| self.slots[at].as_mut()) {
            draft.module.transposed.get_or_insert(true);
        }
    }

    /// The values of a draft: integers where it has steps that are not applied yet.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn values(&mut self, name: &str) -> ParseResult<Vec<f32>> {
        let Some(draft) = self.places.get(name).and_then(|&at| self.slots[at].as_ref()) else {
            return Err("it is not there".to_owned());
        };
        if let Some(why) = &draft.unreadable {
            return Err(why.clone());
        }
        match &draft.source {
            DraftValues::Computed(values) => Ok(values.clone()),
            DraftValues::Stored(index) => {
                let index = *index;
                self.file.values(index).map_err(|why| format!("its tensor {}: {why}", sanitize(name)))
            }
        }
    }

    /// All drafts that are left, in the file's order.
    pub fn into_drafts(self) -> (Vec<Draft>, &'f mut StoredFile<'a>, Vec<LeftOut>, Vec<String>, Vec<String>) {
        (self.slots.into_iter().flatten().collect(), self.file, self.left_out, self.notes, self.lost)
    }
}
