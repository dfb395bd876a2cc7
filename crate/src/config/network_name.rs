//! [`NetworkName`]: the networks that `model` names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::field_value::serde_as_text;
use super::network_plan::{BlockKind, ClassifierWidths, NetworkPlan, VggLayer};
use crate::error::{Error, Result};

/// A network by name. Those ending in `Bn` have a batch normalization after each convolution.
///
/// ```
/// use crossdub::config::NetworkName;
///
/// let name: NetworkName = "vgg11_bn".parse()?;
/// assert_eq!((name, name.id()), (NetworkName::Vgg11Bn, "vgg11_bn"));
/// assert!(name.has_batch_norm() && !name.is_for_imagenet());
/// assert!("vgg12".parse::<NetworkName>().is_err());
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum NetworkName {
    /// A small VGG for images of 32 x 32: three convolutions and one hidden layer.
    VggSmall,
    /// The same with batch normalization.
    VggSmallBn,
    /// VGG-11 for images of 32 x 32.
    Vgg11,
    /// The same with batch normalization.
    Vgg11Bn,
    /// VGG-13 for images of 32 x 32.
    Vgg13,
    /// The same with batch normalization.
    Vgg13Bn,
    /// VGG-16 for images of 32 x 32.
    Vgg16,
    /// The same with batch normalization.
    Vgg16Bn,
    /// torchvision's ResNet-18.
    ResNet18,
    /// torchvision's ResNet-34.
    ResNet34,
    /// torchvision's ResNet-50.
    ResNet50,
    /// torchvision's VGG-11, for images of 224 x 224.
    Vgg11ImageNet,
    /// A network of the user's own, given by its plan.
    Custom,
}

impl NetworkName {
    /// All networks that have a plan of their own: all but [`NetworkName::Custom`].
    pub const ALL: [Self; 12] = [
        Self::VggSmall,
        Self::VggSmallBn,
        Self::Vgg11,
        Self::Vgg11Bn,
        Self::Vgg13,
        Self::Vgg13Bn,
        Self::Vgg16,
        Self::Vgg16Bn,
        Self::ResNet18,
        Self::ResNet34,
        Self::ResNet50,
        Self::Vgg11ImageNet,
    ];

    /// The name in options, recipes and JSON.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::VggSmall => "vgg-small",
            Self::VggSmallBn => "vgg-small_bn",
            Self::Vgg11 => "vgg11",
            Self::Vgg11Bn => "vgg11_bn",
            Self::Vgg13 => "vgg13",
            Self::Vgg13Bn => "vgg13_bn",
            Self::Vgg16 => "vgg16",
            Self::Vgg16Bn => "vgg16_bn",
            Self::ResNet18 => "resnet18",
            Self::ResNet34 => "resnet34",
            Self::ResNet50 => "resnet50",
            Self::Vgg11ImageNet => "vgg11-imagenet",
            Self::Custom => "custom",
        }
    }

    /// Its convolutions; `None` for [`NetworkName::Custom`].
    #[must_use]
    pub fn plan(self) -> Option<NetworkPlan> {
        /// A max pooling among widths.
        const M: usize = 0;
        let vgg = |layers: &[usize], average| {
            let layer = |&width: &usize| if width == M { VggLayer::MaxPool } else { VggLayer::Conv(width) };
            NetworkPlan::vgg(layers.iter().map(layer).collect(), average)
        };
        let vgg11 = [64, M, 128, M, 256, 256, M, 512, 512, M, 512, 512, M];
        let widths = [64, 128, 256, 512];
        let resnet = |block, blocks: [usize; 4]| NetworkPlan::resnet(block, blocks.into_iter().zip(widths));
        Some(match self {
            Self::VggSmall | Self::VggSmallBn => NetworkPlan::default(),
            Self::Vgg11 | Self::Vgg11Bn => vgg(&vgg11, None),
            Self::Vgg13 | Self::Vgg13Bn => {
                vgg(&[64, 64, M, 128, 128, M, 256, 256, M, 512, 512, M, 512, 512, M], None)
            }
            Self::Vgg16 | Self::Vgg16Bn => {
                vgg(&[64, 64, M, 128, 128, M, 256, 256, 256, M, 512, 512, 512, M, 512, 512, 512, M], None)
            }
            Self::ResNet18 => resnet(BlockKind::Basic, [2, 2, 2, 2]),
            Self::ResNet34 => resnet(BlockKind::Basic, [3, 4, 6, 3]),
            Self::ResNet50 => resnet(BlockKind::Bottleneck, [3, 4, 6, 3]),
            Self::Vgg11ImageNet => vgg(&vgg11, Some(7)),
            Self::Custom => return None,
        })
    }

    /// Widths of its hidden fully connected layers.
    #[must_use]
    pub fn classifier(self) -> ClassifierWidths {
        match self {
            Self::VggSmall | Self::VggSmallBn => ClassifierWidths::new([128]),
            Self::Vgg11 | Self::Vgg11Bn | Self::Vgg13 | Self::Vgg13Bn | Self::Vgg16 | Self::Vgg16Bn => {
                ClassifierWidths::new([512, 512])
            }
            Self::Vgg11ImageNet => ClassifierWidths::new([4096, 4096]),
            Self::ResNet18 | Self::ResNet34 | Self::ResNet50 | Self::Custom => ClassifierWidths::default(),
        }
    }

    /// Whether a batch normalization follows each convolution of a VGG. A ResNet has them anyway.
    #[must_use]
    pub fn has_batch_norm(self) -> bool {
        matches!(self, Self::VggSmallBn | Self::Vgg11Bn | Self::Vgg13Bn | Self::Vgg16Bn)
    }

    /// Whether it is one of torchvision's networks for ImageNet.
    #[must_use]
    pub fn is_for_imagenet(self) -> bool {
        matches!(self, Self::ResNet18 | Self::ResNet34 | Self::ResNet50 | Self::Vgg11ImageNet)
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for NetworkName {
    type Err = Error;

    /// # Errors
    /// If no network has this name.
    fn from_str(name: &str) -> Result<Self> {
        let mut all = Self::ALL.into_iter().chain([Self::Custom]);
        all.find(|network| network.id() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::id).join(", ");
            Error::field("model", name, format!("must be one of {known}, or a plan of your own"))
        })
    }
}

serde_as_text!(NetworkName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_to_its_network() {
        for name in NetworkName::ALL.into_iter().chain([NetworkName::Custom]) {
            assert_eq!(name.id().parse(), Ok(name));
            assert_eq!(name.plan().is_none(), name == NetworkName::Custom);
        }
        let error = "vgg12".parse::<NetworkName>().expect_err("unknown").to_string();
        assert!(
            error.starts_with("invalid model (vgg12): must be one of vgg-small, vgg-small_bn, vgg11,"),
            "{error}"
        );
    }

    /// The plans as the papers and torchvision list them.
    #[test]
    fn plans_are_the_published_ones() {
        for (name, plan, classifier) in [
            (NetworkName::VggSmall, "32 M 64 M 128 M", "128"),
            (NetworkName::Vgg11, "64 M 128 M 256 256 M 512 512 M 512 512 M", "512,512"),
            (NetworkName::Vgg13, "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M", "512,512"),
            (NetworkName::Vgg16Bn, "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M", "512,512"),
            (NetworkName::ResNet18, "basic 2x64 2x128 2x256 2x512", ""),
            (NetworkName::ResNet34, "basic 3x64 4x128 6x256 3x512", ""),
            (NetworkName::ResNet50, "bottleneck 3x64 4x128 6x256 3x512", ""),
            (NetworkName::Vgg11ImageNet, "64 M 128 M 256 256 M 512 512 M 512 512 M A7", "4096,4096"),
        ] {
            let built = name.plan().expect("a plan");
            assert_eq!((built.to_string(), name.classifier().to_string()), (plan.into(), classifier.into()));
            assert_eq!(plan.parse(), Ok(built));
        }
    }
}
