//! What a step works with: folders, its device, and the time it has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::ProveArgs;
use super::plan::{ProveStep, Target};
use super::record::StepRecord;
use super::runner::own_binary;
use crate::cli::files;
use crate::cli::system;
use crate::config::DeviceChoice;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};

/// How the images of the built-in set are called.
pub const BUILTIN: &str = "the built-in ones";

/// What a step works with.
pub struct Context {
    /// Folder of the results.
    pub out: PathBuf,
    /// Folder of the bundle.
    pub bundle: PathBuf,
    /// CIFAR-10's files, as given.
    pub data: Option<PathBuf>,
    /// Python with PyTorch, if any.
    pub python: Option<PathBuf>,
    /// Chromium, if any.
    pub browser: Option<PathBuf>,
    /// The device's name.
    pub label: String,
    /// The device under test.
    pub device: DeviceChoice,
    name: String,
    began: Instant,
    seconds: f64,
}

impl Context {
    /// What the arguments give to a step.
    pub fn new(
        args: &ProveArgs,
        step: &ProveStep,
        bundle: &Path,
        target: Option<Target>,
        seconds: f64,
    ) -> Self {
        let target =
            target.unwrap_or(Target { label: "cpu".to_owned(), device: DeviceChoice::Cpu, binary: None });
        Self {
            out: args.out.clone(),
            bundle: bundle.to_owned(),
            data: args.data.clone(),
            python: args.python.clone(),
            browser: args.browser.clone(),
            label: target.label,
            device: target.device,
            name: step.name.clone(),
            began: Instant::now(),
            seconds,
        }
    }

    /// The seconds until this share of the step's time is over; 0 if it is.
    pub fn seconds_until(&self, share: f64) -> f64 {
        (share * self.seconds - self.began.elapsed().as_secs_f64()).max(0.0)
    }

    /// Opens the device under test.
    ///
    /// # Errors
    /// If the device can't be opened.
    pub fn open_device(&self) -> Result<ComputeDevice> {
        pollster::block_on(ComputeDevice::open(&self.device))
    }

    /// Whether the device computes on the CPU, so that work is made smaller.
    pub fn is_slow(&self, compute: &ComputeDevice) -> bool {
        compute.software || compute.kind == "cpu"
    }

    /// A folder of this step's own; whatever an earlier try left in it is gone.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn fresh_folder(&self) -> Result<PathBuf> {
        let folder = self.folder();
        // It may not be there yet.
        drop(fs::remove_dir_all(&folder));
        let fail = |why| Error::file("creating a folder", files::display_path(&folder), why);
        fs::create_dir_all(&folder).map_err(fail)?;
        Ok(folder)
    }

    /// The same folder as it is.
    pub fn folder(&self) -> PathBuf {
        self.out.join("work").join(&self.name)
    }

    /// The images to train on: those given, unless the first step found them unusable.
    pub fn images(&self) -> PathBuf {
        let found =
            StepRecord::read(&self.out, "machine").and_then(|record| Some(record.fact("images")?.to_owned()));
        match &self.data {
            Some(data) if !found.is_some_and(|found| found.starts_with(BUILTIN)) => data.clone(),
            _ => PathBuf::from("builtin"),
        }
    }

    /// A second process of this step.
    ///
    /// # Errors
    /// If the system does not tell this program's path.
    pub fn helper(&self, helper: &str) -> Result<Command> {
        let mut command = self.crossdub(&["prove", "--step", &self.name, "--helper", helper])?;
        command.args(["--device", &self.label, "--seconds", &self.seconds_until(1.0).to_string()]);
        command.arg("--out").arg(&self.out).arg("--bundle").arg(&self.bundle);
        Ok(command)
    }

    /// Another command of this program.
    ///
    /// # Errors
    /// If the system does not tell this program's path.
    pub fn crossdub(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(own_binary()?);
        command.args(args).stdin(Stdio::null());
        Ok(command)
    }

    /// The JSON object that another command of this program prints; its other output joins this step's log.
    ///
    /// # Errors
    /// If the command fails.
    pub fn json_of(&self, args: &[&str]) -> Result<Value> {
        let mut command = self.crossdub(args)?;
        let fail = |why: String| Error::operation("running", format!("crossdub {}", args.join(" ")), why);
        let output = command.stderr(Stdio::inherit()).output().map_err(|why| fail(why.to_string()))?;
        if !output.status.success() {
            return Err(fail(output.status.to_string()));
        }
        serde_json::from_slice(&output.stdout).map_err(|why| fail(why.to_string()))
    }
}

/// The bytes that the device can hold: its own memory if the driver's tool tells, or the machine's.
pub fn device_memory(compute: &ComputeDevice) -> u64 {
    let own = (!compute.software && compute.kind != "cpu").then(card_memory).flatten();
    own.unwrap_or_else(system::available_memory)
}

/// The memory of the first NVIDIA or AMD card, in bytes.
fn card_memory() -> Option<u64> {
    let nvidia = nvidia_smi("memory.total").and_then(|text| text.lines().next()?.trim().parse::<u64>().ok());
    let amd = || {
        let cards = fs::read_dir("/sys/class/drm").ok()?.flatten();
        let sizes = cards.filter_map(|card| {
            let text = fs::read_to_string(card.path().join("device/mem_info_vram_total")).ok()?;
            text.trim().parse::<u64>().ok()
        });
        sizes.max()
    };
    nvidia.and_then(|mebibytes| mebibytes.checked_mul(1 << 20)).or_else(amd)
}

/// What NVIDIA's tool says, one line a card, if it is there.
pub fn nvidia_smi(query: &str) -> Option<String> {
    let query = format!("--query-gpu={query}");
    let output = Command::new("nvidia-smi").args([&query, "--format=csv,noheader,nounits"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Waits for a process, but at most this many seconds, then kills it.
///
/// # Errors
/// If it can't be waited for.
pub fn wait_for(child: &mut std::process::Child, seconds: f64) -> Result<Option<std::process::ExitStatus>> {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    loop {
        let ended = child.try_wait().map_err(|why| Error::operation("waiting for", "a process", why))?;
        if ended.is_some() {
            return Ok(ended);
        }
        if Instant::now() > until {
            drop(child.kill());
            drop(child.wait());
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
