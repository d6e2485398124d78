//! The largest of a few linear pieces.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value, positive};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::Builder;

pub(super) const LAYERS: &[Entry] = &[Entry {
    name: "maxout",
    fields: &[Field::optional("pieces", Value::Count(2))],
    make: |values| {
        let [Value::Count(pieces)] = *values else { unreachable!("values are of their fields' kinds") };
        positive("maxout", "pieces", pieces)?;
        Ok(Arc::new(Maxout { pieces }))
    },
}];

/// The maximum over groups of `pieces` neighbours of the last axis, which a [`Linear`](super::linear::Linear) before it makes `pieces` times as wide.
///
/// **Source**: Goodfellow et al., *Maxout Networks* (2013).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maxout {
    /// How many are compared, at least 1; default 2.
    pub pieces: usize,
}

impl Default for Maxout {
    fn default() -> Self {
        Self { pieces: 2 }
    }
}

impl Layer for Maxout {
    fn name(&self) -> &'static str {
        "maxout"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        positive("maxout", "pieces", self.pieces)?;
        b.graph().maxout(x, self.pieces)
    }
}
