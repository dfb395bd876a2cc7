//! How the inputs of layers become integers: as the model quantizes them, or by their ranges on calibration
//! images.

use std::collections::HashMap;

use super::mapped::InputQuantizer;
use crate::config::HardwareConfig;
use crate::error::{Error, Result};
use crate::onnx::element::ElementType;
use crate::onnx::layers::{OnnxLayer, operands};
use crate::onnx::network::OnnxNetwork;
use crate::onnx::ops::quantize::is_dequantize;
use crate::onnx::tensor::{Reason, Tensor};
use crate::parallel;
use crate::simulate::activation_quantizer::ActivationQuantizer;

/// The quantizers of all nodes that run on crossbars, by node, with the input's place and its bits.
#[derive(Debug)]
pub(super) struct InputQuantizers {
    nodes: HashMap<usize, (usize, Quantization)>,
}

#[derive(Debug)]
enum Quantization {
    /// By its range, whatever the bits.
    Range((f32, f32)),
    /// By integers of this many bits.
    Bits(u32, InputQuantizer),
}

impl InputQuantizers {
    /// Looks at the nodes of `layers`, and runs the calibration images where a range is wanted.
    pub(super) fn new(
        network: &OnnxNetwork,
        layers: &[&OnnxLayer],
        calibration: &[Vec<Tensor>],
    ) -> Result<Self> {
        let mut nodes = HashMap::new();
        for layer in layers {
            for (at, _) in &layer.uses {
                let node = &network.plan.nodes[*at];
                let factors = operands(node).map_or([0, 1], |operands| operands.factors);
                let place = if factors[0] == layer.weight_input { factors[1] } else { factors[0] };
                let quantization = integers(network, *at, place).map_err(|why| network.failed(*at, why))?;
                nodes.insert(*at, (place, quantization.unwrap_or(Quantization::Range((0.0, 0.0)))));
            }
        }
        let mut inputs = Self { nodes };
        inputs.calibrate(network, calibration)?;
        Ok(inputs)
    }

    fn calibrate(&mut self, network: &OnnxNetwork, calibration: &[Vec<Tensor>]) -> Result<()> {
        let open =
            |(_, quantization): &&(usize, Quantization)| matches!(quantization, Quantization::Range(..));
        if self.nodes.values().filter(open).count() == 0 {
            return Ok(());
        }
        let ranges =
            parallel::map(calibration.len(), |image| self.ranges(network, calibration[image].clone()));
        for ranges in ranges {
            for (node, (low, high)) in ranges? {
                if let Some((_, Quantization::Range(range))) = self.nodes.get_mut(&node) {
                    *range = (range.0.min(low), range.1.max(high));
                }
            }
        }
        Ok(())
    }

    /// The range of each node's input for one image.
    fn ranges(&self, network: &OnnxNetwork, image: Vec<Tensor>) -> Result<Vec<(usize, (f32, f32))>> {
        let mut environment = network.start(image)?;
        let mut ranges = Vec::new();
        for at in 0..network.plan.nodes.len() {
            if network.is_idle(at) {
                continue;
            }
            if let Some((place, Quantization::Range(..))) = self.nodes.get(&at) {
                let fail = |why: Reason| network.failed(at, why);
                let call = network.call(at, |value| environment.get(value).cloned()).map_err(fail)?;
                let values = call.tensor(*place).and_then(Tensor::floats).map_err(fail)?;
                if values.iter().any(|value| !value.is_finite()) {
                    let why = "its inputs on the calibration images are not finite";
                    return Err(Error::layer("calibrating a layer", &*network.plan.nodes[at].label, why));
                }
                let range =
                    values.iter().fold((0.0_f32, 0.0_f32), |(low, high), &v| (low.min(v), high.max(v)));
                ranges.push((at, range));
            }
            let outputs = network.compute(at, &environment)?;
            network.keep(at, outputs, &mut environment);
        }
        Ok(ranges)
    }

    /// The bits of a layer's inputs; they have one width, since they share its crossbars.
    pub(super) fn bits(&self, layer: &OnnxLayer, hardware: &HardwareConfig) -> u32 {
        let own = layer.uses.iter().filter_map(|(node, _)| match self.nodes.get(node)?.1 {
            Quantization::Bits(bits, _) => Some(bits),
            Quantization::Range(..) => Some(hardware.input_bits),
        });
        own.max().unwrap_or(hardware.input_bits)
    }

    /// The place of a node's input, and its quantizer, for crossbars whose inputs have this many bits.
    pub(super) fn quantizer(&self, node: usize, bits: u32) -> Option<(usize, InputQuantizer)> {
        let (place, quantization) = self.nodes.get(&node)?;
        Some((
            *place,
            match quantization {
                Quantization::Bits(_, quantizer) => quantizer.clone(),
                Quantization::Range(range) => InputQuantizer::Floats(ActivationQuantizer::new(*range, bits)),
            },
        ))
    }
}

/// What is added to integers of a type to make them unsigned, and their bits.
fn unsigned(element: ElementType) -> Option<(i64, u32)> {
    Some(match element {
        ElementType::U4 => (0, 4),
        ElementType::I4 => (8, 4),
        ElementType::U8 => (0, 8),
        ElementType::I8 => (128, 8),
        ElementType::U16 => (0, 16),
        ElementType::I16 => (32_768, 16),
        _ => return None,
    })
}

/// How the model itself quantizes a node's input, if it does.
fn integers(
    network: &OnnxNetwork,
    at: usize,
    place: usize,
) -> std::result::Result<Option<Quantization>, Reason> {
    let plan = &network.plan;
    let value = |node: usize, place: usize| plan.nodes[node].inputs.get(place).copied().flatten();
    let element = |value: usize| plan.known[value].element();
    let Some(own) = value(at, place) else { return Ok(None) };
    if let Some((shift, bits)) = element(own).and_then(unsigned) {
        return Ok(Some(Quantization::Bits(bits, InputQuantizer::Integers { shift })));
    }
    // Back through what leaves every value one of the quantized ones.
    let mut behind = own;
    let giver = loop {
        let Some(giver) = plan.nodes.iter().position(|node| node.outputs.first() == Some(&Some(behind)))
        else {
            return Ok(None);
        };
        let node = &plan.nodes[giver];
        let keeps = [
            "Identity",
            "Reshape",
            "Flatten",
            "Transpose",
            "Squeeze",
            "Unsqueeze",
            "MaxPool",
            "Relu",
            "Dropout",
        ];
        if is_dequantize(node) {
            break giver;
        }
        let Some(before) = value(giver, 0).filter(|_| node.domain.is_empty() && keeps.contains(&&*node.op))
        else {
            return Ok(None);
        };
        behind = before;
    };
    let Some((shift, bits)) = value(giver, 0).and_then(element).and_then(unsigned) else { return Ok(None) };
    let constant = |place: usize| -> std::result::Result<Option<Vec<f64>>, Reason> {
        let value = value(giver, place).filter(|&value| plan.known[value].is_constant());
        value.map(|value| plan.tensor(value).map(|tensor| tensor.to_floats64())).transpose()
    };
    let zeros = if value(giver, 2).is_some() { constant(2)? } else { Some(vec![0.0]) };
    let scales = constant(1)?;
    let (Some([scale]), Some([zero])) = (scales.as_deref(), zeros.as_deref()) else { return Ok(None) };
    let zero = *zero as i64 + shift;
    let quantizer =
        u16::try_from(zero).ok().and_then(|zero| ActivationQuantizer::with_scale(*scale, zero, bits));
    Ok(quantizer.map(|quantizer| Quantization::Bits(bits, InputQuantizer::Floats(quantizer))))
}
