//! Which buffer each value lives in, and for how long: both devices plan alike.

mod pack;

pub(super) use pack::Spot;
use pack::{Rules, Span, largest_cut, pack};

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
    /// A place in a buffer that values share by lifetime.
    Slot(Spot),
}

/// Homes of all nodes, sizes of the slots, and the slots that each unit borrows while it is computed.
#[derive(Debug)]
pub(super) struct Memory {
    /// A node's home; a view has the home of what it views.
    pub homes: Vec<Home>,
    /// The node whose bytes a node shares: itself, or what a chain of views begins at.
    pub roots: Vec<NodeId>,
    /// Elements (or any unit `size` counts in) of each buffer; those that were there already come first.
    pub slots: Vec<usize>,
    /// For each unit, places for its scratch.
    pub scratch: Vec<Vec<Spot>>,
    /// The most that the values in slots take at once: no plan takes less.
    pub floor: usize,
}

/// What a planner is told of a device.
pub(super) struct Terms<'a> {
    /// Sizes of the buffers that are there already, which programs take turns with.
    pub held: &'a [usize],
    /// Most elements of one buffer.
    pub most: usize,
    /// Without it no two values or scratches share a buffer.
    pub recycle: bool,
}

/// Plans the values of `units`, computed in this order. `size(node)` is what a node's value takes in all, `scratch(unit)` what the
/// launches of that unit borrow, `pinned(node)` a place outside the slots.
pub(super) fn plan(
    graph: &Graph,
    units: &[Unit],
    wanted: &[NodeId],
    size: impl Fn(NodeId) -> usize,
    scratch: impl Fn(usize) -> Vec<usize>,
    pinned: impl Fn(NodeId) -> Option<usize>,
    terms: &Terms<'_>,
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
    let mut numbers: Vec<Option<usize>> = vec![None; count];
    let mut borrowed: Vec<Vec<usize>> = vec![Vec::new(); units.len()];
    let (mut spans, mut apart) = (Vec::new(), Vec::<Vec<usize>>::new());
    for (u, unit) in units.iter().enumerate() {
        // What this unit writes: each apart from the others and from all that it reads.
        let read: Vec<usize> = unit.inputs.iter().filter_map(|id| numbers[roots[id.0].0]).collect();
        let mut written = Vec::new();
        let mut span = |size: usize, last: usize| {
            spans.push(Span { size, first: u, last: if terms.recycle { last } else { usize::MAX } });
            written.push(spans.len() - 1);
            spans.len() - 1
        };
        for &id in &unit.outputs {
            if roots[id.0] != id {
                homes[id.0] = homes[roots[id.0].0];
            } else if !matches!(graph.node(id).kind, Kind::Op { .. }) {
                homes[id.0] = Home::Source;
            } else if let Some(place) = pinned(id) {
                homes[id.0] = Home::Pinned(place);
            } else {
                numbers[id.0] = Some(span(size(id), last[id.0]));
            }
        }
        borrowed[u] = scratch(u).into_iter().map(|n| span(n, u)).collect();
        apart.resize(spans.len(), Vec::new());
        for (n, &one) in written.iter().enumerate() {
            for &other in read.iter().chain(&written[..n]) {
                apart[one].push(other);
                apart[other].push(one);
            }
        }
    }
    let (places, slots) = if terms.recycle {
        pack(&spans, &Rules { held: terms.held, most: terms.most, apart: &apart })
    } else {
        let own = |n: usize| Spot { slot: n, offset: 0 };
        ((0..spans.len()).map(own).collect(), spans.iter().map(|s| s.size).collect())
    };
    for id in units.iter().flat_map(|unit| &unit.outputs) {
        if let Some(n) = numbers[roots[id.0].0] {
            homes[id.0] = Home::Slot(places[n]);
        }
    }
    let borrowed = borrowed.into_iter().map(|list| list.into_iter().map(|n| places[n]).collect()).collect();
    Memory { homes, roots, slots, scratch: borrowed, floor: largest_cut(&spans) }
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
        let m = plan(
            &g,
            &one_by_one(&g, &[y]),
            &[y],
            |_| 4,
            |_| vec![],
            |_| None,
            &Terms { held: &[], most: 64, recycle: true },
        );
        assert_eq!(m.slots, [4, 4]);
        let slot = |home: Home| if let Home::Slot(place) = home { Some(place.slot) } else { None };
        for (i, node) in g.nodes().iter().enumerate().filter(|(i, _)| slot(m.homes[*i]).is_some()) {
            assert!(node.inputs().iter().all(|input| slot(m.homes[input.0]) != slot(m.homes[i])));
        }
    }

    #[test]
    fn what_is_wanted_outlives_the_rest() {
        let mut g = Graph::new();
        let x = g.input("x", [4]).unwrap();
        let a = g.apply(Accumulate, &[x, x]).unwrap();
        let b = g.apply(Accumulate, &[a, a]).unwrap();
        let c = g.apply(Accumulate, &[b, b]).unwrap();
        let m = plan(
            &g,
            &one_by_one(&g, &[a, c]),
            &[a, c],
            |_| 4,
            |_| vec![],
            |_| None,
            &Terms { held: &[], most: 64, recycle: true },
        );
        assert!(m.homes[a.0] != m.homes[c.0] && m.homes[a.0] != m.homes[b.0]);
    }
}
