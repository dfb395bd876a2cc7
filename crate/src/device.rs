//! Compute devices: the CPU backend, graphics adapters by WebGPU and Vulkan, CUDA devices, and the others a build may
//! have.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{DType, Device};

use crate::config::{DeviceChoice, Precision, TrainConfig};
use crate::error::{Error, ErrorKind, Result};

/// An open device.
///
/// ```
/// # #[cfg(feature = "cpu")] pollster::block_on(async {
/// use crossdub::config::DeviceChoice;
/// use crossdub::device::ComputeDevice;
///
/// let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
/// assert_eq!(device.kind, "cpu");
/// # Ok::<(), crossdub::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ComputeDevice {
    /// Burn's device, without autodiff.
    pub device: Device,
    /// `cpu`, `webgpu`, `vulkan`, `cuda`, `tch` or `remote`.
    pub kind: &'static str,
    /// The name of the processor or adapter.
    pub adapter: String,
    /// A graphics adapter's driver, if it has a name, and its graphics API: `llvmpipe Mesa 25.0.7, Vulkan`, or `Metal`.
    pub driver: Option<String>,
    /// Whether a graphics adapter is a program on the CPU, such as Mesa's lavapipe.
    pub software: bool,
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backend {
    /// `cpu`, `webgpu`, `vulkan`, `cuda`, `tch` or `remote`.
    pub kind: &'static str,
    /// The Cargo feature that adds it.
    pub feature: &'static str,
    /// Whether this build has it.
    pub available: bool,
}

/// All kinds of devices.
pub const BACKENDS: [Backend; 6] = [
    Backend { kind: "cpu", feature: "cpu", available: cfg!(feature = "cpu") },
    Backend { kind: "webgpu", feature: "webgpu", available: cfg!(feature = "webgpu") },
    Backend { kind: "vulkan", feature: "vulkan", available: cfg!(feature = "vulkan") },
    Backend { kind: "cuda", feature: "cuda", available: cfg!(feature = "cuda") },
    Backend { kind: "tch", feature: "tch", available: cfg!(feature = "tch") },
    Backend { kind: "remote", feature: "remote", available: cfg!(feature = "remote") },
];

impl ComputeDevice {
    /// Opens a device. [`DeviceChoice::Auto`] takes WebGPU if this build has it and there is a graphics processor, else
    /// the CPU: a software adapter computes there too, but far slower.
    ///
    /// # Errors
    /// When this build lacks the backend, or there is no such device.
    pub async fn open(choice: &DeviceChoice) -> Result<Self> {
        let compute = match choice {
            DeviceChoice::Cpu => cpu(),
            DeviceChoice::Webgpu(index) => graphics::open("webgpu", *index).await,
            DeviceChoice::Vulkan(index) => graphics::open("vulkan", *index).await,
            DeviceChoice::Cuda(index) => cuda(*index),
            DeviceChoice::Tch => tch(),
            DeviceChoice::Remote(address) => remote(address),
            DeviceChoice::Auto => match graphics::open("webgpu", None).await {
                Ok(compute) if !compute.software => Ok(compute),
                software_or_missing => cpu().or(software_or_missing),
            },
        }?;
        if !matches!(compute.kind, "cpu" | "tch") {
            DEVICE_MAY_DISCONNECT.store(true, Ordering::Relaxed);
        }
        Ok(compute)
    }

    /// Opens the device that holds a run's network: the only one, or the first of several. The others are opened too,
    /// so that a run does not start without them.
    ///
    /// # Errors
    /// As [`ComputeDevice::open`] and [`ComputeDevice::check`].
    pub async fn from_config(config: &TrainConfig) -> Result<Self> {
        let mut first = None;
        for choice in config.device_choices() {
            let opened = Self::open(&choice).await?;
            opened.check(config.precision)?;
            first.get_or_insert(opened);
        }
        first.ok_or_else(|| Error::field("devices", &config.devices, "must name at least one device"))
    }

    /// Checks that this device computes in `precision`.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self, precision: Precision) -> Result<()> {
        if precision == Precision::Bf16 && !self.device.supports_dtype(DType::BF16) {
            return Err(Error::field("precision", "bf16", format!("{} does not support it", self.adapter)));
        }
        Ok(())
    }
}

/// The error for a panic: Burn's backends panic when their device is lost.
pub fn device_error(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let reason = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it stopped");
    Error::device("last used", reason)
}

/// Whether a device was opened that may disconnect at any moment.
static DEVICE_MAY_DISCONNECT: AtomicBool = AtomicBool::new(false);

/// Whether a graphics processor or a device of another machine is in use. Such a device may be lost, which Burn's
/// backends report by a panic; [`device_error`] turns that into an error.
pub fn may_disconnect() -> bool {
    DEVICE_MAY_DISCONNECT.load(Ordering::Relaxed)
}

/// Silences the process's panic hook while [`may_disconnect`], unless `RUST_BACKTRACE` is set; otherwise the current
/// hook is called as before.
///
/// For programs that catch panics themselves and report [`device_error`] on one line. The library never calls this: a
/// program keeps its panic hook unless it asks for this one.
pub fn silence_panics() {
    let hook = std::panic::take_hook();
    let show_all = std::env::var_os("RUST_BACKTRACE").is_some();
    std::panic::set_hook(Box::new(move |panic| {
        if show_all || !may_disconnect() {
            hook(panic);
        }
    }));
}

/// The error for a backend that this build lacks.
#[allow(dead_code, reason = "unused in a build with every backend")]
fn missing(kind: &str) -> Error {
    Error::new(ErrorKind::MissingBackend { device: kind.to_owned() })
}

#[cfg(feature = "cpu")]
#[expect(clippy::unnecessary_wraps, reason = "a build without the backend fails")]
fn cpu() -> Result<ComputeDevice> {
    let adapter = if cfg!(target_arch = "wasm32") { "CPU (WebAssembly SIMD)" } else { "CPU" };
    Ok(ComputeDevice {
        device: Device::flex(),
        kind: "cpu",
        adapter: adapter.to_owned(),
        driver: None,
        software: false,
    })
}

#[cfg(not(feature = "cpu"))]
fn cpu() -> Result<ComputeDevice> {
    Err(missing("cpu"))
}

#[cfg(any(feature = "webgpu", feature = "vulkan"))]
mod graphics {
    use std::collections::BTreeMap;

    use burn::tensor::wgpu::{WgpuBackend, WgpuSetup, wgpu};
    use burn::tensor::{Device, DeviceKind};

    use super::{BACKENDS, ComputeDevice, missing};
    use crate::error::{Error, Result};

    /// Open devices with the handles behind them, by kind and index.
    type OpenDevices = BTreeMap<(&'static str, Option<usize>), (ComputeDevice, WgpuSetup)>;

    /// A runtime can be initialized only once in a process; later runs, also those of other threads, share it.
    #[cfg(not(target_family = "wasm"))]
    mod shared {
        use std::sync::{Mutex, MutexGuard, PoisonError};

        static OPEN: Mutex<super::OpenDevices> = Mutex::new(super::OpenDevices::new());
        static OPENING: Mutex<()> = Mutex::new(());

        /// Others wait meanwhile, and then find the device.
        pub(super) fn alone() -> MutexGuard<'static, ()> {
            OPENING.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(super) fn with_open<T>(act: impl FnOnce(&mut super::OpenDevices) -> T) -> T {
            act(&mut OPEN.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    /// The same in a browser, where handles can't leave their thread.
    #[cfg(target_family = "wasm")]
    mod shared {
        use std::cell::RefCell;

        thread_local! {
            static OPEN: RefCell<super::OpenDevices> = RefCell::default();
        }

        pub(super) fn alone() {}

        pub(super) fn with_open<T>(act: impl FnOnce(&mut super::OpenDevices) -> T) -> T {
            OPEN.with_borrow_mut(act)
        }
    }

    /// The adapter that the system prefers, or the n-th discrete one. `webgpu` takes whatever graphics API has an
    /// adapter (natively Vulkan, Metal, DirectX 12 or OpenGL, in this order); `vulkan` takes no other.
    #[allow(
        clippy::await_holding_lock,
        clippy::let_unit_value,
        reason = "a device is opened once, by one thread"
    )]
    pub(super) async fn open(kind: &'static str, index: Option<usize>) -> Result<ComputeDevice> {
        if BACKENDS.iter().any(|backend| backend.kind == kind && !backend.available) {
            return Err(missing(kind));
        }
        let _alone = shared::alone();
        if let Some(open) = shared::with_open(|open| open.get(&(kind, index)).map(|(open, _)| open.clone())) {
            return Ok(open);
        }
        let mut options = Device::wgpu_options();
        if kind == "vulkan" {
            options = options.graphics_api(WgpuBackend::Vulkan);
        }
        if let Some(index) = index {
            options = options.device_kind(DeviceKind::DiscreteGpu(index));
        }
        let opened = options.init_with_setup_async().await;
        let (device, setup) = opened.map_err(|why| {
            let why = why.to_string();
            Error::device(kind, why.split_whitespace().collect::<Vec<_>>().join(" "))
        })?;
        let compute = describe(device, kind, &setup.adapter.get_info());
        shared::with_open(|open| open.insert((kind, index), (compute.clone(), setup)));
        Ok(compute)
    }

    fn describe(device: Device, kind: &'static str, info: &wgpu::AdapterInfo) -> ComputeDevice {
        let software = info.device_type == wgpu::DeviceType::Cpu;
        let named = |text: &str, fallback: &str| if text.is_empty() { fallback } else { text }.to_owned();
        let driver = [&info.driver, &info.driver_info].map(|text| text.trim());
        let driver: Vec<&str> = driver.into_iter().filter(|text| !text.is_empty()).collect();
        // Apple's drivers have no name, and a browser tells neither.
        let api = match info.backend {
            wgpu::Backend::BrowserWebGpu | wgpu::Backend::Noop => None,
            wgpu::Backend::Dx12 => Some("DirectX 12".to_owned()),
            wgpu::Backend::Gl => Some("OpenGL".to_owned()),
            other => Some(format!("{other:?}")),
        };
        let parts = [driver.join(" ")].into_iter().filter(|text| !text.is_empty()).chain(api);
        let parts: Vec<String> = parts.collect();
        let driver = (!parts.is_empty()).then(|| parts.join(", "));
        let adapter = named(&info.name, "WebGPU adapter");
        ComputeDevice { device, kind, adapter, driver, software }
    }

    /// What destroys each graphics device that is open.
    #[cfg(feature = "cli")]
    pub(super) fn destroyers() -> Vec<super::Destroyer> {
        shared::with_open(|open| {
            let destroyer = |(_, setup): &(ComputeDevice, WgpuSetup)| -> super::Destroyer {
                let device = setup.device.clone();
                Box::new(move || device.destroy())
            };
            open.values().map(destroyer).collect()
        })
    }
}

#[cfg(not(any(feature = "webgpu", feature = "vulkan")))]
mod graphics {
    use super::{ComputeDevice, Result, missing};

    #[expect(clippy::unused_async, reason = "the build with the backend awaits its adapter")]
    pub(super) async fn open(kind: &'static str, _index: Option<usize>) -> Result<ComputeDevice> {
        Err(missing(kind))
    }
}

/// Destroys a graphics device.
#[cfg(feature = "cli")]
pub(crate) type Destroyer = Box<dyn FnOnce() + Send>;

/// What destroys each graphics device that is open, as a driver does that resets its card. For tests of
/// what a lost device leaves behind.
#[cfg(feature = "cli")]
pub(crate) fn graphics_destroyers() -> Vec<Destroyer> {
    #[cfg(any(feature = "webgpu", feature = "vulkan"))]
    return graphics::destroyers();
    #[cfg(not(any(feature = "webgpu", feature = "vulkan")))]
    Vec::new()
}

/// Without an NVIDIA driver there are no devices.
#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<ComputeDevice> {
    let found = Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec();
    let count = found.len();
    let device = found.into_iter().nth(index).ok_or_else(|| {
        let why = format!("this machine has {count} CUDA devices");
        Error::device(DeviceChoice::Cuda(index).to_string(), why)
    })?;
    let adapter = device.identity().map_or_else(|| format!("CUDA device {index}"), |identity| identity.name);
    Ok(ComputeDevice { device, kind: "cuda", adapter, driver: None, software: false })
}

#[cfg(not(feature = "cuda"))]
fn cuda(_index: usize) -> Result<ComputeDevice> {
    Err(missing("cuda"))
}

#[cfg(feature = "tch")]
#[expect(clippy::unnecessary_wraps, reason = "a build without the backend fails")]
fn tch() -> Result<ComputeDevice> {
    let adapter = "CPU (libtorch)".to_owned();
    Ok(ComputeDevice { device: Device::libtorch(), kind: "tch", adapter, driver: None, software: false })
}

#[cfg(not(feature = "tch"))]
fn tch() -> Result<ComputeDevice> {
    Err(missing("tch"))
}

/// A worker's device. The token is read from the environment, so that it appears in no file and no process list.
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
    let adapter = address.to_owned();
    Ok(ComputeDevice { device, kind: "remote", adapter, driver: None, software: false })
}

#[cfg(not(feature = "remote"))]
fn remote(_address: &str) -> Result<ComputeDevice> {
    Err(missing("remote"))
}
