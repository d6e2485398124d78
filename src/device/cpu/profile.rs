//! What a step's ops are, and how long each takes.

use std::time::{Duration, Instant};

use super::Program;
use super::engine::{CpuEngine, Step};
use super::update::EngineScalar;
use crate::device::engine::{Call, Engine, Part, Tensor};
use crate::device::explain::{Clock, Explain, LaunchReport, Phase, Profile, idle, median, said};
use crate::device::footprint::Footprint;
use crate::error::DeviceError;
use crate::graph::{Dtype, Kind, NodeId, TwinIn};
use crate::kernel::{Place, Plan, Tiling};
use crate::optim::FROZEN;

/// Steps that are timed, at least and at most.
const LEAST: usize = 3;
const MOST: usize = 200;

/// Where a step is: the minibatch, the ops one by one, the update.
pub(super) struct Watch {
    last: Instant,
    next: usize,
    seconds: Vec<f64>,
}

impl Watch {
    fn new(entries: usize) -> Self {
        Self { last: Instant::now(), next: 0, seconds: vec![0.0; entries] }
    }

    /// What was done since is the next entry's.
    pub(super) fn mark(&mut self) {
        let now = Instant::now();
        if let Some(own) = self.seconds.get_mut(self.next) {
            *own += (now - self.last).as_secs_f64();
        }
        self.next += 1;
        self.last = now;
    }

    /// The next member begins with the first op again.
    pub(super) fn again(&mut self) {
        self.next = 1;
        self.last = Instant::now();
    }
}

impl<T: TwinIn> Program<T> {
    /// Each op, in order, for `members` members one after the other.
    fn described(&self, members: u64) -> impl Iterator<Item = (NodeId, LaunchReport)> {
        self.order.iter().map(move |&id| (id, self.report(id, members)))
    }

    fn report(&self, id: NodeId, members: u64) -> LaunchReport {
        let graph = &self.graph;
        let Kind::Op { op, inputs } = &graph.node(id).kind else { unreachable!("only ops are in the order") };
        let shape = graph.shape(id);
        let first = |n: usize| !inputs[..n].contains(&inputs[n]);
        let read = |n: usize| op.touched(n, graph.shape(inputs[n]), shape);
        let elements = (0..inputs.len()).filter(|&n| first(n)).map(read).sum::<usize>() + shape.elements();
        LaunchReport {
            phase: Phase::Forward,
            name: op.name().into(),
            of: said(graph, id),
            groups: [0; 3],
            bytes: (elements * size_of::<T>()) as u64 * members,
            flops: self.flops(id) * members,
        }
    }

    /// As the kernels count them; they are the same operations.
    fn flops(&self, id: NodeId) -> u64 {
        let Kind::Op { op, inputs } = &self.graph.node(id).kind else { return 0 };
        let place = |id: NodeId| Place { shape: self.graph.shape(id).clone(), stride: 0 };
        let mut plan = Plan::new(inputs.iter().map(|&id| place(id)).collect(), place(id), 1);
        plan.tiling = Tiling::Register;
        // What is too large for a binding says nothing of its operations.
        op.launches(&plan).map_or(0, |launches| launches.list.iter().map(|launch| launch.flops).sum())
    }
}

impl<T: EngineScalar> Explain for CpuEngine<T> {
    fn explain(&self, call: &Call) -> Result<Vec<LaunchReport>, DeviceError> {
        self.check(0, std::slice::from_ref(call))?;
        let step = &self.programs[call.program.0];
        let members = self.members.len() as u64;
        let own = |phase, name: &str, bytes: usize| LaunchReport {
            phase,
            name: name.into(),
            of: String::new(),
            groups: [0; 3],
            bytes: bytes as u64,
            flops: 0,
        };
        let taken = 2 * self.minibatch(step) * size_of::<T>();
        let mut all = vec![own(Phase::Minibatch, "minibatch", taken)];
        all.extend(step.program.described(members).map(|(id, mut report)| {
            step.places[id.0].tell(&mut report, &self.setup.tensors);
            report
        }));
        if step.trains() {
            all.push(own(Phase::Update, self.setup.rule.name(), self.update_bytes(call)));
        }
        Ok(all)
    }

    fn profile(&mut self, call: &Call, budget: Duration) -> Result<Profile, DeviceError> {
        idle(self.pending())?;
        let entries = self.explain(call)?.len();
        let kept = self.members.clone();
        let began = Instant::now();
        let (mut steps, mut rounds): (Vec<f64>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
        // The first round is not counted: caches are cold.
        while rounds.len() <= LEAST || (began.elapsed() < budget && rounds.len() <= MOST) {
            let start = Instant::now();
            self.step(0, 0, call, None);
            steps.push(start.elapsed().as_secs_f64());
            let mut watch = Watch::new(entries);
            self.step(0, 0, call, Some(&mut watch));
            rounds.push(watch.seconds);
        }
        self.members = kept;
        let rounds = &rounds[1..];
        let launches = (0..entries).map(|n| median(rounds.iter().map(|round| round[n]).collect())).collect();
        Ok(Profile { clock: Clock::Wall, launches, step: median(steps.split_off(1)), rounds: rounds.len() })
    }
}

impl<T: EngineScalar> CpuEngine<T> {
    /// What is in memory for what.
    pub(super) fn held(&self) -> Footprint {
        let bytes = |elements: usize| (elements * size_of::<T>()) as u64;
        let sum = |tensors: &[Tensor]| tensors.iter().map(|t| t.shape.elements()).sum::<usize>();
        let (tensors, members, update) = (sum(&self.setup.tensors), self.members.len(), &self.setup.update);
        let further = usize::from(update.average) + usize::from(update.accumulate);
        let states = self.setup.rule.states().len() + further;
        let mut held = Footprint {
            parameters: bytes(members * tensors),
            states: bytes(members * tensors * states),
            data: self.data_bytes() as u64,
            other: bytes(members * sum(&self.setup.buffers) + self.vectors.len() * tensors),
            ..Footprint::default()
        };
        for step in &self.programs {
            let [gradients, sources, floor] = step.program.elements(&step.gradients);
            held.gradients = held.gradients.max(bytes(gradients.min(floor)));
            held.other += bytes(sources);
            held.cut = held.cut.max(bytes(floor));
        }
        // Gradients are values here: both have their part of the room.
        held.cut = held.cut.saturating_sub(held.gradients);
        held.values = bytes(self.room.iter().map(Vec::len).sum()).saturating_sub(held.gradients);
        held
    }

    /// Bytes of the data sets and of the orders of their rows.
    fn data_bytes(&self) -> usize {
        let width = |dtype| if dtype == Dtype::Index { 4 } else { size_of::<T>() };
        let column = |(values, dtype): (usize, Dtype)| values * width(dtype);
        self.data.iter().map(|d| column(d.features.kind()) + column(d.targets.kind()) + 4 * d.rows).sum()
    }

    /// Values of a minibatch.
    fn minibatch(&self, step: &Step<T>) -> usize {
        let graph = &step.program.graph;
        graph.shape(step.features).elements() + graph.shape(step.targets).elements()
    }

    /// Bytes that the call's update must move: gradients once, parameters, states and averages twice, of tensors that learn.
    fn update_bytes(&self, call: &Call) -> usize {
        let setup = &self.setup;
        let elements = |t: &usize| setup.tensors[*t].shape.elements();
        let moving: usize = (0..setup.tensors.len()).filter(|&t| setup.groups[t] != FROZEN).map(|t| elements(&t)).sum();
        let bare: usize = setup.update.bare.iter().map(elements).sum();
        let states = setup.rule.states().len();
        let updated =
            3 * moving + 2 * states * moving.saturating_sub(bare) + if setup.update.average { 2 * moving } else { 0 };
        let summed = if call.part == Part::Whole { 0 } else { 3 * moving };
        let all = summed + if call.part.updates() { updated } else { 0 };
        all * self.members.len() * size_of::<T>()
    }
}
