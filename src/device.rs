//! Where a graph runs: the f64/f32 twins on the CPU, or WGSL kernels on a GPU.

pub mod cpu;
mod describe;
mod engine;
mod explain;
mod footprint;
mod forward;
pub mod gpu;
mod memory;
mod roof;
mod vectors;

#[doc(hidden)]
pub use describe::launches;
pub use engine::{
    Call, Column, DataId, Engine, NonFinite, Part, ProgramId, Record, Setup, StepGraph, Telemetry, Tensor, Transform,
    Update,
};

pub use explain::{Clock, Explain, LaunchReport, Phase, Profile};
pub use footprint::Footprint;
pub use roof::Roof;
pub use vectors::{VectorId, Vectors};

pub(crate) use forward::{Compiled, Forward};

use std::collections::HashMap;

use crate::error::DeviceError;
use crate::graph::{Dtype, Graph, Kind, NodeId};

/// Values for a node: row-major, without gaps.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// Real numbers; rounded once to the device's scalar.
    Real(Vec<f64>),
    /// Indices.
    Index(Vec<u32>),
}

impl Feed {
    fn describe(&self) -> String {
        match self {
            Self::Real(v) => format!("{} {}", v.len(), Dtype::Real.describe()),
            Self::Index(v) => format!("{} {}", v.len(), Dtype::Index.describe()),
        }
    }
}

impl From<Vec<f64>> for Feed {
    fn from(values: Vec<f64>) -> Self {
        Self::Real(values)
    }
}
impl From<&[f64]> for Feed {
    fn from(values: &[f64]) -> Self {
        Self::Real(values.to_vec())
    }
}
impl From<Vec<u32>> for Feed {
    fn from(values: Vec<u32>) -> Self {
        Self::Index(values)
    }
}

/// What is fed to inputs and parameters (and to settings whose value is not to be used).
pub type Feeds = HashMap<NodeId, Feed>;

/// The values of `id` for `copies` members, checked against its shape and type; a setting's own value where none is fed.
pub(crate) fn fed<'a>(
    graph: &Graph,
    id: NodeId,
    feeds: &'a Feeds,
    copies: usize,
) -> Result<std::borrow::Cow<'a, Feed>, DeviceError> {
    use std::borrow::Cow;
    let node = graph.node(id);
    let (kind, name) = match &node.kind {
        Kind::Input { name, .. } => ("input", name),
        Kind::Parameter { name } => ("parameter", name),
        Kind::Buffer { name } => ("buffer", name),
        Kind::Setting { name, value } => {
            if !feeds.contains_key(&id) {
                return Ok(Cow::Owned(Feed::Real(vec![*value; copies])));
            }
            ("setting", name)
        }
        Kind::Op { .. } => unreachable!("ops are computed, not fed"),
    };
    let Some(feed) = feeds.get(&id) else {
        return Err(DeviceError::NotFed { kind, name: name.clone(), shape: node.meta.shape.to_string() });
    };
    let needed = node.meta.shape.elements() * copies;
    let fits = match (feed, node.meta.dtype) {
        (Feed::Real(v), Dtype::Real) => v.len() == needed,
        (Feed::Index(v), Dtype::Index) => v.len() == needed,
        _ => false,
    };
    if !fits {
        let expected = format!("{needed} {} (shape {})", node.meta.dtype.describe(), node.meta.shape);
        return Err(DeviceError::Feed { name: name.clone(), expected, found: feed.describe() });
    }
    Ok(Cow::Borrowed(feed))
}

/// The width of the CPU's floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Trains fast.
    #[default]
    F32,
    /// Proves.
    F64,
}

impl Precision {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Whether `x` rounds to a finite number of this width.
    pub fn holds_finite(self, x: f64) -> bool {
        match self {
            Self::F32 => (x as f32).is_finite(),
            Self::F64 => x.is_finite(),
        }
    }

    /// Whether `x` rounds to a positive normal number of this width: neither 0 nor infinite, nor one that a GPU may flush to 0.
    pub fn holds_positive(self, x: f64) -> bool {
        x > 0.0
            && match self {
                Self::F32 => (x as f32).is_normal(),
                Self::F64 => x.is_normal(),
            }
    }

    /// `"f32"` or `"f64"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

/// Where a run computes.
#[derive(Clone, Debug)]
pub enum Device {
    /// On the CPU, by the twins.
    Cpu(Precision),
    /// On a GPU, by WGSL kernels in f32.
    Gpu(gpu::Gpu),
}

impl Device {
    /// The device that `--device` names, and a line that says which it is and why: `auto` takes a discrete card, then an
    /// integrated one, and the CPU where there is neither (a software adapter is slower than the CPU device); `gpu` the
    /// best adapter, software ones included; `cpu` the CPU; anything else a part of an adapter's name.
    ///
    /// # Errors
    ///
    /// No adapter, none of that name, or f64 on a GPU.
    pub fn select(wanted: &str, precision: Precision) -> Result<(Self, String), DeviceError> {
        Self::select_with(wanted, precision, gpu::Options::default())
    }

    /// [`select`](Self::select) with an adapter opened as `options` say; the CPU has none.
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select).
    pub fn select_with(
        wanted: &str,
        precision: Precision,
        options: gpu::Options,
    ) -> Result<(Self, String), DeviceError> {
        let opened = match wanted {
            "cpu" => return Ok((Self::Cpu(precision), format!("cpu ({}), as asked", precision.name()))),
            "auto" if precision == Precision::F64 => {
                return Ok((Self::Cpu(precision), "cpu (f64): WGSL has no 64-bit floats".into()));
            }
            "auto" => match gpu::Gpu::automatic(options)? {
                Some(gpu) => gpu,
                None => return Ok((Self::Cpu(precision), format!("cpu (f32): {}", without_a_card(&gpu::adapters())))),
            },
            "gpu" => gpu::Gpu::best(options)?,
            name => gpu::Gpu::named(name, options)?,
        };
        let report = opened.adapter();
        if precision == Precision::F64 {
            return Err(DeviceError::NoDoublePrecision { adapter: report.name.clone() });
        }
        let why = if wanted == "auto" { "the best adapter" } else { "as asked" };
        let line = format!("{} ({}, {}), {why}", report.name, report.kind.describe(), report.backend);
        Ok((Self::Gpu(opened), line))
    }

    /// The width of its floats.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Cpu(precision) => *precision,
            Self::Gpu(_) => Precision::F32,
        }
    }

    /// Takes over the kernel variants of a run, see [`Gpu::adopt`](gpu::Gpu::adopt).
    pub fn adopt(&self, choices: &gpu::Choices) {
        if let Self::Gpu(gpu) = self {
            gpu.adopt(choices);
        }
    }
}

/// Why `auto` takes none of the adapters there are.
fn without_a_card(found: &[gpu::AdapterReport]) -> String {
    let named = |a: &gpu::AdapterReport| format!("{} ({})", a.name, a.kind.describe());
    let all = found.iter().map(named).collect::<Vec<_>>().join(", ");
    let kinds = "the cpu device is faster than software, and the driver does not say what `other` is";
    match found {
        [] => "no Vulkan, Metal or DX12 adapter was found".into(),
        [_] => format!("the only adapter is {all}; {kinds} (`--device gpu` takes it all the same)"),
        _ => format!("the adapters are {all}; {kinds} (`--device gpu` takes the first all the same)"),
    }
}

#[cfg(test)]
mod tests {
    use super::gpu::{AdapterKind, AdapterReport};
    use super::without_a_card;

    fn report(name: &str, kind: AdapterKind) -> AdapterReport {
        AdapterReport {
            name: name.into(),
            backend: "vulkan".into(),
            driver: String::new(),
            kind,
            max_binding: 0,
            max_buffer: 0,
            max_storage_buffers: 0,
            workgroup_memory: 0,
            max_invocations: 0,
            max_groups: 0,
            features: Vec::new(),
            auto: false,
        }
    }

    #[test]
    fn why_no_adapter_was_taken_names_all_and_their_kinds() {
        assert!(without_a_card(&[]).contains("no Vulkan"));
        let (odd, soft) = (report("odd", AdapterKind::Other), report("soft", AdapterKind::Software));
        let one = without_a_card(std::slice::from_ref(&odd));
        assert!(one.starts_with("the only adapter is odd (other); "), "{one}");
        let two = without_a_card(&[odd, soft]);
        assert!(two.starts_with("the adapters are odd (other), soft (software); "), "{two}");
    }
}
