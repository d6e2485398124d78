//! A sum and a function of it in one launch.

use super::{Arithmetic, Binary};
use crate::error::GraphError;
use crate::graph::accumulate::sums;
use crate::kernel::{Kernel, Launches, Plan, wgsl};
use crate::op::pass::store;
use crate::op::unary::Function;

impl Binary {
    /// The launches with a function in their store: of sums of one shape, as residual blocks end in.
    pub(in crate::op) fn launched(&self, plan: &Plan, function: Option<Function>) -> Result<Option<Launches>, GraphError> {
        let alike = plan.inputs.iter().all(|input| input.shape == plan.output.shape);
        if self.arithmetic != Arithmetic::Add || !alike {
            return Ok(None);
        }
        let mut kernel = Kernel::new("add", wgsl!("graph/accumulate", "lib/grid"), "accumulate");
        store(&mut kernel, function);
        sums("add", kernel, plan).map(Some)
    }
}
