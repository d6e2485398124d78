//! A table of learnt rows, looked up by number.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value, positive};
use crate::error::GraphError;
use crate::graph::{Dtype, NodeId};
use crate::nn::{Builder, Initializer};

pub(super) const LAYERS: &[Entry] = &[Entry {
    name: "embedding",
    fields: &[Field::required("count", Value::Count(1)), Field::required("dimension", Value::Count(1))],
    make: |values| {
        let [Value::Count(count), Value::Count(dimension)] = *values else {
            unreachable!("values are of their fields' kinds")
        };
        let layer = Embedding::new(count, dimension);
        layer.check()?;
        Ok(Arc::new(layer))
    },
}];

/// A learnt row for each of `count` things, words for example: PyTorch's `nn.Embedding`.
///
/// **Shapes**: `x [batch, ..]` of row numbers → `[batch, .., dimension]`; `weight [count, dimension]`.
///
/// **Formula**
///
/// ```text
/// y[.., d] = weight[x[..], d]        ∂L/∂weight[n] = Σ ∂L/∂y over the places that took row n, in their order
/// ```
///
/// It must be the first layer: the model's input is then one of indices, and a trainer refuses data that are not whole numbers
/// from 0 to `count` − 1 before anything runs ([`DataError::NotAnIndex`](crate::error::DataError::NotAnIndex); PyTorch raises
/// `IndexError`). Fed past a trainer, a larger number takes the last row: a kernel cannot refuse.
///
/// There is no `padding_idx`, `max_norm` or sparse gradient: every row's gradient is made in each step, 0 for rows that did
/// not occur, so that a rule with momentum or weight decay moves those too, as PyTorch's does without `sparse`.
///
/// **Source**: PyTorch's `nn.Embedding`, whose initial weights, N(0, 1), these are.
///
/// ```
/// use thalweg::Shape;
/// use thalweg::nn::{Embedding, Flatten, Linear, Mode, Objective, Sequential, TargetKind, assemble};
///
/// // Four words out of a hundred, as 16 numbers each.
/// let model = Sequential::new().add(Embedding::new(100, 16)).add(Flatten).add(Linear::new(2));
/// let a = assemble(&model, &Shape::from([4]), TargetKind::Classes { classes: 2 }, &Objective::default(), 8, Mode::Train)?;
/// let names: Vec<_> = a.parameters.iter().map(|p| format!("{} {}", p.name, p.shape)).collect();
/// assert_eq!(names, ["0.weight [100, 16]", "2.weight [2, 64]", "2.bias [2]"]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// Rows of the table, at least 1; PyTorch's `num_embeddings`.
    pub count: usize,
    /// Numbers of a row, at least 1; PyTorch's `embedding_dim`.
    pub dimension: usize,
    /// How the table starts; default PyTorch's, N(0, 1).
    pub weight_init: Initializer,
}

impl Embedding {
    /// A table of `count` rows of `dimension` numbers.
    pub fn new(count: usize, dimension: usize) -> Self {
        Self { count, dimension, weight_init: Initializer::Normal { std: 1.0 } }
    }

    /// With another initial table.
    pub fn weight_init(self, weight_init: Initializer) -> Self {
        Self { weight_init, ..self }
    }

    fn check(&self) -> Result<(), GraphError> {
        positive("embedding", "count", self.count)?;
        positive("embedding", "dimension", self.dimension)
    }
}

impl Layer for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn index_count(&self) -> Option<usize> {
        Some(self.count)
    }

    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        self.check()?;
        let found = b.graph().node(x).meta.dtype;
        if found != Dtype::Index {
            let (op, operand, found) = ("embedding", "x", found.describe());
            return Err(GraphError::Dtype { op, operand, expected: "row numbers, as the first layer gets them", found });
        }
        let weight = b.parameter_with_fan("weight", [self.count, self.dimension], self.weight_init, self.dimension)?;
        b.graph().gather(weight, x)
    }
}
