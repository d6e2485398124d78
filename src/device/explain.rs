//! What a step is made of, launch by launch: what each moves and computes, and how long it takes.

use std::time::Duration;

use super::engine::{Call, StepGraph, Tensor};
use super::roof::Roof;
use crate::error::DeviceError;
use crate::graph::{Graph, Kind, NodeId};

/// The part of a step that a launch belongs to, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Taking the minibatch's rows from the data set.
    Minibatch,
    /// What the recorded numbers and the buffers to be are computed from.
    Forward,
    /// What only gradients are computed from.
    Backward,
    /// From gradients to parameters: sums over parts of a minibatch, clipping, directions, the rule.
    Update,
    /// What the step leaves behind: its numbers, and the buffers as they are from now on.
    Record,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Minibatch, Self::Forward, Self::Backward, Self::Update, Self::Record];

    /// The word people read: `"forward"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minibatch => "minibatch",
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Update => "update",
            Self::Record => "record",
        }
    }
}

/// One launch of a step on a GPU; on the CPU one op, the minibatch or the update. All members together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchReport {
    /// The part of the step.
    pub phase: Phase,
    /// The op, and its kernel where that has another name: `matmul: product`.
    pub name: String,
    /// What it makes: the shape of an op's value and the parameters that go in, `[64, 128] by 0.weight`, or the one whose gradient it
    /// is, `[128, 64] for 0.weight`; empty where there is nothing to say.
    pub of: String,
    /// Workgroups; `[0, 0, 0]` on the CPU.
    pub groups: [u32; 3],
    /// Bytes that must move at least: each operand once, and one that is read and written twice. Caches may keep some of them
    /// from memory, kernels may move more.
    pub bytes: u64,
    /// Floating-point operations, a multiplication and an addition counted as two; 0 where only bytes matter.
    pub flops: u64,
}

impl LaunchReport {
    /// Seconds below which no kernel gets under that roof: the longer of moving its bytes and computing its operations. What a launch
    /// costs by being one is not in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::device::{LaunchReport, Phase, Roof};
    ///
    /// let roof = Roof { copy: vec![(1 << 20, 100e9), (1 << 26, 20e9)], flops: 1e12 };
    /// let report = |bytes, flops| LaunchReport {
    ///     phase: Phase::Forward, name: "x".into(), of: String::new(), groups: [1, 1, 1], bytes, flops,
    /// };
    /// assert_eq!(report(1_000_000, 0).floor(&roof), 1e-5); // fits where 100 GB/s come from
    /// assert_eq!(report(1_000_000_000, 0).floor(&roof), 0.05);
    /// assert_eq!(report(1_000_000, 1_000_000_000).floor(&roof), 1e-3); // arithmetic takes longer
    /// ```
    pub fn floor(&self, roof: &Roof) -> f64 {
        let moving = self.bytes as f64 / roof.bandwidth(self.bytes);
        moving.max(self.flops as f64 / roof.flops)
    }
}

/// What the times of a profile were taken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The adapter's own, around each launch: each is a pass of its own then, and pays for beginning and ending it.
    Timestamps,
    /// The host's, around submissions of one launch many times over; on the CPU around each op.
    Wall,
}

impl Clock {
    /// `"timestamps"` or `"wall clock"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timestamps => "timestamps",
            Self::Wall => "wall clock",
        }
    }
}

/// How long a step takes, and each of its launches.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// What timed the launches.
    pub clock: Clock,
    /// Seconds of each launch, in the order of [`Explain::explain`]: medians.
    pub launches: Vec<f64>,
    /// Seconds of a step by the host's clock, as it is trained: many in a submission. The median.
    pub step: f64,
    /// How often each launch was timed.
    pub rounds: usize,
}

/// What an [`Engine`](super::Engine) says of the steps it has compiled.
///
/// # Examples
///
/// A step of logistic regression on the digits, whose product of 64 rows by 10 × 64 weights is 2·64·10·64 operations:
///
/// ```
/// use thalweg::data::Source;
/// use thalweg::device::{Device, Phase, Precision};
/// use thalweg::nn::{Flatten, Linear, Sequential};
/// use thalweg::train::{Recipe, Trainer};
///
/// let data = Source::Digits.load(".".as_ref(), 0.2)?;
/// let model = Sequential::new().add(Flatten).add(Linear::new(10));
/// let trainer = Trainer::new(&Device::Cpu(Precision::F32), &model, &data, Recipe::default())?;
/// let step = trainer.explain()?;
/// let product = step.iter().find(|launch| launch.phase == Phase::Forward && launch.flops > 0).unwrap();
/// assert_eq!(product.flops, 2 * 64 * 10 * 64);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait Explain {
    /// What a step by this call is made of, launch by launch, in the order in which they run. Nothing runs.
    ///
    /// # Errors
    ///
    /// A program of another engine.
    fn explain(&self, call: &Call) -> Result<Vec<LaunchReport>, DeviceError>;

    /// Runs steps by this call over the first rows of its data for about as long as `budget`, and times each launch. Parameters,
    /// states and all else that training reads are afterwards what they were, bit by bit.
    ///
    /// # Errors
    ///
    /// Submissions under way; what [`submit`](super::Engine::submit) refuses; no memory to keep in the meantime what is trained; a
    /// lost device.
    fn profile(&mut self, call: &Call, budget: Duration) -> Result<Profile, DeviceError>;
}

/// What [`Explain::profile`] refuses while something is under way.
pub(super) fn idle(pending: usize) -> Result<(), DeviceError> {
    if pending == 0 {
        return Ok(());
    }
    let (expected, found) = ("no submission under way: collect them first".into(), pending.to_string());
    Err(DeviceError::Feed { name: "profile".into(), expected, found })
}

/// The middle one; of none, 0.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// What a node of a step is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub phase: Phase,
    /// The tensor whose gradient it is, by its number.
    pub gradient: Option<usize>,
}

/// For each node of a step's graph what it is for: forward is what the recorded numbers and the buffers to be are computed from,
/// backward what is left. A gradient that is another node under another shape is that node.
pub(super) fn places(step: &StepGraph) -> Vec<Place> {
    let results: Vec<NodeId> = step.record.iter().chain(&step.updates).flatten().copied().collect();
    let phase = |forward| if forward { Phase::Forward } else { Phase::Backward };
    let live = step.graph.live(&results).into_iter();
    let mut places: Vec<Place> = live.map(|forward| Place { phase: phase(forward), gradient: None }).collect();
    let roots = super::memory::roots(&step.graph);
    for (tensor, gradient) in step.gradients.iter().enumerate() {
        if let Some(id) = gradient {
            places[roots[id.0].0].gradient.get_or_insert(tensor);
        }
    }
    places
}

impl Place {
    /// Tells a report where it belongs: `[10, 256] for 7.weight` is a gradient.
    pub(super) fn tell(&self, report: &mut LaunchReport, tensors: &[Tensor]) {
        report.phase = self.phase;
        if let Some(tensor) = self.gradient {
            report.of += &format!(" for {}", tensors[tensor].name);
        }
    }
}

/// `[64, 128] by 0.weight, 0.bias`
pub(super) fn said(graph: &Graph, id: NodeId) -> String {
    let named = |input: &NodeId| match &graph.node(*input).kind {
        Kind::Parameter { name } | Kind::Buffer { name } => Some(name.as_str()),
        _ => None,
    };
    let mut names: Vec<&str> = graph.node(id).inputs().iter().filter_map(named).collect();
    names.dedup();
    let shape = graph.shape(id);
    if names.is_empty() { shape.to_string() } else { format!("{shape} by {}", names.join(", ")) }
}
