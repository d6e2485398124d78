//! Training on a GPU: everything a step needs stays in device memory, and many steps go into one submission.

mod data;
mod flat;
mod flight;
mod kernels;
mod profile;
mod step;
mod transform;
mod update;
mod vectors;

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::buffer::{Bound, Buffer, Room, to_reals, to_words};
use super::compile::Dispatch;
use super::tuning::classes;
use super::{Choices, Gpu};
use crate::device::engine::{
    self, Call, Column, DataId, Engine, Extent, NonFinite, ProgramId, Record, Setup, StepGraph,
};
use crate::device::footprint::Footprint;
use crate::device::vectors::Vectors;
use crate::error::DeviceError;
use crate::kernel::{ALIGN, padded};
use crate::optim::{Block, Tables};
use data::DataSet;
pub(super) use data::words;
use flight::Flight;
use transform::Turning;

/// Steps of one submission, at most: what the ring and the table of per-step numbers hold.
const CAPACITY: usize = 64;
/// Words of telemetry in one submission, at most, where one step needs no more.
const TELEMETRY: usize = 1 << 22;
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
    /// What a workgroup of the update takes, and the tables in the control buffer.
    blocks: Vec<Block>,
    tables: Tables,
    /// Steps of one submission.
    capacity: usize,
    parameters: Buffer,
    gradients: Buffer,
    states: Vec<Buffer>,
    /// Sums of gradients over the parts of a minibatch, and the parameters' running averages, where there are such.
    sums: Option<Buffer>,
    averages: Option<Buffer>,
    /// What becomes of gradients before the update.
    turning: Turning,
    /// What is kept without being learnt, and what the step under way makes of it.
    kept: Kept,
    /// What programs and the transformation compute in: they never run at once.
    room: Room,
    minibatches: Room,
    /// The recorded scalars, which outlive the room's values until the end of a step.
    scalars: Vec<Buffer>,
    /// For each member what the blocks' and tensors' kernels leave for each other: norms, scales, flags.
    work: Buffer,
    control: Buffer,
    ring: Buffer,
    telemetry: Buffer,
    settings: HashMap<String, Bound>,
    /// Values that members have of their own, by the setting's name and the member.
    given: HashMap<(String, usize), f32>,
    data: Vec<DataSet>,
    programs: Vec<Program>,
    /// Where the programs' ops can be launched in several ways.
    classes: BTreeSet<String>,
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
    /// The graph; adding its gradients to those of other parts of the minibatch; the update; the end of the step.
    graph: Vec<Dispatch>,
    parts: [Vec<Dispatch>; 3],
    update: update::Lists,
    end: Vec<Dispatch>,
    extent: Extent,
    /// Elements that the graph's values take at once, at the least.
    floor: usize,
    /// Which of the recorded scalars the graph has.
    recorded: [bool; RECORDED],
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
        let held = |t: usize| !setup.update.bare.contains(&t);
        let taken = setup.tensors.iter().enumerate().map(|(t, own)| (own.shape.elements(), setup.groups[t], held(t)));
        let blocks = Block::held_as(taken, gpu.max_elements(), setup.update.storage);
        let (groups, tensors) = (setup.group_count(), setup.tensors.len());
        let tables = Tables { members, groups, blocks: blocks.len(), tensors };
        let told = members * tensors * update::TOLD;
        let mut capacity =
            CAPACITY.min(gpu.max_elements().saturating_sub(tables.steps_at()) / tables.slot_words()).max(1);
        if setup.update.telemetry {
            capacity = capacity.min(TELEMETRY.min(gpu.max_elements()) / told.max(1)).max(1);
        }
        let flat = |what: &str| gpu.storage(what, total * members);
        let states = blocks.iter().map(|b| b.state_len).sum::<usize>() * members;
        // Two states of two bytes lie in one word.
        let state = |name: &&str| gpu.storage(name, states * setup.state_bytes() / 4);
        let (places, kept) = laid_out(&setup.buffers);
        let both = |what| gpu.storage(what, kept * members);
        let there = |there: bool, what| if there { flat(what).map(Some) } else { Ok(None) };
        let mut made = Self {
            parameters: flat("parameters")?,
            gradients: flat("gradients")?,
            states: setup.rule.states().iter().map(state).collect::<Result<_, _>>()?,
            sums: there(setup.update.accumulate, "sums of gradients")?,
            averages: there(setup.update.average, "average parameters")?,
            turning: Turning::default(),
            kept: Kept { offsets: places, total: kept, now: both("buffers")?, next: both("buffers to be")? },
            room: Room::default(),
            minibatches: Room::default(),
            scalars: (0..RECORDED)
                .map(|_| gpu.storage("recorded scalars", members * ALIGN))
                .collect::<Result<_, _>>()?,
            work: gpu.storage("norms, scales and flags", members * tables.work_words())?,
            control: gpu.storage("control words", tables.words(capacity))?,
            ring: gpu.storage("ring of records", capacity * members * RECORDED)?,
            telemetry: gpu.storage("ring of telemetry", if setup.update.telemetry { capacity * told } else { 0 })?,
            settings: HashMap::new(),
            given: HashMap::new(),
            data: Vec::new(),
            programs: Vec::new(),
            classes: BTreeSet::new(),
            idle: Vec::new(),
            in_flight: VecDeque::new(),
            vectors: vectors::Own::default(),
            gpu: gpu.clone(),
            offsets,
            total,
            blocks,
            tables,
            capacity,
            setup,
        };
        gpu.write(&made.control, 0, &made.tables.head(&made.setup.seeds, &made.blocks));
        for m in 0..members {
            made.forget(m);
        }
        for s in 0..made.states.len() {
            let value = made.setup.rule.initial_state(s);
            if value != 0.0 {
                let filled =
                    |t: usize| vec![value; if made.held(t) { made.setup.tensors[t].shape.elements() } else { 0 }];
                let filled: Vec<Vec<f64>> = (0..made.setup.tensors.len()).map(filled).collect();
                for m in 0..members {
                    made.write_state(s, m, &filled)?;
                }
            }
        }
        let mut room = Room::default();
        made.turning = made.turning(&mut room)?;
        // As many as submissions are under way: no step allocates.
        made.idle = vec![made.staging()?, made.staging()?];
        made.room = room;
        if let Some(transform) = &made.setup.update.transform {
            let live = transform.graph.live(&transform.wanted());
            made.classes = classes(&made.gpu, &transform.graph, &live).collect();
        }
        gpu.health()?;
        Ok(made)
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
    let roof = super::roof::launches();
    kernels::launches().into_iter().chain(vectors::launches()).chain(roof).collect()
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
        self.capacity
    }

    fn chunk(&self, data: DataId) -> Option<usize> {
        self.data.get(data.0)?.chunk()
    }

    fn submit(&mut self, step: u32, cursor: u32, calls: &[Call]) -> Result<(), DeviceError> {
        self.fly(step, cursor, calls)
    }

    fn pending(&self) -> usize {
        self.in_flight.len()
    }

    fn collect(&mut self) -> Result<Vec<Record>, DeviceError> {
        self.land()
    }

    fn parameters(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        self.read_flat(&self.parameters, member)
    }

    fn set_parameters(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        engine::check_values("parameters", &self.setup.tensors, values)?;
        self.forget(member);
        if let Some(averages) = self.averages.clone() {
            self.write_flat("averages", &averages, member, values)?;
        }
        let buffer = self.parameters.clone();
        self.write_flat("parameters", &buffer, member, values)
    }

    fn set_setting(&mut self, name: &str, member: usize, value: f64) -> Result<(), DeviceError> {
        let value32 = value as f32;
        engine::check_setting(&self.setup, name, member, value, value32.is_finite())?;
        self.given.insert((name.to_owned(), member), value32);
        if let Some(bound) = self.settings.get(name) {
            self.gpu.write(&bound.buffer, member * ALIGN, &[value32.to_bits(); ALIGN]);
        }
        self.gpu.health()
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
        (0..self.states.len()).map(|s| self.read_state(s, member)).collect()
    }

    fn set_states(&mut self, member: usize, values: &[Vec<Vec<f64>>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        engine::check_states(&self.setup, values)?;
        values.iter().enumerate().try_for_each(|(s, state)| self.write_state(s, member, state))
    }

    fn tensor_states(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        self.read_turning(member)
    }

    fn set_tensor_states(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        self.write_turning(member, values)
    }

    fn averages(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        self.averages.as_ref().map_or(Ok(Vec::new()), |buffer| self.read_flat(buffer, member))
    }

    fn set_averages(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        engine::check_average(&self.setup)?;
        let Some(averages) = self.averages.clone() else { return Ok(()) };
        self.write_flat("averages", &averages, member, values)
    }

    fn swap_averages(&mut self) -> Result<(), DeviceError> {
        engine::check_average(&self.setup)?;
        self.swap()
    }

    fn first_non_finite(&mut self, member: usize) -> Result<Option<NonFinite>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        let flags = self.flags(member)?;
        Ok(engine::earliest(&self.setup.tensors, flags.into_iter()))
    }

    fn vectors(&mut self) -> &mut dyn Vectors {
        self
    }

    fn choices(&self) -> Choices {
        self.gpu.choices_of(&self.classes)
    }

    fn footprint(&self) -> Footprint {
        let sum = |buffers: &mut dyn Iterator<Item = &Buffer>| buffers.map(Buffer::bytes).sum::<u64>();
        let mut held = Footprint {
            parameters: self.parameters.bytes(),
            gradients: self.gradients.bytes(),
            states: sum(&mut self.states.iter().chain(&self.sums).chain(&self.averages).chain(self.turning.states())),
            values: self.room.bytes(),
            data: self.data.iter().map(DataSet::bytes).sum(),
            other: 0,
            cut: 4 * self.programs.iter().map(|p| p.floor).fold(self.turning.floor, usize::max) as u64,
        };
        held.other = self.gpu.allocated().saturating_sub(held.total());
        held
    }
}
