//! Normalisation of each example by itself.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::{Builder, Initializer};
use crate::op::moments::Over;
use crate::op::normalize::in_range;
use crate::shape::Shape;

pub(super) const LAYERS: &[Entry] = &[Entry {
    name: "layer_norm",
    fields: &[Field::optional("epsilon", Value::Real(1e-5))],
    make: |values| {
        let [Value::Real(epsilon)] = *values else { unreachable!("values are of their fields' kinds") };
        in_range("layer_norm", epsilon)?;
        Ok(Arc::new(LayerNorm { epsilon }))
    },
}];

/// Each example with mean 0 and variance 1 over all its numbers, then a weight and a bias for each of them: PyTorch's
/// `nn.LayerNorm` of an example's whole shape.
///
/// **Shapes**: `x [batch, ..]` → the same; `weight` and `bias` have the shape of an example and start as 1 and 0.
///
/// **Formula**
///
/// ```text
/// y = (x − μ) / √(σ² + ε) · weight + bias       σ² the biased variance
/// ```
///
/// The same while training and after. **Source**: Ba, Kiros & Hinton, *Layer Normalization* (2016).
///
/// ```
/// use thalweg::Shape;
/// use thalweg::nn::{LayerNorm, Linear, Mode, Objective, Sequential, TargetKind, assemble};
/// let model = Sequential::new().add(Linear::new(7)).add(LayerNorm::default()).add(Linear::new(3));
/// let a = assemble(&model, &Shape::from([5]), TargetKind::Classes { classes: 3 }, &Objective::default(), 4, Mode::Train)?;
/// assert_eq!(format!("{} {}", a.parameters[2].name, a.parameters[2].shape), "1.weight [7]");
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// ε, above 0; default 1e-5.
    pub epsilon: f64,
}

impl Default for LayerNorm {
    fn default() -> Self {
        Self { epsilon: 1e-5 }
    }
}

impl Layer for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        in_range("layer_norm", self.epsilon)?;
        // The statistics first: they refuse shapes that have no example.
        let over = Over::Example;
        let moments = b.graph().moments(x, over)?;
        let example = Shape::from(&b.shape(x)[1..]);
        let weight = b.parameter("weight", example.clone(), Initializer::Ones)?;
        let bias = b.parameter("bias", example, Initializer::Zeros)?;
        b.graph().normalize(x, moments, weight, bias, over, self.epsilon)
    }
}
