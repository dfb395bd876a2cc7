//! Devices by name: `cpu`, `webgpu:1`, `remote:ws://host:port`. Whether this build and machine have a device is checked
//! when it is opened.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::field_value::serde_as_text;
use crate::error::{Error, Result};

/// The names, for error messages.
const KNOWN: &str = "must be one of auto, cpu, webgpu[:n], vulkan[:n], cuda[:n], tch, remote:ws://HOST:PORT";
/// The most devices of one kind, and in one run.
pub const MAX_DEVICES: usize = 64;

/// The device to compute on.
///
/// ```
/// use crossdub::config::DeviceChoice;
///
/// assert_eq!("webgpu:1".parse(), Ok(DeviceChoice::Webgpu(Some(1))));
/// assert_eq!(DeviceChoice::Cuda(0).to_string(), "cuda");
/// assert!("gpu".parse::<DeviceChoice>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// WebGPU if this build has it and there is an adapter, else the CPU.
    #[default]
    Auto,
    /// The portable CPU backend.
    Cpu,
    /// WebGPU: the adapter that the system prefers, or the n-th discrete one.
    Webgpu(Option<usize>),
    /// The same graphics processors through Vulkan, with shaders in SPIR-V: the adapter that the system prefers, or the
    /// n-th discrete one.
    Vulkan(Option<usize>),
    /// The n-th CUDA device.
    Cuda(usize),
    /// The CPU, through PyTorch's library (libtorch).
    Tch,
    /// The device that `crossdub worker` serves at this address.
    Remote(String),
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let reject = |why: &str| Error::field("device", name, why);
        let (kind, rest) = name.split_once(':').map_or((name, None), |(kind, rest)| (kind, Some(rest)));
        let index = || match rest.map(str::parse::<usize>) {
            None => Ok(None),
            Some(Ok(index)) if index < MAX_DEVICES => Ok(Some(index)),
            Some(_) => Err(reject("must have 0 to 63 after the colon")),
        };
        match (kind, rest) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("tch", None) => Ok(Self::Tch),
            ("webgpu" | "wgpu", _) => Ok(Self::Webgpu(index()?)),
            ("vulkan", _) => Ok(Self::Vulkan(index()?)),
            ("cuda", _) => Ok(Self::Cuda(index()?.unwrap_or(0))),
            ("remote", Some(address)) => {
                let host = address.strip_prefix("ws://").unwrap_or_default();
                let fits = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == ',');
                if fits {
                    Ok(Self::Remote(address.to_owned()))
                } else {
                    Err(reject("must be remote:ws://HOST:PORT"))
                }
            }
            _ => Err(reject(KNOWN)),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Webgpu(None) => f.write_str("webgpu"),
            Self::Webgpu(Some(index)) => write!(f, "webgpu:{index}"),
            Self::Vulkan(None) => f.write_str("vulkan"),
            Self::Vulkan(Some(index)) => write!(f, "vulkan:{index}"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Tch => f.write_str("tch"),
            Self::Remote(address) => write!(f, "remote:{address}"),
        }
    }
}

serde_as_text!(DeviceChoice);

/// Devices that share each batch, separated by commas: `cuda,cuda:1`. May be empty.
///
/// ```
/// use crossdub::config::{DeviceChoice, DeviceList};
///
/// let devices: DeviceList = "cpu, cuda:1".parse()?;
/// assert_eq!(devices.as_slice(), [DeviceChoice::Cpu, DeviceChoice::Cuda(1)]);
/// assert_eq!(devices.to_string(), "cpu,cuda:1");
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceList(Vec<DeviceChoice>);

impl DeviceList {
    /// The devices, in order.
    pub fn as_slice(&self) -> &[DeviceChoice] {
        &self.0
    }

    /// Number of devices.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for DeviceList {
    type Err = Error;

    fn from_str(names: &str) -> Result<Self> {
        if names.is_empty() {
            return Ok(Self::default());
        }
        let devices: Vec<DeviceChoice> =
            names.split(',').map(|name| name.trim().parse()).collect::<Result<_>>()?;
        match devices.len() {
            1..=MAX_DEVICES => Ok(Self(devices)),
            count => Err(Error::field("devices", count, format!("must be at most {MAX_DEVICES}"))),
        }
    }
}

impl fmt::Display for DeviceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, choice) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{choice}")?;
        }
        Ok(())
    }
}

serde_as_text!(DeviceList);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in [
            "auto",
            "cpu",
            "webgpu",
            "webgpu:1",
            "vulkan",
            "vulkan:2",
            "cuda",
            "cuda:7",
            "tch",
            "remote:ws://127.0.0.1:9000",
        ] {
            assert_eq!(name.parse::<DeviceChoice>().expect(name).to_string(), name);
        }
        assert_eq!("wgpu".parse::<DeviceChoice>().expect("the same"), DeviceChoice::Webgpu(None));
        assert_eq!("cuda:0".parse::<DeviceChoice>().expect("the first"), DeviceChoice::Cuda(0));
        let json = serde_json::to_string(&DeviceChoice::Webgpu(None)).expect("text");
        assert_eq!(json, "\"webgpu\"");
    }

    #[test]
    fn unknown_devices_are_rejected() {
        let long = ["cpu"; MAX_DEVICES + 1].join(",");
        for bad in
            ["", "gpu", "cpu:0", "cuda:64", "cuda:-1", "webgpu:", "remote", "remote:http://a", "remote:ws://"]
        {
            let why = bad.parse::<DeviceChoice>().expect_err(bad).to_string();
            assert!(why.contains("device") && why.lines().count() == 1, "{why}");
        }
        for bad in ["cpu,gpu", "cpu,,cpu", &long] {
            assert!(bad.parse::<DeviceList>().is_err(), "{bad}");
        }
        assert!("".parse::<DeviceList>().expect("an empty list").is_empty());
        let json = serde_json::to_string(&"cpu, cuda:0".parse::<DeviceList>().expect("two")).expect("text");
        assert_eq!(json, "\"cpu,cuda\"");
    }
}
