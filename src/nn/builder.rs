//! What a model writes into: a graph, a name prefix, and the parameters met so far.

use super::Initializer;
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};
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
}

impl<'a> Builder<'a> {
    /// A builder into `graph`.
    pub fn new(graph: &'a mut Graph, mode: Mode) -> Self {
        Self { graph, mode, prefix: String::new(), parameters: Vec::new() }
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
        let node = self.graph.parameter(&name, shape.clone())?;
        self.parameters.push(ParameterSpec { name, shape, initializer, fan_in, node });
        Ok(node)
    }

    /// The parameters made so far, in order.
    pub fn parameters(&self) -> &[ParameterSpec] {
        &self.parameters
    }

    /// Ends the building and gives the parameters.
    pub fn into_parameters(self) -> Vec<ParameterSpec> {
        self.parameters
    }
}
