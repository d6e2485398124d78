//! Graphs run forward on the CPU over weights they share.

use super::{Program, admit};
use crate::device::Column;
use crate::device::forward::{given, weight};
use crate::error::DeviceError;
use crate::graph::{Context, Graph, Kind, NodeId, TwinIn};

/// Weights in f32 or f64, and the graphs that use them.
pub(crate) struct CpuForward<T> {
    weights: Vec<(String, Vec<T>)>,
    programs: Vec<Planned<T>>,
}

struct Planned<T> {
    program: Program<T>,
    /// For each of the graph's weights: its node and its place among the weights.
    weights: Vec<(NodeId, usize)>,
    inputs: Vec<NodeId>,
    wanted: Vec<NodeId>,
}

impl<T: TwinIn> CpuForward<T> {
    pub(crate) fn new(weights: &[(&str, Column<'_>)]) -> Result<Self, DeviceError> {
        let elements = weights.iter().fold(0_usize, |n, (_, column)| n.saturating_add(column.len()));
        // Once here, once as a place in a program.
        admit("the model's weights", elements, 2 * size_of::<T>())?;
        let weights = weights.iter().map(|&(name, column)| (name.to_owned(), reals(column).collect())).collect();
        Ok(Self { weights, programs: Vec::new() })
    }

    pub(crate) fn compile(&mut self, graph: Graph, wanted: &[NodeId]) -> Result<usize, DeviceError> {
        let live = graph.live(wanted);
        let (mut weights, mut inputs) = (Vec::new(), Vec::new());
        for id in (0..live.len()).filter(|&i| live[i]).map(NodeId) {
            let held = self.weights.iter().map(|(name, values)| (name.as_str(), values.len()));
            if let Some(place) = weight(&graph, id, held)? {
                weights.push((id, place));
            } else if matches!(graph.node(id).kind, Kind::Input { .. }) {
                inputs.push(id);
            }
        }
        let program = Program::new(graph, wanted)?;
        self.programs.push(Planned { program, weights, inputs, wanted: wanted.to_vec() });
        Ok(self.programs.len() - 1)
    }

    pub(crate) fn run(
        &mut self,
        program: usize,
        inputs: &[(NodeId, Column<'_>)],
    ) -> Result<Vec<Vec<f64>>, DeviceError> {
        let Planned { program, weights, inputs: wanted_inputs, wanted } = &mut self.programs[program];
        for &id in wanted_inputs.iter() {
            match given(&program.graph, id, inputs)? {
                Column::Index(values) => program.index_mut(id).copy_from_slice(values),
                column => program.real_mut(id).iter_mut().zip(reals(column)).for_each(|(to, value)| *to = value),
            }
        }
        // The weights are lent to the program and taken back: nothing is copied.
        for &(id, place) in weights.iter() {
            std::mem::swap(program.real_mut(id), &mut self.weights[place].1);
        }
        program.run(&Context::default());
        let values = wanted.iter().map(|&id| program.value(id).iter().map(|x| x.f64()).collect()).collect();
        for &(id, place) in weights.iter() {
            std::mem::swap(program.real_mut(id), &mut self.weights[place].1);
        }
        Ok(values)
    }

    pub(crate) fn forget(&mut self) {
        self.programs.clear();
    }
}

fn reals<'a, T: TwinIn>(column: Column<'a>) -> Box<dyn Iterator<Item = T> + 'a> {
    match column {
        Column::F32(v) => Box::new(v.iter().map(|&x| T::of(f64::from(x)))),
        Column::F64(v) => Box::new(v.iter().map(|&x| T::of(x))),
        Column::Index(v) => Box::new(v.iter().map(|&x| T::of(f64::from(x)))),
    }
}
