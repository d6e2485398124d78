//! Where a graph runs: the f64/f32 twins on the CPU, or WGSL kernels on a GPU.

pub mod cpu;
mod engine;
pub mod gpu;
mod memory;

pub use engine::{Call, Column, DataId, Engine, NonFinite, ProgramId, Record, Setup, StepGraph, Tensor};

use std::collections::HashMap;

use crate::error::DeviceError;
use crate::graph::{Dtype, Graph, Kind, NodeId};

/// Values for a node: row-major, without gaps.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// Real numbers; rounded once to the device's scalar.
    Real(Vec<f64>),
    /// Indices.
    Index(Vec<u32>),
}

impl Feed {
    fn describe(&self) -> String {
        match self {
            Self::Real(v) => format!("{} {}", v.len(), Dtype::Real.describe()),
            Self::Index(v) => format!("{} {}", v.len(), Dtype::Index.describe()),
        }
    }
}

impl From<Vec<f64>> for Feed {
    fn from(values: Vec<f64>) -> Self {
        Self::Real(values)
    }
}
impl From<&[f64]> for Feed {
    fn from(values: &[f64]) -> Self {
        Self::Real(values.to_vec())
    }
}
impl From<Vec<u32>> for Feed {
    fn from(values: Vec<u32>) -> Self {
        Self::Index(values)
    }
}

/// What is fed to inputs and parameters (and to settings whose value is not to be used).
pub type Feeds = HashMap<NodeId, Feed>;

/// The values of `id` for `copies` members, checked against its shape and type; a setting's own value where none is fed.
fn fed<'a>(
    graph: &Graph,
    id: NodeId,
    feeds: &'a Feeds,
    copies: usize,
) -> Result<std::borrow::Cow<'a, Feed>, DeviceError> {
    use std::borrow::Cow;
    let node = graph.node(id);
    let (kind, name) = match &node.kind {
        Kind::Input { name, .. } => ("input", name),
        Kind::Parameter { name } => ("parameter", name),
        Kind::Setting { name, value } => {
            if !feeds.contains_key(&id) {
                return Ok(Cow::Owned(Feed::Real(vec![*value; copies])));
            }
            ("setting", name)
        }
        Kind::Op { .. } => unreachable!("ops are computed, not fed"),
    };
    let Some(feed) = feeds.get(&id) else {
        return Err(DeviceError::NotFed { kind, name: name.clone(), shape: node.meta.shape.to_string() });
    };
    let needed = node.meta.shape.len() * copies;
    let fits = match (feed, node.meta.dtype) {
        (Feed::Real(v), Dtype::Real) => v.len() == needed,
        (Feed::Index(v), Dtype::Index) => v.len() == needed,
        _ => false,
    };
    if !fits {
        let expected = format!("{needed} {} (shape {})", node.meta.dtype.describe(), node.meta.shape);
        return Err(DeviceError::Feed { name: name.clone(), expected, found: feed.describe() });
    }
    Ok(Cow::Borrowed(feed))
}
