//! Training on the CPU: the same steps as on a GPU, run at once.

use std::collections::{HashMap, VecDeque};

use super::Program;
use super::data::{Data, Table, gather};
use super::profile::Watch;
use super::update::{At, EngineScalar, Member, Scratch};
use crate::device::engine::{
    self, Call, Column, DataId, Engine, Extent, NonFinite, ProgramId, Record, Setup, StepGraph, Telemetry,
};
use crate::device::explain::{Place, places};
use crate::device::footprint::Footprint;
use crate::device::vectors::Vectors;
use crate::error::DeviceError;
use crate::graph::{Context, Kind, NodeId, TwinIn};
use crate::op::cores;
use crate::scalar::Scalar;

/// Steps of one submission.
const CAPACITY: usize = 64;

/// The CPU in training, in f32 or f64.
pub struct CpuEngine<T> {
    pub(super) setup: Setup,
    pub(super) members: Vec<Member<T>>,
    pub(super) data: Vec<Data<T>>,
    pub(super) programs: Vec<Step<T>>,
    /// What the programs compute in, one after the other.
    pub(super) room: Vec<Vec<T>>,
    done: VecDeque<Vec<Record>>,
    scratch: Scratch<T>,
    /// Values of settings that members have of their own, by name and member.
    settings: HashMap<(String, usize), T>,
    /// Of a second-order optimizer, tensor by tensor.
    pub(super) vectors: Vec<Vec<Vec<T>>>,
}

pub(super) struct Step<T> {
    pub program: Program<T>,
    /// What each node is for.
    pub places: Vec<Place>,
    data: usize,
    rows: usize,
    /// For each of the graph's parameters: its node and its place among the tensors.
    parameters: Vec<(NodeId, usize)>,
    /// The same for its buffers.
    buffers: Vec<(NodeId, usize)>,
    /// Its settings: node, name, and each member's value.
    settings: Vec<(NodeId, String, Vec<T>)>,
    pub features: NodeId,
    pub targets: NodeId,
    record: [Option<NodeId>; 4],
    pub(super) gradients: Vec<Option<NodeId>>,
    updates: Vec<Option<NodeId>>,
}

impl<T: EngineScalar> CpuEngine<T> {
    /// An engine with all parameters 0 and the optimizer's states at their beginning.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Feed`]: a setup without members, with groups that are not one for each tensor, with two tensors of one
    /// name, or with a rule of more than 3 states.
    pub fn new(setup: Setup) -> Result<Self, DeviceError> {
        engine::check_setup(&setup)?;
        Ok(Self {
            scratch: Scratch::new(&setup)?,
            members: setup.seeds.iter().map(|&seed| Member::new(&setup, seed)).collect(),
            setup,
            data: Vec::new(),
            programs: Vec::new(),
            room: Vec::new(),
            done: VecDeque::new(),
            settings: HashMap::new(),

            vectors: Vec::new(),
        })
    }

    pub(super) fn step(&mut self, n: u32, cursor: usize, call: &Call, mut watch: Option<&mut Watch>) -> Record {
        let step = &mut self.programs[call.program.0];
        step.program.exchange(&mut self.room);
        let data = &self.data[step.data];
        let rows = &data.order[cursor..cursor + step.rows];
        for (table, to) in [(&data.features, step.features), (&data.targets, step.targets)] {
            match table {
                Table::Real(values) => gather(step.program.real_mut(to), values, rows),
                Table::Index(values) => gather(step.program.index_mut(to), values, rows),
            }
        }
        watch.iter_mut().for_each(|watch| watch.mark());
        let mut record = Record { scalars: Vec::with_capacity(self.members.len()), telemetry: Vec::new() };
        for (m, member) in self.members.iter_mut().enumerate() {
            watch.iter_mut().for_each(|watch| watch.again());
            // Parameters and buffers are lent to the program and taken back: nothing is copied.
            step.lend(member);
            for (node, _, values) in &step.settings {
                step.program.real_mut(*node)[0] = values[m];
            }
            let cx = Context { step: n, seed: member.seed };
            step.program.run_each(&cx, |_, _, _| watch.iter_mut().for_each(|watch| watch.mark()));
            record.scalars.push(step.record.map(|id| id.map_or(f64::NAN, |id| step.program.value(id)[0].f64())));
            let lent = step.lent_gradients();
            step.take_back(member);
            if step.gradients.is_empty() {
                continue;
            }
            if !call.active.get(m).copied().unwrap_or(true) {
                if call.telemetry && call.part.updates() {
                    record.telemetry.push(vec![Telemetry::default(); self.setup.tensors.len()]);
                }
                continue;
            }
            let gradient = |tensor: usize| {
                let own = lent.iter().find(|(t, _)| *t == tensor).map(|(_, g)| g.as_slice());
                step.gradients[tensor].map(|id| own.unwrap_or_else(|| step.program.value(id)))
            };
            let at = At { setup: &self.setup, call, member: m, step: n };
            if let Some(telemetry) = at.update(member, &gradient, &mut self.scratch) {
                record.telemetry.push(telemetry);
            }
            watch.iter_mut().for_each(|watch| watch.mark());
        }
        step.program.exchange(&mut self.room);
        record
    }
}

impl<T: Scalar> CpuEngine<T> {
    pub(super) fn check(&self, cursor: u32, calls: &[Call]) -> Result<(), DeviceError> {
        let finite = |x| T::of(x).is_finite();
        engine::check_calls(&self.setup, CAPACITY, cursor, calls, finite, |n| {
            let program = self.programs.get(n)?;
            let rows = self.data[program.data].rows;
            Some(Extent { batch: program.rows, rows, trains: program.trains() })
        })
    }
}

impl<T> Step<T> {
    pub(super) fn trains(&self) -> bool {
        !self.gradients.is_empty()
    }
}

impl<T: TwinIn> Step<T> {
    /// Ends what [`lend`](Self::lend) began. A buffer that the step changes stays with the program as it was, and the member gets
    /// what became of it: all are written before any is taken, for one may become what another was.
    fn take_back(&mut self, member: &mut Member<T>) {
        for (kept, next) in member.buffers.iter_mut().zip(&self.updates) {
            if let Some(next) = next {
                kept.copy_from_slice(self.program.value(*next));
            }
        }
        let changed = |tensor: usize| matches!(self.updates.get(tensor), Some(Some(_)));
        for &(node, tensor) in self.buffers.iter().filter(|&&(_, tensor)| !changed(tensor)) {
            std::mem::swap(self.program.real_mut(node), &mut member.buffers[tensor]);
        }
        for &(node, tensor) in &self.parameters {
            std::mem::swap(self.program.real_mut(node), &mut member.parameters[tensor]);
        }
    }

    /// Gradients that are no op's value but a parameter's or a buffer's own, which the program has only while it is lent.
    fn lent_gradients(&self) -> Vec<(usize, Vec<T>)> {
        let own = |&(tensor, gradient): &(usize, &Option<NodeId>)| {
            let id = (*gradient)?;
            self.program.is_source(id).then(|| (tensor, self.program.value(id).to_vec()))
        };
        self.gradients.iter().enumerate().filter_map(|pair| own(&pair)).collect()
    }

    /// Exchanges the program's sources for the member's values.
    fn lend(&mut self, member: &mut Member<T>) {
        for (places, own) in [(&self.parameters, &mut member.parameters), (&self.buffers, &mut member.buffers)] {
            for &(node, tensor) in places {
                std::mem::swap(self.program.real_mut(node), &mut own[tensor]);
            }
        }
    }
}

impl<T: EngineScalar> Engine for CpuEngine<T> {
    fn add_data(&mut self, rows: usize, features: Column<'_>, targets: Column<'_>) -> Result<DataId, DeviceError> {
        let order = (0..rows as u32).collect();
        self.data.push(Data { rows, features: Table::new(features), targets: Table::new(targets), order });
        Ok(DataId(self.data.len() - 1))
    }

    fn set_order(&mut self, data: DataId, order: &[u32]) -> Result<(), DeviceError> {
        engine::check_data(data, self.data.len())?;
        let data = &mut self.data[data.0];
        engine::check_order(order, data.rows)?;
        data.order = order.to_vec();
        Ok(())
    }

    fn compile(&mut self, step: StepGraph, data: DataId) -> Result<ProgramId, DeviceError> {
        engine::check_step(&step, &self.setup)?;
        engine::check_data(data, self.data.len())?;
        let set = &self.data[data.0];
        engine::check_columns(&step, set.rows, set.features.kind(), set.targets.kind())?;
        let place = |tensors: &[engine::Tensor], name: &str| tensors.iter().position(|t| t.name == name);
        let Setup { tensors, buffers, .. } = &self.setup;
        let parameters = step.graph.parameters().filter_map(|(name, id)| Some((id, place(tensors, name)?))).collect();
        let buffers = step.graph.buffers().filter_map(|(name, id)| Some((id, place(buffers, name)?))).collect();
        let setting = |(name, id): (&str, NodeId)| match step.graph.node(id).kind {
            Kind::Setting { value, .. } => (id, name.to_owned(), T::of(value)),
            _ => unreachable!("settings are of their kind"),
        };
        let of_members = |(id, name, value): (NodeId, String, T)| {
            let values = (0..self.members.len()).map(|m| *self.settings.get(&(name.clone(), m)).unwrap_or(&value));
            (id, values.collect(), name)
        };
        let settings = step.graph.settings().map(setting).map(of_members).map(|(id, values, name)| (id, name, values));
        let settings = settings.collect();
        let rows = step.graph.shape(step.features).first().copied().unwrap_or(0);
        let results = step.record.iter().chain(&step.gradients).chain(&step.updates);
        let wanted: Vec<NodeId> = results.flatten().copied().collect();
        self.programs.push(Step {
            places: places(&step),
            rows,
            data: data.0,
            parameters,
            buffers,
            settings,
            features: step.features,
            targets: step.targets,
            record: step.record,
            gradients: step.gradients,
            updates: step.updates,
            program: Program::within(step.graph, &wanted, &mut self.room)?,
        });
        Ok(ProgramId(self.programs.len() - 1))
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }

    fn chunk(&self, _data: DataId) -> Option<usize> {
        None
    }

    fn submit(&mut self, step: u32, cursor: u32, calls: &[Call]) -> Result<(), DeviceError> {
        self.check(cursor, calls)?;
        let mut records = Vec::with_capacity(calls.len());
        let (mut step, mut cursor) = (step, cursor as usize);
        cores::enter(|| {
            for call in calls {
                records.push(self.step(step, cursor, call, None));
                let program = &self.programs[call.program.0];
                cursor += program.rows;
                step += u32::from(!program.gradients.is_empty());
            }
        });
        self.done.push_back(records);
        Ok(())
    }

    fn pending(&self) -> usize {
        self.done.len()
    }

    fn collect(&mut self) -> Result<Vec<Record>, DeviceError> {
        Ok(self.done.pop_front().unwrap_or_default())
    }

    fn parameters(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        Ok(widened(&self.members[member].parameters))
    }

    fn set_parameters(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        engine::check_values("parameters", &self.setup.tensors, values)?;
        let own = &mut self.members[member];
        own.flags.fill((u32::MAX, u32::MAX));
        own.parameters = narrowed(values);
        if self.setup.update.average {
            own.averages = narrowed(values);
        }
        Ok(())
    }

    fn set_setting(&mut self, name: &str, member: usize, value: f64) -> Result<(), DeviceError> {
        engine::check_setting(&self.setup, name, member, value, T::of(value).is_finite())?;
        self.settings.insert((name.to_owned(), member), T::of(value));
        for (_, own, values) in self.programs.iter_mut().flat_map(|step| &mut step.settings) {
            if own == name {
                values[member] = T::of(value);
            }
        }
        Ok(())
    }

    fn buffers(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        Ok(widened(&self.members[member].buffers))
    }

    fn set_buffers(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        engine::check_values("buffers", &self.setup.buffers, values)?;
        self.members[member].buffers = narrowed(values);
        Ok(())
    }

    fn states(&mut self, member: usize) -> Result<Vec<Vec<Vec<f64>>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        Ok(self.members[member].states.iter().map(|s| widened(s)).collect())
    }

    fn set_states(&mut self, member: usize, values: &[Vec<Vec<f64>>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        engine::check_states(&self.setup, values)?;
        let storage = self.setup.update.storage;
        let held = |tensor: &Vec<f64>| tensor.iter().map(|&x| T::of(storage.nearest(x))).collect();
        self.members[member].states = values.iter().map(|s| s.iter().map(held).collect()).collect();
        Ok(())
    }

    fn tensor_states(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        Ok(widened(&self.members[member].kept))
    }

    fn set_tensor_states(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        let kept = self.setup.update.transform.as_ref().map_or_else(Vec::new, engine::Transform::states);
        engine::check_values("tensor states", &kept, values)?;
        self.members[member].kept = narrowed(values);
        Ok(())
    }

    fn averages(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        Ok(widened(&self.members[member].averages))
    }

    fn set_averages(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        engine::check_member(&self.setup, member)?;
        engine::check_average(&self.setup)?;
        engine::check_values("averages", &self.setup.tensors, values)?;
        self.members[member].averages = narrowed(values);
        Ok(())
    }

    fn swap_averages(&mut self) -> Result<(), DeviceError> {
        engine::check_average(&self.setup)?;
        for member in &mut self.members {
            std::mem::swap(&mut member.parameters, &mut member.averages);
        }
        Ok(())
    }

    fn first_non_finite(&mut self, member: usize) -> Result<Option<NonFinite>, DeviceError> {
        engine::check_member(&self.setup, member)?;
        Ok(engine::earliest(&self.setup.tensors, self.members[member].flags.iter().copied()))
    }

    fn vectors(&mut self) -> &mut dyn Vectors {
        self
    }

    fn footprint(&self) -> Footprint {
        self.held()
    }
}

pub(super) fn widened<T: Scalar>(values: &[Vec<T>]) -> Vec<Vec<f64>> {
    values.iter().map(|t| t.iter().map(|v| v.f64()).collect()).collect()
}

pub(super) fn narrowed<T: Scalar>(values: &[Vec<f64>]) -> Vec<Vec<T>> {
    values.iter().map(|t| t.iter().map(|&v| T::of(v)).collect()).collect()
}
