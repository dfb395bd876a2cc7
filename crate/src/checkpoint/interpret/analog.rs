//! Checkpoints of IBM's aihwkit: the weights of each analog tile, which it saves up to twice.

use super::super::names::split_leaf;
use super::draft::{Draft, Drafts};

/// Components of a tile's name that are not its layer's.
const PARTS: [&str; 2] = ["analog_module", "analog_tile_state"];

/// Gives tiles their layers' names, each once, and leaves their other state out.
pub(super) fn analog_tiles(drafts: &mut Drafts<'_, '_>) {
    let mut tiles = 0;
    // What aihwkit loads into the tile comes before what it shares with PyTorch.
    for wanted in ["analog_tile_weights", "shared_weights", "weight"] {
        for name in drafts.names() {
            let (module, leaf) = split_leaf(&name);
            let of_tile = match wanted {
                "weight" => module.ends_with("analog_module.tile"),
                _ => module.ends_with("analog_tile_state"),
            };
            let Some(draft) = drafts.get(&name).filter(|_| of_tile && leaf == wanted).cloned() else {
                continue;
            };
            if draft.count() == 0 || draft.shape.len() != 2 || !draft.dtype.is_float() {
                continue;
            }
            let layer: Vec<&str> = module.split('.').filter(|part| !PARTS.contains(part)).collect();
            let layer = format!("{}.weight", layer.join("."));
            if drafts.has(&layer) {
                drafts.leave_out(&name, "the same tile's weights again");
            } else if drafts.replace(&name, Draft { name: layer, analog: true, ..draft }) {
                tiles += 1;
            }
        }
    }
    if tiles == 0 {
        return;
    }
    for name in drafts.names() {
        let is_state = name.contains("analog_tile_state.") || name.ends_with(".analog_ctx");
        if is_state {
            drafts.leave_out(&name, "state of an analog tile");
        }
    }
    drafts.notes.push(format!(
        "{tiles} analog tiles of aihwkit are taken as they lie on crossbars, before their digital output scales"
    ));
}
