//! A ResNet as simulated layers.
//!
//! The outputs of a block's last convolution and of its skip connection are added digitally, in floats,
//! before the ReLU. A convolution in the skip connection comes last and adds the output of the others, so
//! that the layers are in the order of their names.

use super::fold_batch_norm::ParameterReader;
use super::im2col::Window;
use super::layer::SimulatedLayer;
use super::pool::Pool;
use crate::error::Result;
use crate::network::spec::{ConvSpec, ResNetSpec, ResidualBlockSpec};

/// The layers of a ResNet, in order; with `linear`, the fully connected layer is on crossbars too.
///
/// # Errors
/// If a parameter is missing, of another shape or not finite.
pub fn layers(
    spec: &ResNetSpec,
    reader: &mut ParameterReader<'_>,
    linear: bool,
) -> Result<Vec<SimulatedLayer>> {
    let mut stem = convolution(&spec.stem, ("conv1", "bn1"), reader)?;
    stem.pools.push(Pool::STEM);
    let mut layers = vec![stem];
    for (stage, blocks) in spec.stages.iter().enumerate() {
        for (number, block) in blocks.iter().enumerate() {
            add_block(block, &format!("layer{}.{number}", stage + 1), reader, &mut layers)?;
        }
    }
    if let Some(last) = layers.last_mut() {
        last.pools.push(Pool::Average(1));
    }
    let (matrix, bias) = reader.layer("fc", &[spec.classes, spec.features()], true)?;
    layers.push(SimulatedLayer {
        window: Window::linear(matrix.cols),
        matrix,
        bias,
        input: layers.len(),
        add: None,
        relu: false,
        pools: Vec::new(),
        mapped: linear,
        inputs: reader.input_quantizer("fc")?,
    });
    Ok(layers)
}

fn add_block(
    block: &ResidualBlockSpec,
    name: &str,
    reader: &mut ParameterReader<'_>,
    layers: &mut Vec<SimulatedLayer>,
) -> Result<()> {
    let entry = layers.len();
    for (spec, number) in block.convs.iter().zip(1..) {
        let names = (format!("{name}.conv{number}"), format!("{name}.bn{number}"));
        let layer = convolution(spec, (&names.0, &names.1), reader)?;
        layers.push(SimulatedLayer { input: layers.len(), ..layer });
    }
    let residual = layers.len();
    let Some(last) = layers.last_mut() else { return Ok(()) };
    match &block.downsample {
        None => last.add = Some(entry),
        Some(spec) => {
            last.relu = false;
            let names = (format!("{name}.downsample.0"), format!("{name}.downsample.1"));
            let skip = convolution(spec, (&names.0, &names.1), reader)?;
            layers.push(SimulatedLayer { input: entry, add: Some(residual), ..skip });
        }
    }
    Ok(())
}

/// A convolution with its normalization and a ReLU, applied to the network's input.
fn convolution(
    spec: &ConvSpec,
    (conv, norm): (&str, &str),
    reader: &mut ParameterReader<'_>,
) -> Result<SimulatedLayer> {
    let &ConvSpec { inputs, outputs, kernel, stride, input_side } = spec;
    let quantizer = reader.input_quantizer(conv)?;
    let (mut matrix, mut bias) = reader.layer(conv, &[outputs, inputs, kernel, kernel], false)?;
    reader.fold(norm, &mut matrix, &mut bias)?;
    Ok(SimulatedLayer {
        matrix,
        bias,
        window: Window { channels: inputs, side: input_side, kernel, padding: kernel / 2, stride },
        input: 0,
        add: None,
        relu: true,
        pools: Vec::new(),
        mapped: true,
        inputs: quantizer,
    })
}
