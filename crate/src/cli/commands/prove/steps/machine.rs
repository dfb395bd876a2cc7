//! The machine: processor, memory, drivers, PyTorch, data; and whether a device opens.

use std::fs;
use std::process::Command;

use burn::tensor::DType;
use serde_json::Value;

use super::recipe::open_images;
use super::{DONE, StepOutcome, failed};
use crate::cli::commands::prove::context::{BUILTIN, Context, device_memory, nvidia_smi};
use crate::cli::commands::prove::record::Recorder;
use crate::cli::commands::prove::vulkan::VulkanSetup;
use crate::cli::files;
use crate::cli::system;
use crate::config::{DataSource, Precision};
use crate::data::cifar::{is_image_file, is_test_file};
use crate::device::ComputeDevice;
use crate::error::Result;

/// The commit that the binary was built from, if the build named one.
pub const COMMIT: Option<&str> = option_env!("CROSSDUB_COMMIT");

/// Writes down what the machine is.
pub fn describe(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let version = env!("CARGO_PKG_VERSION");
    record.fact(
        "crossdub",
        format!("{version}, commit {}", COMMIT.filter(|commit| !commit.is_empty()).unwrap_or("not recorded")),
    )?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let name = system::cpu_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    record.fact("processor", format!("{name}, {threads} threads"))?;
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64);
    record.fact("memory", system::total_memory().map_or_else(|| "unknown".to_owned(), gib))?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    record.fact("kernel", format!("{} {}", std::env::consts::OS, kernel.trim()))?;
    let cards = nvidia_smi("name,memory.total,driver_version,pcie.link.gen.current,pcie.link.width.current");
    for line in cards.iter().flat_map(|text| text.lines()) {
        record
            .fact("card", format!("{line} (name, MiB, driver, PCIe generation and lanes by nvidia-smi)"))?;
    }
    let setup = VulkanSetup::find(&context.bundle);
    let loader = setup.loader.as_deref().map_or_else(|| "none".to_owned(), files::display_path);
    record.fact("Vulkan loader", loader)?;
    let drivers = setup.driver_names();
    record.fact("Vulkan drivers", if drivers.is_empty() { "none".to_owned() } else { drivers })?;
    if let Some(problem) = setup.problem {
        record.fact("Vulkan", format!("not usable: {problem}"))?;
    }
    record.fact("PyTorch", pytorch(context))?;
    record.fact("images", images(context))?;
    Ok(DONE)
}

/// The PyTorch of the given Python.
fn pytorch(context: &Context) -> String {
    let Some(python) = &context.python else { return "not given (--python)".to_owned() };
    let output = Command::new(python).arg(context.bundle.join("peers.py")).arg("--about").output();
    let answer = match output {
        Ok(output) => serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        Err(why) => return format!("not usable: {}: {why}", python.display()),
    };
    match (answer["name"].as_str(), answer["error"].as_str()) {
        (Some(name), _) => name.to_owned(),
        (None, Some(why)) => format!("not usable: {why}"),
        (None, None) => format!("not usable: {} gave no answer", python.display()),
    }
}

/// Which images there are.
fn images(context: &Context) -> String {
    let Some(data) = &context.data else { return format!("{BUILTIN} (no --data)") };
    let unusable = |why: String| format!("{BUILTIN}: {} can't be used: {why}", data.display());
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let training = names.iter().filter(|name| is_image_file(name) && !is_test_file(name)).count();
    let (loader, config) = match open_images(data) {
        Ok(opened) => opened,
        Err(error) => return unusable(error.to_string()),
    };
    if config.data != DataSource::Cifar10 {
        return unusable("its images are not CIFAR-10's".to_owned());
    }
    let count = loader.train_len() + config.holdout;
    let test = if config.holdout == 0 { "a test file" } else { "no test file" };
    // An archive, or a folder inside the folder, lists no files here.
    let files = if training > 0 { format!(" in {training} of 5 training files") } else { String::new() };
    let missing =
        if (1..5).contains(&training) { format!("; {} are missing", 5 - training) } else { String::new() };
    format!("CIFAR-10: {count} images{files}, and {test}{missing}")
}

/// Opens the device under test and records its description.
pub fn open(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let compute = match context.open_device() {
        Ok(compute) => compute,
        Err(error) => return Ok(failed(error.to_string())),
    };
    record.fact("adapter", compute.adapter.clone())?;
    record.fact("driver", compute.driver.clone().unwrap_or_else(|| "unknown".to_owned()))?;
    let kind = match (compute.software, compute.kind) {
        (true, _) => "software: it computes on the CPU",
        (false, "cpu") => "CPU",
        (false, _) => "hardware",
    };
    record.fact("kind", kind)?;
    let has = |has: bool| if has { "yes" } else { "no" };
    record.fact("bf16", has(compute.check(Precision::Bf16).is_ok()))?;
    let f16 = has(compute.device.supports_dtype(DType::F16));
    record.fact("f16", format!("{f16}; Crossdub trains in f32 and bf16 only, so nothing is timed in it"))?;
    record.fact("shaders", shaders(&compute))?;
    let memory = device_memory(&compute) as f64 / (1_u64 << 20) as f64;
    record.figure("memory", "memory that the device can use", memory, "MiB", 1)?;
    Ok(DONE)
}

/// What the shaders are compiled to: the build decides for Vulkan, and other graphics APIs take WGSL.
fn shaders(compute: &ComputeDevice) -> &'static str {
    let on_vulkan = compute.driver.as_ref().is_some_and(|driver| driver.ends_with("Vulkan"));
    match compute.kind {
        "webgpu" | "vulkan" if on_vulkan && cfg!(feature = "vulkan") => "SPIR-V",
        "webgpu" | "vulkan" => "WGSL",
        "cuda" => "CUDA C++",
        _ => "none",
    }
}
