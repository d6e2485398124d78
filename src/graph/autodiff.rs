//! Reverse-mode differentiation on the graph: the backward pass is more nodes.

use super::{Accumulate, Graph, Kind, NodeId};
use crate::error::GraphError;

/// What an op's [`gradient`](super::Op::gradient) sees: its inputs, its output, the gradient that arrives, and the
/// graph to put nodes into.
pub struct Tape<'a> {
    graph: &'a mut Graph,
    inputs: Vec<NodeId>,
    output: NodeId,
    upstream: NodeId,
    needs: Vec<bool>,
    asked: Vec<bool>,
}

impl Tape<'_> {
    /// The op's n-th input.
    pub fn input(&self, n: usize) -> NodeId {
        self.inputs[n]
    }

    /// How many inputs the op has.
    pub fn arity(&self) -> usize {
        self.inputs.len()
    }

    /// The op's own output, so that a backward pass can reuse the forward's values.
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// The gradient of the loss with respect to the output, of the output's shape.
    pub fn upstream(&self) -> NodeId {
        self.upstream
    }

    /// Whether anybody asked for the gradient of the n-th input.
    pub fn needs(&self, n: usize) -> bool {
        self.needs[n]
    }

    /// Whether the n-th input is itself one of those that the gradient is taken with respect to, not only on the way
    /// to one: then it is a variable of its own, and no shortcut past it is allowed.
    pub fn asked(&self, n: usize) -> bool {
        self.asked[n]
    }

    /// The graph, to apply ops.
    pub fn graph(&mut self) -> &mut Graph {
        self.graph
    }
}

impl Graph {
    /// Appends the gradients of `y` with respect to each of `wrt`, weighted by `upstream`, a node of `y`'s shape (a setting of
    /// value 1 for a scalar loss). `None` for those that `y` does not depend on.
    ///
    /// # Errors
    ///
    /// What the ops on the path refuse, [`GraphError::Shape`] if `upstream` is not of `y`'s shape.
    pub fn gradients(
        &mut self,
        y: NodeId,
        upstream: NodeId,
        wrt: &[NodeId],
    ) -> Result<Vec<Option<NodeId>>, GraphError> {
        if self.shape(y) != self.shape(upstream) {
            return Err(GraphError::Shape {
                op: "gradients",
                operand: "upstream",
                expected: self.shape(y).to_string(),
                found: self.shape(upstream).clone(),
            });
        }
        // Which nodes lie on a path from one of `wrt`.
        let end = y.0 + 1;
        let mut depends = vec![false; end];
        for i in 0..end {
            let id = NodeId(i);
            depends[i] = wrt.contains(&id) || self.node(id).inputs().iter().any(|input| depends[input.0]);
        }
        let mut gradient: Vec<Option<NodeId>> = vec![None; end];
        if depends[y.0] {
            gradient[y.0] = Some(upstream);
        }
        for i in (0..end).rev() {
            let (Some(arrived), Kind::Op { op, inputs }) = (gradient[i], self.node(NodeId(i)).kind.clone()) else {
                continue;
            };
            let needs: Vec<bool> = inputs.iter().map(|input| depends[input.0]).collect();
            if !needs.contains(&true) {
                continue;
            }
            let mut tape = Tape {
                graph: self,
                inputs: inputs.clone(),
                output: NodeId(i),
                upstream: arrived,
                needs: needs.clone(),
                asked: inputs.iter().map(|input| wrt.contains(input)).collect(),
            };
            let parts = op.gradient(&mut tape)?;
            for ((input, part), needed) in inputs.iter().zip(parts).zip(needs) {
                let (Some(part), true) = (part, needed) else { continue };
                gradient[input.0] = Some(match gradient[input.0] {
                    None => part,
                    Some(before) => self.apply(Accumulate, &[before, part])?,
                });
            }
        }
        Ok(wrt.iter().map(|id| gradient.get(id.0).copied().flatten()).collect())
    }
}
