//! Training on a GPU: everything a step needs stays in device memory, and many steps go into one submission.

mod data;
mod kernels;
mod step;
mod vectors;

use std::collections::{HashMap, VecDeque};

use super::Gpu;
use super::buffer::{Bound, Buffer, to_reals, to_words};
use super::compile::{Dispatch, encode};
use crate::device::engine::{
    self, Call, Column, DataId, Engine, Extent, NonFinite, ProgramId, Record, Setup, StepGraph,
};
use crate::device::vectors::Vectors;
use crate::error::DeviceError;
use crate::kernel::padded;
use crate::optim::{CONTROL_HEADER, HYPER_WORDS, NO_FLAG, control_words, hyper_offset, segment};
use data::DataSet;
pub(super) use data::words;

/// Steps of one submission: what the ring and the table of per-step numbers hold.
const CAPACITY: usize = 64;
/// Scalars a step records.
const RECORDED: usize = 4;

/// A GPU in training.
pub struct GpuEngine {
    gpu: Gpu,
    setup: Setup,
    /// First element of each tensor in the flat buffers.
    offsets: Vec<usize>,
    /// Elements of one member in the flat buffers.
    total: usize,
    parameters: Buffer,
    gradients: Buffer,
    states: Vec<Buffer>,
    /// What is kept without being learnt, and what the step under way makes of it.
    kept: Kept,
    segments: Buffer,
    flags: Buffer,
    control: Buffer,
    ring: Buffer,
    settings: HashMap<String, Bound>,
    data: Vec<DataSet>,
    programs: Vec<Program>,
    idle: Vec<Buffer>,
    in_flight: VecDeque<Flight>,
    vectors: vectors::Own,
}

/// The buffers of all members, flat as the parameters are.
struct Kept {
    offsets: Vec<usize>,
    total: usize,
    now: Buffer,
    next: Buffer,
}

struct Program {
    data: usize,
    /// Taking the minibatch, from each table of the data set.
    taking: Vec<Vec<Dispatch>>,
    dispatches: Vec<Dispatch>,
    extent: Extent,
    /// Which of the recorded scalars the graph has.
    recorded: [bool; RECORDED],
}

/// A submission whose records were not collected.
struct Flight {
    submission: wgpu::SubmissionIndex,
    staging: Buffer,
    /// For each step which scalars its graph has.
    steps: Vec<[bool; RECORDED]>,
}

impl GpuEngine {
    /// An engine with all parameters 0 and the optimizer's states at their beginning.
    ///
    /// # Errors
    ///
    /// [`DeviceError::OutOfMemory`], a lost device, or [`DeviceError::Feed`]: a setup without members, with groups that are not
    /// one for each tensor, with two tensors of one name, or with a rule of more than 3 states.
    pub fn new(gpu: &Gpu, setup: Setup) -> Result<Self, DeviceError> {
        engine::check_setup(&setup)?;
        let (offsets, total) = laid_out(&setup.tensors);
        let members = setup.seeds.len();
        let mut table = Vec::with_capacity(total / crate::kernel::ALIGN);
        for (t, tensor) in setup.tensors.iter().enumerate() {
            let word = segment(t, setup.groups[t]).ok_or_else(|| DeviceError::Feed {
                name: "parameter groups".into(),
                expected: "at most 256 groups and 2^24 tensors".into(),
                found: format!("tensor {t} in group {}", setup.groups[t]),
            })?;
            table.extend(std::iter::repeat_n(word, padded(tensor.shape.elements()) / crate::kernel::ALIGN));
        }
        let flat = |what: &str| gpu.storage(what, total * members);
        let groups = setup.group_count();
        let (places, kept) = laid_out(&setup.buffers);
        let both = |what| gpu.storage(what, kept * members);
        let mut made = Self {
            parameters: flat("parameters")?,
            gradients: flat("gradients")?,
            states: setup.rule.states().iter().map(|name| flat(name)).collect::<Result<_, _>>()?,
            kept: Kept { offsets: places, total: kept, now: both("buffers")?, next: both("buffers to be")? },
            segments: gpu.storage("segment table", table.len())?,
            flags: gpu.storage("non-finite flags", 2 * setup.tensors.len())?,
            control: gpu.storage("control words", control_words(CAPACITY, members, groups))?,
            ring: gpu.storage("ring of records", CAPACITY * members * RECORDED)?,
            settings: HashMap::new(),
            data: Vec::new(),
            programs: Vec::new(),
            idle: Vec::new(),
            in_flight: VecDeque::new(),
            vectors: vectors::Own::default(),
            gpu: gpu.clone(),
            offsets,
            total,
            setup,
        };
        gpu.write(&made.segments, 0, &table);
        gpu.write(&made.flags, 0, &vec![NO_FLAG; 2 * made.setup.tensors.len()]);
        let mut head = vec![0; hyper_offset(members)];
        head[3..6].copy_from_slice(&[hyper_offset(members) as u32, members as u32, groups as u32]);
        for (m, seed) in made.setup.seeds.iter().enumerate() {
            head[CONTROL_HEADER + 2 * m] = *seed as u32;
            head[CONTROL_HEADER + 2 * m + 1] = (seed >> 32) as u32;
        }
        gpu.write(&made.control, 0, &head);
        for s in 0..made.states.len() {
            let value = made.setup.rule.initial_state(s);
            if value != 0.0 {
                let filled: Vec<Vec<f64>> =
                    made.setup.tensors.iter().map(|t| vec![value; t.shape.elements()]).collect();
                for m in 0..members {
                    let buffer = made.states[s].clone();
                    made.write_flat("states", &buffer, m, &filled)?;
                }
            }
        }
        gpu.health()?;
        Ok(made)
    }

    fn write_flat(
        &mut self,
        what: &str,
        buffer: &Buffer,
        member: usize,
        values: &[Vec<f64>],
    ) -> Result<(), DeviceError> {
        engine::check_values(what, &self.setup.tensors, values)?;
        for (offset, tensor) in self.offsets.iter().zip(values) {
            self.gpu.write(buffer, member * self.total + offset, &to_words(tensor));
        }
        self.gpu.health()
    }

    fn read_flat(&self, buffer: &Buffer, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        let parts: Vec<_> = self
            .offsets
            .iter()
            .zip(&self.setup.tensors)
            .map(|(offset, t)| (buffer, member * self.total + offset, t.shape.elements()))
            .collect();
        Ok(self.gpu.read(&parts)?.iter().map(|words| to_reals(words)).collect())
    }

    /// The table of the data set that these calls read, and their first row's place in it.
    fn load(&mut self, cursor: u32, calls: &[Call]) -> Result<(usize, u32), DeviceError> {
        let data = self.programs[calls[0].program.0].data;
        let Some(most) = self.data[data].chunk() else { return Ok((0, cursor)) };
        let programs = || calls.iter().map(|call| &self.programs[call.program.0]);
        let refuse =
            |expected: String, found: String| Err(DeviceError::Feed { name: "submission".into(), expected, found });
        if let Some(other) = programs().find(|program| program.data != data) {
            let found = format!("steps over the sets {data} and {}", other.data);
            return refuse("steps over one data set, since it is streamed".into(), found);
        }
        let rows: usize = programs().map(|program| program.extent.batch).sum();
        if rows > most {
            return refuse(
                format!("at most the {most} rows of a chunk, since the data are streamed"),
                rows.to_string(),
            );
        }
        Ok(self.data[data].load(&self.gpu, cursor, rows))
    }

    fn staging(&mut self) -> Result<Buffer, DeviceError> {
        if let Some(idle) = self.idle.pop() {
            return Ok(idle);
        }
        let bytes = self.ring.elements() as u64 * 4;
        self.gpu.allocate(
            "records on their way back",
            bytes,
            wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        )
    }
}

/// The first element of each tensor in a flat buffer, and the elements of one member.
fn laid_out(tensors: &[engine::Tensor]) -> (Vec<usize>, usize) {
    let mut total = 0;
    let place = |t: &engine::Tensor| {
        total += padded(t.shape.elements());
        total - padded(t.shape.elements())
    };
    (tensors.iter().map(place).collect(), total)
}

/// The launches of a step that are no op's, with numbers of no meaning: for the suite that holds every launch to its shader.
#[doc(hidden)]
pub fn step_launches() -> Vec<crate::kernel::Launch> {
    kernels::launches().into_iter().chain(vectors::launches()).collect()
}

impl Engine for GpuEngine {
    fn add_data(&mut self, rows: usize, features: Column<'_>, targets: Column<'_>) -> Result<DataId, DeviceError> {
        let set = DataSet::new(&self.gpu, rows, features, targets)?;
        self.data.push(set);
        Ok(DataId(self.data.len() - 1))
    }

    fn set_order(&mut self, data: DataId, order: &[u32]) -> Result<(), DeviceError> {
        engine::check_data(data, self.data.len())?;
        let set = &mut self.data[data.0];
        engine::check_order(order, set.rows)?;
        set.set_order(&self.gpu, order);
        self.gpu.health()
    }

    fn compile(&mut self, step: StepGraph, data: DataId) -> Result<ProgramId, DeviceError> {
        let program = self.compile_step(&step, data)?;
        self.programs.push(program);
        Ok(ProgramId(self.programs.len() - 1))
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }

    fn chunk(&self, data: DataId) -> Option<usize> {
        self.data.get(data.0)?.chunk()
    }

    fn submit(&mut self, step: u32, cursor: u32, calls: &[Call]) -> Result<(), DeviceError> {
        let extent = |n: usize| self.programs.get(n).map(|program| program.extent);
        engine::check_calls(&self.setup, CAPACITY, cursor, calls, |x| (x as f32).is_finite(), extent)?;
        let (table_of, cursor) = self.load(cursor, calls)?;
        let members = self.setup.seeds.len();
        let per_step = members * self.setup.group_count() * HYPER_WORDS;
        let mut table = vec![0u32; calls.len() * per_step];
        for (row, call) in table.chunks_mut(per_step).zip(calls) {
            for (words, hyper) in row.chunks_mut(HYPER_WORDS).zip(&call.hyper) {
                words.iter_mut().zip(hyper).for_each(|(w, &h)| *w = (h as f32).to_bits());
            }
        }
        self.gpu.write(&self.control, 0, &[step, cursor, 0]);
        self.gpu.write(&self.control, hyper_offset(members), &table);
        let mut encoder = self.gpu.shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for call in calls {
            let program = &self.programs[call.program.0];
            encode(&mut pass, &program.taking[table_of]);
            encode(&mut pass, &program.dispatches);
        }
        drop(pass);
        let staging = self.staging()?;
        let steps = calls.iter().map(|call| self.programs[call.program.0].recorded).collect();
        let bytes = (calls.len() * members * RECORDED * 4) as u64;
        encoder.copy_buffer_to_buffer(&self.ring.raw, 0, &staging.raw, 0, bytes);
        let submission = self.gpu.shared.queue.submit([encoder.finish()]);
        staging.raw.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        self.in_flight.push_back(Flight { submission, staging, steps });
        self.gpu.health()
    }

    fn pending(&self) -> usize {
        self.in_flight.len()
    }

    fn collect(&mut self) -> Result<Vec<Record>, DeviceError> {
        let Some(flight) = self.in_flight.pop_front() else { return Ok(Vec::new()) };
        self.gpu.wait(Some(flight.submission))?;
        let words = self.gpu.mapped(&flight.staging)?;
        self.idle.push(flight.staging);
        let members = self.setup.seeds.len();
        let scalar = |word: u32, there: bool| if there { f64::from(f32::from_bits(word)) } else { f64::NAN };
        let rows = words.chunks(members * RECORDED).zip(flight.steps);
        let member = |w: &[u32], there: [bool; RECORDED]| std::array::from_fn(|i| scalar(w[i], there[i]));
        Ok(rows.map(|(row, there)| row.chunks(RECORDED).map(|w| member(w, there)).collect()).collect())
    }

    fn parameters(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        self.read_flat(&self.parameters, member)
    }

    fn set_parameters(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        engine::check_values("parameters", &self.setup.tensors, values)?;
        self.gpu.write(&self.flags, 0, &vec![NO_FLAG; 2 * self.setup.tensors.len()]);
        let buffer = self.parameters.clone();
        self.write_flat("parameters", &buffer, member, values)
    }

    fn buffers(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        let place = |(offset, t): (&usize, &engine::Tensor)| {
            (&self.kept.now, member * self.kept.total + offset, t.shape.elements())
        };
        let parts: Vec<_> = self.kept.offsets.iter().zip(&self.setup.buffers).map(place).collect();
        Ok(self.gpu.read(&parts)?.iter().map(|words| to_reals(words)).collect())
    }

    fn set_buffers(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        engine::check_values("buffers", &self.setup.buffers, values)?;
        for (offset, tensor) in self.kept.offsets.iter().zip(values) {
            self.gpu.write(&self.kept.now, member * self.kept.total + offset, &to_words(tensor));
        }
        self.gpu.health()
    }

    fn states(&mut self, member: usize) -> Result<Vec<Vec<Vec<f64>>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        self.states.iter().map(|buffer| self.read_flat(buffer, member)).collect()
    }

    fn set_states(&mut self, member: usize, values: &[Vec<Vec<f64>>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        engine::check_states(&self.setup, values)?;
        for (s, state) in values.iter().enumerate() {
            let buffer = self.states[s].clone();
            self.write_flat("states", &buffer, member, state)?;
        }
        Ok(())
    }

    fn first_non_finite(&mut self) -> Result<Option<NonFinite>, DeviceError> {
        let words = self.gpu.read(&[(&self.flags, 0, 2 * self.setup.tensors.len())])?.remove(0);
        Ok(engine::earliest(&self.setup.tensors, words.chunks(2).map(|w| (w[0], w[1]))))
    }

    fn vectors(&mut self) -> &mut dyn Vectors {
        self
    }

    fn bytes(&self) -> u64 {
        self.gpu.allocated()
    }
}
