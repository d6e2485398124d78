//! Scores to probabilities, over the last axis.

use std::sync::Arc;

use super::{Entry, Layer};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::Builder;

pub(super) const LAYERS: &[Entry] = &[
    Entry { name: "softmax", fields: &[], make: |_| Ok(Arc::new(Softmax)) },
    Entry { name: "log_softmax", fields: &[], make: |_| Ok(Arc::new(LogSoftmax)) },
];

/// `yᵢ = e^(xᵢ) / Σⱼ e^(xⱼ)` over the last axis. Not to be put before a cross-entropy, which holds it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Softmax;

impl Layer for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        let axis = last_axis("softmax", b, x)?;
        b.graph().softmax(x, axis)
    }
}

/// `yᵢ = xᵢ − ln Σⱼ e^(xⱼ)` over the last axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LogSoftmax;

impl Layer for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        let axis = last_axis("log_softmax", b, x)?;
        b.graph().log_softmax(x, axis)
    }
}

fn last_axis(op: &'static str, b: &Builder<'_>, x: NodeId) -> Result<usize, GraphError> {
    let found = b.shape(x);
    found.rank().checked_sub(1).ok_or_else(|| GraphError::Shape {
        op,
        operand: "x",
        expected: "[batch, ..]".into(),
        found: found.clone(),
    })
}
