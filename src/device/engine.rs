//! What a training run asks of a device: parameters that stay there, data sets, compiled steps, and submissions of many
//! steps whose results come back together.

mod check;
mod non_finite;
mod transform;

pub(super) use check::{
    Extent, check_average, check_calls, check_columns, check_data, check_member, check_order, check_setting,
    check_setup, check_states, check_step, check_values,
};

pub use non_finite::NonFinite;
pub(super) use non_finite::earliest;
pub use transform::{NUMBERS, Transform};

use std::sync::Arc;

use super::explain::Explain;
use super::footprint::Footprint;
use super::gpu::Choices;
use super::vectors::Vectors;
use crate::error::DeviceError;
use crate::graph::{Graph, NodeId};
use crate::optim::{Clip, DynRule, FROZEN, Hyper, Storage};
use crate::shape::Shape;

/// One learnt tensor, in the order of the flat buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// PyTorch's name: `0.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
}

/// What an engine is made for.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The learnt tensors.
    pub tensors: Vec<Tensor>,
    /// What is kept from step to step but not learnt.
    pub buffers: Vec<Tensor>,
    /// The parameter group of each tensor, below [`MAX_GROUPS`](crate::optim::MAX_GROUPS), or [`FROZEN`]; groups have
    /// hyper-parameters of their own, and frozen tensors none.
    pub groups: Vec<usize>,
    /// The update rule.
    pub rule: Arc<dyn DynRule>,
    /// What an update does beside its rule.
    pub update: Update,
    /// One seed a member; its length, at least 1, is the population.
    pub seeds: Vec<u64>,
}

impl Setup {
    /// Bytes of one of the rule's states of one parameter on a GPU.
    pub(super) fn state_bytes(&self) -> usize {
        self.update.storage.bytes()
    }

    /// How many groups there are, at least 1, [`FROZEN`] apart.
    pub fn group_count(&self) -> usize {
        self.groups.iter().filter(|&&g| g != FROZEN).max().map_or(1, |&g| g.saturating_add(1))
    }
}

/// What an update does beside its rule.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// How the rule's states are held.
    pub storage: Storage,
    /// How gradients are cut.
    pub clip: Option<Clip>,
    /// Whether a running average of the parameters is kept; what it takes of them is each step's [`Call::average`].
    pub average: bool,
    /// Whether steps may be parts of a larger minibatch: [`Call::part`].
    pub accumulate: bool,
    /// Whether steps may ask for telemetry: [`Call::telemetry`].
    pub telemetry: bool,
    /// Tensors without states, whose gradient is the step itself: `p ← (1 − h₁)p − h₀g`.
    pub bare: Vec<usize>,
    /// What becomes of gradients before the update; those of `bare` tensors, for a rule that looks at whole tensors.
    pub transform: Option<Transform>,
}

/// Numbers of a data set, in the type they came in.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// f32.
    F32(&'a [f32]),
    /// f64, rounded once to what the device computes in.
    F64(&'a [f64]),
    /// Classes, rows of a table.
    Index(&'a [u32]),
}

impl Column<'_> {
    /// Values in all.
    #[expect(clippy::len_without_is_empty, reason = "counts values; emptiness is the data set's matter")]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::Index(v) => v.len(),
        }
    }
}

/// A data set on the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataId(pub(super) usize);

/// A compiled step on the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramId(pub(super) usize);

/// The graph of one step over a minibatch.
#[derive(Clone, Debug)]
pub struct StepGraph {
    /// The graph.
    pub graph: Graph,
    /// The input that gets the minibatch's features, `[rows, …]`.
    pub features: NodeId,
    /// The input that gets its targets, `[rows]` or `[rows, …]`.
    pub targets: NodeId,
    /// Scalars to record: loss, data loss, penalty, accuracy. The first is always there.
    pub record: [Option<NodeId>; 4],
    /// For each tensor of [`Setup::tensors`] its gradient; `None` inside is a gradient of zero, the same tensors in all
    /// steps of an engine. Empty for evaluation: no update.
    pub gradients: Vec<Option<NodeId>>,
    /// For each of [`Setup::buffers`] what it becomes after the step; `None` where it stays. Empty for evaluation.
    pub updates: Vec<Option<NodeId>>,
}

/// Which part of a larger minibatch a step has. Its gradient is the sum of the parts' by their [shares](Call::share).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// The first of several: no update.
    First,
    /// One between: no update.
    Next,
    /// The last of several.
    Last,
}

impl Part {
    /// Whether the step updates parameters.
    pub fn updates(self) -> bool {
        matches!(self, Self::Whole | Self::Last)
    }
}

/// One step of a submission.
#[derive(Clone, Debug)]
pub struct Call {
    /// What to run.
    pub program: ProgramId,
    /// Numbers of the update for each member and group, `[member][group]`; empty for evaluation and for parts that update
    /// nothing.
    pub hyper: Vec<Hyper>,
    /// Which part of a minibatch it is; others than the whole need [`Update::accumulate`].
    pub part: Part,
    /// What a part's gradient is multiplied by: its share of the minibatch's rows.
    pub share: f64,
    /// What the running average takes of the new parameters, 1 − decay.
    pub average: f64,
    /// Whether the update leaves its telemetry.
    pub telemetry: bool,
    /// Which members are updated; empty for all.
    pub active: Vec<bool>,
}

impl Call {
    /// A step over a whole minibatch by these numbers of the update; without telemetry, and the running average becomes what
    /// the parameters are.
    pub fn new(program: ProgramId, hyper: Vec<Hyper>) -> Self {
        Self { program, hyper, part: Part::Whole, share: 1.0, average: 1.0, telemetry: false, active: Vec::new() }
    }

    /// A step of evaluation.
    pub fn evaluate(program: ProgramId) -> Self {
        Self::new(program, Vec::new())
    }
}

/// What one step recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// For each member loss, data loss, penalty, accuracy (NaN where the graph has none).
    pub scalars: Vec<[f64; 4]>,
    /// `[member][tensor]`; empty where it was not asked for.
    pub telemetry: Vec<Vec<Telemetry>>,
}

impl std::ops::Index<usize> for Record {
    type Output = [f64; 4];

    /// Loss, data loss, penalty and accuracy of a member.
    fn index(&self, member: usize) -> &[f64; 4] {
        &self.scalars[member]
    }
}

/// What an update did to a tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Telemetry {
    /// ‖w‖ before the update.
    pub parameters: f64,
    /// ‖g‖, before clipping.
    pub gradients: f64,
    /// ‖Δw‖, of what the parameters were really changed by.
    pub update: f64,
    /// max |g|.
    pub largest_gradient: f64,
    /// Elements of the gradient that are no numbers.
    pub non_finite: u64,
}

impl Telemetry {
    /// ‖Δw‖ / ‖w‖, about 1e-3 in a run that goes well; `None` for a tensor of zeros.
    pub fn ratio(&self) -> Option<f64> {
        (self.parameters > 0.0).then(|| self.update / self.parameters)
    }
}

/// A device in training: the CPU in f32 or f64, or a GPU.
///
/// Steps of one submission take consecutive rows of the data set's order. Nothing waits but [`collect`](Self::collect),
/// [`parameters`](Self::parameters), [`buffers`](Self::buffers) and [`states`](Self::states).
pub trait Engine: Explain + Send {
    /// Puts a data set on the device, or, where it is too large, keeps it beside and streams it. `rows` rows; the columns hold `rows` times the graph's width.
    ///
    /// # Errors
    ///
    /// Out of memory.
    fn add_data(&mut self, rows: usize, features: Column<'_>, targets: Column<'_>) -> Result<DataId, DeviceError>;

    /// The order in which steps take the rows.
    ///
    /// # Errors
    ///
    /// Data of another engine, an order that is not of its rows, a lost device.
    fn set_order(&mut self, data: DataId, order: &[u32]) -> Result<(), DeviceError>;

    /// Compiles a step over a data set.
    ///
    /// # Errors
    ///
    /// A kernel refused, a tensor too large, out of memory.
    fn compile(&mut self, step: StepGraph, data: DataId) -> Result<ProgramId, DeviceError>;

    /// Most steps one submission takes.
    fn capacity(&self) -> usize;

    /// Most rows one submission takes of data that are too large for the device and stream through it; `None` where they lie
    /// there, and for data of another engine.
    fn chunk(&self, data: DataId) -> Option<usize>;

    /// Runs steps one after the other from row `cursor` on. `step` updates were done before.
    ///
    /// # Errors
    ///
    /// A program of another engine, rows that the data do not have, numbers of the update that are too few or not finite in
    /// the device's precision, a lost device.
    fn submit(&mut self, step: u32, cursor: u32, calls: &[Call]) -> Result<(), DeviceError>;

    /// Submissions whose records were not collected.
    fn pending(&self) -> usize;

    /// Waits for the oldest submission and returns its records, one a step. Empty if there is none.
    ///
    /// # Errors
    ///
    /// A lost or hanging device.
    fn collect(&mut self) -> Result<Vec<Record>, DeviceError>;

    /// The parameters of a member, by tensor; exact.
    ///
    /// # Errors
    ///
    /// A lost device.
    fn parameters(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError>;

    /// Replaces the parameters of a member and their running average, and forgets what was non-finite before.
    ///
    /// # Errors
    ///
    /// Values that do not fit the tensors, a lost device.
    fn set_parameters(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError>;

    /// Gives a member a value of its own for the [setting](crate::graph::Kind::Setting) of that name, in every program compiled
    /// before or after; without it a setting has the value that its graph gives it.
    ///
    /// # Errors
    ///
    /// A member that is not there, a value that is not finite on the device, a lost device.
    fn set_setting(&mut self, name: &str, member: usize, value: f64) -> Result<(), DeviceError>;

    /// The buffers of a member, by tensor; exact.
    ///
    /// # Errors
    ///
    /// A lost device.
    fn buffers(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError>;

    /// Replaces the buffers of a member, which are 0 at first.
    ///
    /// # Errors
    ///
    /// Values that do not fit the tensors, a lost device.
    fn set_buffers(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError>;

    /// The optimizer's states of a member, `[state][tensor]`; exact.
    ///
    /// # Errors
    ///
    /// A lost device.
    fn states(&mut self, member: usize) -> Result<Vec<Vec<Vec<f64>>>, DeviceError>;

    /// Replaces the optimizer's states of a member; numbers that [`Update::storage`] does not hold by the nearest that it does.
    ///
    /// # Errors
    ///
    /// A lost device.
    fn set_states(&mut self, member: usize, values: &[Vec<Vec<f64>>]) -> Result<(), DeviceError>;

    /// What the [transformation](Update::transform) keeps for a member, in the order of [`Transform::states`]; exact.
    ///
    /// # Errors
    ///
    /// A lost device.
    fn tensor_states(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError>;

    /// Replaces what the transformation keeps for a member.
    ///
    /// # Errors
    ///
    /// Values that do not fit, a lost device.
    fn set_tensor_states(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError>;

    /// The running average of a member's parameters, by tensor; exact. Empty where none is kept.
    ///
    /// # Errors
    ///
    /// A lost device.
    fn averages(&mut self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError>;

    /// Replaces the running average of a member's parameters.
    ///
    /// # Errors
    ///
    /// Values that do not fit the tensors, an engine without averages, a lost device.
    fn set_averages(&mut self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError>;

    /// Exchanges the parameters of all members for their running averages: for an evaluation, after which it is done again.
    ///
    /// # Errors
    ///
    /// An engine without averages, a lost device.
    fn swap_averages(&mut self) -> Result<(), DeviceError>;

    /// The tensor of a member in which something non-finite was seen first, if any: the earliest step; a gradient before a
    /// parameter; the tensor nearest to the loss, where the backward pass comes through first.
    ///
    /// # Errors
    ///
    /// A lost device.
    fn first_non_finite(&mut self, member: usize) -> Result<Option<NonFinite>, DeviceError>;

    /// Vectors as long as the parameters, for an optimizer that needs more than the fused update.
    fn vectors(&mut self) -> &mut dyn Vectors;

    /// The kernel variants in force in its steps: those that a run goes on with. None on the cpu device.
    fn choices(&self) -> Choices {
        Choices::default()
    }

    /// Bytes held on the device, by what they are for.
    fn footprint(&self) -> Footprint;

    /// Bytes held on the device.
    fn bytes(&self) -> u64 {
        self.footprint().total()
    }
}
