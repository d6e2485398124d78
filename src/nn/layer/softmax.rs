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
        b.graph().softmax(x)
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
        b.graph().log_softmax(x)
    }
}
