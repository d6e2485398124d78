//! Which adapters there are, and which one `auto` takes.

use crate::error::DeviceError;

/// What an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterKind {
    /// A card of its own.
    Discrete,
    /// Shares the processor's memory.
    Integrated,
    /// A real GPU seen through a virtual machine.
    Virtual,
    /// A program on the CPU: lavapipe, SwiftShader, WARP. Never chosen by `auto`: the cpu device is many times faster.
    Software,
    /// The driver does not say. Never chosen by `auto`: it may be software.
    Other,
}

impl AdapterKind {
    fn rank(self) -> u8 {
        match self {
            Self::Discrete => 0,
            Self::Integrated => 1,
            Self::Virtual => 2,
            Self::Other => 3,
            Self::Software => 4,
        }
    }

    /// The word people read.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Software => "software",
            Self::Other => "other",
        }
    }
}

/// One adapter, with what matters for training.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterReport {
    /// The name `--device NAME` is matched against.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Driver and version.
    pub driver: String,
    /// What it is.
    pub kind: AdapterKind,
    /// Bytes one storage binding takes.
    pub max_binding: u64,
    /// Bytes one buffer takes.
    pub max_buffer: u64,
    /// Storage buffers a kernel binds at once.
    pub max_storage_buffers: u32,
    /// Bytes of workgroup memory.
    pub workgroup_memory: u32,
    /// Invocations a workgroup.
    pub max_invocations: u32,
    /// Workgroups along one axis.
    pub max_groups: u32,
    /// Features it has, of those that matter for computing: their names. No kernel needs any of them.
    pub features: Vec<&'static str>,
    /// Whether `auto` takes this one.
    pub auto: bool,
}

/// Every adapter, best first.
pub fn adapters() -> Vec<AdapterReport> {
    let found = enumerate();
    let auto = automatic(&found);
    found.iter().enumerate().map(|(i, adapter)| report(adapter, Some(i) == auto)).collect()
}

pub(super) fn enumerate() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // Validation layers and the hidden dispatch that checks indirect calls cost time; `WGPU_DEBUG` and the like turn them on.
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    let instance = wgpu::Instance::new(descriptor);
    let mut found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    found.retain(|a| a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    found.sort_by_key(|a| kind(a).rank());
    found
}

/// The place of the adapter `auto` takes: the best that is known not to be software.
pub(super) fn automatic(found: &[wgpu::Adapter]) -> Option<usize> {
    found.iter().position(|a| kind(a).rank() < AdapterKind::Other.rank())
}

/// The best adapter whose name holds `wanted`, in any case.
pub(super) fn named(found: Vec<wgpu::Adapter>, wanted: &str) -> Result<wgpu::Adapter, DeviceError> {
    let known = found.iter().map(|a| a.get_info().name).collect();
    let lower = wanted.to_lowercase();
    // The empty text is in every name, and nobody's.
    let pick = found.into_iter().find(|a| !lower.is_empty() && a.get_info().name.to_lowercase().contains(&lower));
    pick.ok_or(DeviceError::UnknownAdapter { wanted: wanted.into(), known })
}

pub(super) fn kind(adapter: &wgpu::Adapter) -> AdapterKind {
    match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
        wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
        wgpu::DeviceType::Cpu => AdapterKind::Software,
        wgpu::DeviceType::Other => AdapterKind::Other,
    }
}

pub(super) fn report(adapter: &wgpu::Adapter, auto: bool) -> AdapterReport {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let known = [
        (wgpu::Features::TIMESTAMP_QUERY, "timestamp-query"),
        (wgpu::Features::SUBGROUP, "subgroup"),
        (wgpu::Features::SHADER_F16, "shader-f16"),
        (wgpu::Features::PIPELINE_CACHE, "pipeline-cache"),
        (wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, "cooperative-matrix"),
    ];
    AdapterReport {
        name: info.name,
        backend: info.backend.to_string(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        kind: kind(adapter),
        max_binding: limits.max_storage_buffer_binding_size,
        max_buffer: limits.max_buffer_size,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        workgroup_memory: limits.max_compute_workgroup_storage_size,
        max_invocations: limits.max_compute_invocations_per_workgroup,
        max_groups: limits.max_compute_workgroups_per_dimension,
        features: known.into_iter().filter(|(f, _)| features.contains(*f)).map(|(_, name)| name).collect(),
        auto,
    }
}
