//! The GPU device: the only room that names wgpu.

mod adapter;
mod buffer;
mod compile;
mod engine;
mod evaluate;
mod forward;
mod pipeline;
mod prepared;
pub(super) mod roof;
mod subgroup;
mod timer;
mod trusted;
mod tuning;

pub use adapter::{AdapterKind, AdapterReport, adapters};
pub use engine::GpuEngine;
#[doc(hidden)]
pub use engine::step_launches;
pub use evaluate::{Evaluation, evaluate};
pub(super) use forward::GpuForward;
pub use prepared::Prepared;
pub use tuning::{Choices, ClassReport, ClassTiming, Origin, Owner, Tuning, TuningReport};

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::describe::{self, Terms, Variant};
use crate::error::{DeviceError, GraphError};
use crate::graph::{Graph, NodeId};
use crate::kernel::{ALIGN, Abilities, Launch, Place, Plan, Tiling};
use crate::shape::Shape;

/// How long a submission may take before the driver is taken to hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// How an adapter is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// Keep the compiler's bounds checks in the kernels. Slower; the suite runs both.
    pub checked: bool,
    /// Ask for WebGPU's default limits, and no features, even where the adapter grants more.
    pub default_limits: bool,
    /// Most elements one storage binding may hold, below the adapter's own limit: large tensors are split sooner.
    pub max_elements: Option<usize>,
    /// Most workgroups along one axis of a dispatch, below the adapter's own limit: large tensors are folded sooner.
    pub max_groups: Option<u32>,
    /// Most bytes this device may allocate. Opening it takes about 1 KiB for a moment, to try out its subgroup operations.
    pub memory_limit: Option<u64>,
    /// Which product kernels to use; by default what suits the kind of adapter.
    pub tiling: Option<Tiling>,
    /// The variant to take wherever an op offers one of this name; by default what was found to be fast.
    pub variant: Option<&'static str>,
    /// Launch every node of a graph by itself, where several could be computed by one kernel.
    pub apart: bool,
    /// What it may cost to find out which variants are fast.
    pub tuning: Tuning,
}

/// An open adapter: a device, its queue, and the pipelines made on it so far. Cloning shares them.
#[derive(Clone)]
pub struct Gpu {
    shared: Arc<Shared>,
}

struct Shared {
    device: wgpu::Device,
    queue: wgpu::Queue,
    report: AdapterReport,
    options: Options,
    limits: wgpu::Limits,
    pipelines: Mutex<HashMap<pipeline::Key, pipeline::Pipeline>>,
    tuner: Mutex<tuning::Tuner>,
    allocated: Arc<AtomicU64>,
    trouble: Arc<Mutex<Option<Trouble>>>,
    /// The size that every subgroup has, if they stood their test.
    subgroup: OnceLock<u32>,
    /// Whether 64-bit integers stood theirs.
    wide: OnceLock<bool>,
}

/// What the driver said outside of any call.
#[derive(Clone)]
enum Trouble {
    Lost(String),
    Error(String),
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("adapter", &self.shared.report.name).finish_non_exhaustive()
    }
}

impl Gpu {
    /// The adapter that `auto` takes: a discrete card, then an integrated one; `None` where there is neither.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Unusable`] if the driver refuses to open it; a device that has no memory, is lost or hangs already.
    pub fn automatic(options: Options) -> Result<Option<Self>, DeviceError> {
        let mut found = adapter::enumerate();
        adapter::automatic(&found).map(|i| Self::open(&found.swap_remove(i), options)).transpose()
    }

    /// The best adapter, software ones included.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NoAdapter`]; as [`automatic`](Self::automatic).
    pub fn best(options: Options) -> Result<Self, DeviceError> {
        let found = adapter::enumerate();
        Self::open(found.first().ok_or(DeviceError::NoAdapter)?, options)
    }

    /// The best adapter whose name contains `wanted`, in any case.
    ///
    /// # Errors
    ///
    /// [`DeviceError::UnknownAdapter`] with the names there are; as [`automatic`](Self::automatic).
    pub fn named(wanted: &str, options: Options) -> Result<Self, DeviceError> {
        Self::open(&adapter::named(adapter::enumerate(), wanted)?, options)
    }

    fn open(adapter: &wgpu::Adapter, options: Options) -> Result<Self, DeviceError> {
        let report = adapter::report(adapter, false);
        let limits = if options.default_limits { wgpu::Limits::default() } else { adapter.limits() };
        // WebGPU's defaults have none.
        let features = match options.default_limits {
            true => wgpu::Features::empty(),
            false => (adapter.features() & wgpu::Features::TIMESTAMP_QUERY) | subgroup::features(adapter),
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("thalweg"),
            required_features: features,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| DeviceError::Unusable { adapter: report.name.clone(), reason: e.to_string() })?;
        let trouble: Arc<Mutex<Option<Trouble>>> = Arc::default();
        let note = |said: Trouble, seen: &Mutex<Option<Trouble>>| {
            // The first word counts: what follows a loss is its echo.
            seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(said);
        };
        let seen = trouble.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| note(Trouble::Error(e.to_string()), &seen)));
        let seen = trouble.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the device calls this too.
            if reason != wgpu::DeviceLostReason::Destroyed || !message.is_empty() {
                note(Trouble::Lost(format!("{reason:?}: {message}")), &seen);
            }
        });
        let shared = Shared {
            device,
            queue,
            report,
            options,
            limits,
            pipelines: Mutex::default(),
            tuner: Mutex::default(),
            allocated: Arc::default(),
            trouble,
            subgroup: OnceLock::new(),
            wide: OnceLock::new(),
        };
        let gpu = Self { shared: Arc::new(shared) };
        gpu.try_subgroups()?;
        Ok(gpu)
    }

    /// The adapter.
    pub fn adapter(&self) -> &AdapterReport {
        &self.shared.report
    }

    /// How it was opened.
    pub fn options(&self) -> Options {
        self.shared.options
    }

    /// Which product kernels suit it.
    pub fn tiling(&self) -> Tiling {
        let natural =
            if self.shared.report.kind == AdapterKind::Software { Tiling::Register } else { Tiling::Workgroup };
        self.shared.options.tiling.unwrap_or(natural)
    }

    /// What its kernels may use beside WebGPU's minimum.
    pub fn abilities(&self) -> Abilities {
        let limits = &self.shared.limits;
        Abilities {
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            subgroup: self.shared.subgroup.get().copied(),
            wide: self.shared.wide.get().is_some(),
        }
    }

    /// What is told to those that describe launches.
    fn terms<'a>(&self, members: u32, variant: &'a Variant<'a>) -> Terms<'a> {
        let nothing = Place { shape: Shape::scalar(), stride: 0 };
        let plan = Plan {
            max_elements: self.max_elements(),
            max_groups: self.max_groups(),
            tiling: self.tiling(),
            abilities: self.abilities(),
            ..Plan::new(Vec::new(), nothing, members)
        };
        Terms { plan, members, apart: self.shared.options.apart, variant }
    }

    /// The launches that compute `wanted` for so many members, in order.
    ///
    /// # Errors
    ///
    /// As [`Op::launches`](crate::graph::Op::launches).
    pub fn launches(&self, graph: &Graph, wanted: &[NodeId], members: u32) -> Result<Vec<Launch>, GraphError> {
        describe::listed(graph, wanted, &self.terms(members, &|op, plan| self.variant(op, plan)))
    }

    /// Bytes allocated and not freed.
    pub fn allocated(&self) -> u64 {
        self.shared.allocated.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Elements that one storage binding holds.
    fn max_elements(&self) -> usize {
        // Vulkan and DX12 stop below 2³¹ bytes whatever the limit says.
        let bytes = self.shared.limits.max_storage_buffer_binding_size.min((1 << 31) - 4);
        let most = usize::try_from(bytes / 4)
            .unwrap_or(usize::MAX)
            .min(self.shared.options.max_elements.unwrap_or(usize::MAX));
        (most / ALIGN * ALIGN).max(ALIGN)
    }

    /// Elements that one buffer holds.
    fn max_buffer(&self) -> usize {
        usize::try_from(self.shared.limits.max_buffer_size / 4).unwrap_or(usize::MAX) / ALIGN * ALIGN
    }

    /// Workgroups that one axis of a dispatch takes.
    fn max_groups(&self) -> u32 {
        let most = self.shared.limits.max_compute_workgroups_per_dimension;
        most.min(self.shared.options.max_groups.unwrap_or(most)).max(1)
    }

    fn name(&self) -> String {
        self.shared.report.name.clone()
    }

    /// Turns what the driver said meanwhile into an error.
    fn health(&self) -> Result<(), DeviceError> {
        let said = self.shared.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        match said {
            None => Ok(()),
            Some(Trouble::Lost(reason)) => Err(DeviceError::Lost { adapter: self.name(), reason }),
            Some(Trouble::Error(message)) => Err(DeviceError::Driver { adapter: self.name(), message }),
        }
    }

    /// Waits for a submission, or all.
    fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), DeviceError> {
        let waited =
            self.shared.device.poll(wgpu::PollType::Wait { submission_index: submission, timeout: Some(PATIENCE) });
        self.health()?;
        match waited {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => {
                Err(DeviceError::Hang { adapter: self.name(), seconds: PATIENCE.as_secs() })
            }
            Err(other) => Err(DeviceError::Driver { adapter: self.name(), message: other.to_string() }),
        }
    }

    /// Makes the device as lost as a crashed driver would: for tests of what follows.
    #[doc(hidden)]
    pub fn lose(&self) {
        let mut seen = self.shared.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.get_or_insert(Trouble::Lost("destroyed on request".into()));
        drop(seen);
        self.shared.device.destroy();
    }
}
