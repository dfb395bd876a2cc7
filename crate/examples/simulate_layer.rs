//! Runs a layer through simulated crossbars at two resolutions and counts what the ADCs lose:
//! `cargo run --example simulate_layer`.
#![expect(clippy::print_stdout, reason = "an example shows its results")]

use crossdub::simulate::bit_serial::simulate;
use crossdub::simulate::crossbars::Crossbars;
use crossdub::simulate::reference;
use crossdub::{HardwareConfig, Matrix, Resolution};

fn main() -> crossdub::Result<()> {
    // 8 outputs of 64 inputs; one weight of sixteen is not zero: two active rows a column.
    let weights =
        (0..8 * 64).map(|at| if at % 16 == 0 { ((at * 37) % 19) as f32 - 9.0 } else { 0.0 }).collect();
    let layer = Matrix::new("conv", 8, 64, weights)?;
    // Three windows of 64 inputs, as unsigned 8-bit integers.
    let inputs: Vec<u16> = (0..3 * 64).map(|at| (at * 31 % 256) as u16).collect();

    for resolution in [Resolution::Paper, Resolution::Lossless, Resolution::LosslessSliced] {
        let hardware = HardwareConfig { tile: 32, resolution, ..HardwareConfig::default() };
        let crossbars = Crossbars::new(&layer, &hardware);
        let output = simulate(&crossbars, &inputs, 0);
        let exact = reference::integers(&crossbars.weights, &inputs, 0);
        let wrong = output.sums.iter().zip(&exact).filter(|(sum, exact)| sum != exact).count();
        let saturated: u64 = output.saturated.iter().sum();
        println!(
            "{resolution}: {wrong} of {} sums are wrong, {saturated} conversions saturated",
            exact.len()
        );
    }
    Ok(())
}
