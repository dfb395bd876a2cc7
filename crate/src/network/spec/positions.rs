//! Output positions: how often an image reads a layer's crossbars.

use super::network::{ConvShape, NetworkSpec};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

impl NetworkSpec {
    /// Output positions of these convolutions. They are matched by name; if the network has none of their names, they
    /// must be in its order.
    ///
    /// # Errors
    /// When the network has no such convolution of a layer's size.
    pub fn output_positions(&self, layers: &[Matrix]) -> Result<Vec<u64>> {
        let convs = self.conv_shapes();
        let named = |layer: &Matrix| convs.iter().find(|conv| conv.name == layer.name);
        let by_name = layers.iter().any(|layer| named(layer).is_some());
        let positions = |(at, layer): (usize, &Matrix)| {
            let conv = if by_name { named(layer) } else { convs.get(at) };
            let size = |conv: &ConvShape| (conv.shape[0], conv.shape[1..].iter().product::<usize>());
            let fits = conv.filter(|conv| size(conv) == (layer.rows, layer.cols));
            fits.map(|conv| conv.output_positions).ok_or_else(|| {
                let reason = format!("the network has no convolution {} x {} here", layer.rows, layer.cols);
                Error::field("model", &layer.name, reason)
            })
        };
        layers.iter().enumerate().map(positions).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NetworkName, TrainConfig};

    #[test]
    fn output_positions_are_found_by_name_or_order() {
        let mut config = TrainConfig::default();
        config.set_model(NetworkName::VggSmall);
        config.side = 224;
        let network = NetworkSpec::from_config(&config, 10).expect("valid");
        let layer = |name: &str, rows: usize, cols: usize| {
            Matrix::new(name, rows, cols, vec![0.0; rows * cols]).expect("fits")
        };
        let own = [layer("features.3.weight", 64, 32 * 9), layer("features.0.weight", 32, 27)];
        assert_eq!(network.output_positions(&own), Ok(vec![112 * 112, 224 * 224]));
        let others = [layer("conv1", 32, 27), layer("conv2", 64, 32 * 9)];
        assert_eq!(network.output_positions(&others), Ok(vec![224 * 224, 112 * 112]));
        for wrong in [layer("features.3.weight", 32, 27), layer("conv1", 64, 32 * 9)] {
            let error = network.output_positions(&[wrong]).expect_err("another size").to_string();
            assert!(error.contains("no convolution"), "{error}");
        }
    }
}
