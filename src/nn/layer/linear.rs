//! The fully connected layer.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value, positive};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::{Builder, Initializer};
use crate::op::unary::Activation;

pub(super) const LAYERS: &[Entry] = &[Entry {
    name: "linear",
    fields: &[
        Field::required("out", Value::Count(1)),
        Field::optional("bias", Value::Flag(true)),
        Field::optional("weight_init", Value::Init(None)),
        Field::optional("bias_init", Value::Init(None)),
    ],
    make: |values| {
        let [Value::Count(out), Value::Flag(bias), Value::Init(weight), Value::Init(init)] = *values else {
            unreachable!("values are of their fields' kinds")
        };
        positive("linear", "out", out)?;
        let (weight_init, bias_init) = (weight.unwrap_or_default(), init.unwrap_or_default());
        Ok(Arc::new(Linear { bias, weight_init, bias_init, ..Linear::new(out) }))
    },
}];

/// A linear map and a bias: PyTorch's `nn.Linear`.
///
/// **Shapes**: `x [batch, .., in]` → `[batch, .., out]`; `weight [out, in]`, `bias [out]`. Axes between are kept, as in
/// PyTorch: put a [`Flatten`](super::flatten::Flatten) before images.
///
/// **Formula**
///
/// ```text
/// y = x·Wᵀ + b
/// ```
///
/// Followed by an activation in a [`Sequential`](crate::nn::Sequential), both become one op.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Units, at least 1.
    pub out: usize,
    /// The length of `x`'s last axis; taken from `x` where `None` (the default), checked against it otherwise.
    pub input: Option<usize>,
    /// Whether there is a bias; default true.
    pub bias: bool,
    /// How the weight starts; default PyTorch's, `U(−1/√in, 1/√in)`.
    pub weight_init: Initializer,
    /// How the bias starts; default PyTorch's, the same distribution as the weight's.
    pub bias_init: Initializer,
}

impl Linear {
    /// `out` units with a bias.
    pub fn new(out: usize) -> Self {
        Self { out, input: None, bias: true, weight_init: Initializer::default(), bias_init: Initializer::default() }
    }

    /// Without the bias.
    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// With another initial weight.
    pub fn weight_init(self, weight_init: Initializer) -> Self {
        Self { weight_init, ..self }
    }

    /// With another initial bias.
    pub fn bias_init(self, bias_init: Initializer) -> Self {
        Self { bias_init, ..self }
    }

    fn operands(&self, b: &mut Builder<'_>, x: NodeId) -> Result<(NodeId, Option<NodeId>), GraphError> {
        positive("linear", "out", self.out)?;
        let found = b.shape(x).clone();
        let wrong = |expected| GraphError::Shape { op: "linear", operand: "x", expected, found: found.clone() };
        let &[_, .., input] = found.axes() else {
            return Err(wrong("[batch, .., in]".into()));
        };
        if self.input.is_some_and(|declared| declared != input) {
            return Err(wrong(format!("[batch, .., {}]", self.input.unwrap_or_default())));
        }
        let weight = b.parameter_with_fan("weight", [self.out, input], self.weight_init, input)?;
        let bias = match self.bias {
            true => Some(b.parameter_with_fan("bias", [self.out], self.bias_init, input)?),
            false => None,
        };
        Ok((weight, bias))
    }
}

impl Layer for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        let (weight, bias) = self.operands(b, x)?;
        b.graph().affine(x, weight, bias, Activation::Identity)
    }

    fn build_fused(&self, b: &mut Builder<'_>, x: NodeId, f: Activation) -> Result<Option<NodeId>, GraphError> {
        if !f.fuses() {
            return Ok(None);
        }
        let (weight, bias) = self.operands(b, x)?;
        b.graph().affine(x, weight, bias, f).map(Some)
    }
}
