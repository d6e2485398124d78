//! A gradient on its way through an activation, a dropout or both: the product and what follows it in one launch.

use super::product::{Finish, Sources, product};
use super::way::loads;
use super::{Matmul, split};
use crate::error::GraphError;
use crate::graph::{Fused, Scene};
use crate::kernel::{Launches, Plan, wgsl};
use crate::op::pass::{Loads, gradients};

/// Without the part that says how a value goes on.
const SOURCES: Sources = product!("op/matmul_pass", "op/matmul_pass_twice");

/// Products that nothing reads but element-wise nodes of the backward pass: `dz = f′(y) ⊙ (dz' W')`. The product itself is never
/// stored, and the slope is taken once for each element, where the products that read dz would take it once for each tile.
pub(in crate::op) fn find(scene: &Scene<'_>) -> Vec<Fused> {
    gradients::<Matmul>(scene, "matmul", incomplete)
}

fn incomplete(matmul: &Matmul, plan: &Plan) -> Result<Option<(Launches, Loads)>, GraphError> {
    let product = matmul.product(&plan.inputs[0].shape, &plan.inputs[1].shape);
    // Parts go nowhere, and gradients of weights are left to their sums. Few tiles are few elements: a launch for their slope costs
    // less than a card that idles.
    if matmul.sum_batch || split::parts(&product, plan).is_some() {
        return Ok(None);
    }
    let finish = Finish { op: "matmul", sources: SOURCES, constants: Vec::new(), bias: None, past: 0, plan };
    let mut all = product.launches(&finish)?;
    for launch in &mut all.list {
        launch.params.extend(["first_member", "stream", "rate_stride"].map(|name| (name, 0u32.into())));
    }
    Ok(Some((all, loads(&product, plan))))
}
