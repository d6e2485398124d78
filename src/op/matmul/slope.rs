//! A gradient on its way through an activation, a dropout or both: the product and what follows it in one launch.

use std::sync::Arc;

use super::product::{Finish, Sources, product};
use super::way::loads;
use super::{Matmul, split};
use crate::error::GraphError;
use crate::graph::{Fused, NodeId, Scene};
use crate::kernel::{Launches, Plan, wgsl};
use crate::op::pass::Chain;

/// Without the part that says how a value goes on.
const SOURCES: Sources = product!("op/matmul_pass", "op/matmul_pass_twice");

/// Products that nothing reads but element-wise nodes of the backward pass: `dz = f′(y) ⊙ (dz' W')`. The product itself is never
/// stored, and the slope is taken once for each element, where the products that read dz would take it once for each tile.
/// Gradients of weights are left to their sums.
pub(in crate::op) fn find(scene: &Scene<'_>) -> Vec<Fused> {
    let group = |(value, matmul): (NodeId, &Matmul)| {
        let (matmul, chain) = (*matmul, Chain::behind(scene, value)?);
        let inputs = [scene.graph().node(value).inputs(), &chain.inputs].concat();
        let outputs = vec![chain.end];
        let launches = move |plan: &Plan| -> Result<Option<Launches>, GraphError> {
            // A place in C is one in what the chain reads.
            if !chain.fits(plan, 2) {
                return Ok(None);
            }
            let product = matmul.product(&plan.inputs[0].shape, &plan.inputs[1].shape);
            // Parts go nowhere. Few tiles are few elements: a launch for their slope costs less than a card that idles.
            if split::parts(&product, plan).is_some() {
                return Ok(None);
            }
            let finish =
                Finish { op: "matmul", sources: SOURCES, constants: Vec::new(), bias: None, past: 0, plan };
            let mut all = product.launches(&finish)?;
            let [launch] = &mut all.list[..] else { return Ok(None) };
            launch.kernel.name = format!("matmul {}", chain.name()).into();
            launch.params.extend(["first_member", "stream", "rate_stride"].map(|name| (name, 0u32.into())));
            chain.complete(launch, plan, 2, loads(&product, plan));
            Ok(Some(all))
        };
        Some(Fused { name: "matmul", inputs, outputs, like: Some(value), launches: Arc::new(launches) })
    };
    scene.all::<Matmul>().filter(|(_, op)| !op.sum_batch).filter_map(group).collect()
}
