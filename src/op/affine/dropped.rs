//! A dense layer with a dropout behind it, in one launch.

use std::sync::Arc;

use super::Affine;
use crate::error::GraphError;
use crate::graph::{Fused, NodeId, Scene};
use crate::kernel::{Binding, Launches, Operand, Plan, wgsl};
use crate::op::dropout::Dropout;
use crate::op::matmul::product::{Sources, product};
use crate::op::pass::{DRAWN, link};

/// Without the activation, and what draws the words.
const SOURCES: Sources = product!("op/affine_dropout", "op/affine_dropout_twice", "op/affine_both");

/// Dropouts behind affine maps whose own value nobody needs: what is kept of a relu says what its slope was
/// (`op::pass`), and the identity's slope is known.
pub(in crate::op) fn find(scene: &Scene<'_>) -> Vec<Fused> {
    let inputs = |id: NodeId| scene.graph().node(id).inputs();
    let group = |(dropped, dropout): (NodeId, &Dropout)| {
        let (dropout, y, rate) = (*dropout, inputs(dropped)[0], inputs(dropped)[1]);
        let affine = *scene.as_op::<Affine>(y).filter(|_| scene.free(y))?;
        let needed = scene.wanted(y) || scene.read(y) || scene.readers(y).iter().any(|&r| r != dropped && scene.free(r));
        if needed || dropout.run != 1 {
            return None;
        }
        let launches = move |plan: &Plan| -> Result<Option<Launches>, GraphError> {
            let (rate, own) = plan.inputs.split_last().expect("the rate is the last");
            let mut all = affine.launched(&Plan { inputs: own.to_vec(), ..plan.clone() }, SOURCES)?;
            // A product in parts is finished by the last of them, which knows its own elements only.
            let [launch] = &mut all.list[..] else { return Ok(None) };
            launch.kernel.name = "affine with dropout".into();
            link(&mut launch.kernel, DRAWN);
            launch.params.extend([
                ("first_member", 0u32.into()),
                ("stream", dropout.stream.into()),
                ("rate_stride", rate.stride.into()),
            ]);
            launch.bindings.extend([Binding::read(Operand::Input(own.len()), 1), Binding::Control]);
            Ok(Some(all))
        };
        let inputs = [inputs(y), &[rate]].concat();
        Some(Fused { name: "affine", inputs, outputs: vec![dropped], like: Some(y), launches: Arc::new(launches) })
    };
    scene.all::<Dropout>().filter_map(group).collect()
}
