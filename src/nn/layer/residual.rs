//! The residual block.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value, sequence};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::{Builder, Sequential};

pub(super) const LAYERS: &[Entry] = &[Entry {
    name: "residual",
    fields: &[
        Field::required("layers", Value::Layers(Vec::new())),
        Field::optional("projection", Value::Layers(Vec::new())),
    ],
    make: |values| {
        let [Value::Layers(layers), Value::Layers(projection)] = values else {
            unreachable!("values are of their fields' kinds")
        };
        if layers.is_empty() {
            let (field, range) = ("layers", "at least one layer");
            return Err(GraphError::Range { op: "residual", field, range, found: "none".into() });
        }
        Ok(Arc::new(Residual { layers: sequence(layers)?, projection: sequence(projection)? }))
    },
}];

/// A chain of layers beside a way past them.
///
/// **Shapes**: `layers(x)` and `projection(x)` must agree; without a projection, `layers(x)` and `x`.
///
/// **Formula**
///
/// ```text
/// y = layers(x) + projection(x)        y = layers(x) + x without a projection
/// ```
///
/// No activation follows: a ReLU after the sum is a layer of its own. Parameters are named `layers.0.weight`,
/// `projection.0.weight`, as those of this PyTorch module:
///
/// ```text
/// class Residual(nn.Module):
///     def __init__(self, layers, projection=()):
///         super().__init__()
///         self.layers, self.projection = nn.Sequential(*layers), nn.Sequential(*projection)
///     def forward(self, x):
///         return self.layers(x) + self.projection(x)
/// ```
///
/// **Source** He et al., *Deep Residual Learning for Image Recognition* (2015), eq. 1 and 2.
///
/// ```
/// use thalweg::Shape;
/// use thalweg::nn::{Conv2d, Relu, Residual, Sequential, output_shape};
/// let path = Sequential::new()
///     .add(Conv2d::new(8, [3, 3]).stride([2, 2]).padding([1, 1]))
///     .add(Relu)
///     .add(Conv2d::new(8, [3, 3]).padding([1, 1]));
/// let block = Residual::new(path).projection(Sequential::new().add(Conv2d::new(8, [1, 1]).stride([2, 2])));
/// let model = Sequential::new().add(block).add(Relu);
/// assert_eq!(output_shape(&model, &Shape::from([4, 7, 7]))?.to_string(), "[8, 4, 4]");
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Residual {
    /// What is learnt beside the way past.
    pub layers: Sequential,
    /// What `x` goes through on the way past; nothing by default. Where `layers` change the shape, a convolution of kernel 1.
    pub projection: Sequential,
}

impl Residual {
    /// `layers` beside the identity.
    pub fn new(layers: Sequential) -> Self {
        Self { layers, projection: Sequential::new() }
    }

    /// With layers on the way past.
    pub fn projection(self, projection: Sequential) -> Self {
        Self { projection, ..self }
    }
}

impl Layer for Residual {
    fn name(&self) -> &'static str {
        "residual"
    }

    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        let y = b.scope("layers", |b| self.layers.build(b, x))?;
        let past = b.scope("projection", |b| self.projection.build(b, x))?;
        if b.shape(y) != b.shape(past) {
            let (operand, found) = ("the way past the layers", b.shape(past).clone());
            let advice = match self.projection.layers() {
                [] => "give a `projection`, as a conv2d of kernel 1",
                _ => "as the layers give",
            };
            let expected = format!("{} ({advice})", b.shape(y));
            return Err(GraphError::Shape { op: "residual", operand, expected, found });
        }
        b.graph().add(y, past)
    }
}
