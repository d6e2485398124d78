//! Errors of building and differentiating a graph.

use crate::shape::Shape;

/// Why an op or a layer cannot be put there.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// An operand's shape does not suit the op.
    #[error("{op}: `{operand}` must have shape {expected}, found {found}")]
    Shape {
        /// The op, as written in the API.
        op: &'static str,
        /// The operand, as written in the op's documentation.
        operand: &'static str,
        /// What the op needs, in the letters of its documentation.
        expected: String,
        /// What it was given.
        found: Shape,
    },
    /// An operand holds indices where numbers are needed, or the other way round.
    #[error("{op}: `{operand}` must hold {expected}, found {found}")]
    Dtype {
        /// The op.
        op: &'static str,
        /// The operand.
        operand: &'static str,
        /// `"real numbers"` or `"indices"`.
        expected: &'static str,
        /// The other one.
        found: &'static str,
    },
    /// An op was given too few or too many inputs.
    #[error("{op} takes {expected} inputs, found {found}")]
    Arity {
        /// The op.
        op: &'static str,
        /// How many it takes.
        expected: usize,
        /// How many it was given.
        found: usize,
    },
    /// A field of an op or layer lies outside its documented range.
    #[error("{op}: `{field}` must be {range}, found {found}")]
    Range {
        /// The op or layer.
        op: &'static str,
        /// The field.
        field: &'static str,
        /// The documented range.
        range: &'static str,
        /// The value.
        found: String,
    },
    /// A tensor has more elements than 32 bits count.
    #[error("{op} would make a tensor of shape {shape}: more than 2^31 elements. Use a smaller batch or layer")]
    TooManyElements {
        /// The op.
        op: &'static str,
        /// The tensor's shape.
        shape: Shape,
    },
    /// A tensor is larger than one binding of the adapter and the op cannot split it.
    #[error(
        "{op} needs {elements} elements in one binding, the adapter binds at most {limit}. \
         Use a smaller layer or batch, an adapter with a larger `max_storage_buffer_binding_size`, or the cpu device"
    )]
    TooLarge {
        /// The op.
        op: &'static str,
        /// Elements it must bind at once.
        elements: usize,
        /// Elements the adapter binds at once.
        limit: usize,
    },
    /// The op has no derivative with respect to that input.
    #[error(
        "{op} has no derivative with respect to input {input}; put it outside the path from the parameters to the loss"
    )]
    NotDifferentiable {
        /// The op.
        op: &'static str,
        /// Which input.
        input: usize,
    },
    /// Two parameters, inputs or settings of one graph share a name.
    #[error("the graph already has a {kind} named `{name}`; names must differ")]
    DuplicateName {
        /// `"parameter"`, `"input"` or `"setting"`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A node of another graph, or none, was named.
    #[error("node {node} does not belong to this graph of {nodes} nodes")]
    ForeignNode {
        /// The node's number.
        node: usize,
        /// How many the graph has.
        nodes: usize,
    },
    /// A graph names a parameter that the run does not have.
    #[error("the graph has a parameter `{name}` that the run does not know; it knows: {}", .known.join(", "))]
    UnknownParameter {
        /// The name in the graph.
        name: String,
        /// The names of the run.
        known: Vec<String>,
    },
    /// An error inside a layer of a model: where it stands.
    #[error("layer {index} ({layer}), given {input}: {source}")]
    Layer {
        /// The layer's place, from 0.
        index: usize,
        /// Its name.
        layer: String,
        /// The shape it was given, batch axis included.
        input: Shape,
        /// What went wrong in it.
        source: Box<GraphError>,
    },
}
