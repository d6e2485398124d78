//! Normalisation of groups of channels of each example.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value, positive};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::{Builder, Initializer};
use crate::op::moments::Over;
use crate::op::normalize::in_range;

pub(super) const LAYERS: &[Entry] = &[Entry {
    name: "group_norm",
    fields: &[Field::required("groups", Value::Count(1)), Field::optional("epsilon", Value::Real(1e-5))],
    make: |values| {
        let [Value::Count(groups), Value::Real(epsilon)] = *values else {
            unreachable!("values are of their fields' kinds")
        };
        positive("group_norm", "groups", groups)?;
        in_range("group_norm", epsilon)?;
        Ok(Arc::new(GroupNorm { groups, epsilon }))
    },
}];

/// Each group of neighbouring channels of an example with mean 0 and variance 1, then a weight and a bias for each
/// channel: PyTorch's `nn.GroupNorm`. As many groups as channels are instance normalisation.
///
/// **Shapes**: `x [batch, C, ..]` → the same; `weight [C]` and `bias [C]` start as 1 and 0.
///
/// **Formula**
///
/// ```text
/// y = (x − μ) / √(σ² + ε) · weight + bias       σ² the biased variance
/// ```
///
/// The same while training and after, whatever the batch. **Source**: Wu & He, *Group Normalization* (2018).
///
/// ```
/// use thalweg::Shape;
/// use thalweg::nn::{GroupNorm, Sequential, output_shape};
/// let of = |groups| output_shape(&Sequential::new().add(GroupNorm::new(groups)), &Shape::from([6, 4, 4]));
/// assert_eq!(of(3)?, Shape::from([6, 4, 4]));
/// assert!(of(4).is_err()); // 4 does not divide 6
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNorm {
    /// How many groups, at least 1 and a divisor of the number of channels.
    pub groups: usize,
    /// ε, above 0; default 1e-5.
    pub epsilon: f64,
}

impl GroupNorm {
    /// So many groups, ε = 1e-5.
    pub fn new(groups: usize) -> Self {
        Self { groups, epsilon: 1e-5 }
    }
}

impl Layer for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        positive("group_norm", "groups", self.groups)?;
        in_range("group_norm", self.epsilon)?;
        let over = Over::Groups(self.groups);
        let moments = b.graph().moments(x, over)?;
        let channels = b.shape(x)[1];
        let weight = b.parameter("weight", [channels], Initializer::Ones)?;
        let bias = b.parameter("bias", [channels], Initializer::Zeros)?;
        b.graph().normalize(x, moments, weight, bias, over, self.epsilon)
    }
}
