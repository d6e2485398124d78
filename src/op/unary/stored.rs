//! A function in the store of the kernel that computes its argument, and its slope in that of the gradient which it passes on.

use std::sync::Arc;

use super::{Function, Unary, UnaryGradient};
use crate::error::GraphError;
use crate::graph::{Fused, NodeId, Op, Scene};
use crate::kernel::{Launches, Plan};
use crate::op::binary::Binary;
use crate::op::conv2d::Conv2d;
use crate::op::max_pool2d::MaxPool2dGradient;
use crate::op::normalize::Normalize;

/// How an op is launched with a function in its store, if it is.
type Launched<O> = fn(&O, &Plan, Option<Function>) -> Result<Option<Launches>, GraphError>;

/// Functions of what an op of this type computes, where nothing else reads that: those whose slope is had from the output, while
/// training.
fn values<O: Op + Copy>(scene: &Scene<'_>, op: &'static str, name: &'static str, launched: Launched<O>) -> Vec<Fused> {
    let inputs = |id: NodeId| scene.graph().node(id).inputs();
    let group = |(y, unary): (NodeId, &Unary)| {
        let z = inputs(y)[0];
        let (own, function) = (*scene.as_op::<O>(z)?, unary.function);
        if scene.readers(z) != [y] || scene.wanted(z) || !scene.free(z) {
            return None;
        }
        let launches = move |plan: &Plan| Ok(launched(&own, plan, Some(function))?.map(|all| renamed(all, name)));
        let inputs = inputs(z).to_vec();
        Some(Fused { name: op, inputs, outputs: vec![y], like: Some(z), launches: Arc::new(launches) })
    };
    scene.all::<Unary>().filter_map(group).collect()
}

/// With the name that profiles show.
fn renamed(mut all: Launches, name: &'static str) -> Launches {
    all.list.iter_mut().for_each(|launch| launch.kernel.name = name.into());
    all
}

/// Convolutions and the functions of what they compute.
pub(in crate::op) fn convolutions(scene: &Scene<'_>) -> Vec<Fused> {
    values::<Conv2d>(scene, "conv2d", "conv2d with activation", |op, plan, f| op.launched(plan, f).map(Some))
}

/// Normalisations and the functions of what they compute.
pub(in crate::op) fn normalisations(scene: &Scene<'_>) -> Vec<Fused> {
    values::<Normalize>(scene, "normalize", "normalize with activation", |op, plan, f| op.launched(plan, f).map(Some))
}

/// Sums and the functions of them.
pub(in crate::op) fn sums(scene: &Scene<'_>) -> Vec<Fused> {
    values::<Binary>(scene, "add", "add with activation", Binary::launched)
}

/// Slopes of what a pooling took the largest of: at a window's winner the kernel has it at hand, and elsewhere nothing arrives.
pub(in crate::op) fn poolings(scene: &Scene<'_>) -> Vec<Fused> {
    let inputs = |id: NodeId| scene.graph().node(id).inputs();
    let group = |(dz, slope): (NodeId, &UnaryGradient)| {
        let &[s, dy] = inputs(dz) else { return None };
        let (own, function) = (*scene.as_op::<MaxPool2dGradient>(dy)?, slope.function);
        // Times a slope without a bound, an infinite one, what does not arrive is a NaN, which must show.
        if function.steep() || inputs(dy)[0] != s || scene.readers(dy) != [dz] || scene.wanted(dy) || !scene.free(dy) {
            return None;
        }
        let name = "max_pool2d_gradient";
        let launches = move |plan: &Plan| {
            Ok(Some(renamed(own.launched(plan, Some(function))?, "max_pool2d_gradient with slope")))
        };
        let inputs = inputs(dy).to_vec();
        Some(Fused { name, inputs, outputs: vec![dz], like: None, launches: Arc::new(launches) })
    };
    scene.all::<UnaryGradient>().filter_map(group).collect()
}
