//! A model as plain data: nodes in the order they are computed, without a device.
//!
//! A [`Graph`] is built once with known shapes. [`Graph::gradients`] appends the backward pass as more nodes, so what
//! trains is made of the same ops, twins and kernels as what predicts.

pub(crate) mod accumulate;
mod autodiff;
mod fusion;
mod op;
mod print;

pub use accumulate::Accumulate;
pub use autodiff::Tape;
pub use fusion::{Describe, Fused, Fusion, Matcher, Scene, Unit};
pub(crate) use fusion::{one_by_one, order};
pub(crate) use op::TwinIn;
pub use op::{Arg, BoundArg, Context, Dtype, DynOp, Meta, Op};

use std::sync::Arc;

use crate::error::GraphError;
use crate::shape::Shape;

/// A node's place in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// The node's number, in the order of computation.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Where a node's value comes from.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Fed from outside: a minibatch. Shared by the members of a population unless `per_member`.
    Input {
        /// Its name, unique among inputs.
        name: String,
        /// Whether each member is fed its own.
        per_member: bool,
    },
    /// Learnt: one per member, kept in the flat parameter buffer.
    Parameter {
        /// Its name, unique among parameters, as PyTorch would call it (`0.weight`).
        name: String,
    },
    /// Kept from step to step but not learnt, one per member: running statistics. What a step makes of it is the engine's
    /// to keep.
    Buffer {
        /// Its name, unique among buffers.
        name: String,
    },
    /// A scalar that a run may change or a population vary without rebuilding the program: a dropout rate, a penalty.
    Setting {
        /// Its name, unique among settings.
        name: String,
        /// Its value.
        value: f64,
    },
    /// Computed.
    Op {
        /// By what.
        op: Arc<dyn DynOp>,
        /// From what.
        inputs: Vec<NodeId>,
    },
}

/// One value of the graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it comes from.
    pub kind: Kind,
    /// Its shape and type, of one member.
    pub meta: Meta,
}

impl Node {
    /// The inputs of an op, nothing for the others.
    pub fn inputs(&self) -> &[NodeId] {
        match &self.kind {
            Kind::Op { inputs, .. } => inputs,
            _ => &[],
        }
    }
}

/// A computation with known shapes: nodes in an order in which they can be computed.
///
/// ```
/// use thalweg::{Graph, Shape};
/// let mut g = Graph::new();
/// let x = g.input("x", Shape::from([2, 3]))?;
/// let w = g.parameter("w", Shape::from([4, 3]))?;
/// let y = g.matmul_nt(x, w)?; // x · wᵀ
/// let y = g.relu(y)?;
/// assert_eq!(g.shape(y).to_string(), "[2, 4]");
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    streams: u32,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// The nodes, in order of computation.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node behind an id.
    ///
    /// # Panics
    ///
    /// If the id is not of this graph.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The shape of a node's value, of one member.
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.nodes[id.0].meta.shape
    }

    /// A value fed from outside, of real numbers, shared by all members of a population.
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`].
    pub fn input(&mut self, name: &str, shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        self.source("input", Kind::Input { name: name.into(), per_member: false }, Meta::real(shape))
    }

    /// Indices fed from outside: classes, rows.
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`].
    pub fn index_input(&mut self, name: &str, shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        self.source("input", Kind::Input { name: name.into(), per_member: false }, Meta::index(shape))
    }

    /// An input of which each member of a population is fed its own.
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`].
    pub fn member_input(&mut self, name: &str, meta: Meta) -> Result<NodeId, GraphError> {
        self.source("input", Kind::Input { name: name.into(), per_member: true }, meta)
    }

    /// A learnt tensor.
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`].
    pub fn parameter(&mut self, name: &str, shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        self.source("parameter", Kind::Parameter { name: name.into() }, Meta::real(shape))
    }

    /// A tensor that is kept from step to step but not learnt: PyTorch's buffers.
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`].
    pub fn buffer(&mut self, name: &str, shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        self.source("buffer", Kind::Buffer { name: name.into() }, Meta::real(shape))
    }

    /// A scalar that can be changed without rebuilding.
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`].
    pub fn setting(&mut self, name: &str, value: f64) -> Result<NodeId, GraphError> {
        self.source("setting", Kind::Setting { name: name.into(), value }, Meta::real(Shape::scalar()))
    }

    /// Puts an op over `inputs`; its shape rule gives the result's shape.
    ///
    /// # Errors
    ///
    /// What the op's shape rule refuses; [`GraphError::ForeignNode`]; [`GraphError::TooManyElements`].
    pub fn apply(&mut self, op: impl Op, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        self.apply_dyn(Arc::new(op), inputs)
    }

    /// [`apply`](Self::apply) for an op behind a pointer.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub fn apply_dyn(&mut self, op: Arc<dyn DynOp>, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        if let Some(foreign) = inputs.iter().find(|id| id.0 >= self.nodes.len()) {
            return Err(GraphError::ForeignNode { node: foreign.0, nodes: self.nodes.len() });
        }
        let metas: Vec<Meta> = inputs.iter().map(|id| self.nodes[id.0].meta.clone()).collect();
        let meta = op.output(&metas)?;
        self.push(op.name(), Node { kind: Kind::Op { op, inputs: inputs.to_vec() }, meta })
    }

    /// A fresh stream number for a random op; equal models get equal streams.
    pub fn stream(&mut self) -> u32 {
        self.streams += 1;
        self.streams - 1
    }

    /// Parameters in the order they were made: `(name, node)`. This order is the layout of the flat buffers.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, NodeId)> {
        self.named(|kind| if let Kind::Parameter { name } = kind { Some(name) } else { None })
    }

    /// Inputs in the order they were made.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, NodeId)> {
        self.named(|kind| if let Kind::Input { name, .. } = kind { Some(name) } else { None })
    }

    /// Buffers in the order they were made.
    pub fn buffers(&self) -> impl Iterator<Item = (&str, NodeId)> {
        self.named(|kind| if let Kind::Buffer { name } = kind { Some(name) } else { None })
    }

    /// Settings in the order they were made.
    pub fn settings(&self) -> impl Iterator<Item = (&str, NodeId)> {
        self.named(|kind| if let Kind::Setting { name, .. } = kind { Some(name) } else { None })
    }

    fn named(&self, pick: fn(&Kind) -> Option<&String>) -> impl Iterator<Item = (&str, NodeId)> {
        self.nodes.iter().enumerate().filter_map(move |(i, n)| pick(&n.kind).map(|name| (name.as_str(), NodeId(i))))
    }

    /// Which nodes `wanted` need, themselves included.
    pub fn live(&self, wanted: &[NodeId]) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        for id in wanted {
            live[id.0] = true;
        }
        for i in (0..self.nodes.len()).rev() {
            if live[i] {
                for input in self.nodes[i].inputs() {
                    live[input.0] = true;
                }
            }
        }
        live
    }

    /// Which nodes differ between the members of a population: parameters, buffers, settings, random ops, and all that depends
    /// on one.
    pub fn per_member(&self) -> Vec<bool> {
        let mut per: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            per.push(match &node.kind {
                Kind::Input { per_member, .. } => *per_member,
                Kind::Parameter { .. } | Kind::Buffer { .. } | Kind::Setting { .. } => true,
                Kind::Op { op, inputs } => op.random() || inputs.iter().any(|id| per[id.0]),
            });
        }
        per
    }

    fn source(&mut self, kind: &'static str, node: Kind, meta: Meta) -> Result<NodeId, GraphError> {
        let (taken, name) = match &node {
            Kind::Input { name, .. } => (self.inputs().any(|(n, _)| n == name), name),
            Kind::Parameter { name } => (self.parameters().any(|(n, _)| n == name), name),
            Kind::Buffer { name } => (self.buffers().any(|(n, _)| n == name), name),
            Kind::Setting { name, .. } => (self.settings().any(|(n, _)| n == name), name),
            Kind::Op { .. } => unreachable!("source is called for named kinds alone"),
        };
        if taken {
            return Err(GraphError::DuplicateName { kind, name: name.clone() });
        }
        self.push(kind, Node { kind: node, meta })
    }

    fn push(&mut self, op: &'static str, node: Node) -> Result<NodeId, GraphError> {
        let elements = node.meta.shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis));
        if elements.is_none_or(|n| n > 1 << 31) {
            return Err(GraphError::TooManyElements { op, shape: node.meta.shape });
        }
        self.nodes.push(node);
        Ok(NodeId(self.nodes.len() - 1))
    }
}
