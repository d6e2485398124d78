//! A loss, its gradient and the accuracy in one go: all three read the same scores and targets.

use std::sync::Arc;

use super::accuracy::Accuracy;
use super::pointwise::{Mean, MeanGradient, Pointwise};
use super::rows::{RowLoss, RowMean, RowMeanGradient};
use crate::error::GraphError;
use crate::graph::{Fused, NodeId, Op, Scene};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Tiling, padded, wgsl};
use crate::op::reduce::{Axes, rows_by_workgroup};

/// Elements that one workgroup takes alone, at most: beyond that a second launch costs less than idle cores.
const WHOLE: usize = 8192;
/// Rows (or runs of elements) whose results one workgroup adds up, at most.
const MOST: usize = 1 << 16;

/// The kernel of all rows by one workgroup, and that of each row by an invocation and by a workgroup.
pub type Sources = [&'static str; 3];

/// The sources of a loss whose parts are named: what its targets are, a row of it, and what that links.
macro_rules! head {
    ($($part:literal),* $(,)?) => {
        [
            wgsl!("loss/head/whole" $(, $part)*, "lib/row_invocation"),
            wgsl!("loss/head/rows" $(, $part)*, "lib/row_invocation"),
            wgsl!("loss/head/rows" $(, $part)*, "lib/row_workgroup"),
        ]
    };
}
pub(super) use head;

/// Rows of scores as the kernels see them.
#[derive(Clone, Copy, Debug)]
struct Head {
    sources: Sources,
    /// Rows, elements of a row (the last may have fewer), elements in all.
    rows: usize,
    width: usize,
    len: usize,
    /// What a mean divides by.
    count: usize,
    /// Whether one workgroup takes all rows, and if not, whether each row gets one.
    whole: bool,
    by_workgroup: bool,
    /// Whether the third output is the accuracy.
    accuracy: bool,
}

impl Head {
    /// Inputs: scores, targets, the gradient that arrives. Outputs: the scores' gradient, the loss, perhaps the accuracy.
    fn launches(&self, plan: &Plan) -> Option<Launches> {
        let Self { rows, width, len, .. } = *self;
        if len == 0 || len > plan.max_elements || 2 * rows > plan.max_elements || rows > MOST {
            return None;
        }
        let mut all = Launches::default();
        let factor = ((1.0 / self.count as f64) as f32).into();
        let right = plan.beside.get(1).filter(|_| self.accuracy);
        let (right, right_stride) = match right {
            Some(place) => (Operand::Beside(1), place.stride),
            None => {
                all.scratch.push(1);
                (Operand::Scratch(0), padded(1))
            }
        };
        let read = |n: usize| Binding::read(Operand::Input(n), plan.inputs[n].elements());
        let mut bindings = vec![read(0), read(1), read(2), Binding::write(Operand::Output, len)];
        let means = [Binding::write(Operand::Beside(0), 1), Binding::write(right, 1)];
        let strides = [
            ("s_stride", plan.inputs[0].stride.into()),
            ("t_stride", plan.inputs[1].stride.into()),
            ("dy_stride", plan.inputs[2].stride.into()),
            ("ds_stride", plan.output.stride.into()),
        ];
        let ends = [("y_stride", plan.beside[0].stride.into()), ("right_stride", right_stride.into())];
        let mut params = vec![("rows", rows.into()), ("width", width.into()), ("len", len.into()), ("factor", factor)];
        let marked = |kernel: Kernel| kernel.constant("RIGHT", f64::from(u8::from(self.accuracy)));
        if self.whole {
            bindings.extend(means);
            params.extend(strides);
            params.extend(ends);
            let kernel = marked(Kernel::new("head", self.sources[0], "whole"));
            all.list.push(Launch { kernel, params, bindings, groups: [1, 1, plan.members], flops: 0 });
            return Some(all);
        }
        let parts = Operand::Scratch(all.scratch.len());
        all.scratch.push(2 * rows);
        let part_stride = ("part_stride", padded(2 * rows).into());
        bindings.push(Binding::write(parts, 2 * rows));
        params.extend(strides);
        params.push(part_stride);
        let kernel = marked(Kernel::new("head", self.sources[1 + usize::from(self.by_workgroup)], "rows"));
        let groups = if self.by_workgroup { plan.groups(rows) } else { plan.linear(rows, 64) };
        all.list.push(Launch { kernel, params, bindings, groups, flops: 0 });
        let [y, right] = means;
        all.list.push(Launch {
            kernel: Kernel::new("means", wgsl!("loss/head/means"), "means"),
            params: [("rows", rows.into()), ("factor", factor), part_stride].into_iter().chain(ends).collect(),
            bindings: vec![Binding::read(parts, 2 * rows), y, right],
            groups: [1, 1, plan.members],
            flops: 0,
        });
        Some(all)
    }
}

/// The gradients of type `G` with the loss of type `L` over the same scores and targets, and the accuracy if there is one.
fn find<L: Op, G: Op>(
    scene: &Scene<'_>,
    name: &'static str,
    describe: impl Fn(&Plan, bool) -> Result<Option<Launches>, GraphError> + Copy + Send + Sync + 'static,
) -> Vec<Fused> {
    let inputs = |id: NodeId| scene.graph().node(id).inputs();
    let mut taken = Vec::new();
    let mut groups = Vec::new();
    for (gradient, _) in scene.all::<G>() {
        let over = &inputs(gradient)[..2];
        let beside = |id: &NodeId| inputs(*id) == over && !taken.contains(id);
        let Some(loss) = scene.all::<L>().map(|(id, _)| id).find(beside) else { continue };
        let accuracy = scene.all::<Accuracy>().map(|(id, _)| id).find(beside);
        let outputs: Vec<NodeId> = [gradient, loss].into_iter().chain(accuracy).collect();
        taken.extend_from_slice(&outputs);
        let counted = accuracy.is_some();
        groups.push(Fused {
            name,
            inputs: inputs(gradient).to_vec(),
            outputs,
            like: None,
            launches: Arc::new(move |plan: &Plan| describe(plan, counted)),
        });
    }
    groups
}

/// Those of a loss over rows.
pub(super) fn rows<L: RowLoss>(scene: &Scene<'_>) -> Vec<Fused> {
    find::<RowMean<L>, RowMeanGradient<L>>(scene, L::NAME, |plan, accuracy| {
        let (rows, width) = (plan.output.shape[0], plan.output.shape[1]);
        let by_workgroup = rows_by_workgroup(plan, Axes { outer: rows, len: width, inner: 1 });
        let len = rows * width;
        let whole = len <= WHOLE && !by_workgroup;
        let head = Head { sources: L::HEAD, rows, width, len, count: rows, whole, by_workgroup, accuracy };
        Ok(head.launches(plan))
    })
}

/// Those of an element-wise loss: a row is a run of elements.
pub(super) fn pointwise<F: Pointwise>(scene: &Scene<'_>) -> Vec<Fused> {
    find::<Mean<F>, MeanGradient<F>>(scene, F::NAME, |plan, accuracy| {
        let len = plan.output.elements();
        let by_workgroup = plan.tiling == Tiling::Workgroup;
        let whole = len <= WHOLE;
        let width = match (whole, by_workgroup) {
            (true, _) => len.div_ceil(64).max(1),
            (false, true) => 4096,
            (false, false) => 256,
        };
        let rows = len.div_ceil(width);
        let head = Head { sources: F::HEAD, rows, width, len, count: len, whole, by_workgroup, accuracy };
        Ok(head.launches(plan))
    })
}
