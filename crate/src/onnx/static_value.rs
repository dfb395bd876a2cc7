//! What is known about a value before a network runs.

use super::element::ElementType;
use super::tensor::{Reason, Tensor};

/// What is known about a value before the network runs.
#[derive(Debug, Clone)]
pub(super) enum StaticValue {
    /// Its elements, by the initializer and the nodes that they come from.
    Derived { element: ElementType, shape: Vec<usize>, source: Derivation },
    /// Its elements.
    Computed(Tensor),
    /// Its type and shape.
    Shaped(ElementType, Vec<usize>),
    /// Nothing, and why.
    Unknown(Reason),
}

/// An initializer, and the nodes of the plan that its elements go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Derivation {
    /// Its place among the initializers.
    pub(super) initializer: usize,
    /// Nodes by their place in the plan.
    pub(super) steps: Vec<usize>,
}

impl StaticValue {
    pub(super) fn shape(&self) -> Result<&[usize], Reason> {
        match self {
            Self::Derived { shape, .. } | Self::Shaped(_, shape) => Ok(shape),
            Self::Computed(tensor) => Ok(&tensor.shape),
            Self::Unknown(why) => Err(why.clone()),
        }
    }

    pub(super) fn element(&self) -> Option<ElementType> {
        match self {
            Self::Derived { element, .. } | Self::Shaped(element, _) => Some(*element),
            Self::Computed(tensor) => Some(tensor.element),
            Self::Unknown(_) => None,
        }
    }

    pub(super) fn is_constant(&self) -> bool {
        matches!(self, Self::Derived { .. } | Self::Computed(_))
    }
}
