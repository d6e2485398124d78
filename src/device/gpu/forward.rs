//! Graphs run forward on a GPU over weights they share: compiled once, fed and read back at each run.

use super::Gpu;
use super::buffer::{Bound, Buffer, Room, to_reals};
use super::compile::{Compiled, Dispatch, Surroundings, compile, encode};
use super::engine::words;
use super::evaluate::control_words;
use crate::device::Column;
use crate::device::forward::{given, weight};
use crate::error::DeviceError;
use crate::graph::{Context, Dtype, Graph, Kind, NodeId};

/// Weights on an adapter, and the graphs that use them.
pub(crate) struct GpuForward {
    gpu: Gpu,
    control: Bound,
    weights: Vec<(String, usize, Bound)>,
    programs: Vec<Program>,
}

struct Program {
    graph: Graph,
    dispatches: Vec<Dispatch>,
    /// Holds the buffers of the values in between.
    _values: Compiled,
    inputs: Vec<(NodeId, Buffer)>,
    wanted: Vec<(Bound, usize, Dtype)>,
}

impl GpuForward {
    pub(crate) fn new(gpu: &Gpu, weights: &[(&str, Column<'_>)]) -> Result<Self, DeviceError> {
        let control = control_words(&[Context::default()]);
        let mut on_device = Vec::with_capacity(weights.len());
        for &(name, column) in weights {
            let bound = gpu.hold("weights", &words(column, 0, column.len()))?;
            on_device.push((name.to_owned(), column.len(), bound));
        }
        let control = gpu.hold("control words", &control)?;
        Ok(Self { gpu: gpu.clone(), control, weights: on_device, programs: Vec::new() })
    }

    pub(crate) fn compile(&mut self, graph: Graph, wanted: &[NodeId]) -> Result<usize, DeviceError> {
        let live = graph.live(wanted);
        let mut sources: Vec<Option<Bound>> = vec![None; live.len()];
        let mut inputs = Vec::new();
        for id in (0..live.len()).filter(|&i| live[i]).map(NodeId) {
            let node = graph.node(id);
            let held = self.weights.iter().map(|(name, len, _)| (name.as_str(), *len));
            sources[id.0] = match (weight(&graph, id, held)?, &node.kind) {
                (Some(place), _) => Some(self.weights[place].2.clone()),
                (None, Kind::Setting { value, .. }) => {
                    Some(self.gpu.hold("values of settings", &[(*value as f32).to_bits()])?)
                }
                (None, Kind::Input { .. }) => {
                    let buffer = self.gpu.storage("minibatch", node.meta.shape.elements())?;
                    inputs.push((id, buffer.clone()));
                    Some(Bound::whole(buffer))
                }
                (None, _) => None,
            };
        }
        let source = |id: NodeId| sources[id.0].clone().expect("every live source was given a place above");
        let control = &self.control;
        let around = Surroundings { members: 1, guard: 0, source: &source, pinned: &|_| None, control };
        let mut values = compile(&self.gpu, &graph, wanted, &around, &mut Room::default())?;
        let dispatches = std::mem::take(&mut values.drafts).finish(&self.gpu)?;
        let place =
            |&id: &NodeId| (values.value(&graph, id, &around), graph.shape(id).elements(), graph.node(id).meta.dtype);
        let wanted = wanted.iter().map(place).collect();
        self.gpu.wait(None)?;
        self.programs.push(Program { graph, dispatches, _values: values, inputs, wanted });
        Ok(self.programs.len() - 1)
    }

    pub(crate) fn run(
        &mut self,
        program: usize,
        inputs: &[(NodeId, Column<'_>)],
    ) -> Result<Vec<Vec<f64>>, DeviceError> {
        let Program { graph, dispatches, inputs: places, wanted, .. } = &self.programs[program];
        let mut fed = Vec::with_capacity(places.len());
        for (id, buffer) in places {
            let column = given(graph, *id, inputs)?;
            fed.push((buffer, words(column, 0, column.len())));
        }
        for (buffer, words) in fed {
            self.gpu.write(buffer, 0, &words);
        }
        let mut encoder = self.gpu.shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        encode(&mut pass, dispatches);
        drop(pass);
        self.gpu.shared.queue.submit([encoder.finish()]);
        let parts: Vec<_> = wanted.iter().map(|(bound, len, _)| (&bound.buffer, bound.offset, *len)).collect();
        let found = self.gpu.read(&parts)?;
        let values = found.iter().zip(wanted).map(|(words, (_, _, dtype))| match dtype {
            Dtype::Real => to_reals(words),
            Dtype::Index => words.iter().map(|&x| f64::from(x)).collect(),
        });
        Ok(values.collect())
    }

    pub(crate) fn forget(&mut self) {
        self.programs.clear();
    }
}

impl Gpu {
    /// A buffer with these words in it.
    fn hold(&self, what: &str, words: &[u32]) -> Result<Bound, DeviceError> {
        let buffer = self.storage(what, words.len())?;
        self.write(&buffer, 0, words);
        self.health()?;
        Ok(Bound::whole(buffer))
    }
}
