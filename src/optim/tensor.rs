//! Rules that look at a whole tensor: gradient transformations as graphs.

use std::fmt::Debug;

use super::Hyper;
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};
use crate::shape::Shape;

/// The part of an update rule that needs a whole tensor at once: a product of matrices, a mean over rows.
///
/// It is a transformation of the gradient, made of the library's ops, so it has their twins and their kernels. From a tensor's
/// gradient, value and states it makes a direction u and the new states; the fused update then takes
///
/// ```text
/// p ← (1 − h₁) p − h₀ u
/// ```
///
/// with h of [`hyper`](Self::hyper). Tensors that it does not [take](Self::takes) are updated by the element's rule beside it.
///
/// # Examples
///
/// Muon's direction for a matrix is nearly orthogonal, whatever the gradient's scale:
///
/// ```
/// use std::collections::HashMap;
/// use thalweg::device::{Feed, cpu};
/// use thalweg::graph::{Context, Graph};
/// use thalweg::optim::{DynRule, Muon, Operands};
///
/// let muon = Muon::default();
/// let rule = muon.tensor_rule().expect("muon is for matrices");
/// let mut g = Graph::new();
/// let operands = Operands::sources(&mut g, rule, &[2, 2].into())?;
/// let step = rule.transform(&mut g, &operands)?;
/// let mut feeds = HashMap::from([
///     (operands.gradient, Feed::Real(vec![3e-4, 1e-4, 0.0, 2e-4])),
///     (operands.parameter, Feed::Real(vec![0.0; 4])),
///     (operands.states[0], Feed::Real(vec![0.0; 4])),
/// ]);
/// let numbers = rule.numbers(1, 0.1);
/// feeds.extend(operands.numbers.iter().zip(&numbers).map(|(&id, &x)| (id, Feed::Real(vec![x]))));
/// let u = cpu::evaluate(&g, &feeds, &[step.direction], &Context::default())?.remove(0);
/// let squares = [u[0] * u[0] + u[1] * u[1], u[2] * u[2] + u[3] * u[3]]; // 1 for an orthogonal matrix
/// assert!(squares.iter().all(|x| (0.4..1.5).contains(x)) && (u[0] * u[2] + u[1] * u[3]).abs() < 0.2);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait TensorRule: Debug + Send + Sync {
    /// Whether tensors of that shape are updated by this part.
    fn takes(&self, shape: &Shape) -> bool;

    /// What is kept for such a tensor from step to step, all 0 at first: PyTorch's names, and the shapes.
    fn states(&self, shape: &Shape) -> Vec<(&'static str, Shape)>;

    /// Names of the numbers that [`numbers`](Self::numbers) gives.
    fn number_names(&self) -> &'static [&'static str];

    /// The graph's scalars at step `step = 1, 2, …` and learning rate η: equal for all tensors of a parameter group.
    fn numbers(&self, step: u64, learning_rate: f64) -> Vec<f64>;

    /// h of that step.
    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper;

    /// Appends the transformation.
    ///
    /// # Errors
    ///
    /// [`GraphError`] for operands that are not those of a tensor that the rule takes.
    fn transform(&self, graph: &mut Graph, operands: &Operands) -> Result<Transformed, GraphError>;
}

/// What a transformation starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operands {
    /// The gradient, clipped and averaged as it is to be.
    pub gradient: NodeId,
    /// The tensor before the step.
    pub parameter: NodeId,
    /// One for each of [`TensorRule::states`].
    pub states: Vec<NodeId>,
    /// One scalar for each of [`TensorRule::numbers`].
    pub numbers: Vec<NodeId>,
}

impl Operands {
    /// Sources for one tensor of that shape alone: `gradient`, `parameter`, the states and the numbers as inputs of those names,
    /// fed for each member.
    ///
    /// # Errors
    ///
    /// [`GraphError::DuplicateName`] in a graph that has inputs of these names.
    pub fn sources(graph: &mut Graph, rule: &dyn TensorRule, shape: &Shape) -> Result<Self, GraphError> {
        let mut input = |name: &str, shape: Shape| graph.member_input(name, crate::graph::Meta::real(shape));
        Ok(Self {
            gradient: input("gradient", shape.clone())?,
            parameter: input("parameter", shape.clone())?,
            states: rule.states(shape).into_iter().map(|(name, shape)| input(name, shape)).collect::<Result<_, _>>()?,
            numbers: rule.number_names().iter().map(|name| input(name, Shape::scalar())).collect::<Result<_, _>>()?,
        })
    }

    /// The scalars, as many as the rule has.
    pub(super) fn scalars<const N: usize>(&self, rule: &'static str) -> Result<[NodeId; N], GraphError> {
        self.numbers.as_slice().try_into().map_err(|_| GraphError::Arity {
            op: rule,
            expected: N,
            found: self.numbers.len(),
        })
    }

    /// The states, as many as the tensor has.
    pub(super) fn held<const N: usize>(&self, rule: &'static str) -> Result<[NodeId; N], GraphError> {
        self.states.as_slice().try_into().map_err(|_| GraphError::Arity {
            op: rule,
            expected: N,
            found: self.states.len(),
        })
    }
}

/// What a transformation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transformed {
    /// u, of the tensor's shape.
    pub direction: NodeId,
    /// The new states, in the order of [`TensorRule::states`].
    pub states: Vec<NodeId>,
}
