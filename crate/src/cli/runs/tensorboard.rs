//! Writes TensorBoard's event files.
//!
//! A record consists of a length and data, each followed by a masked CRC-32C (TensorFlow's
//! `record_writer.cc`); the data is an `Event` message (`event.proto`) with a time, a step and scalars.

use serde_json::Value;

use crate::protobuf::Message;

/// Name of a run's event file; TensorBoard looks for `tfevents`.
pub const FILE_NAME: &str = "events.out.tfevents.0.crossdub";

/// Fields in `metrics.jsonl` that locate a line in the run and are no metrics.
const POSITION_FIELDS: [&str; 5] = ["step", "epoch", "steps_per_epoch", "total_steps", "seconds_left"];

/// Records for lines of `metrics.jsonl`: steps become `training/NAME`, evaluations `evaluation/NAME`.
pub fn records_from_metrics(lines: &str, time: f64) -> Vec<u8> {
    let mut records = Vec::new();
    for line in lines.lines() {
        let Ok(Value::Object(line)) = serde_json::from_str(line) else { continue };
        let Some(step) = line.get("step").and_then(Value::as_u64) else { continue };
        let part = if line.contains_key("total_steps") { "training" } else { "evaluation" };
        let numeric = line.iter().filter(|(name, _)| !POSITION_FIELDS.contains(&name.as_str()));
        let named: Vec<(String, f64)> =
            numeric.filter_map(|(name, value)| Some((format!("{part}/{name}"), value.as_f64()?))).collect();
        let values: Vec<(&str, f64)> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        records.extend(scalars_record(time, step, &values));
    }
    records
}

/// The first record of a file.
pub fn file_header(time: f64) -> Vec<u8> {
    record(&event(time).bytes(3, "brain.Event:2").into_bytes())
}

/// A record with the scalars of a step.
fn scalars_record(time: f64, step: u64, values: &[(&str, f64)]) -> Vec<u8> {
    let entry = |(name, value): &(&str, f64)| Message::default().bytes(1, name).float(2, *value as f32);
    let summary = values.iter().fold(Message::default(), |summary, value| summary.message(1, &entry(value)));
    let event = event(time).integer(2, step.cast_signed()).message(5, &summary);
    record(&event.into_bytes())
}

/// The complete records of a file up to a step: a resumed run writes the others again.
pub fn truncate_after_step(file: &[u8], step: u64) -> &[u8] {
    let mut end = 0;
    while let Some((data, length)) = first_record(&file[end..]) {
        if step_of(data).is_some_and(|at| at > step) {
            break;
        }
        end += length;
    }
    &file[..end]
}

/// An event with its first field, seconds since 1970.
fn event(time: f64) -> Message {
    Message::default().double(1, time)
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

fn masked(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// The data of the first record and the record's length; `None` if it is incomplete or damaged.
fn first_record(file: &[u8]) -> Option<(&[u8], usize)> {
    let length = usize::try_from(u64::from_le_bytes(*file.first_chunk()?)).ok()?;
    let whole = length.checked_add(16)?;
    let data = file.get(..whole)?.get(12..12 + length)?;
    (file[whole - 4..whole] == masked(data)).then_some((data, whole))
}

/// The step of an event, if it has one.
fn step_of(event: &[u8]) -> Option<u64> {
    let (&tag, digits) = event.get(9..)?.split_first()?;
    if tag != 2 << 3 {
        return None;
    }
    let mut value = 0;
    for (at, &byte) in digits.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `tensorboard` 2.21 for Python writes the same events.
    #[test]
    fn records_equal_tensorboard_s() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(&scalars_record(0.5, 300, &[("loss", 1.5)])),
            "1b000000000000001a0d9e1309000000000000e03f10ac022a0d0a0b0a046c6f7373150000c03fa1776339"
        );
        assert_eq!(
            hex(&file_header(1.0)),
            "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a"
        );
    }

    #[test]
    fn metrics_become_scalars() {
        let lines = "{\"step\":3,\"total_steps\":9,\"epoch\":0,\"loss\":0.5,\"finished\":false}\n\
            {\"step\":3,\"epoch\":0,\"accuracy\":40,\"improvement_paper\":null}\nhalf a li";
        let expected = [
            scalars_record(1.0, 3, &[("training/loss", 0.5)]),
            scalars_record(1.0, 3, &[("evaluation/accuracy", 40.0)]),
        ];
        assert_eq!(records_from_metrics(lines, 1.0), expected.concat());
    }

    #[test]
    fn files_are_truncated_at_a_step() {
        let steps: Vec<Vec<u8>> =
            [1, 2, 300].map(|step| scalars_record(0.5, step, &[("loss", 1.5)])).to_vec();
        let file = [file_header(0.0), steps.concat()].concat();
        let end = |count: usize| file_header(0.0).len() + steps[..count].concat().len();
        for (step, kept) in [(0, 0), (1, 1), (299, 2), (300, 3), (u64::MAX, 3)] {
            assert_eq!(truncate_after_step(&file, step).len(), end(kept), "{step}");
        }
        assert_eq!(
            truncate_after_step(&file[..file.len() - 1], 300).len(),
            end(2),
            "half a record is dropped"
        );
        let mut damaged = file.clone();
        damaged[end(1) + 14] ^= 1;
        assert_eq!(truncate_after_step(&damaged, 300).len(), end(1));
    }
}
