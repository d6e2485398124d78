//! The gradients of a weight and a bias in one launch: both sum the same dz over the examples.

use std::sync::Arc;

use super::product::{Finish, Sources, product};
use super::{Matmul, SUM};
use crate::error::GraphError;
use crate::graph::{Fused, NodeId, Scene};
use crate::kernel::{Binding, Launches, Operand, Plan, wgsl};
use crate::op::sum_to::SumTo;

/// Examples that one invocation adds up, at most: beyond that a tree is faster, and it is what the bound of
/// [`SumTo`] counts on. Products that are cut along K ([`split`](super::split)) have more.
const MOST: usize = 512;

const SOURCES: Sources = product!("op/matmul_sums", "op/matmul_sums_twice");

/// Pairs of `dzᵀ x` and `Σ dz` over the same dz.
pub(in crate::op) fn find(scene: &Scene<'_>) -> Vec<Fused> {
    let graph = scene.graph();
    let mut taken: Vec<NodeId> = Vec::new();
    let mut groups = Vec::new();
    for (weight, _) in scene.all::<Matmul>().filter(|(_, op)| **op == SUM) {
        let inputs = graph.node(weight).inputs().to_vec();
        let dz = inputs[0];
        let width = [graph.shape(dz)[graph.shape(dz).rank() - 1]];
        let bias = |id: &NodeId| {
            let sum = scene.as_op::<SumTo>(*id).filter(|_| scene.free(*id) && !taken.contains(id));
            sum.is_some_and(|sum| sum.shape[..] == width)
        };
        let Some(bias) = scene.readers(dz).iter().copied().find(bias) else { continue };
        taken.push(bias);
        let launches = |plan: &Plan| -> Result<Option<Launches>, GraphError> {
            let product = SUM.product(&plan.inputs[0].shape, &plan.inputs[1].shape);
            let [_, outputs, _, examples] = product.size;
            let finish =
                Finish { op: "matmul", sources: SOURCES, constants: Vec::new(), bias: None, past: outputs, plan };
            let mut all = product.launches(&finish)?;
            let (true, [launch]) = (examples <= MOST, &mut all.list[..]) else { return Ok(None) };
            launch.kernel.name = "matmul with sums".into();
            launch.params.push(("sum_member", plan.beside[0].stride.into()));
            launch.bindings.push(Binding::write(Operand::Beside(0), outputs));
            launch.flops += (outputs * examples) as u64;
            Ok(Some(all))
        };
        groups.push(Fused { name: "matmul", inputs, outputs: vec![weight, bias], like: Some(weight), launches: Arc::new(launches) });
    }
    groups
}
