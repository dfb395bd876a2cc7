//! How fast crossbars are simulated: that runs on the CPU, whatever the device.

use super::{DONE, StepOutcome};
use crate::cli::commands::prove::context::Context;
use crate::cli::commands::prove::record::Recorder;
use crate::error::Result;

/// Measures it with `crossdub bench`.
pub fn measure(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let answer = context.json_of(&["bench", "--only", "simulation", "--json"])?;
    for row in answer["measurements"].as_array().into_iter().flatten() {
        let (id, what) = (row["id"].as_str().unwrap_or("row"), row["what"].as_str().unwrap_or_default());
        let time = row["ours_ms"].as_f64().unwrap_or(f64::NAN);
        record.figure(id, what, time, "ms", row["n"].as_u64().unwrap_or(0) as usize)?;
        if let Some(note) = row["note"].as_str() {
            record.note(note)?;
        }
    }
    Ok(DONE)
}
