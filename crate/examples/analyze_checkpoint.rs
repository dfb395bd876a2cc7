//! What a checkpoint's convolutions cost to read on crossbars: `cargo run --example analyze_checkpoint -- FILE [TILE]`.
//! Without a file, a small network with random weights is analysed.
#![expect(clippy::print_stdout, reason = "an example shows its results")]

use std::error::Error;

use crossdub::checkpoint::{NamedTensor, safetensors};
use crossdub::{Checkpoint, HardwareConfig, analyze};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let bytes = match arguments.next() {
        Some(file) => std::fs::read(&file).map_err(|why| format!("{file}: {why}"))?,
        None => sample()?,
    };
    let tile = arguments.next().map_or(Ok(32), |tile| tile.parse())?;
    let hardware = HardwareConfig { tile, ..HardwareConfig::default() };
    hardware.validate()?;

    let layers = Checkpoint::from_bytes(&bytes)?.matrices(false)?;
    let analysis = analyze(&layers, &hardware);
    for layer in &analysis.layers {
        println!(
            "{:24} {:4} x {:4}  {:4} tiles  {} zeros",
            layer.name, layer.outputs, layer.inputs, layer.tiles, layer.zeros
        );
    }
    println!("tiles by level: {:?}", analysis.histogram);
    for (count, energy) in [("paper", &analysis.energy.paper), ("lossless", &analysis.energy.lossless)] {
        println!("{count}: {} of {} bits", energy.actual, energy.dense);
    }
    Ok(())
}

/// Two convolutions, the second with three of four weights zero.
fn sample() -> crossdub::Result<Vec<u8>> {
    let tensor = |name: &str, shape: [usize; 4], keep: usize| NamedTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        data: (0..shape.iter().product())
            .map(|at| if at % keep == 0 { (at as f32).sin() + 1.5 } else { 0.0 })
            .collect(),
    };
    let first = tensor("features.0.weight", [32, 3, 3, 3], 1);
    let second = tensor("features.3.weight", [64, 32, 3, 3], 4);
    safetensors::write(&Checkpoint::new(vec![first, second]))
}
