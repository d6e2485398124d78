//! Which buffer each value lives in, and for how long: both devices plan alike.

mod pack;

pub(super) use pack::Spot;
use pack::{Rules, Span, largest_cut, pack};

use crate::graph::{Graph, Kind, NodeId};

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

/// Homes of all nodes, sizes of the slots, and the slots that each node borrows while it is computed.
#[derive(Debug)]
pub(super) struct Memory {
    /// A node's home; a view has the home of what it views.
    pub homes: Vec<Home>,
    /// The node whose bytes a node shares: itself, or what a chain of views begins at.
    pub roots: Vec<NodeId>,
    /// Elements (or any unit `size` counts in) of each buffer; those that were there already come first.
    pub slots: Vec<usize>,
    /// For each node, places for its scratch.
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

/// Plans the values that `wanted` need. `size(node)` is what a node's value takes in all, `scratch(node)` what its op borrows,
/// `pinned(node)` a place outside the slots.
pub(super) fn plan(
    graph: &Graph,
    wanted: &[NodeId],
    size: impl Fn(NodeId) -> usize,
    scratch: impl Fn(NodeId) -> Vec<usize>,
    pinned: impl Fn(NodeId) -> Option<usize>,
    terms: &Terms<'_>,
) -> Memory {
    let count = graph.nodes().len();
    let live = graph.live(wanted);
    let roots = roots(graph);
    let mut last = vec![0; count];
    for i in (0..count).filter(|&i| live[i]) {
        last[roots[i].0] = last[roots[i].0].max(i);
        for input in graph.nodes()[i].inputs() {
            last[roots[input.0].0] = i;
        }
    }
    for id in wanted {
        last[roots[id.0].0] = usize::MAX;
    }
    let mut homes = vec![Home::Dead; count];
    let mut numbers: Vec<Option<usize>> = vec![None; count];
    let mut borrowed: Vec<Vec<usize>> = vec![Vec::new(); count];
    let (mut spans, mut apart) = (Vec::new(), Vec::<Vec<usize>>::new());
    for i in (0..count).filter(|&i| live[i]) {
        let id = NodeId(i);
        if roots[i] != id {
            homes[i] = homes[roots[i].0];
            continue;
        }
        if !matches!(graph.node(id).kind, Kind::Op { .. }) {
            homes[i] = Home::Source;
            continue;
        }
        // What this op writes: each apart from the others and from all that it reads.
        let read: Vec<usize> = graph.nodes()[i].inputs().iter().filter_map(|n| numbers[roots[n.0].0]).collect();
        let mut written = Vec::new();
        let mut span = |size: usize, last: usize| {
            spans.push(Span { size, first: i, last: if terms.recycle { last } else { usize::MAX } });
            written.push(spans.len() - 1);
            spans.len() - 1
        };
        match pinned(id) {
            Some(place) => homes[i] = Home::Pinned(place),
            None => numbers[i] = Some(span(size(id), last[i])),
        }
        borrowed[i] = scratch(id).into_iter().map(|n| span(n, i)).collect();
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
    for i in 0..count {
        if let Some(n) = numbers[roots[i].0].filter(|_| live[i]) {
            homes[i] = Home::Slot(places[n]);
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
    use crate::graph::Accumulate;

    #[test]
    fn a_chain_needs_two_slots_and_no_op_reads_what_it_writes() {
        let mut g = Graph::new();
        let x = g.input("x", [4]).unwrap();
        let mut y = g.apply(Accumulate, &[x, x]).unwrap();
        for _ in 0..5 {
            y = g.apply(Accumulate, &[y, y]).unwrap();
        }
        let m = plan(&g, &[y], |_| 4, |_| vec![], |_| None, &Terms { held: &[], most: 64, recycle: true });
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
        let m = plan(&g, &[a, c], |_| 4, |_| vec![], |_| None, &Terms { held: &[], most: 64, recycle: true });
        assert!(m.homes[a.0] != m.homes[c.0] && m.homes[a.0] != m.homes[b.0]);
    }
}
