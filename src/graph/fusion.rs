//! Nodes that one set of launches computes together, and the order that follows.
//!
//! A graph stays what it means: every node has a twin and a proof. Which nodes a GPU computes in one go is its compiler's matter:
//! a [`Matcher`] looks for groups that it has a kernel for, and such a [`Fused`] says from what it computes which values. A value
//! that nobody reads then is not computed at all, so what lies inside a group needs no place in memory.

use std::fmt;
use std::sync::Arc;

use super::{Graph, Kind, NodeId, Op};
use crate::error::GraphError;
use crate::kernel::{Launches, Plan};

/// How a group is launched: `plan.inputs` are its inputs, `plan.output` and `plan.beside` its outputs. `None` where the kernel is
/// not meant for such sizes: then each node is launched by itself.
pub type Describe = Arc<dyn Fn(&Plan) -> Result<Option<Launches>, GraphError> + Send + Sync>;

/// Nodes computed together.
#[derive(Clone)]
pub struct Fused {
    /// What messages and profiles call it.
    pub name: &'static str,
    /// What is read: nodes outside the group, which may be ones that the computed nodes do not read themselves.
    pub inputs: Vec<NodeId>,
    /// What is computed and stored.
    pub outputs: Vec<NodeId>,
    /// The node of the group whose [variant](super::Op::variants) is the group's too, if it is launched as that op is.
    pub like: Option<NodeId>,
    /// The launches.
    pub launches: Describe,
}

impl fmt::Debug for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, inputs, outputs, .. } = self;
        write!(f, "{name}: {outputs:?} from {inputs:?}")
    }
}

/// Looks for groups among nodes that are not [`taken`](Scene::free).
pub type Matcher = fn(&Scene<'_>) -> Vec<Fused>;

/// A matcher's place in a registry.
#[derive(Clone, Copy, Debug)]
pub struct Fusion {
    /// Its name.
    pub name: &'static str,
    /// The groups it finds.
    pub find: Matcher,
}

/// What a matcher sees: the graph, what of it is needed, and by whom.
#[derive(Debug)]
pub struct Scene<'a> {
    graph: &'a Graph,
    wanted: Vec<bool>,
    free: Vec<bool>,
    read: Vec<bool>,
    readers: Vec<Vec<NodeId>>,
}

impl<'a> Scene<'a> {
    /// The graph up to `wanted`, nothing of it taken yet.
    pub fn new(graph: &'a Graph, wanted: &[NodeId]) -> Self {
        let live = graph.live(wanted);
        let mut readers = vec![Vec::new(); live.len()];
        for (i, node) in graph.nodes().iter().enumerate().filter(|(i, _)| live[*i]) {
            node.inputs().iter().for_each(|input| readers[input.0].push(NodeId(i)));
        }
        let mut is_wanted = vec![false; live.len()];
        wanted.iter().for_each(|id| is_wanted[id.0] = true);
        let read = vec![false; live.len()];
        Self { graph, wanted: is_wanted, free: live, read, readers }
    }

    /// The graph.
    pub fn graph(&self) -> &'a Graph {
        self.graph
    }

    /// Whether a node is needed and in no group yet.
    pub fn free(&self, id: NodeId) -> bool {
        self.free[id.0]
    }

    /// Whether a node's value is asked for from outside the graph.
    pub fn wanted(&self, id: NodeId) -> bool {
        self.wanted[id.0]
    }

    /// Whether a group that stands reads a node.
    pub fn read(&self, id: NodeId) -> bool {
        self.read[id.0]
    }

    /// The needed nodes that read a node, once for each time they do.
    pub fn readers(&self, id: NodeId) -> &[NodeId] {
        &self.readers[id.0]
    }

    /// The free nodes that are an op of this type, in order.
    pub fn all<O: Op>(&self) -> impl Iterator<Item = (NodeId, &'a O)> + '_ {
        let ids = (0..self.free.len()).filter(|&i| self.free[i]).map(NodeId);
        ids.filter_map(|id| self.as_op(id).map(|op| (id, op)))
    }

    /// The node's op, if it is of this type.
    pub fn as_op<O: Op>(&self, id: NodeId) -> Option<&'a O> {
        match &self.graph.node(id).kind {
            Kind::Op { op, .. } => op.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// Notes that these units remain: what a group computes, and what nobody needs any more because of it, is taken.
    pub fn keep(&mut self, units: &[Unit]) {
        self.free.fill(false);
        self.read.fill(false);
        for unit in units {
            match unit.fused {
                Some(_) => unit.inputs.iter().for_each(|id| self.read[id.0] = true),
                None => unit.outputs.iter().for_each(|id| self.free[id.0] = true),
            }
        }
    }
}

/// One stop of the computation: a node, or the outputs of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// What is there afterwards.
    pub outputs: Vec<NodeId>,
    /// What must be there before.
    pub inputs: Vec<NodeId>,
    /// Which group it is.
    pub fused: Option<usize>,
}

/// The nodes that `wanted` need, one by one.
pub(crate) fn one_by_one(graph: &Graph, wanted: &[NodeId]) -> Vec<Unit> {
    let live = graph.live(wanted);
    let unit = |i: usize| Unit { outputs: vec![NodeId(i)], inputs: graph.nodes()[i].inputs().to_vec(), fused: None };
    (0..live.len()).filter(|&i| live[i]).map(unit).collect()
}

/// An order in which `wanted` can be computed with these groups in it, or `None` if a group needs what is made of its own outputs.
/// A group stands where its last node stood, or before the first that reads it. What only groups would have read, and no longer
/// do, is left out.
pub(crate) fn order(graph: &Graph, wanted: &[NodeId], groups: &[Fused]) -> Option<Vec<Unit>> {
    let count = graph.nodes().len();
    let mut owner = vec![None; count];
    for (g, group) in groups.iter().enumerate() {
        group.outputs.iter().for_each(|id| owner[id.0] = Some(g));
    }
    let inputs = |i: usize| owner[i].map_or(graph.nodes()[i].inputs(), |g: usize| &groups[g].inputs);
    let mut live = vec![false; count];
    let mut open: Vec<usize> = wanted.iter().map(|id| id.0).collect();
    while let Some(i) = open.pop() {
        if !std::mem::replace(&mut live[i], true) {
            open.extend(inputs(i).iter().map(|id| id.0));
        }
    }
    // A group is one vertex, named by its last needed node.
    let last = |g: usize| groups[g].outputs.iter().map(|id| id.0).filter(|&i| live[i]).max();
    let vertex: Vec<usize> = (0..count).map(|i| owner[i].and_then(last).unwrap_or(i)).collect();
    let (mut begun, mut done) = (vec![false; count], vec![false; count]);
    let mut units = Vec::new();
    for i in (0..count).filter(|&i| live[i] && vertex[i] == i) {
        // Depth first, without recursion: a graph may be deep.
        let mut path = vec![i];
        while let Some(&at) = path.last() {
            if done[at] {
                path.pop();
                continue;
            }
            let missing = inputs(at).iter().map(|id| vertex[id.0]).find(|&v| !done[v]);
            match missing {
                Some(v) if begun[v] => return None,
                Some(v) => path.push(v),
                None => {
                    done[at] = true;
                    let outputs = owner[at].map_or(vec![NodeId(at)], |g| groups[g].outputs.clone());
                    units.push(Unit { outputs, inputs: inputs(at).to_vec(), fused: owner[at] });
                }
            }
            begun[at] = true;
        }
    }
    Some(units)
}
