//! Which buffer each value lives in, and for how long: both devices plan alike.

use crate::graph::{Graph, Kind, NodeId, Unit};

/// Where a node's value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// Not needed.
    Dead,
    /// A parameter, input or setting: its own place.
    Source,
    /// A place of the caller's choosing: a gradient of the flat buffer.
    Pinned(usize),
    /// A slot that values share by lifetime.
    Slot(usize),
}

/// Homes of all nodes, sizes of the slots, and the slots that each unit borrows while it is computed.
#[derive(Debug)]
pub(super) struct Memory {
    /// A node's home; a view has the home of what it views.
    pub homes: Vec<Home>,
    /// The node whose bytes a node shares: itself, or what a chain of views begins at.
    pub roots: Vec<NodeId>,
    /// Bytes (or any unit `size` counts in) of each slot.
    pub slots: Vec<usize>,
    /// For each unit, slots for its scratch.
    pub scratch: Vec<Vec<usize>>,
}

/// Plans the values of `units`, computed in this order. `size(node)` is what a node's value takes in all, `scratch(unit)` what the
/// launches of that unit borrow, `pinned(node)` a place outside the slots. Without `recycle` no two values or scratches share a slot.
pub(super) fn plan(
    graph: &Graph,
    units: &[Unit],
    wanted: &[NodeId],
    size: impl Fn(NodeId) -> usize,
    scratch: impl Fn(usize) -> Vec<usize>,
    pinned: impl Fn(NodeId) -> Option<usize>,
    recycle: bool,
) -> Memory {
    let count = graph.nodes().len();
    let roots = roots(graph);
    let touched = |unit: &Unit| {
        let mut ids: Vec<NodeId> = unit.inputs.iter().chain(&unit.outputs).map(|id| roots[id.0]).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let mut last = vec![0; count];
    for (u, unit) in units.iter().enumerate() {
        touched(unit).into_iter().for_each(|id| last[id.0] = u);
    }
    for id in wanted {
        last[roots[id.0].0] = usize::MAX;
    }
    let mut homes = vec![Home::Dead; count];
    let mut borrowed = vec![Vec::new(); units.len()];
    let mut pool = Pool::default();
    for (u, unit) in units.iter().enumerate() {
        for &id in &unit.outputs {
            homes[id.0] = if roots[id.0] != id {
                homes[roots[id.0].0]
            } else if !matches!(graph.node(id).kind, Kind::Op { .. }) {
                Home::Source
            } else if let Some(place) = pinned(id) {
                Home::Pinned(place)
            } else {
                Home::Slot(pool.take(size(id)))
            };
        }
        borrowed[u] = scratch(u).into_iter().map(|n| pool.take(n)).collect();
        borrowed[u].iter().filter(|_| recycle).for_each(|&slot| pool.give(slot));
        // A slot is free again only after the unit that reads it last, so no launch reads and writes one slot.
        for root in touched(unit) {
            if let (Home::Slot(slot), true) = (homes[root.0], last[root.0] == u && recycle) {
                pool.give(slot);
            }
        }
    }
    Memory { homes, roots, slots: pool.sizes, scratch: borrowed }
}

/// For each node, the node whose bytes it is.
pub(super) fn roots(graph: &Graph) -> Vec<NodeId> {
    let mut roots: Vec<NodeId> = Vec::with_capacity(graph.nodes().len());
    for (i, node) in graph.nodes().iter().enumerate() {
        roots.push(match &node.kind {
            Kind::Op { op, inputs } if op.is_view() => roots[inputs[0].0],
            _ => NodeId(i),
        });
    }
    roots
}

#[derive(Default)]
struct Pool {
    sizes: Vec<usize>,
    free: Vec<usize>,
}

impl Pool {
    /// The smallest free slot that is large enough; else the largest free one, grown; else a new one.
    fn take(&mut self, size: usize) -> usize {
        let fits = |s: &usize| self.sizes[*s] >= size;
        let best = self.free.iter().copied().filter(fits).min_by_key(|&s| self.sizes[s]);
        let slot = best.or_else(|| self.free.iter().copied().max_by_key(|&s| self.sizes[s]));
        match slot {
            Some(slot) => {
                self.free.retain(|&s| s != slot);
                self.sizes[slot] = self.sizes[slot].max(size);
                slot
            }
            None => {
                self.sizes.push(size);
                self.sizes.len() - 1
            }
        }
    }

    fn give(&mut self, slot: usize) {
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Accumulate, one_by_one};

    #[test]
    fn a_chain_needs_two_slots_and_no_op_reads_what_it_writes() {
        let mut g = Graph::new();
        let x = g.input("x", [4]).unwrap();
        let mut y = g.apply(Accumulate, &[x, x]).unwrap();
        for _ in 0..5 {
            y = g.apply(Accumulate, &[y, y]).unwrap();
        }
        let m = plan(&g, &one_by_one(&g, &[y]), &[y], |_| 4, |_| vec![], |_| None, true);
        assert_eq!(m.slots, [4, 4]);
        for (i, node) in g.nodes().iter().enumerate() {
            assert!(node.inputs().iter().all(|input| m.homes[input.0] != m.homes[i]));
        }
    }

    #[test]
    fn what_is_wanted_outlives_the_rest() {
        let mut g = Graph::new();
        let x = g.input("x", [4]).unwrap();
        let a = g.apply(Accumulate, &[x, x]).unwrap();
        let b = g.apply(Accumulate, &[a, a]).unwrap();
        let c = g.apply(Accumulate, &[b, b]).unwrap();
        let m = plan(&g, &one_by_one(&g, &[a, c]), &[a, c], |_| 4, |_| vec![], |_| None, true);
        assert!(m.homes[a.0] != m.homes[c.0] && m.homes[a.0] != m.homes[b.0]);
    }
}
