//! A ResNet as layers that are simulated.
//!
//! A block's last convolution and the way around it are added digitally, in floats, before the ReLU.
//! Where a convolution stands on the way around, it comes last and adds what the others gave, so
//! that layers stand in the order of their names.

use super::fold_batch_norm::ParameterReader;
use super::im2col::Window;
use super::layer::Layer;
use super::pool::Pool;
use crate::error::Result;
use crate::network::spec::{ConvSpec, ResNetSpec, ResidualBlockSpec};

/// The layers of a ResNet in order, the fully connected one among them, `linear` where it is on
/// crossbars.
///
/// # Errors
/// When a parameter is missing, of another shape or not finite.
pub fn layers(plan: &ResNetSpec, source: &mut ParameterReader<'_>, linear: bool) -> Result<Vec<Layer>> {
    let mut stem = convolution(&plan.stem, ("conv1", "bn1"), source)?;
    stem.pools.push(Pool::STEM);
    let mut layers = vec![stem];
    for (stage, blocks) in plan.stages.iter().enumerate() {
        for (number, block) in blocks.iter().enumerate() {
            add_block(block, &format!("layer{}.{number}", stage + 1), source, &mut layers)?;
        }
    }
    if let Some(last) = layers.last_mut() {
        last.pools.push(Pool::Average(1));
    }
    let (matrix, bias) = source.layer("fc", &[plan.classes, plan.features()], true)?;
    layers.push(Layer {
        window: Window::linear(matrix.cols),
        matrix,
        bias,
        input: layers.len(),
        add: None,
        relu: false,
        pools: Vec::new(),
        mapped: linear,
    });
    Ok(layers)
}

fn add_block(
    plan: &ResidualBlockSpec,
    name: &str,
    source: &mut ParameterReader<'_>,
    layers: &mut Vec<Layer>,
) -> Result<()> {
    let entry = layers.len();
    for (at, own) in plan.convs.iter().enumerate() {
        let names = (format!("{name}.conv{}", at + 1), format!("{name}.bn{}", at + 1));
        let layer = convolution(own, (&names.0, &names.1), source)?;
        layers.push(Layer { input: layers.len(), ..layer });
    }
    let through = layers.len();
    let Some(last) = layers.last_mut() else { return Ok(()) };
    match &plan.downsample {
        None => last.add = Some(entry),
        Some(own) => {
            last.relu = false;
            let names = (format!("{name}.downsample.0"), format!("{name}.downsample.1"));
            let around = convolution(own, (&names.0, &names.1), source)?;
            layers.push(Layer { input: entry, add: Some(through), ..around });
        }
    }
    Ok(())
}

/// A convolution with its normalization and a ReLU, on the images.
fn convolution(
    plan: &ConvSpec,
    (conv, norm): (&str, &str),
    source: &mut ParameterReader<'_>,
) -> Result<Layer> {
    let &ConvSpec { inputs, outputs, kernel, stride, input_side, .. } = plan;
    let (mut matrix, mut bias) = source.layer(conv, &[outputs, inputs, kernel, kernel], false)?;
    source.fold(norm, &mut matrix, &mut bias)?;
    Ok(Layer {
        matrix,
        bias,
        window: Window { channels: inputs, side: input_side, kernel, padding: kernel / 2, stride },
        input: 0,
        add: None,
        relu: true,
        pools: Vec::new(),
        mapped: true,
    })
}
