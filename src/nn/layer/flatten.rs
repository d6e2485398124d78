//! From images to vectors.

use std::sync::Arc;

use super::{Entry, Layer};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::Builder;

pub(super) const LAYERS: &[Entry] = &[Entry { name: "flatten", fields: &[], make: |_| Ok(Arc::new(Flatten)) }];

/// All axes but the batch's into one: `[batch, a, b, ..]` → `[batch, a·b·..]`. No element moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flatten;

impl Layer for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        b.graph().flatten(x)
    }
}
