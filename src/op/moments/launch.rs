//! How the sums of a class map to workgroups: parts that fill a card, then what the parts make.

use super::layout::View;
use crate::kernel::{Plan, Tiling};
use crate::op::reduce::{Axes, additions};

/// How many terms an invocation or a workgroup adds up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Whether a part has a workgroup, or else an invocation.
    pub by_workgroup: bool,
    /// Terms of a part.
    pub chunk: usize,
    /// Parts of a class.
    pub parts: usize,
}

impl Cut {
    pub fn of(plan: &Plan, view: View) -> Self {
        Self::new(plan.tiling == Tiling::Workgroup, view)
    }

    fn new(workgroups: bool, view: View) -> Self {
        // Lanes beside each other read runs of a class; where these are short, neighbouring classes lie side by side.
        let by_workgroup = workgroups && view.len >= 128 && view.inner >= 16;
        let least = if by_workgroup { 4096 } else { 256 };
        if view.len <= 2 * least {
            return Self { by_workgroup, chunk: view.len.max(1), parts: 1 };
        }
        // Never more parts than terms in one.
        let chunk = least.max(view.len.isqrt());
        Self { by_workgroup, chunk, parts: view.len.div_ceil(chunk) }
    }

    /// Workgroups for `rows` rows of the grid.
    pub fn groups(&self, plan: &Plan, rows: usize) -> [u32; 3] {
        if self.by_workgroup { plan.groups(rows) } else { plan.linear(rows, 64) }
    }

    fn depth(&self) -> usize {
        // Both kernels over elements add up runs of 16, then the runs.
        let runs = |n: usize| if n > 16 { 16 + n.div_ceil(16) } else { n };
        if self.by_workgroup { runs(self.chunk.div_ceil(64)) + 6 } else { runs(self.chunk) }
    }
}

/// Whether a workgroup merges the parts of a class, or an invocation.
pub(super) fn merged_by_workgroup(plan: &Plan, parts: usize) -> bool {
    plan.tiling == Tiling::Workgroup && parts >= 64
}

/// The most additions that a term goes through in one part, and a part in the merge, whatever the adapter.
pub(super) fn moment_depths(view: View) -> (usize, usize) {
    let cuts = [false, true].map(|workgroups| Cut::new(workgroups, view));
    (cuts.map(|cut| cut.depth()).into_iter().max().unwrap_or(0), cuts.map(|cut| cut.parts).into_iter().max().unwrap_or(0))
}

/// The most additions that a term of `values` sums a class goes through when the parts are added up as a reduction.
pub(crate) fn sum_depth(view: View, values: usize) -> usize {
    let depth = |workgroups| {
        let cut = Cut::new(workgroups, view);
        cut.depth() + additions(Axes { outer: 1, len: cut.parts, inner: values * view.classes })
    };
    depth(false).max(depth(true))
}
