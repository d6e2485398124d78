//! Activations by their PyTorch names.

use std::fmt;
use std::str::FromStr;

use super::Function;
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};

/// An activation a layer may end with: [`Function`]s that networks use, and none.
///
/// Its text form is PyTorch's functional name, with PyTorch's defaults for slope and α.
///
/// ```
/// use thalweg::op::unary::Activation;
/// assert_eq!("gelu".parse(), Ok(Activation::Gelu));
/// assert_eq!("leaky_relu".parse(), Ok(Activation::LeakyRelu { slope: 0.01 }));
/// assert_eq!(Activation::Identity.to_string(), "identity");
/// assert!("rellu".parse::<Activation>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// `x`
    #[default]
    Identity,
    /// [`Function::Relu`]
    Relu,
    /// [`Function::LeakyRelu`]
    LeakyRelu {
        /// In `[0, ∞)`. Default 0.01.
        slope: f64,
    },
    /// [`Function::Elu`]
    Elu {
        /// α, in `[0, ∞)`. Default 1.
        alpha: f64,
    },
    /// [`Function::Tanh`]
    Tanh,
    /// [`Function::Sigmoid`]
    Sigmoid,
    /// [`Function::Softplus`]
    Softplus,
    /// [`Function::Silu`]
    Silu,
    /// [`Function::Gelu`]
    Gelu,
}

impl Activation {
    /// Every activation, with its default fields.
    pub const ALL: [Self; 9] = [
        Self::Identity,
        Self::Relu,
        Self::LeakyRelu { slope: 0.01 },
        Self::Elu { alpha: 1.0 },
        Self::Tanh,
        Self::Sigmoid,
        Self::Softplus,
        Self::Silu,
        Self::Gelu,
    ];

    /// The function, unless it is the identity.
    pub fn function(self) -> Option<Function> {
        Some(match self {
            Self::Identity => return None,
            Self::Relu => Function::Relu,
            Self::LeakyRelu { slope } => Function::LeakyRelu { slope },
            Self::Elu { alpha } => Function::Elu { alpha },
            Self::Tanh => Function::Tanh,
            Self::Sigmoid => Function::Sigmoid,
            Self::Softplus => Function::Softplus,
            Self::Silu => Function::Silu,
            Self::Gelu => Function::Gelu,
        })
    }

    /// Its name, as PyTorch calls it.
    pub fn name(self) -> &'static str {
        self.function().map_or("identity", Function::name)
    }

    /// Whether an affine map can compute it on the way out: where the derivative can be had from the output, so that the
    /// backward pass does not need what came before it.
    pub fn fuses(self) -> bool {
        self.function().is_none_or(Function::from_output)
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Activation {
    type Err = GraphError;

    fn from_str(name: &str) -> Result<Self, GraphError> {
        Self::ALL.into_iter().find(|a| a.name() == name).ok_or_else(|| GraphError::Range {
            op: "activation",
            field: "name",
            range: "one of identity, relu, leaky_relu, elu, tanh, sigmoid, softplus, silu, gelu",
            found: format!("`{name}`"),
        })
    }
}

impl Graph {
    /// Applies an activation; the identity adds no node.
    ///
    /// # Errors
    ///
    /// [`GraphError::Dtype`]; [`GraphError::Range`] for a slope or α outside its range.
    pub fn activation(&mut self, x: NodeId, activation: Activation) -> Result<NodeId, GraphError> {
        match activation.function() {
            None => Ok(x),
            Some(function) => self.unary(x, function),
        }
    }
}
