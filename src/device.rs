//! Where a graph runs: the f64/f32 twins on the CPU, or WGSL kernels on a GPU.

pub mod cpu;
mod engine;
pub mod gpu;
mod memory;

pub use engine::{Call, Column, DataId, Engine, NonFinite, ProgramId, Record, Setup, StepGraph, Tensor};

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
fn fed<'a>(
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
        let options = gpu::Options::default();
        let opened = match wanted {
            "cpu" => return Ok((Self::Cpu(precision), format!("cpu ({}), as asked", precision.name()))),
            "auto" if precision == Precision::F64 => {
                return Ok((Self::Cpu(precision), "cpu (f64): WGSL has no 64-bit floats".into()));
            }
            "auto" => match gpu::Gpu::automatic(options)? {
                Some(gpu) => gpu,
                None => return Ok((Self::Cpu(precision), format!("cpu (f32): {}", without_a_card()))),
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
}

fn without_a_card() -> String {
    let found = gpu::adapters();
    match found.first() {
        None => "no Vulkan, Metal or DX12 adapter was found".into(),
        Some(a) => format!(
            "the only adapter, {}, is {}, and the cpu device is faster than that (`--device gpu` takes it all the same)",
            a.name,
            a.kind.describe()
        ),
    }
}
