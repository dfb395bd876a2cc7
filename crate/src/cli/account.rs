//! What was taken from a checkpoint, as lines on stderr.

use super::{format, output};
use crate::checkpoint::{Checkpoint, CheckpointAccount, FULLY_CONNECTED};
use crate::config::HardwareConfig;
use crate::matrix::Matrix;
use crate::report::integer_weights_note;

/// Prints what was taken and what was left out; `has_linear` if the command has the option `--linear`.
pub fn print(account: &CheckpointAccount, weights: usize, has_linear: bool) {
    for line in lines(account, weights, has_linear) {
        output::status(&line);
    }
}

/// Prints which of several networks was taken, if there are several.
pub fn print_choice(weights: &Checkpoint) {
    for note in weights.account(true).notes.iter().filter(|note| note.starts_with("several networks")) {
        output::status_once(&format!("note: {note}{}", advice(note)).replace(char::is_control, " "));
    }
}

/// Prints whether layers hold integers, and what becomes of them on this hardware.
pub fn print_integers(layers: &[Matrix], hardware: &HardwareConfig) {
    if let Some(note) = integer_weights_note(layers, hardware) {
        output::status(&format!("note: {note}"));
    }
}

fn lines(account: &CheckpointAccount, weights: usize, has_linear: bool) -> Vec<String> {
    let layers = account.taken.len();
    let network = account.network.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
    let format = if account.format.is_empty() { String::new() } else { format!(" ({})", account.format) };
    let mut lines = vec![format!(
        "taken: {layers} {}{network}, {} weights{format}",
        if layers == 1 { "layer" } else { "layers" },
        format::grouped(weights)
    )];
    for (why, count, names) in account.left_out_by_reason() {
        let more = if count > names.len() { ", ..." } else { "" };
        let advice = match why {
            FULLY_CONNECTED if has_linear => "; --linear maps them",
            why if why.contains("may be a transposed convolution") => "; --transposed NAME reads it as one",
            _ => "",
        };
        lines.push(format!("left out: {count} {why}{advice} ({}{more})", names.join(", ")));
    }
    lines.extend(account.notes.iter().map(|note| format!("note: {note}{}", advice(note))));
    // Names come from outside.
    lines.into_iter().map(|line| line.replace(char::is_control, " ")).collect()
}

/// The option that a remark calls for.
fn advice(note: &str) -> &'static str {
    if note.starts_with("several networks") {
        "; --network NAME takes another"
    } else if note.contains("may be a transposed") {
        "; --transposed NAME reads it as one"
    } else if note.contains("as grouped by shape") {
        "; --groups NAME=N corrects it"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::NamedTensor;

    #[test]
    fn left_out_tensors_are_counted_and_named() {
        let tensor = |name: &str, shape: &[usize]| {
            let data = vec![0.5; shape.iter().product()];
            NamedTensor { name: name.into(), shape: shape.into(), data }
        };
        let linear = (1..=5).map(|i| tensor(&format!("fc{i}.weight"), &[10, 10]));
        let tensors = linear.chain([tensor("conv.weight", &[10, 3, 20, 20])]).collect();
        let account = Checkpoint::new(tensors).account(false);
        assert_eq!(
            lines(&account, 12_000, true),
            [
                "taken: 1 layer, 12,000 weights",
                "left out: 5 fully connected; --linear maps them (fc1.weight, fc2.weight, fc3.weight, ...)",
            ]
        );
    }
}
