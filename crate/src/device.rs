//! Which devices compute: the CPU backend, WebGPU adapters, and what else a build has.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{DType, Device};

use crate::config::{DeviceChoice, Precision, TrainConfig};
use crate::error::{Error, Result};

/// A device that is ready, and what to call it.
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    /// Burn's device, without autodiff.
    pub device: Device,
    /// `cpu`, `webgpu`, `cuda`, `tch` or `remote`.
    pub kind: &'static str,
    /// The processor's or adapter's name.
    pub adapter: String,
}

/// The kinds of devices, each with the Cargo feature that adds it and whether this build has it.
pub const BACKENDS: [(&str, &str, bool); 5] = [
    ("cpu", "cpu", cfg!(feature = "cpu")),
    ("webgpu", "webgpu", cfg!(feature = "webgpu")),
    ("cuda", "cuda", cfg!(feature = "cuda")),
    ("tch", "tch", cfg!(feature = "tch")),
    ("remote", "remote", cfg!(feature = "remote")),
];

impl ComputeDevice {
    /// Gets the device asked for ready. `auto` takes WebGPU where this build has it and there is an
    /// adapter, else the CPU.
    ///
    /// # Errors
    /// When this build lacks the backend or there is no such device.
    pub async fn open(choice: &DeviceChoice) -> Result<Self> {
        match choice {
            DeviceChoice::Cpu => cpu(),
            DeviceChoice::Webgpu(index) => webgpu(*index).await,
            DeviceChoice::Cuda(index) => cuda(*index),
            DeviceChoice::Tch => tch(),
            DeviceChoice::Remote(address) => remote(address),
            DeviceChoice::Auto => match webgpu(None).await {
                Ok(compute) => Ok(compute),
                Err(missing) => cpu().map_err(|_| missing),
            },
        }
    }

    /// The device that holds a run's network: the only one, or the first of several. The others are tried too, so that a
    /// run is not begun without them.
    ///
    /// # Errors
    /// As [`ComputeDevice::open`].
    pub async fn from_config(spec: &TrainConfig) -> Result<Self> {
        let mut first = None;
        for choice in spec.device_choices()? {
            let opened = Self::open(&choice).await?;
            opened.check(spec.precision)?;
            first.get_or_insert(opened);
        }
        first.ok_or_else(|| Error::field("devices", &spec.devices, "names none"))
    }

    /// Refuses numbers that this device can't compute with.
    ///
    /// # Errors
    /// When it can't.
    pub fn check(&self, precision: Precision) -> Result<()> {
        if precision == Precision::Bf16 && !self.device.supports_dtype(DType::BF16) {
            return Err(Error::field("precision", "bf16", format!("{} has no such numbers", self.adapter)));
        }
        Ok(())
    }
}

/// What a panic says of the device that was used: a backend panics when its device is gone.
pub fn device_error(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let why = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it stopped");
    Error::device("last used", why)
}

/// Whether a device was opened that may be lost at any moment.
static DEVICE_MAY_DISCONNECT: AtomicBool = AtomicBool::new(false);

/// Whether a device of another machine, or a graphics processor, is in use: it may be lost, and then a panic says so.
pub fn may_disconnect() -> bool {
    DEVICE_MAY_DISCONNECT.load(Ordering::Relaxed)
}

/// The panics of a lost device become one line each (`lost`); the default hook would say them, thread by thread.
#[cfg(all(not(target_arch = "wasm32"), any(feature = "webgpu", feature = "cuda", feature = "remote")))]
fn silence_panics() {
    if !DEVICE_MAY_DISCONNECT.swap(true, Ordering::Relaxed) && std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
}

/// Says which build has the backend.
#[allow(dead_code, reason = "a build with every backend lacks none")]
fn missing(kind: &str) -> Error {
    Error::device(kind, format!("this build has no such backend (build it with --features {kind})"))
}

#[cfg(feature = "cpu")]
#[expect(clippy::unnecessary_wraps, reason = "a build without the backend fails")]
fn cpu() -> Result<ComputeDevice> {
    let adapter = if cfg!(target_arch = "wasm32") { "CPU (WebAssembly SIMD)" } else { "CPU" };
    Ok(ComputeDevice { device: Device::flex(), kind: "cpu", adapter: adapter.to_owned() })
}

#[cfg(not(feature = "cpu"))]
fn cpu() -> Result<ComputeDevice> {
    Err(missing("cpu"))
}

#[cfg(feature = "webgpu")]
async fn webgpu(index: Option<usize>) -> Result<ComputeDevice> {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use burn::tensor::DeviceKind;
    thread_local! {
        /// A runtime can be initialized once; later runs share it.
        static OPEN: RefCell<HashMap<Option<usize>, ComputeDevice>> = RefCell::default();
    }
    if let Some(open) = OPEN.with_borrow(|open| open.get(&index).cloned()) {
        return Ok(open);
    }
    let options = Device::wgpu_options();
    let options = match index {
        Some(index) => options.device_kind(DeviceKind::DiscreteGpu(index)),
        None => options,
    };
    let opened = options.init_with_setup_async().await;
    let (device, setup) = opened.map_err(|why| Error::device("webgpu", format!("{why:?}")))?;
    let info = setup.adapter.get_info();
    let adapter = if info.name.is_empty() { "WebGPU adapter".to_owned() } else { info.name };
    #[cfg(not(target_arch = "wasm32"))]
    silence_panics();
    let compute = ComputeDevice { device, kind: "webgpu", adapter };
    OPEN.with_borrow_mut(|open| open.insert(index, compute.clone()));
    Ok(compute)
}

#[cfg(not(feature = "webgpu"))]
#[expect(clippy::unused_async, reason = "the build with the backend awaits its adapter")]
async fn webgpu(_index: Option<usize>) -> Result<ComputeDevice> {
    Err(missing("webgpu"))
}

/// Where there is no NVIDIA driver there are no devices.
#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<ComputeDevice> {
    let found = Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec();
    let count = found.len();
    let device = found.into_iter().nth(index).ok_or_else(|| {
        let why = format!("there are {count} CUDA devices here");
        Error::device(DeviceChoice::Cuda(index).to_string(), why)
    })?;
    silence_panics();
    let adapter = device.identity().map_or_else(|| format!("CUDA device {index}"), |identity| identity.name);
    Ok(ComputeDevice { device, kind: "cuda", adapter })
}

#[cfg(not(feature = "cuda"))]
fn cuda(_index: usize) -> Result<ComputeDevice> {
    Err(missing("cuda"))
}

#[cfg(feature = "tch")]
#[expect(clippy::unnecessary_wraps, reason = "a build without the backend fails")]
fn tch() -> Result<ComputeDevice> {
    Ok(ComputeDevice { device: Device::libtorch(), kind: "tch", adapter: "CPU (libtorch)".to_owned() })
}

#[cfg(not(feature = "tch"))]
fn tch() -> Result<ComputeDevice> {
    Err(missing("tch"))
}

/// A worker's device. Its token is read from the environment, so that no file and no process list shows it.
#[cfg(feature = "remote")]
fn remote(address: &str) -> Result<ComputeDevice> {
    use burn::remote::RemoteHost;
    let host = RemoteHost::websocket(address);
    let host = match std::env::var("CROSSDUB_TOKEN") {
        Ok(token) if !token.is_empty() => host.with_credential(token),
        _ => host,
    };
    let opened = Device::remote_options(&host).init();
    let device = opened.map_err(|why| Error::device(format!("remote:{address}"), why.to_string()))?;
    silence_panics();
    Ok(ComputeDevice { device, kind: "remote", adapter: address.to_owned() })
}

#[cfg(not(feature = "remote"))]
fn remote(_address: &str) -> Result<ComputeDevice> {
    Err(missing("remote"))
}
