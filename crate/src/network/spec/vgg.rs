//! A VGG from text: a plan such as `"32 M 64 M 128 M"` and the widths of the hidden classifier layers.
//!
//! In a plan, a number is a 3 x 3 convolution of that many outputs and `M` a 2 x 2 max pooling. `A7` at the end
//! averages the remaining activations to 7 x 7 whatever the image size, as torchvision's VGGs do.
//!
//! Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.

use super::conv::{CHANNELS, ConvSpec, parse_width};
#[cfg(feature = "train")]
use super::param::torch_leaf;
use super::param::{Init, ParamSpec};
use crate::config::TrainConfig;
use crate::error::{Error, Result};

/// The most convolutions, and the most hidden fully connected layers.
const MAX_LAYERS: usize = 64;
/// The largest side that activations are averaged to.
const MAX_AVERAGE: usize = 16;

/// A 3 x 3 convolution with its ReLU and the pooling after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VggConvSpec {
    /// The convolution; its output has the size of its input.
    pub conv: ConvSpec,
    /// Whether a 2 x 2 max pooling follows.
    pub pool: bool,
    /// The convolution's index in PyTorch's `features`, where every layer has one.
    pub index: usize,
}

/// A checked VGG for square color images.
#[derive(Debug, Clone, PartialEq)]
pub struct VggSpec {
    /// The convolutions, in order.
    pub convs: Vec<VggConvSpec>,
    /// Width and height that the last activations are averaged to.
    pub average: Option<usize>,
    /// Widths of the hidden fully connected layers.
    pub hidden: Vec<usize>,
    /// Whether a batch normalization follows each convolution.
    pub batch_norm: bool,
    /// Dropout probability after each hidden fully connected layer.
    pub dropout: f64,
    /// Number of classes.
    pub classes: usize,
    /// Width and height of an image, in pixels.
    pub side: usize,
}

impl VggSpec {
    /// Reads the network of a configuration.
    ///
    /// # Errors
    /// When the plan or the classifier can't be parsed, pools the image away, or exceeds a limit.
    pub fn from_config(config: &TrainConfig, classes: usize) -> Result<Self> {
        let side = config.input_side();
        let (convs, average) = parse_plan(&config.plan, config.batch_norm, side)?;
        let words = config.classifier.split([',', ' ']).filter(|word| !word.is_empty());
        let hidden = words.map(|word| parse_width("classifier", word)).collect::<Result<Vec<_>>>()?;
        if hidden.len() > MAX_LAYERS {
            return Err(Error::field("classifier", &config.classifier, "takes at most 64 layers"));
        }
        let (batch_norm, dropout) = (config.batch_norm, config.dropout);
        Ok(Self { convs, average, hidden, batch_norm, dropout, classes, side })
    }

    /// Number of values that enter the classifier.
    pub fn flattened_len(&self) -> usize {
        self.convs.last().map_or(0, |VggConvSpec { conv, pool, .. }| {
            let left = if *pool { conv.output_side / 2 } else { conv.output_side };
            let side = self.average.unwrap_or(left);
            conv.outputs * side * side
        })
    }

    /// Input and output width of each fully connected layer.
    pub fn linear_layers(&self) -> Vec<(usize, usize)> {
        let hidden = self.hidden.iter().copied();
        let widths: Vec<usize> =
            [self.flattened_len()].into_iter().chain(hidden).chain([self.classes]).collect();
        widths.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// The parameters under PyTorch's names.
    pub fn param_specs(&self) -> Vec<ParamSpec> {
        let mut params = Vec::new();
        for VggConvSpec { conv, index, .. } in &self.convs {
            params.push(conv.weight(format!("features.{index}.weight")));
            params.push(ParamSpec::constant(format!("features.{index}.bias"), conv.outputs, 0.0));
            if self.batch_norm {
                params.extend(ParamSpec::batch_norm(&format!("features.{}", index + 1), conv.outputs));
            }
        }
        for (at, (inputs, outputs)) in self.linear_layers().into_iter().enumerate() {
            let name = format!("classifier.{}", 3 * at);
            let (shape, init) = (vec![outputs, inputs], Init::Normal(0.01));
            params.push(ParamSpec { name: format!("{name}.weight"), shape, init });
            params.push(ParamSpec::constant(format!("{name}.bias"), outputs, 0.0));
        }
        params
    }

    /// Values that one image takes in training: input, output and activation of every convolution.
    pub(super) fn activations_per_image(&self) -> u64 {
        self.convs.iter().map(|layer| layer.conv.activations(2)).sum()
    }

    /// PyTorch's name for the parameter at a path through [`Vgg`](crate::network::vgg::Vgg), such as
    /// `features.1.conv.weight` or `features.1.norm.gamma`.
    #[cfg(feature = "train")]
    pub(super) fn torch_name(&self, path: &[&str]) -> String {
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        match path {
            ["features", block, part, name] => {
                let index = self.convs[number(block)].index + usize::from(*part == "norm");
                format!("features.{index}.{}", torch_leaf(name))
            }
            // Each hidden layer is followed by a ReLU and a dropout, which have numbers too.
            ["classifier", layer, name] => format!("classifier.{}.{name}", 3 * number(layer)),
            _ => path.join("."),
        }
    }
}

/// The convolutions of a plan, and the side that the last activations are averaged to.
fn parse_plan(plan: &str, batch_norm: bool, image: usize) -> Result<(Vec<VggConvSpec>, Option<usize>)> {
    let reject = |reason: &str| Err(Error::field("plan", plan, reason));
    let mut convs: Vec<VggConvSpec> = Vec::new();
    let (mut side, mut inputs, mut index, mut average) = (image, CHANNELS, 0, None);
    for word in plan.split_whitespace() {
        if average.is_some() {
            return reject("continues after its average");
        }
        if let Some(to) = word.strip_prefix('A') {
            average = to.parse().ok().filter(|to| (1..=MAX_AVERAGE).contains(to));
            if average.is_none() {
                return reject("takes an average of 1 to 16, such as A7");
            }
            continue;
        }
        if word.eq_ignore_ascii_case("m") {
            match convs.last_mut() {
                None => return reject("starts with a pooling"),
                Some(last) if last.pool => return reject("has two poolings in a row"),
                Some(_) if side < 2 => return reject(&format!("pools a {image} x {image} image away")),
                Some(last) => last.pool = true,
            }
            side /= 2;
            index += 1;
            continue;
        }
        let outputs = parse_width("plan", word)?;
        convs.push(VggConvSpec { conv: ConvSpec::new(inputs, outputs, 3, 1, side), pool: false, index });
        inputs = outputs;
        // PyTorch numbers the convolution, its normalization and its ReLU.
        index += if batch_norm { 3 } else { 2 };
    }
    match convs.len() {
        0 => reject("has no convolution"),
        n if n > MAX_LAYERS => reject("has more than 64 convolutions"),
        _ => Ok((convs, average)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkSpec;

    fn vgg(plan: &str) -> Result<VggSpec> {
        VggSpec::from_config(&TrainConfig { plan: plan.to_owned(), ..TrainConfig::default() }, 10)
    }

    fn named(name: &str) -> VggSpec {
        let mut config = TrainConfig::default();
        config.set_model(name).expect("known");
        VggSpec::from_config(&config, 10).expect("valid")
    }

    #[test]
    fn vgg11_has_its_published_size() {
        let vgg11 = named("vgg11");
        let weights: usize = vgg11.convs.iter().map(|layer| layer.conv.inputs * layer.conv.outputs * 9).sum();
        assert_eq!(weights, 9_217_728);
        assert_eq!(vgg11.flattened_len(), 512);
        let indices: Vec<usize> = vgg11.convs.iter().map(|layer| layer.index).collect();
        assert_eq!(indices, [0, 3, 6, 8, 11, 13, 16, 18]);
        assert_eq!(named("vgg11_bn").convs[1].index, 4);
        assert_eq!(named("vgg16").convs.len(), 13);
        assert_eq!(named("vgg-small").linear_layers(), [(2048, 128), (128, 10)]);
    }

    #[test]
    fn malformed_plans_are_rejected() {
        for bad in ["", "M", "8 M M", "8 M 8 M 8 M 8 M 8 M 8 M", "8 x", "0", "99999999999999999999"] {
            assert!(vgg(bad).is_err(), "{bad:?}");
        }
        assert_eq!(vgg("8 M 8 M 8 M 8 M 8 M").expect("1 x 1 is left").flattened_len(), 8);
    }

    #[test]
    fn an_average_must_end_the_plan() {
        assert_eq!(vgg("8 M 8 A7").expect("valid").flattened_len(), 8 * 7 * 7);
        for bad in ["A7", "8 A7 8", "8 A0", "8 A17", "8 Ax", "8 A7 A7"] {
            assert!(vgg(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn memory_is_checked_before_allocation() {
        let huge = NetworkSpec::Vgg(vgg(&"16384 ".repeat(64)).expect("a plan"));
        assert!(huge.check_memory(65_536, 1 << 40).is_err());
        assert!(NetworkSpec::Vgg(named("vgg11")).check_memory(128, 2 << 30).is_ok());
    }
}
