//! A network as simulated layers: plain numbers, with batch normalizations folded in. Biases are added
//! digitally.

use super::fold_batch_norm::ParameterReader;
use super::im2col::Window;
use super::layer::SimulatedLayer;
use super::pool::Pool;
use super::residual;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::network::NetworkSpec;
use crate::network::spec::{VggConvSpec, VggSpec};

/// The layers of a network, in order; with `linear`, fully connected layers are on crossbars too.
///
/// # Errors
/// If a parameter is missing, unknown, of another shape or not finite.
pub fn layers(spec: &NetworkSpec, weights: &Checkpoint, linear: bool) -> Result<Vec<SimulatedLayer>> {
    let weights = spec.adapt(weights)?;
    let mut reader = ParameterReader::new(&weights);
    let layers = match spec {
        NetworkSpec::Vgg(spec) => vgg(spec, &mut reader, linear)?,
        NetworkSpec::ResNet(spec) => residual::layers(spec, &mut reader, linear)?,
    };
    reader.finish()?;
    Ok(layers)
}

fn vgg(spec: &VggSpec, reader: &mut ParameterReader<'_>, linear: bool) -> Result<Vec<SimulatedLayer>> {
    let mut layers: Vec<SimulatedLayer> = Vec::new();
    for VggConvSpec { conv, pool, index } in &spec.convs {
        let shape = [conv.outputs, conv.inputs, 3, 3];
        let (mut matrix, mut bias) = reader.layer(&format!("features.{index}"), &shape, true)?;
        if spec.batch_norm {
            reader.fold(&format!("features.{}", index + 1), &mut matrix, &mut bias)?;
        }
        let (channels, side) = (conv.inputs, conv.input_side);
        let inputs = reader.input_quantizer(&format!("features.{index}"))?;
        layers.push(SimulatedLayer {
            matrix,
            bias,
            window: Window { channels, side, kernel: 3, padding: 1, stride: 1 },
            input: layers.len(),
            add: None,
            relu: true,
            pools: pool.then_some(Pool::HALF).into_iter().collect(),
            mapped: true,
            inputs,
        });
    }
    if let (Some(last), Some(to)) = (layers.last_mut(), spec.average) {
        last.pools.push(Pool::Average(to));
    }
    let last = spec.linear_layers().len() - 1;
    for (at, (inputs, outputs)) in spec.linear_layers().into_iter().enumerate() {
        let name = format!("classifier.{}", 3 * at);
        let (matrix, bias) = reader.layer(&name, &[outputs, inputs], true)?;
        layers.push(SimulatedLayer {
            matrix,
            bias,
            window: Window::linear(inputs),
            input: layers.len(),
            add: None,
            relu: at < last,
            pools: Vec::new(),
            mapped: linear,
            inputs: reader.input_quantizer(&name)?,
        });
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::NamedTensor;
    use crate::config::TrainConfig;
    use crate::network::spec::initialize;

    fn spec(batch_norm: bool) -> NetworkSpec {
        let (plan, classifier) = ("4 M 6".parse().expect("a plan"), "5".parse().expect("a width"));
        NetworkSpec::from_config(&TrainConfig { plan, classifier, batch_norm, ..TrainConfig::default() }, 3)
            .expect("valid")
    }

    #[test]
    fn folding_a_normalization_scales_weights_and_shifts_biases() {
        let spec = spec(true);
        let mut weights = initialize(&spec, 1);
        for tensor in &mut weights.tensors {
            let own: &[f32] = match tensor.name.as_str() {
                "features.1.weight" => &[2.0, -1.0, 0.0, 0.5],
                "features.1.running_var" => &[4.0, 1.0, 9.0, 0.25],
                "features.1.running_mean" => &[1.0, 2.0, 3.0, 4.0],
                "features.1.bias" | "features.0.bias" => &[0.1, 0.2, 0.3, 0.4],
                _ => continue,
            };
            tensor.data = own.to_vec();
        }
        let layer = &layers(&spec, &weights, false).expect("fits")[0];
        let before = weights.get("features.0.weight").expect("a weight");
        let ratio = f64::from(layer.matrix.row(0)[5]) / f64::from(before.data[5]);
        assert!((ratio - 2.0 / 4.000_01_f64.sqrt()).abs() < 1e-6);
        assert!(layer.matrix.row(2).iter().all(|&w| w == 0.0));
        // (0.2 - 2) * -1 / sqrt(1.00001) + 0.2
        assert!((layer.bias[1] - 1.999_991).abs() < 1e-5, "{:?}", layer.bias);
    }

    #[test]
    fn the_output_of_each_layer_fits_the_next() {
        let layers = layers(&spec(false), &initialize(&spec(false), 1), true).expect("fits");
        let mut values = vec![0.5; 3 * 1024];
        let mut sizes = Vec::new();
        for layer in &layers {
            values = layer.forward(&values, None);
            sizes.push(values.len());
        }
        assert_eq!(sizes, [4 * 256, 6 * 256, 5, 3]);
        assert!(layers[3].mapped && !layers[3].relu && layers[2].relu);
    }

    #[test]
    fn parameters_that_do_not_match_are_named() {
        let whole = initialize(&spec(false), 1);
        let error = |change: &dyn Fn(&mut Vec<NamedTensor>)| {
            let mut tensors = whole.tensors.clone();
            change(&mut tensors);
            layers(&spec(false), &Checkpoint::new(tensors), false).expect_err("rejected").to_string()
        };
        assert!(error(&|t| drop(t.remove(0))).contains("classifier.0.bias is missing"));
        assert!(error(&|t| t[0].data[1] = f32::INFINITY).contains("classifier.0.bias holds inf"));
        assert!(error(&|t| t[0].shape = vec![1]).contains("classifier.0.bias is [1]"));
        let extra = |t: &mut Vec<NamedTensor>| t.push(NamedTensor { name: "se.fc".into(), ..t[0].clone() });
        assert!(error(&extra).contains("no parameter se.fc"));
    }
}
