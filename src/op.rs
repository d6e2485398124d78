//! The room `op`.
//!
//! One op a file: shape rule, f64 twin, derivative, kernel, where it is not smooth, and its cases. To add one, write the
//! file, its shader at the mirrored path, and one name in `ops!`; the suite, the benches and the docs read [`ALL`].

pub(crate) mod cores;
pub mod operand;
pub(crate) mod pass;
mod room;
pub mod rounding;
pub(crate) mod window;

use std::sync::Arc;

use crate::graph::{Accumulate, DynOp, Fusion, Meta, Op};
use crate::shape::Shape;

/// How the suite fills an operand of a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Uniform in `[low, high)`.
    Uniform(f64, f64),
    /// Uniform in ±`[low, high)`: keeps away from a kink at 0.
    Away(f64, f64),
    /// Indices below this many.
    Index(u32),
    /// Positive weights of each row (last axis) that sum to this.
    Rows(f64),
    /// One value everywhere.
    Constant(f64),
}

/// One operand of a case.
#[derive(Clone, Debug)]
pub struct CaseInput {
    /// Its shape.
    pub shape: Shape,
    /// Its values.
    pub fill: Fill,
    /// Whether the derivative with respect to it is checked.
    pub differentiable: bool,
}

impl CaseInput {
    /// Its shape and type.
    pub fn meta(&self) -> Meta {
        match self.fill {
            Fill::Index(_) => Meta::index(self.shape.clone()),
            _ => Meta::real(self.shape.clone()),
        }
    }
}

/// One use of an op that the suite checks: derivative in f64 mid-graph, kernel against twin, population 1 and 3.
#[derive(Clone, Debug)]
pub struct Case {
    /// The op.
    pub op: Arc<dyn DynOp>,
    /// What is different about this case, a few words.
    pub label: String,
    /// Its operands.
    pub inputs: Vec<CaseInput>,
    /// Whether the f64 derivative check applies; off for edge values at kinks or at ±1000, which the kernel alone is held to.
    pub smooth: bool,
    /// Whether a bench times it.
    pub bench: bool,
    /// Why the kernels' bounds may be above 1 % of their largest value here; `None` where they may not.
    pub coarse: Option<&'static str>,
}

impl Case {
    /// A case without inputs yet.
    pub fn new(label: impl Into<String>, op: impl Op) -> Self {
        Self { op: Arc::new(op), label: label.into(), inputs: Vec::new(), smooth: true, bench: false, coarse: None }
    }

    /// With an operand whose derivative is checked.
    pub fn real(self, shape: impl Into<Shape>, fill: Fill) -> Self {
        self.operand(shape, fill, true)
    }

    /// With an operand that has no derivative: indices, a rate.
    pub fn fixed(self, shape: impl Into<Shape>, fill: Fill) -> Self {
        self.operand(shape, fill, false)
    }

    /// Without the f64 derivative check.
    pub fn edge(mut self) -> Self {
        self.smooth = false;
        self
    }

    /// With bounds that may be above 1 % of the largest value, for a reason: without it such a case proves nothing and fails.
    pub fn coarse(mut self, why: &'static str) -> Self {
        self.coarse = Some(why);
        self
    }

    /// Timed by the benches.
    pub fn benched(mut self) -> Self {
        self.bench = true;
        self
    }

    fn operand(mut self, shape: impl Into<Shape>, fill: Fill, differentiable: bool) -> Self {
        self.inputs.push(CaseInput { shape: shape.into(), fill, differentiable });
        self
    }
}

/// An op's place in the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name of its file.
    pub name: &'static str,
    /// What the suite checks of it; never empty.
    pub cases: fn() -> Vec<Case>,
}

/// Lengths at which element-wise kernels go wrong: one, around a workgroup, a prime, and none.
pub const RAGGED: [usize; 6] = [1, 63, 64, 65, 1009, 0];

macro_rules! ops {
    ($($name:ident),* $(,)?) => {
        $(pub mod $name;)*
        /// Every op: what the suite, the benches and the docs go through.
        pub const ALL: &[Entry] = &[
            Entry { name: "accumulate", cases: accumulate_cases },
            $(Entry { name: stringify!($name), cases: $name::cases },)*
        ];
    };
}

ops!(
    affine, augment, avg_pool2d, binary, conv2d, dropout, gather, matmul, max_pool2d, maxout, moments, normalize,
    penalty, reduce, reshape, scale, select, softmax, sum_to, unary,
);

/// What of the ops is computed together with what.
pub const FUSIONS: &[Fusion] = &[
    Fusion { name: "matmul with slope", find: matmul::slope::find },
    Fusion { name: "matmul with sums", find: matmul::sums::find },
    Fusion { name: "affine with dropout", find: affine::dropped::find },
    Fusion { name: "conv2d_input_gradient with slope", find: conv2d::input_gradient::find },
    Fusion { name: "max_pool2d_gradient with slope", find: unary::stored::poolings },
    Fusion { name: "conv2d with activation", find: unary::stored::convolutions },
    Fusion { name: "normalize with activation", find: unary::stored::normalisations },
    Fusion { name: "add with activation", find: unary::stored::sums },
];

fn accumulate_cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    RAGGED.iter().map(|&n| Case::new(format!("{n}"), Accumulate).real([n], any).real([n], any)).collect()
}
