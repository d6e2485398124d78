//! What becomes of gradients that a rule looks at as whole tensors, before the update.

use super::Tensor;
use crate::error::GraphError;
use crate::graph::{Graph, Meta, NodeId};
use crate::optim::{Operands, TensorRule};
use crate::shape::Shape;

/// Numbers of a parameter group that a graph can read: those behind h₀ and h₁.
pub const NUMBERS: usize = 10;

/// A graph that makes directions of gradients, once they are added up and clipped: its inputs are the flat buffers' tensors, what
/// it keeps from step to step, and numbers of the step.
#[derive(Clone, Debug)]
pub struct Transform {
    pub(in crate::device) graph: Graph,
    pub(in crate::device) tensors: Vec<Turned>,
    pub(in crate::device) states: Vec<Kept>,
}

/// A tensor whose gradient becomes a direction.
#[derive(Clone, Debug)]
pub(in crate::device) struct Turned {
    /// Its number in [`Setup::tensors`](super::Setup::tensors).
    pub tensor: usize,
    /// Its parameter group.
    pub group: usize,
    pub gradient: NodeId,
    pub parameter: NodeId,
    pub numbers: Vec<NodeId>,
    pub direction: NodeId,
}

/// What is kept for a tensor.
#[derive(Clone, Debug)]
pub(in crate::device) struct Kept {
    pub tensor: Tensor,
    pub now: NodeId,
    pub next: NodeId,
}

impl Transform {
    /// The transformations by `rule` of the tensors `(number, parameter group)` of `tensors`.
    ///
    /// # Errors
    ///
    /// [`GraphError`] for a tensor that the rule does not take.
    pub fn new(
        rule: &dyn TensorRule,
        tensors: &[Tensor],
        taken: impl IntoIterator<Item = (usize, usize)>,
    ) -> Result<Self, GraphError> {
        let mut made = Self { graph: Graph::new(), tensors: Vec::new(), states: Vec::new() };
        let graph = &mut made.graph;
        for (tensor, group) in taken {
            let Tensor { name, shape } = &tensors[tensor];
            let kept = rule.states(shape);
            let mut input = |what: &str, shape: Shape| graph.member_input(&format!("{what}.{name}"), Meta::real(shape));
            let operands = Operands {
                gradient: input("gradient", shape.clone())?,
                parameter: input("parameter", shape.clone())?,
                states: kept.iter().map(|(what, shape)| input(what, shape.clone())).collect::<Result<_, _>>()?,
                numbers: rule
                    .number_names()
                    .iter()
                    .map(|what| input(what, Shape::scalar()))
                    .collect::<Result<_, _>>()?,
            };
            let made_of = rule.transform(graph, &operands)?;
            let states = kept.into_iter().zip(&operands.states).zip(made_of.states);
            made.states.extend(states.map(|(((what, shape), &now), next)| Kept {
                tensor: Tensor { name: format!("{name}.{what}"), shape },
                now,
                next,
            }));
            let Operands { gradient, parameter, numbers, .. } = operands;
            made.tensors.push(Turned { tensor, group, gradient, parameter, numbers, direction: made_of.direction });
        }
        Ok(made)
    }

    /// Whether the two differ by the numbers of a step alone: whether one can stand for the other.
    pub fn is_like(&self, other: &Self) -> bool {
        // Ops are compared by what they say of themselves, their constants included.
        format!("{self:?}") == format!("{other:?}")
    }

    /// What is kept from step to step, each tensor's name with the state's behind it; all 0 at first.
    pub fn states(&self) -> Vec<Tensor> {
        self.states.iter().map(|kept| kept.tensor.clone()).collect()
    }

    /// What a device computes.
    pub(in crate::device) fn wanted(&self) -> Vec<NodeId> {
        self.tensors.iter().map(|t| t.direction).chain(self.states.iter().map(|s| s.next)).collect()
    }
}
