//! `crossdub devices`: the devices that this build can use on this machine.

use std::process::Command;

use clap::Args;
use serde::Serialize;

use crate::cli::format;
use crate::cli::output;
use crate::cli::system;
use crate::config::{DeviceChoice, MAX_DEVICES, SCHEMA_VERSION};
use crate::device::{BACKENDS, ComputeDevice};
use crate::error::Result;

/// List the devices that this build can use
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub devices")]
pub struct DevicesArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A device that can be used.
#[derive(Debug, Serialize)]
struct FoundDevice {
    /// Its name for `--device`.
    device: String,
    name: String,
    /// In bytes, if known.
    memory: Option<u64>,
    /// A graphics adapter's driver, if it has a name, and its graphics API.
    driver: Option<String>,
    /// Whether a graphics adapter is a program on the CPU.
    software: bool,
}

/// A backend that this build lacks.
#[derive(Debug, Serialize)]
struct MissingBackend {
    kind: &'static str,
    /// The Cargo feature that adds it.
    feature: &'static str,
}

#[derive(Debug, Serialize)]
struct DevicesOutput {
    schema_version: u32,
    devices: Vec<FoundDevice>,
    lacking: Vec<MissingBackend>,
}

/// Runs the command.
pub fn run(args: &DevicesArgs) -> Result<()> {
    let lacking = BACKENDS.iter().filter(|backend| !backend.available);
    let lacking =
        lacking.map(|backend| MissingBackend { kind: backend.kind, feature: backend.feature }).collect();
    let result = DevicesOutput { schema_version: SCHEMA_VERSION, devices: available_devices(), lacking };
    output::print_result(args.json, &result, || describe(&result))
}

fn available_devices() -> Vec<FoundDevice> {
    let mut found = Vec::new();
    if cfg!(feature = "cpu") {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let name = system::cpu_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let name = format!("{name}, {threads} threads");
        let memory = system::total_memory();
        found.push(FoundDevice { device: "cpu".to_owned(), name, memory, driver: None, software: false });
    }
    if cfg!(feature = "webgpu") {
        found.extend(try_open(&DeviceChoice::Webgpu(None)));
    }
    if cfg!(feature = "vulkan") {
        found.extend(try_open(&DeviceChoice::Vulkan(None)));
    }
    if cfg!(feature = "cuda") {
        found.extend((0..MAX_DEVICES).map_while(|index| try_open(&DeviceChoice::Cuda(index))));
    }
    if cfg!(feature = "tch") {
        found.extend(try_open(&DeviceChoice::Tch));
    }
    found
}

/// The device, if it can be opened.
fn try_open(choice: &DeviceChoice) -> Option<FoundDevice> {
    let compute = pollster::block_on(ComputeDevice::open(choice)).ok()?;
    let memory = match choice {
        DeviceChoice::Cuda(index) => cuda_memory(*index),
        _ => None,
    };
    let ComputeDevice { adapter: name, driver, software, .. } = compute;
    Some(FoundDevice { device: choice.to_string(), name, memory, driver, software })
}

/// The memory of a card in bytes, as reported by the driver's tool if that is installed.
fn cuda_memory(index: usize) -> Option<u64> {
    let query = ["--query-gpu=memory.total", "--format=csv,noheader,nounits"];
    let output = Command::new("nvidia-smi").args(["-i", &index.to_string()]).args(query).output().ok()?;
    parse_mebibytes(std::str::from_utf8(&output.stdout).ok()?)
}

fn parse_mebibytes(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok()?.checked_mul(1 << 20)
}

fn describe(result: &DevicesOutput) -> String {
    let head = ["--device", "memory", "name"].map(str::to_owned).to_vec();
    let rows = result.devices.iter().map(|found| {
        let memory = found.memory.map_or_else(
            || "-".to_owned(),
            |bytes| format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64),
        );
        let software = if found.software { " (software: it computes on the CPU)" } else { "" };
        let driver = found.driver.as_ref().map_or_else(String::new, |driver| format!(", {driver}"));
        vec![found.device.clone(), memory, format!("{}{software}{driver}", found.name)]
    });
    let mut text = format::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    for MissingBackend { kind, feature } in &result.lacking {
        text +=
            &format!("{kind}: not in this build; add it with cargo build --release --features {feature}\n");
    }
    if cfg!(feature = "remote") {
        text += "remote:ws://HOST:PORT: a device on another machine, served there by crossdub worker\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::parse_mebibytes;

    #[test]
    fn memory_is_parsed_if_it_is_a_number() {
        assert_eq!(parse_mebibytes("81559\n"), Some(81559 << 20));
        assert_eq!(parse_mebibytes("No devices were found\n"), None);
        assert_eq!(parse_mebibytes("[N/A]"), None);
    }
}
