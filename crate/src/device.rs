//! Which device computes: the CPU backend or a WebGPU adapter.

use burn::tensor::Device;

use crate::error::{Error, Result};
use crate::spec::DeviceChoice;

/// A device that is ready, and what to call it.
#[derive(Debug, Clone)]
pub struct Compute {
    /// Burn's device, without autodiff.
    pub device: Device,
    /// `cpu` or `webgpu`.
    pub kind: &'static str,
    /// The processor's or adapter's name.
    pub adapter: String,
}

impl Compute {
    /// Gets the device asked for ready. `auto` takes WebGPU where this build has it and there is an
    /// adapter, else the CPU.
    ///
    /// # Errors
    /// When this build lacks the backend or there is no adapter.
    pub async fn open(choice: DeviceChoice) -> Result<Self> {
        match choice {
            DeviceChoice::Cpu => cpu(),
            DeviceChoice::Webgpu => webgpu().await,
            DeviceChoice::Auto => match webgpu().await {
                Ok(compute) => Ok(compute),
                Err(missing) => cpu().map_err(|_| missing),
            },
        }
    }
}

#[cfg(feature = "cpu")]
#[expect(clippy::unnecessary_wraps, reason = "a build without the backend fails")]
fn cpu() -> Result<Compute> {
    let adapter = if cfg!(target_arch = "wasm32") { "CPU (WebAssembly SIMD)" } else { "CPU" };
    Ok(Compute { device: Device::flex(), kind: "cpu", adapter: adapter.to_owned() })
}

#[cfg(not(feature = "cpu"))]
fn cpu() -> Result<Compute> {
    Err(Error::device("cpu", "this build has no CPU backend (feature `cpu`)"))
}

#[cfg(feature = "webgpu")]
async fn webgpu() -> Result<Compute> {
    use std::cell::RefCell;
    thread_local! {
        /// The runtime can be initialized once; later runs share it.
        static OPEN: RefCell<Option<Compute>> = const { RefCell::new(None) };
    }
    if let Some(open) = OPEN.with_borrow(Clone::clone) {
        return Ok(open);
    }
    let (device, setup) = Device::wgpu_options()
        .init_with_setup_async()
        .await
        .map_err(|why| Error::device("webgpu", format!("{why:?}")))?;
    let info = setup.adapter.get_info();
    let adapter = if info.name.is_empty() { "WebGPU adapter".to_owned() } else { info.name };
    let compute = Compute { device, kind: "webgpu", adapter };
    OPEN.set(Some(compute.clone()));
    Ok(compute)
}

#[cfg(not(feature = "webgpu"))]
#[expect(clippy::unused_async, reason = "the build with the backend awaits its adapter")]
async fn webgpu() -> Result<Compute> {
    Err(Error::device("webgpu", "this build has no WebGPU backend (feature `webgpu`)"))
}
