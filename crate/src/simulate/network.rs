//! The network that is simulated: layers of plain numbers, batch normalizations folded in. Biases
//! are added digitally.

use super::fold_batch_norm::ParameterReader;
use super::im2col::Window;
use super::layer::Layer;
use super::pool::Pool;
use super::residual;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::network::NetworkSpec;
use crate::network::spec::{VggConvSpec, VggSpec};

/// The layers of a network, in order; with `linear` the fully connected ones lie on crossbars too.
///
/// # Errors
/// When a parameter is missing, superfluous, of another shape or not finite.
pub fn layers(plan: &NetworkSpec, weights: &Checkpoint, linear: bool) -> Result<Vec<Layer>> {
    let mut source = ParameterReader::new(weights);
    let layers = match plan {
        NetworkSpec::Vgg(plan) => vgg(plan, &mut source, linear)?,
        NetworkSpec::ResNet(plan) => residual::layers(plan, &mut source, linear)?,
    };
    source.finish()?;
    Ok(layers)
}

fn vgg(plan: &VggSpec, source: &mut ParameterReader<'_>, linear: bool) -> Result<Vec<Layer>> {
    let mut layers: Vec<Layer> = Vec::new();
    for VggConvSpec { conv, pool, index } in &plan.convs {
        let shape = [conv.outputs, conv.inputs, 3, 3];
        let (mut matrix, mut bias) = source.layer(&format!("features.{index}"), &shape, true)?;
        if plan.batch_norm {
            source.fold(&format!("features.{}", index + 1), &mut matrix, &mut bias)?;
        }
        let (channels, side) = (conv.inputs, conv.input_side);
        layers.push(Layer {
            matrix,
            bias,
            window: Window { channels, side, kernel: 3, padding: 1, stride: 1 },
            input: layers.len(),
            add: None,
            relu: true,
            pools: pool.then_some(Pool::HALF).into_iter().collect(),
            mapped: true,
        });
    }
    if let (Some(last), Some(to)) = (layers.last_mut(), plan.average) {
        last.pools.push(Pool::Average(to));
    }
    let last = plan.linear_layers().len() - 1;
    for (at, (inputs, outputs)) in plan.linear_layers().into_iter().enumerate() {
        let (matrix, bias) = source.layer(&format!("classifier.{}", 3 * at), &[outputs, inputs], true)?;
        layers.push(Layer {
            matrix,
            bias,
            window: Window::linear(inputs),
            input: layers.len(),
            add: None,
            relu: at < last,
            pools: Vec::new(),
            mapped: linear,
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

    fn plan(batch_norm: bool) -> NetworkSpec {
        let (plan, classifier) = ("4 M 6".parse().expect("a plan"), "5".parse().expect("a width"));
        NetworkSpec::from_config(&TrainConfig { plan, classifier, batch_norm, ..TrainConfig::default() }, 3)
            .expect("valid")
    }

    #[test]
    fn a_folded_normalization_gives_what_the_two_gave() {
        let plan = plan(true);
        let mut weights = initialize(&plan, 1);
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
        let layer = &layers(&plan, &weights, false).expect("fits")[0];
        let before = weights.get("features.0.weight").expect("there");
        let ratio = f64::from(layer.matrix.row(0)[5]) / f64::from(before.data[5]);
        assert!((ratio - 2.0 / 4.000_01_f64.sqrt()).abs() < 1e-6);
        assert!(layer.matrix.row(2).iter().all(|&w| w == 0.0));
        // (0.2 - 2) * -1 / sqrt(1.00001) + 0.2
        assert!((layer.bias[1] - 1.999_991).abs() < 1e-5, "{:?}", layer.bias);
    }

    #[test]
    fn layers_follow_one_another() {
        let layers = layers(&plan(false), &initialize(&plan(false), 1), true).expect("fits");
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
    fn what_does_not_fit_is_named() {
        let whole = initialize(&plan(false), 1);
        let refuse = |change: &dyn Fn(&mut Vec<NamedTensor>)| {
            let mut tensors = whole.tensors.clone();
            change(&mut tensors);
            let refused = layers(&plan(false), &Checkpoint::new(tensors), false);
            refused.err().map(|why| why.to_string()).unwrap_or_default()
        };
        assert!(refuse(&|t| drop(t.remove(0))).contains("classifier.0.bias is missing"));
        assert!(refuse(&|t| t[0].data[1] = f32::INFINITY).contains("classifier.0.bias holds inf"));
        assert!(refuse(&|t| t[0].shape = vec![1]).contains("classifier.0.bias is [1]"));
        let extra = |t: &mut Vec<NamedTensor>| t.push(NamedTensor { name: "se.fc".into(), ..t[0].clone() });
        assert!(refuse(&extra).contains("no parameter se.fc"));
    }
}
