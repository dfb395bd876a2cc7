//! Which part of a recipe a field belongs to: the whole recipe, or the stages of one kind.

use serde_json::{Map, Value};

use super::stage::StageKind;
use crate::compress::fields::PruneFields;
use crate::config::{ConversionFields, CrossbarFields, NetworkFields, TrainFields};
use crate::error::{Error, Result};

/// Training fields that are the same in all stages, beside those of network and hardware: the stages share their data,
/// and the seed, which draws the built-in images.
const RECIPE_FIELDS: [&str; 7] = ["data", "holdout", "limit", "device", "devices", "gather", "seed"];

/// The part of a recipe that a field belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldScope {
    /// The whole recipe.
    Recipe,
    /// Stages that train or fine-tune.
    Training,
    /// Stages that prune.
    Pruning,
}

/// The part of a recipe that the field of this name belongs to.
///
/// ```
/// use crossdub::workflow::field_scope::{FieldScope, scope_of};
///
/// assert_eq!(scope_of("tile")?, FieldScope::Recipe);
/// assert_eq!(scope_of("lambda")?, FieldScope::Training);
/// assert_eq!(scope_of("ratios")?, FieldScope::Pruning);
/// # Ok::<(), crossdub::Error>(())
/// ```
///
/// # Errors
/// When there is no such field.
pub fn scope_of(field: &str) -> Result<FieldScope> {
    let of_recipe = [NetworkFields::NAMES, CrossbarFields::NAMES, ConversionFields::NAMES, &RECIPE_FIELDS];
    if of_recipe.iter().any(|names| names.contains(&field)) {
        Ok(FieldScope::Recipe)
    } else if TrainFields::NAMES.contains(&field) {
        Ok(FieldScope::Training)
    } else if PruneFields::NAMES.contains(&field) {
        Ok(FieldScope::Pruning)
    } else {
        Err(Error::field(field, "", "there is no such field"))
    }
}

/// Checks that every field belongs to stages of this kind.
///
/// # Errors
/// Names the first field that does not.
pub(super) fn check_fields(kind: StageKind, fields: &Map<String, Value>) -> Result<()> {
    let own = match kind {
        StageKind::Train | StageKind::Finetune => FieldScope::Training,
        StageKind::Prune => FieldScope::Pruning,
    };
    for (field, value) in fields {
        let why = match scope_of(field) {
            Ok(scope) if scope == own => continue,
            Ok(FieldScope::Recipe) => "is the same in all stages; set it for the whole run",
            Ok(FieldScope::Training) => "is a field of stages that train",
            Ok(FieldScope::Pruning) => "is a field of stages that prune",
            Err(_) => "there is no such field",
        };
        return Err(Error::field(field, value, why));
    }
    Ok(())
}
