//! The whole of a narrow network's step between the minibatch and the update: dense layers, the loss, and all gradients, in two
//! launches. Where layers are narrow a step of one launch a layer waits for launches more than it computes.

mod launch;
mod layout;
mod source;

use std::sync::Arc;

use super::head;
use super::rows::RowLoss;
use crate::graph::{Fused, Fusion, NodeId, Scene};
use crate::kernel::Plan;
use crate::op::affine::Affine;
use crate::op::matmul::{Matmul, SUM};
use crate::op::sum_to::SumTo;
use crate::op::unary::{Function, UnaryGradient};
use layout::{Layout, Width};

pub(super) use launch::chain;

/// The losses that a chain of dense layers may end in.
pub(super) const FUSIONS: [Fusion; 3] = [
    Fusion { name: "dense chain, cross_entropy", find: find::<super::cross_entropy::CrossEntropy> },
    Fusion { name: "dense chain, soft_cross_entropy", find: find::<super::soft_cross_entropy::SoftCrossEntropy> },
    Fusion { name: "dense chain, hinge", find: find::<super::hinge::Hinge> },
];

/// Layers of a chain, at most: each takes two bindings and the text of three products.
const MOST: usize = 4;

/// A layer with the nodes of its backward pass.
struct Layer {
    x: NodeId,
    weight: NodeId,
    bias: NodeId,
    y: NodeId,
    function: Option<Function>,
    weight_gradient: NodeId,
    bias_gradient: NodeId,
    /// The gradient before the activation.
    dz: NodeId,
    /// The gradient of `x`, where a layer below needs it.
    dx: Option<NodeId>,
}

/// The chains that end in this loss: `x → affine → … → affine → loss`, with the gradients of every weight and bias and nothing
/// else read of what lies between.
fn find<L: RowLoss>(scene: &Scene<'_>) -> Vec<Fused> {
    head::rows::<L>(scene).into_iter().filter_map(|head| chain::<L>(scene, &head)).collect()
}

fn chain<L: RowLoss>(scene: &Scene<'_>, head: &Fused) -> Option<Fused> {
    let mut layers = vec![layer(scene, head.inputs[0], head.outputs[0])?];
    while let Some(dx) = layers[layers.len() - 1].dx {
        let below = layers[layers.len() - 1].x;
        let function = scene.as_op::<Affine>(below)?.activation.function();
        // What arrives before the activation below: its slope is a node of its own.
        let dz = match function {
            Some(function) => {
                *scene.readers(dx).iter().find(|&&id| slope_of(scene, id, function) == Some([below, dx]))?
            }
            None => dx,
        };
        layers.push(layer(scene, below, dz)?);
    }
    layers.reverse();
    let mut functions = layers.iter().filter_map(|l| l.function);
    let function = functions.next();
    let last = layers.last()?;
    // One function a kernel, and a loss that takes the scores as they are.
    if layers.len() > MOST || functions.any(|other| Some(other) != function) || last.function.is_some() {
        return None;
    }
    let x = layers[0].x;
    let inputs: Vec<NodeId> =
        [x, head.inputs[1], head.inputs[2]].into_iter().chain(layers.iter().flat_map(|l| [l.weight, l.bias])).collect();
    let gradients = layers.iter().flat_map(|l| [l.weight_gradient, l.bias_gradient]);
    let outputs: Vec<NodeId> = gradients.chain(head.outputs[1..].iter().copied()).collect();
    let inside: Vec<NodeId> = layers.iter().flat_map(|l| [Some(l.y), Some(l.dz), l.dx]).flatten().collect();
    let covered = |id: &NodeId| inside.contains(id) || outputs.contains(id);
    let hidden = |&id: &NodeId| scene.free(id) && !scene.wanted(id) && scene.readers(id).iter().all(covered);
    let graph = scene.graph();
    if graph.shape(x).rank() != 2 || !inside.iter().all(hidden) || !outputs.iter().all(|&id| scene.free(id)) {
        return None;
    }
    let width = |l: &Layer| Width {
        inputs: graph.shape(l.weight)[1],
        outputs: graph.shape(l.weight)[0],
        bent: l.function.is_some(),
    };
    let layout = Layout::new(graph.shape(x)[0], layers.iter().map(width).collect(), head.outputs.len() == 3);
    let launches = move |plan: &Plan| Ok(launch::launches(&layout, function, L::CHAIN, plan));
    Some(Fused { name: "dense chain", inputs, outputs, like: None, launches: Arc::new(launches) })
}

/// The layer that computes `y`, given the gradient before its activation.
fn layer(scene: &Scene<'_>, y: NodeId, dz: NodeId) -> Option<Layer> {
    let inputs = |id: NodeId| scene.graph().node(id).inputs();
    let function = scene.as_op::<Affine>(y)?.activation.function();
    let &[x, weight, bias] = inputs(y) else { return None };
    let reader = |fits: &dyn Fn(NodeId) -> bool| scene.readers(dz).iter().copied().find(|&id| fits(id));
    let product =
        |id: NodeId, op: Matmul, with: [NodeId; 2]| scene.as_op::<Matmul>(id) == Some(&op) && inputs(id) == with;
    let weight_gradient = reader(&|id| product(id, SUM, [dz, x]))?;
    let width = scene.graph().shape(bias);
    let bias_gradient = reader(&|id| scene.as_op::<SumTo>(id).is_some_and(|sum| &sum.shape == width))?;
    let dx = reader(&|id| product(id, Matmul::default(), [dz, weight]));
    Some(Layer { x, weight, bias, y, function, weight_gradient, bias_gradient, dz, dx })
}

/// What a slope of this function is taken of.
fn slope_of(scene: &Scene<'_>, id: NodeId, function: Function) -> Option<[NodeId; 2]> {
    let op = scene.as_op::<UnaryGradient>(id)?;
    let inputs = scene.graph().node(id).inputs();
    (op.function == function).then(|| [inputs[0], inputs[1]])
}
