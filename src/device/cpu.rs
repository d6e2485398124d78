//! The CPU device: the ops' twins, in f64 as the oracle of every check, in f32 to train without a GPU.

mod data;
mod engine;
mod forward;
mod profile;
pub(super) mod roof;
mod room;
mod update;
mod vectors;

pub use engine::CpuEngine;
pub(super) use forward::CpuForward;
pub(crate) use room::admit;

use super::memory::{self, Home, Memory, Terms};
use super::{Feed, Feeds, fed};
use crate::error::DeviceError;
use crate::graph::{Arg, Context, Dtype, Graph, Kind, NodeId, TwinIn, one_by_one};

/// The values of `wanted`, in f64.
///
/// # Errors
///
/// [`DeviceError::NotFed`] and [`DeviceError::Feed`].
///
/// # Examples
///
/// ```
/// use std::collections::HashMap;
/// use thalweg::device::{Feed, cpu};
/// use thalweg::graph::{Accumulate, Context, Graph};
///
/// let mut g = Graph::new();
/// let a = g.input("a", [2])?;
/// let b = g.input("b", [2])?;
/// let y = g.apply(Accumulate, &[a, b])?;
/// let feeds = HashMap::from([(a, Feed::Real(vec![1.0, 2.0])), (b, Feed::Real(vec![0.5, -2.0]))]);
/// assert_eq!(cpu::evaluate(&g, &feeds, &[y], &Context::default())?, [vec![1.5, 0.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn evaluate(graph: &Graph, feeds: &Feeds, wanted: &[NodeId], cx: &Context) -> Result<Vec<Vec<f64>>, DeviceError> {
    let mut program = Program::<f64>::new(graph.clone(), wanted)?;
    program.feed_all(feeds)?;
    program.run(cx);
    Ok(wanted.iter().map(|&id| program.value(id).to_vec()).collect())
}

/// Inputs of an op that are listed without an allocation: more than any op of the library has.
const FEW: usize = 8;

/// A graph with its values, planned once: running it allocates no tensor.
pub(crate) struct Program<T> {
    graph: Graph,
    order: Vec<NodeId>,
    memory: Memory,
    slots: Vec<Vec<T>>,
    sources: Vec<Vec<T>>,
    indices: Vec<Vec<u32>>,
}

impl<T: TwinIn> Program<T> {
    /// Plans `graph` up to `wanted`; refuses what the machine's memory does not hold.
    pub(crate) fn new(graph: Graph, wanted: &[NodeId]) -> Result<Self, DeviceError> {
        let mut room = Vec::new();
        let mut program = Self::within(graph, wanted, &mut room)?;
        program.exchange(&mut room);
        Ok(program)
    }

    /// The same, with its values in `room`, which grows by what it needs: programs that never run at once take turns there.
    /// Before it runs and after its values were read, [`exchange`](Self::exchange).
    pub(crate) fn within(graph: Graph, wanted: &[NodeId], room: &mut Vec<Vec<T>>) -> Result<Self, DeviceError> {
        let held: Vec<usize> = room.iter().map(Vec::len).collect();
        let terms = Terms { held: &held, most: usize::MAX, recycle: true };
        let (units, size) = (one_by_one(&graph, wanted), |id| graph.shape(id).elements());
        let memory = memory::plan(&graph, &units, wanted, size, |_| Vec::new(), |_| None, &terms);
        let sources = (0..graph.nodes().len()).filter(|&i| !matches!(graph.nodes()[i].kind, Kind::Op { .. }));
        let lengths =
            memory.slots[held.len()..].iter().copied().chain(sources.map(|i| graph.nodes()[i].meta.shape.elements()));
        admit("the values of one step", lengths.fold(0, usize::saturating_add), size_of::<T>())?;
        room.extend(memory.slots[held.len()..].iter().map(|&n| vec![T::zero(); n]));
        let count = graph.nodes().len();
        let computed = |i: &usize| {
            memory.homes[*i] != Home::Dead
                && memory.roots[*i].0 == *i
                && matches!(graph.nodes()[*i].kind, Kind::Op { .. })
        };
        let order = (0..count).filter(computed).map(NodeId).collect();
        let mut program = Self {
            order,
            slots: Vec::new(),
            memory,
            sources: vec![Vec::new(); count],
            indices: vec![Vec::new(); count],
            graph,
        };
        for i in 0..count {
            let node = &program.graph.nodes()[i];
            match (&node.kind, node.meta.dtype) {
                (Kind::Op { .. }, _) => {}
                (Kind::Setting { value, .. }, _) => program.sources[i] = vec![T::of(*value)],
                (_, Dtype::Real) => program.sources[i] = vec![T::zero(); node.meta.shape.elements()],
                (_, Dtype::Index) => program.indices[i] = vec![0; node.meta.shape.elements()],
            }
        }
        Ok(program)
    }

    /// Exchanges its buffers for `room`'s, or back.
    pub(crate) fn exchange(&mut self, room: &mut Vec<Vec<T>>) {
        std::mem::swap(&mut self.slots, room);
    }

    /// Feeds every live source.
    pub(crate) fn feed_all(&mut self, feeds: &Feeds) -> Result<(), DeviceError> {
        for i in 0..self.graph.nodes().len() {
            // A view of a source shares its home and is not fed.
            if self.memory.homes[i] == Home::Source && self.memory.roots[i].0 == i {
                match &*fed(&self.graph, NodeId(i), feeds, 1)? {
                    Feed::Real(values) => {
                        self.real_mut(NodeId(i)).iter_mut().zip(values).for_each(|(t, &v)| *t = T::of(v))
                    }
                    Feed::Index(values) => self.index_mut(NodeId(i)).copy_from_slice(values),
                }
            }
        }
        Ok(())
    }

    /// The place of a source of real numbers.
    pub(crate) fn real_mut(&mut self, id: NodeId) -> &mut Vec<T> {
        &mut self.sources[id.0]
    }

    /// The place of a source of indices.
    pub(crate) fn index_mut(&mut self, id: NodeId) -> &mut Vec<u32> {
        &mut self.indices[id.0]
    }

    /// Elements that gradients take of the values' slots; the sources' elements; and the most that values need at once.
    pub(crate) fn elements(&self, gradients: &[Option<NodeId>]) -> [usize; 3] {
        let owned = gradients.iter().flatten().filter(|id| !self.is_source(**id));
        let owned = owned.map(|id| self.graph.shape(*id).elements()).sum();
        [owned, self.sources.iter().map(Vec::len).sum(), self.memory.floor]
    }

    /// Computes all values.
    pub(crate) fn run(&mut self, cx: &Context) {
        self.run_each(cx, |_, _, _| {});
    }

    /// Computes all values and shows each op's inputs and output as they come.
    pub(crate) fn run_each(&mut self, cx: &Context, mut see: impl FnMut(NodeId, &[Arg<'_, T>], &[T])) {
        for n in 0..self.order.len() {
            let id = self.order[n];
            let Home::Slot(place) = self.memory.homes[id.0] else { unreachable!("an op's value lives in a slot") };
            // What an op reads lies in other slots.
            let mut out = std::mem::take(&mut self.slots[place.slot]);
            let Kind::Op { op, inputs } = &self.graph.node(id).kind else { unreachable!("only ops are in the order") };
            let mut few = [Arg::Index(self.graph.shape(id), &[]); FEW];
            let many: Vec<Arg<'_, T>>;
            let args = if let Some(few) = few.get_mut(..inputs.len()) {
                few.iter_mut().zip(inputs).for_each(|(to, &input)| *to = self.arg(input));
                &*few
            } else {
                many = inputs.iter().map(|&input| self.arg(input)).collect();
                &many
            };
            let y = &mut out[place.offset..][..self.graph.shape(id).elements()];
            T::twin(op.as_ref(), args, y, cx);
            see(id, args, y);
            self.slots[place.slot] = out;
        }
    }

    /// Whether a value is a source's, or a view of one.
    pub(crate) fn is_source(&self, id: NodeId) -> bool {
        self.memory.homes[self.memory.roots[id.0].0] == Home::Source
    }

    /// A value after a run; only what was wanted, and sources, are sure to be there.
    pub(crate) fn value(&self, id: NodeId) -> &[T] {
        let root = self.memory.roots[id.0];
        let len = self.graph.shape(id).elements();
        match self.memory.homes[root.0] {
            Home::Slot(place) => &self.slots[place.slot][place.offset..][..len],
            _ => &self.sources[root.0],
        }
    }

    fn arg(&self, id: NodeId) -> Arg<'_, T> {
        let node = self.graph.node(id);
        match node.meta.dtype {
            Dtype::Real => Arg::Real(&node.meta.shape, self.value(id)),
            Dtype::Index => Arg::Index(&node.meta.shape, &self.indices[self.memory.roots[id.0].0]),
        }
    }
}
