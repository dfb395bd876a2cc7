//! Prunes a layer until its ADCs take half the energy, by the paper's count and by a lossless one, and compares what is
//! left: `cargo run --example prune_to_budget`.
#![expect(clippy::print_stdout, reason = "an example shows its results")]

use crossdub::prune::{PruneMethod, prune};
use crossdub::{HardwareConfig, Matrix, analyze};

fn main() -> crossdub::Result<()> {
    let hardware = HardwareConfig { tile: 32, ..HardwareConfig::default() };
    // 64 outputs of 288 inputs, like a 3 x 3 convolution over 32 channels.
    let weights: Vec<f32> =
        (0..64 * 288).map(|at| (at as f32 * 0.7).sin() * (at as f32 * 0.013).cos()).collect();
    let dense = Matrix::new("conv", 64, 288, weights)?;

    for target in [1.5, 2.0, 3.0] {
        let mut layers = [dense.clone()];
        let stats = prune(&mut layers, (&hardware).into(), &PruneMethod::Budget { target })?;
        let analysis = analyze(&layers, &hardware);
        let ratio =
            |improvement: Option<f64>| improvement.map_or("-".to_owned(), |times| format!("{times:.2}x"));
        println!(
            "target {target}: paper {}, lossless {}, {} of {} weights are zero, {} tiles are empty",
            ratio(analysis.energy.paper.improvement),
            ratio(analysis.energy.lossless.improvement),
            analysis.zeros,
            analysis.weights,
            stats.emptied,
        );
    }
    Ok(())
}
