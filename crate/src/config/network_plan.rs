//! A network as text: [`NetworkPlan`], its convolutions, and [`ClassifierWidths`], its hidden fully connected layers.
//!
//! In a VGG's plan, a number is a 3 x 3 convolution of that many outputs and `M` a 2 x 2 max pooling. `A7` at the end
//! averages the remaining activations to 7 x 7 whatever the image size, as torchvision's VGGs do. A ResNet's plan is
//! the kind of its blocks, then the number and width of the blocks of each stage: `"basic 2x64 2x128 2x256 2x512"` is
//! ResNet-18.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::field_value::serde_as_text;
use crate::error::{Error, Result};

/// The largest width of a layer.
const MAX_WIDTH: usize = 16_384;
/// The most convolutions of a VGG, and the most hidden fully connected layers.
const MAX_LAYERS: usize = 64;
/// The largest side that activations are averaged to.
const MAX_AVERAGE: usize = 16;
/// The most blocks in a stage of a ResNet.
const MAX_BLOCKS: usize = 64;
/// The most stages of a ResNet.
const MAX_STAGES: usize = 8;

/// The convolutions of a network. Whether they fit an image is checked when its layers are planned.
///
/// ```
/// use crossdub::config::NetworkPlan;
///
/// let plan: NetworkPlan = "64 M 128 m A7".parse()?;
/// assert_eq!(plan.to_string(), "64 M 128 M A7");
/// assert!("M 64".parse::<NetworkPlan>().is_err());
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum NetworkPlan {
    /// 3 x 3 convolutions and max poolings, one after another.
    Vgg(VggPlan),
    /// Residual blocks.
    ResNet(ResNetPlan),
}

/// A VGG's plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VggPlan {
    /// At least one convolution; no pooling comes first or after another one.
    pub(crate) layers: Vec<VggLayer>,
    /// Width and height that the last activations are averaged to.
    pub(crate) average: Option<usize>,
}

/// A layer of a VGG's plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VggLayer {
    /// A 3 x 3 convolution with this many outputs.
    Conv(usize),
    /// A 2 x 2 max pooling.
    MaxPool,
}

/// A ResNet's plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResNetPlan {
    /// The kind of its blocks.
    pub(crate) block: BlockKind,
    /// At least one.
    pub(crate) stages: Vec<ResNetStage>,
}

/// The kind of a residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockKind {
    /// Two 3 x 3 convolutions.
    Basic,
    /// A 1 x 1, a 3 x 3 and a 1 x 1 convolution, the last four times as wide.
    Bottleneck,
}

/// The size of a stage: `2x64` means two blocks of width 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ResNetStage {
    pub(crate) blocks: usize,
    pub(crate) width: usize,
}

impl BlockKind {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "basic" => Some(Self::Basic),
            "bottleneck" => Some(Self::Bottleneck),
            _ => None,
        }
    }
}

impl fmt::Display for BlockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic => "basic",
            Self::Bottleneck => "bottleneck",
        })
    }
}

impl NetworkPlan {
    /// A VGG of these layers, which the caller has checked.
    pub(super) fn vgg(layers: Vec<VggLayer>, average: Option<usize>) -> Self {
        Self::Vgg(VggPlan { layers, average })
    }

    /// A ResNet whose stages have these numbers of blocks and widths.
    pub(super) fn resnet(block: BlockKind, stages: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let stages = stages.into_iter().map(|(blocks, width)| ResNetStage { blocks, width }).collect();
        Self::ResNet(ResNetPlan { block, stages })
    }
}

impl Default for NetworkPlan {
    /// The plan of `vgg-small`.
    fn default() -> Self {
        let widths = [32, 64, 128].map(VggLayer::Conv);
        Self::vgg(widths.into_iter().flat_map(|conv| [conv, VggLayer::MaxPool]).collect(), None)
    }
}

impl FromStr for NetworkPlan {
    type Err = Error;

    /// A ResNet if the text begins with `basic` or `bottleneck`, else a VGG.
    ///
    /// # Errors
    /// Says what is wrong with the plan, or which limit it exceeds.
    fn from_str(text: &str) -> Result<Self> {
        let mut words = text.split_whitespace();
        match words.next().and_then(BlockKind::from_word) {
            Some(block) => Ok(Self::ResNet(ResNetPlan::parse(text, block, words)?)),
            None => Ok(Self::Vgg(VggPlan::parse(text)?)),
        }
    }
}

impl VggPlan {
    fn parse(text: &str) -> Result<Self> {
        let reject = |reason: &str| Err(Error::field("plan", text, reason));
        let (mut layers, mut average) = (Vec::new(), None);
        for word in text.split_whitespace() {
            if average.is_some() {
                return reject("continues after its average");
            }
            if let Some(side) = word.strip_prefix('A') {
                average = side.parse().ok().filter(|side| (1..=MAX_AVERAGE).contains(side));
                if average.is_none() {
                    return reject("must have an average of 1 to 16, such as A7");
                }
            } else if word.eq_ignore_ascii_case("m") {
                match layers.last() {
                    None => return reject("starts with a pooling"),
                    Some(VggLayer::MaxPool) => return reject("has two poolings in a row"),
                    Some(VggLayer::Conv(_)) => layers.push(VggLayer::MaxPool),
                }
            } else {
                layers.push(VggLayer::Conv(parse_width("plan", word)?));
            }
        }
        match layers.iter().filter(|layer| **layer != VggLayer::MaxPool).count() {
            0 => reject("has no convolution"),
            convs if convs > MAX_LAYERS => reject("has more than 64 convolutions"),
            _ => Ok(Self { layers, average }),
        }
    }
}

impl ResNetPlan {
    fn parse<'a>(text: &str, block: BlockKind, words: impl Iterator<Item = &'a str>) -> Result<Self> {
        let stages = words.map(ResNetStage::parse).collect::<Result<Vec<_>>>()?;
        if stages.is_empty() || stages.len() > MAX_STAGES {
            let reason = "must have 1 to 8 stages after the kind of its blocks, such as 2x64";
            return Err(Error::field("plan", text, reason));
        }
        Ok(Self { block, stages })
    }
}

impl ResNetStage {
    fn parse(word: &str) -> Result<Self> {
        let reject = || {
            Error::field(
                "plan",
                word,
                format!("must be a stage such as 2x64, of at most {MAX_BLOCKS} blocks"),
            )
        };
        let (blocks, width) = word.split_once('x').ok_or_else(reject)?;
        let blocks = blocks.parse().ok().filter(|blocks| (1..=MAX_BLOCKS).contains(blocks));
        Ok(Self { blocks: blocks.ok_or_else(reject)?, width: parse_width("plan", width)? })
    }
}

fn parse_width(field: &str, word: &str) -> Result<usize> {
    match word.parse() {
        Ok(width) if (1..=MAX_WIDTH).contains(&width) => Ok(width),
        _ => {
            let reason = format!("must be a width of 1 to {MAX_WIDTH}, or M in the plan for a pooling");
            Err(Error::field(field, word, reason))
        }
    }
}

impl fmt::Display for NetworkPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vgg(VggPlan { layers, average }) => {
                for (at, layer) in layers.iter().enumerate() {
                    let space = if at > 0 { " " } else { "" };
                    match layer {
                        VggLayer::Conv(width) => write!(f, "{space}{width}")?,
                        VggLayer::MaxPool => write!(f, "{space}M")?,
                    }
                }
                average.map_or(Ok(()), |side| write!(f, " A{side}"))
            }
            Self::ResNet(ResNetPlan { block, stages }) => {
                write!(f, "{block}")?;
                stages.iter().try_for_each(|ResNetStage { blocks, width }| write!(f, " {blocks}x{width}"))
            }
        }
    }
}

serde_as_text!(NetworkPlan);

/// Widths of the hidden fully connected layers, separated by commas; empty by default.
///
/// ```
/// use crossdub::config::ClassifierWidths;
///
/// let widths: ClassifierWidths = "512, 512".parse()?;
/// assert_eq!((widths.as_slice(), widths.to_string()), (&[512, 512][..], "512,512".to_owned()));
/// assert!("".parse::<ClassifierWidths>()?.is_empty());
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClassifierWidths(Vec<usize>);

impl ClassifierWidths {
    pub(super) fn new(widths: impl Into<Vec<usize>>) -> Self {
        Self(widths.into())
    }

    /// The widths, from the convolutions to the classes.
    #[must_use]
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }

    /// Whether the convolutions' outputs go straight to the classes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for ClassifierWidths {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        let widths = words.map(|word| parse_width("classifier", word)).collect::<Result<Vec<_>>>()?;
        if widths.len() > MAX_LAYERS {
            return Err(Error::field("classifier", text, "must have at most 64 layers"));
        }
        Ok(Self(widths))
    }
}

impl fmt::Display for ClassifierWidths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, width) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{width}")?;
        }
        Ok(())
    }
}

serde_as_text!(ClassifierWidths);

#[cfg(test)]
mod tests {
    use super::*;

    fn rejects(plan: &str) -> String {
        plan.parse::<NetworkPlan>().expect_err(plan).to_string()
    }

    #[test]
    fn malformed_vgg_plans_are_rejected() {
        let too_many = "8 ".repeat(65);
        for (plan, reason) in [
            ("", "has no convolution"),
            ("M", "starts with a pooling"),
            ("8 M M", "two poolings in a row"),
            ("8 x", "must be a width of 1 to 16384"),
            ("0", "must be a width"),
            ("99999999999999999999", "must be a width"),
            ("A7", "has no convolution"),
            ("8 A7 8", "continues after its average"),
            ("8 A0", "must have an average"),
            ("8 A17", "must have an average"),
            ("8 Ax", "must have an average"),
            ("8 A7 A7", "continues after its average"),
            (&too_many, "has more than 64"),
        ] {
            assert!(rejects(plan).contains(reason), "{plan:?}: {}", rejects(plan));
        }
    }

    #[test]
    fn malformed_resnet_plans_are_rejected() {
        let too_many_stages = format!("basic{}", " 1x8".repeat(9));
        for bad in [
            "basic",
            "basic 2",
            "basic 0x8",
            "basic 2x",
            "basic x2",
            "basic 2x0",
            "basic 99x8",
            "basic 1x8 M",
            &too_many_stages,
        ] {
            assert!(rejects(bad).starts_with("invalid plan ("), "{bad:?}");
        }
    }

    #[test]
    fn classifiers_take_commas_or_spaces() {
        for text in ["16,8", "16 8", "16, 8,"] {
            assert_eq!(text.parse(), Ok(ClassifierWidths::new([16, 8])));
        }
        for bad in ["0", "x", "16384,16385", &"8,".repeat(65)] {
            let error = bad.parse::<ClassifierWidths>().expect_err(bad);
            assert_eq!(error.field_name(), Some("classifier"));
        }
    }

    #[test]
    fn json_holds_the_text() {
        let plan: NetworkPlan = "basic 1x4 1x8".parse().expect("valid");
        let json = serde_json::to_string(&plan).expect("text");
        assert_eq!(json, "\"basic 1x4 1x8\"");
        assert_eq!(serde_json::from_str::<NetworkPlan>(&json).expect("valid"), plan);
        assert!(serde_json::from_str::<NetworkPlan>("\"M\"").is_err());
    }
}
