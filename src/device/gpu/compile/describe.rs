//! What launches say of themselves: told once, when a program is built.

use super::{Drafts, Shown};
use crate::device::explain::{LaunchReport, Phase, said};
use crate::graph::{Graph, Kind, NodeId, Unit};
use crate::kernel::Kernel;

impl Kernel {
    /// Its name, and its entry point where that says more.
    pub(super) fn title(&self) -> String {
        if self.name.contains(self.entry) { self.name.to_string() } else { format!("{}: {}", self.name, self.entry) }
    }
}

/// Bytes that the bindings of `members` show, each once: a value that all share is one, and so is an operand that is bound twice.
pub(super) fn traffic(shown: &[Shown<'_>], members: u32) -> u64 {
    let place = |s: &Shown<'_>| (s.bound.offset + s.first, s.len);
    let again =
        |n: usize| shown[..n].iter().any(|s| s.bound.buffer.is(&shown[n].bound.buffer) && place(s) == place(&shown[n]));
    let copies = |s: &Shown<'_>| if s.bound.stride > 0 { u64::from(members) } else { 1 };
    let words = (0..shown.len()).filter(|&n| !again(n)).map(|n| shown[n].len as u64 * copies(&shown[n]));
    4 * words.sum::<u64>()
}

impl Drafts {
    /// How many there are.
    pub(in crate::device::gpu) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those from `from` on move this much for each member, whatever their bindings show.
    pub(in crate::device::gpu) fn moves(&mut self, from: usize, bytes: usize) {
        self.0[from..].iter_mut().for_each(|d| d.report.bytes = bytes as u64 * u64::from(d.members));
    }

    /// Those from `from` on belong to that part of the step.
    pub(in crate::device::gpu) fn mark(&mut self, from: usize, phase: Phase) {
        self.0[from..].iter_mut().for_each(|d| d.report.phase = phase);
    }

    /// Tells those of a graph what their nodes are for.
    pub(in crate::device::gpu) fn mark_nodes(&mut self, tell: impl Fn(NodeId, &mut LaunchReport)) {
        for draft in &mut self.0 {
            if let Some(node) = draft.node {
                tell(node, &mut draft.report);
            }
        }
    }

    /// Those from `from` on compute this unit: its first value's shape, the parameters that go in, and what of a single op's inputs
    /// is not touched.
    pub(super) fn describe(&mut self, from: usize, graph: &Graph, unit: &Unit) {
        let id = unit.outputs[0];
        let of = said(graph, id);
        // What is needed first says which part of the step it is: a loss with its gradient belongs to the forward pass.
        let node = unit.outputs.iter().min().copied();
        for draft in &mut self.0[from..] {
            draft.node = node;
            draft.report.of.clone_from(&of);
        }
        let Kind::Op { op, inputs } = &graph.node(id).kind else { return };
        if unit.fused.is_some() {
            return;
        }
        let shape = graph.shape(id);
        let untouched = |(n, &input): (usize, &NodeId)| {
            let all = graph.shape(input).elements();
            all - op.touched(n, graph.shape(input), shape).min(all)
        };
        let untouched: usize = inputs.iter().enumerate().map(untouched).sum();
        let shown: u64 = self.0[from..].iter().map(|d| d.report.bytes / u64::from(d.members)).sum();
        let share = 1.0 - (4 * untouched) as f64 / shown.max(1) as f64;
        for draft in &mut self.0[from..] {
            if untouched > 0 {
                draft.report.bytes = (draft.report.bytes as f64 * share.max(0.0)).round() as u64;
            }
        }
    }
}
