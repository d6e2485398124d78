//! The element-wise functions as layers.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::Builder;
use crate::op::unary::Activation;

macro_rules! activations {
    ($($(#[$doc:meta])* $layer:ident, $name:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
            pub struct $layer;

            impl Layer for $layer {
                fn name(&self) -> &'static str {
                    $name
                }
                fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
                    b.graph().activation(x, Activation::$layer)
                }
                fn activation(&self) -> Option<Activation> {
                    Some(Activation::$layer)
                }
            }
        )*

        pub(super) const LAYERS: &[Entry] = &[
            $(Entry { name: $name, fields: &[], make: |_| Ok(Arc::new($layer)) },)*
            Entry {
                name: "leaky_relu",
                fields: &[Field::optional("slope", Value::Real(0.01))],
                make: |values| {
                    let [Value::Real(slope)] = *values else { unreachable!("values are of their fields' kinds") };
                    in_range("leaky_relu", "slope", slope)?;
                    Ok(Arc::new(LeakyRelu { slope }))
                },
            },
            Entry {
                name: "elu",
                fields: &[Field::optional("alpha", Value::Real(1.0))],
                make: |values| {
                    let [Value::Real(alpha)] = *values else { unreachable!("values are of their fields' kinds") };
                    in_range("elu", "alpha", alpha)?;
                    Ok(Arc::new(Elu { alpha }))
                },
            },
        ];
    };
}

activations! {
    /// `y = x`.
    Identity, "identity";
    /// `y = max(x, 0)`.
    Relu, "relu";
    /// `y = tanh x`.
    Tanh, "tanh";
    /// `y = 1 / (1 + e^(−x))`.
    Sigmoid, "sigmoid";
    /// `y = ln(1 + eˣ)`.
    Softplus, "softplus";
    /// `y = x / (1 + e^(−x))`.
    Silu, "silu";
    /// `y = x·Φ(x)`, with the normal distribution's Φ by the error function, as PyTorch's default.
    Gelu, "gelu";
}

fn in_range(op: &'static str, field: &'static str, x: f64) -> Result<(), GraphError> {
    if !((x as f32).is_finite() && x >= 0.0) {
        return Err(GraphError::Range { op, field, range: "in [0, ∞) and finite in f32", found: crate::error::number(x) });
    }
    Ok(())
}

/// `y = x` above 0, `slope·x` below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyRelu {
    /// The slope below 0, in `[0, ∞)` and finite in f32; default 0.01, as PyTorch's `negative_slope`.
    pub slope: f64,
}

impl Default for LeakyRelu {
    fn default() -> Self {
        Self { slope: 0.01 }
    }
}

impl Layer for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        in_range("leaky_relu", "slope", self.slope)?;
        b.graph().activation(x, Activation::LeakyRelu { slope: self.slope })
    }
    fn activation(&self) -> Option<Activation> {
        in_range("leaky_relu", "slope", self.slope).ok().map(|()| Activation::LeakyRelu { slope: self.slope })
    }
}

/// `y = x` above 0, `alpha·(eˣ − 1)` below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elu {
    /// Minus the limit at −∞, in `[0, ∞)` and finite in f32; default 1, as PyTorch's.
    pub alpha: f64,
}

impl Default for Elu {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Layer for Elu {
    fn name(&self) -> &'static str {
        "elu"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        in_range("elu", "alpha", self.alpha)?;
        b.graph().activation(x, Activation::Elu { alpha: self.alpha })
    }
    fn activation(&self) -> Option<Activation> {
        in_range("elu", "alpha", self.alpha).ok().map(|()| Activation::Elu { alpha: self.alpha })
    }
}
