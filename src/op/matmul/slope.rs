//! A gradient on its way through an activation: the product and the activation's slope in one launch.

use std::sync::Arc;

use super::product::{Finish, Sources, product};
use super::{Matmul, split};
use crate::error::GraphError;
use crate::graph::{Fused, NodeId, Scene};
use crate::kernel::{Binding, Launches, Operand, Plan, wgsl};
use crate::op::unary::{Function, UnaryGradient};

/// The kernels with a function's slope in their store; `None` where the slope is not had from the output.
fn sources(function: Function) -> Option<Sources> {
    Some(match function {
        Function::Relu => product!("op/matmul_slope", "op/relu"),
        Function::LeakyRelu { .. } => product!("op/matmul_slope", "op/leaky_relu"),
        Function::Elu { .. } => product!("op/matmul_slope", "op/elu", "lib/expm1"),
        Function::Tanh => product!("op/matmul_slope", "op/tanh", "lib/expm1"),
        Function::Sigmoid => product!("op/matmul_slope", "op/sigmoid", "lib/sigmoid"),
        Function::Softplus => product!("op/matmul_slope", "op/softplus", "lib/expm1"),
        _ => return None,
    })
}

/// Products that nothing reads but the slope of an activation: `dz = f′(y) ⊙ (dz' W')`. The product itself is never stored, and
/// the slope is taken once for each element, where the products that read dz would take it once for each tile.
pub(in crate::op) fn find(scene: &Scene<'_>) -> Vec<Fused> {
    let inputs = |id: NodeId| scene.graph().node(id).inputs();
    let group = |(dz, gradient): (NodeId, &UnaryGradient)| {
        let (s, dy) = (inputs(dz)[0], inputs(dz)[1]);
        let matmul = *scene.as_op::<Matmul>(dy).filter(|_| scene.free(dy))?;
        let (function, sources) = (gradient.function, sources(gradient.function)?);
        if scene.readers(dy) != [dz] || scene.wanted(dy) {
            return None;
        }
        let launches = move |plan: &Plan| -> Result<Option<Launches>, GraphError> {
            // A place in C is one in s.
            if plan.inputs[2].stride != plan.output.stride {
                return Ok(None);
            }
            let product = matmul.product(&plan.inputs[0].shape, &plan.inputs[1].shape);
            // Parts have no slope. Few tiles are few elements: a launch for their slope costs less than a card that idles.
            if split::parts(&product, plan).is_some() {
                return Ok(None);
            }
            let constants = function.constants();
            let mut all = product.launches(&Finish { op: "matmul", sources, constants, bias: None, past: 0, plan })?;
            let [launch] = &mut all.list[..] else { return Ok(None) };
            launch.kernel.name = "matmul with slope".into();
            launch.bindings.insert(2, Binding::read(Operand::Input(2), plan.output.elements()));
            Ok(Some(all))
        };
        let inputs = vec![inputs(dy)[0], inputs(dy)[1], s];
        Some(Fused { name: "matmul", inputs, outputs: vec![dz], like: Some(dy), launches: Arc::new(launches) })
    };
    scene.all::<UnaryGradient>().filter_map(group).collect()
}
