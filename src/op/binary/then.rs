//! A sum and a function of it in one launch.

use super::{Arithmetic, Binary};
use crate::error::GraphError;
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::op::pass::store;
use crate::op::unary::Function;

impl Binary {
    /// The launches with a function in their store: of sums of one shape, as residual blocks end in.
    pub(in crate::op) fn launched(&self, plan: &Plan, function: Option<Function>) -> Result<Option<Launches>, GraphError> {
        let alike = plan.inputs.iter().all(|input| input.shape == plan.output.shape);
        if self.arithmetic != Arithmetic::Add || !alike {
            return Ok(None);
        }
        let mut kernel = Kernel::new("add", wgsl!("op/add_then", "lib/grid"), "add_then");
        store(&mut kernel, function);
        let launch = |(offset, len): (usize, usize)| {
            let window = |operand| Window { operand, offset, len };
            Launch {
                kernel: kernel.clone(),
                params: vec![
                    ("len", len.into()),
                    ("a_stride", plan.inputs[0].stride.into()),
                    ("b_stride", plan.inputs[1].stride.into()),
                    ("y_stride", plan.output.stride.into()),
                ],
                bindings: vec![
                    Binding::Read(window(Operand::Input(0))),
                    Binding::Read(window(Operand::Input(1))),
                    Binding::Write(window(Operand::Output)),
                ],
                groups: plan.linear(len, 64),
                flops: 0,
            }
        };
        let runs = plan.runs("add", plan.output.elements(), &[1])?;
        Ok(Some(runs.into_iter().map(launch).collect::<Vec<_>>().into()))
    }
}
