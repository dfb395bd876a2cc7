//! Finds and reads reference data, in the repository or beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crossdub::checkpoint::{Checkpoint, NamedTensor};
use crossdub::matrix::Matrix;
use crossdub::network::NetworkSpec;
use crossdub::network::spec::initialize;

/// A file or folder of the shared data. If it is missing, reports that the test skips.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let root =
        std::env::var_os("CROSSDUB_SHARED").map_or_else(|| repository().join("../shared"), PathBuf::from);
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {relative} is not in the shared data (set CROSSDUB_SHARED)");
    None
}

/// The repository's root, as cargo names it when it runs the tests: the root at compile time could be another
/// checkout's, if both share a target folder.
pub fn repository() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
        Path::new(&package).parent().expect("the crate is in the repository").to_path_buf()
    });
    &ROOT
}

/// Reads weights.
pub fn weights(path: &Path) -> Checkpoint {
    let bytes = std::fs::read(path).expect("readable");
    Checkpoint::from_bytes(&bytes).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The float32 tensors of a safetensors file by name: reference vectors, which are no network's weights.
pub fn vectors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(path).expect("readable");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let floats = |bytes: &[u8]| {
        let (values, _) = bytes.as_chunks::<4>();
        values.iter().map(|value| f32::from_le_bytes(*value)).collect()
    };
    file.iter().map(|(name, tensor)| (name.to_owned(), floats(tensor.data()))).collect()
}

/// The crossbar layers of a checkpoint.
pub fn layers(path: &Path) -> Vec<Matrix> {
    weights(path).matrices(false).expect("layers")
}

/// A JSON file.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON")
}

/// A list of numbers.
pub fn numbers(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

/// The largest difference, relative to the largest expected magnitude.
pub fn relative_difference(got: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(0.0_f64, |most, &v| most.max(f64::from(v.abs())));
    let differences = got.iter().zip(expected).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs());
    differences.fold(0.0, f64::max) / largest.max(f64::MIN_POSITIVE)
}

/// The weights of the reference networks, from the formula in `resnet18.json`.
pub fn by_formula(spec: &NetworkSpec) -> Checkpoint {
    let tensors = initialize(spec, 0).tensors.into_iter().map(|tensor| {
        let fan_in = tensor.shape[1..].iter().product::<usize>();
        let name = tensor
            .name
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let value = |index: usize| {
            let mut h = (index as u32).wrapping_mul(2_654_435_761).wrapping_add(name);
            h ^= h >> 16;
            h = h.wrapping_mul(0x7feb_352d);
            h ^= h >> 15;
            h = h.wrapping_mul(0x846c_a68b);
            h ^= h >> 16;
            let u = f64::from(h) / 4_294_967_296.0 - 0.5;
            let one_centred = tensor.name.ends_with(".weight") || tensor.name.ends_with("running_var");
            let value = match tensor.shape.len() {
                2.. => u * 2.0 * (6.0 / fan_in as f64).sqrt(),
                _ if one_centred => 1.0 + 0.2 * u,
                _ => 0.1 * u,
            };
            value as f32
        };
        NamedTensor { data: (0..tensor.data.len()).map(value).collect(), ..tensor }
    });
    Checkpoint::new(tensors.collect())
}
