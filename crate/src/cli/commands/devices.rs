//! `crossdub devices`: what this build can compute on, here.

use std::process::Command;

use clap::Args;
use serde::Serialize;

use crate::cli::format;
use crate::cli::output;
use crate::cli::system;
use crate::config::{DeviceChoice, MOST_DEVICES, SCHEMA_VERSION};
use crate::device::{BACKENDS, ComputeDevice};
use crate::error::Result;

/// Lists the devices that this build can compute on
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub devices")]
pub struct DevicesArgs {
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// A device.
#[derive(Debug, Serialize)]
struct Found {
    /// What `--device` takes.
    device: String,
    name: String,
    /// In bytes, where it is known.
    memory: Option<u64>,
}

/// A kind of device that this build lacks.
#[derive(Debug, Serialize)]
struct Lacking {
    kind: &'static str,
    /// The Cargo feature that adds it.
    feature: &'static str,
}

#[derive(Debug, Serialize)]
struct DevicesOutput {
    schema_version: u32,
    devices: Vec<Found>,
    lacking: Vec<Lacking>,
}

/// Runs the command.
pub fn run(args: &DevicesArgs) -> Result<()> {
    let lacking = BACKENDS.iter().filter(|(.., here)| !here);
    let lacking = lacking.map(|&(kind, feature, _)| Lacking { kind, feature }).collect();
    let result = DevicesOutput { schema_version: SCHEMA_VERSION, devices: found(), lacking };
    output::print_result(args.json, &result, || describe(&result))
}

fn found() -> Vec<Found> {
    let mut found = Vec::new();
    if cfg!(feature = "cpu") {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let name = system::cpu_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let name = format!("{name}, {threads} threads");
        found.push(Found { device: "cpu".to_owned(), name, memory: system::total_memory() });
    }
    if cfg!(feature = "webgpu") {
        found.extend(opened(&DeviceChoice::Webgpu(None)));
    }
    if cfg!(feature = "cuda") {
        found.extend((0..MOST_DEVICES).map_while(|index| opened(&DeviceChoice::Cuda(index))));
    }
    if cfg!(feature = "tch") {
        found.extend(opened(&DeviceChoice::Tch));
    }
    found
}

/// A device that can be opened; what it lacks is only known by trying.
fn opened(choice: &DeviceChoice) -> Option<Found> {
    let compute = pollster::block_on(ComputeDevice::open(choice)).ok()?;
    let memory = match choice {
        DeviceChoice::Cuda(index) => cuda_memory(*index),
        _ => None,
    };
    Some(Found { device: choice.to_string(), name: compute.adapter, memory })
}

/// The driver's own tool says how much memory a card has, where it is installed.
fn cuda_memory(index: usize) -> Option<u64> {
    let query = ["--query-gpu=memory.total", "--format=csv,noheader,nounits"];
    let output = Command::new("nvidia-smi").args(["-i", &index.to_string()]).args(query).output().ok()?;
    mebibytes(std::str::from_utf8(&output.stdout).ok()?)
}

fn mebibytes(said: &str) -> Option<u64> {
    said.trim().parse::<u64>().ok()?.checked_mul(1 << 20)
}

fn describe(result: &DevicesOutput) -> String {
    let head = ["--device", "memory", "name"].map(str::to_owned).to_vec();
    let rows = result.devices.iter().map(|found| {
        let memory = found.memory.map_or_else(
            || "-".to_owned(),
            |bytes| format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64),
        );
        vec![found.device.clone(), memory, found.name.clone()]
    });
    let mut text = format::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    for Lacking { kind, feature } in &result.lacking {
        text += &format!("{kind}: not in this build; cargo build --release --features {feature} adds it\n");
    }
    if cfg!(feature = "remote") {
        text += "remote:ws://HOST:PORT: a device that crossdub worker serves on another machine\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::mebibytes;

    #[test]
    fn the_driver_s_answer_is_a_number_or_none() {
        assert_eq!(mebibytes("81559\n"), Some(81559 << 20));
        assert_eq!(mebibytes("No devices were found\n"), None);
        assert_eq!(mebibytes("[N/A]"), None);
    }
}
