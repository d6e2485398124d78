//! What a model writes into: a graph, a name prefix, and the parameters met so far.

use super::Initializer;
use crate::error::GraphError;
use crate::graph::{Dtype, Graph, NodeId};
use crate::shape::Shape;

/// Whether a model is built to be trained or to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// With dropout and the like, and with gradients.
    #[default]
    Train,
    /// Without either: a prediction depends on the example alone.
    Evaluate,
}

/// A parameter of a model: what the graph knows of it, and how it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// Its name, as in PyTorch (`0.weight`).
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// How it starts.
    pub initializer: Initializer,
    /// The number of products summed by a unit that it belongs to.
    pub fan_in: usize,
    /// Its node.
    pub node: NodeId,
}

/// A tensor that a model keeps from step to step without learning it: PyTorch's buffers, several of one shape as the rows
/// of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct BufferSpec {
    /// Its name in the graph.
    pub name: String,
    /// For each row, PyTorch's name (`1.running_mean`) and the value that all its elements start with.
    pub rows: Vec<(String, f64)>,
    /// The shape of a row.
    pub shape: Shape,
    /// Its node, of shape `[rows, ..]`.
    pub node: NodeId,
    /// What a training step makes of it; `None` where it stays.
    pub next: Option<NodeId>,
}

impl BufferSpec {
    /// Its initial value.
    pub fn initial(&self) -> Vec<f64> {
        self.rows.iter().flat_map(|(_, value)| std::iter::repeat_n(*value, self.shape.elements())).collect()
    }
}

/// The initial values of a model's parameters, in order, as functions of `seed` and of each one's place.
pub fn initial_parameters(parameters: &[ParameterSpec], seed: u64) -> Vec<Vec<f64>> {
    let fill = |(i, p): (usize, &ParameterSpec)| p.initializer.fill(&p.shape, p.fan_in, seed, i as u32);
    parameters.iter().enumerate().map(fill).collect()
}

/// What layers and models build with: makes parameters under the current name prefix and lends the graph for the rest.
///
/// A net that is no chain calls the graph's ops:
///
/// ```
/// use thalweg::graph::Graph;
/// use thalweg::nn::{Builder, Layer, Linear, Mode};
///
/// let mut graph = Graph::new();
/// let x = graph.input("x", [4, 3])?;
/// let mut b = Builder::new(&mut graph, Mode::Train);
/// let h = b.scope("fc", |b| Linear::new(3).build(b, x))?;
/// let y = b.graph().add(x, h)?; // a residual connection
/// assert_eq!(b.parameters()[0].name, "fc.weight");
/// assert_eq!(graph.shape(y).to_string(), "[4, 3]");
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug)]
pub struct Builder<'a> {
    graph: &'a mut Graph,
    mode: Mode,
    prefix: String,
    parameters: Vec<ParameterSpec>,
    buffers: Vec<BufferSpec>,
    counters: Vec<String>,
}

impl<'a> Builder<'a> {
    /// A builder into `graph`.
    pub fn new(graph: &'a mut Graph, mode: Mode) -> Self {
        Self { graph, mode, prefix: String::new(), parameters: Vec::new(), buffers: Vec::new(), counters: Vec::new() }
    }

    /// Whether the model is to be trained or used.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The graph, to apply ops.
    pub fn graph(&mut self) -> &mut Graph {
        self.graph
    }

    /// The shape of a node's value.
    pub fn shape(&self, id: NodeId) -> &Shape {
        self.graph.shape(id)
    }

    /// Runs `build` with `name` and a dot before every name it makes.
    pub fn scope<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        let made = build(self);
        self.prefix.truncate(outer);
        made
    }

    /// `name` under the current prefix.
    pub fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A parameter whose fan-in follows from its shape: all axes but the first, or the elements of a vector.
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`].
    pub fn parameter(
        &mut self,
        name: &str,
        shape: impl Into<Shape>,
        initializer: Initializer,
    ) -> Result<NodeId, GraphError> {
        let shape = shape.into();
        let fan_in = if shape.rank() < 2 { shape.elements() } else { shape[1..].iter().product() };
        self.parameter_with_fan(name, shape, initializer, fan_in)
    }

    /// A parameter of the given fan-in: a bias takes its weight's.
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`].
    pub fn parameter_with_fan(
        &mut self,
        name: &str,
        shape: impl Into<Shape>,
        initializer: Initializer,
        fan_in: usize,
    ) -> Result<NodeId, GraphError> {
        let (name, shape) = (self.full_name(name), shape.into());
        self.free("parameter", &name)?;
        let node = self.graph.parameter(&name, shape.clone())?;
        self.parameters.push(ParameterSpec { name, shape, initializer, fan_in, node });
        Ok(node)
    }

    /// The parameters made so far, in order.
    pub fn parameters(&self) -> &[ParameterSpec] {
        &self.parameters
    }

    /// A tensor that is kept from step to step but not learnt. Each of `rows` is a name that files know it by and the value
    /// it starts with, all of shape `shape`; the node has the shape `[rows, ..shape]`. What a training step makes of it
    /// is told by [`update`](Self::update).
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`].
    pub fn buffer(&mut self, name: &str, rows: &[(&str, f64)], shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        let (name, shape) = (self.full_name(name), shape.into());
        let rows: Vec<(String, f64)> = rows.iter().map(|&(row, value)| (self.full_name(row), value)).collect();
        for (i, (row, _)) in rows.iter().enumerate() {
            self.free("buffer", row)?;
            if rows[..i].iter().any(|(name, _)| name == row) {
                return Err(GraphError::DuplicateName { kind: "buffer", name: row.clone() });
            }
        }
        let node = self.graph.buffer(&name, Shape::from([&[rows.len()], shape.axes()].concat()))?;
        self.buffers.push(BufferSpec { name, rows, shape, node, next: None });
        Ok(node)
    }

    /// What a training step makes of a buffer: a node of the buffer's shape, which may be computed from the buffer itself.
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] where the shapes differ, [`GraphError::ForeignNode`] where `buffer` is none of this builder's.
    pub fn update(&mut self, buffer: NodeId, next: NodeId) -> Result<(), GraphError> {
        let (wanted, found) = (self.shape(buffer).clone(), self.shape(next).clone());
        let Some(spec) = self.buffers.iter_mut().find(|spec| spec.node == buffer) else {
            return Err(GraphError::ForeignNode { node: buffer.index(), nodes: self.graph.nodes().len() });
        };
        if wanted != found {
            return Err(GraphError::Shape { op: "update", operand: "next", expected: wanted.to_string(), found });
        }
        let (expected, dtype) = (Dtype::Real.describe(), self.graph.node(next).meta.dtype);
        if dtype != Dtype::Real {
            return Err(GraphError::Dtype { op: "update", operand: "next", expected, found: dtype.describe() });
        }
        spec.next = Some(next);
        Ok(())
    }

    /// A whole number in the model's files that counts the training steps done (PyTorch's `num_batches_tracked`).
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`].
    pub fn counter(&mut self, name: &str) -> Result<(), GraphError> {
        let name = self.full_name(name);
        self.free("counter", &name)?;
        self.counters.push(name);
        Ok(())
    }

    /// Refuses a name that the model's files have already.
    fn free(&self, kind: &'static str, name: &str) -> Result<(), GraphError> {
        let rows = self.buffers.iter().flat_map(|b| &b.rows).map(|(row, _)| row);
        let mut taken = self.parameters.iter().map(|p| &p.name).chain(rows).chain(&self.counters);
        match taken.any(|taken| taken == name) {
            true => Err(GraphError::DuplicateName { kind, name: name.into() }),
            false => Ok(()),
        }
    }

    /// Ends the building and gives the parameters, the buffers and the counters.
    pub fn into_parts(self) -> (Vec<ParameterSpec>, Vec<BufferSpec>, Vec<String>) {
        (self.parameters, self.buffers, self.counters)
    }
}
