//! What an op must say of itself.

use std::any::Any;
use std::fmt::Debug;

use super::{NodeId, Tape};
use crate::error::GraphError;
use crate::kernel::{Launches, Plan, Variants};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// What a tensor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Real numbers: `f32` on the GPU, the twin's scalar on the CPU.
    Real,
    /// Indices, `u32` on both.
    Index,
}

impl Dtype {
    /// The words of an error message.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Real => "real numbers",
            Self::Index => "indices",
        }
    }
}

/// Shape and type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Its shape, of one member.
    pub shape: Shape,
    /// What it holds.
    pub dtype: Dtype,
}

impl Meta {
    /// Real numbers of `shape`.
    pub fn real(shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into(), dtype: Dtype::Real }
    }

    /// Indices of `shape`.
    pub fn index(shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into(), dtype: Dtype::Index }
    }
}

/// One input of a twin: row-major values without gaps.
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a, T> {
    /// Real numbers.
    Real(&'a Shape, &'a [T]),
    /// Indices.
    Index(&'a Shape, &'a [u32]),
}

impl<'a, T> Arg<'a, T> {
    /// The shape.
    pub fn shape(&self) -> &'a Shape {
        match self {
            Self::Real(shape, _) | Self::Index(shape, _) => shape,
        }
    }

    /// The numbers. An op whose shape rule demands reals may call this.
    pub fn real(&self) -> &'a [T] {
        match self {
            Self::Real(_, values) => values,
            Self::Index(..) => panic!("an index operand was read as real: the op's shape rule must refuse it"),
        }
    }

    /// The indices. An op whose shape rule demands indices may call this.
    pub fn index(&self) -> &'a [u32] {
        match self {
            Self::Index(_, values) => values,
            Self::Real(..) => panic!("a real operand was read as indices: the op's shape rule must refuse it"),
        }
    }
}

/// One input of [`Op::bound`]: its f64 values and how far each f32 one may lie from it.
#[derive(Clone, Copy, Debug)]
pub struct BoundArg<'a> {
    /// The value in f64.
    pub value: Arg<'a, f64>,
    /// For each element, the most by which the GPU's may differ. Empty for indices.
    pub error: &'a [f64],
}

/// What a twin may depend on beside its inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Steps taken before this one.
    pub step: u32,
    /// The member's seed.
    pub seed: u64,
}

/// An operation: everything the library has to know of it, in one place.
///
/// The twin is generic over the scalar; the graph holds ops as `Arc<dyn `[`DynOp`]`>`, which every op is by itself.
pub trait Op: Debug + Send + Sync + 'static {
    /// Its name in messages, tables and benches.
    fn name(&self) -> &'static str;

    /// The shape rule.
    ///
    /// # Errors
    ///
    /// A [`GraphError`] that names the operand, what it must be and what it is.
    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError>;

    /// The value, naively, shaped like the formula: fills all of `y`. `y` may hold anything before.
    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], cx: &Context);

    /// The derivative, as more nodes: for each input, the gradient of the loss with respect to it, given the gradient
    /// with respect to the output, [`Tape::upstream`]. `None` where nobody asked ([`Tape::needs`]) or it is zero everywhere.
    ///
    /// # Errors
    ///
    /// [`GraphError::NotDifferentiable`] where there is none.
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError>;

    /// The kernel, as launches over the operands in `plan`.
    ///
    /// # Errors
    ///
    /// [`GraphError::TooLarge`] where an operand needs more than one binding and cannot be split.
    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError>;

    /// The ways in which [`launches`](Self::launches) can do it at this place, where there are several worth timing.
    fn variants(&self, _plan: &Plan) -> Variants {
        Variants::default()
    }

    /// For each element of the output, the most by which the kernel's f32 value may lie from the f64 `y`, given the same for
    /// the inputs: propagated error plus the rounding of the op's own arithmetic. This is the tolerance of every GPU
    /// check; it comes from the formula, not from looking at results. With input errors of 0 it bounds the kernel alone.
    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]);

    /// The identity of the winner of every `max(a, b)` in the op, for kink tracking: if it differs between f(x+h) and
    /// f(x−h), the difference crossed a point where the op is not smooth. Smooth ops leave this empty.
    fn winners(&self, _inputs: &[Arg<'_, f64>], _out: &mut Vec<u32>) {}

    /// Elements of the n-th input that a value of shape `y` needs at least: all of them, but of a table those that are taken. For
    /// [reports](crate::device::LaunchReport) of what must move.
    fn touched(&self, _n: usize, input: &Shape, _y: &Shape) -> usize {
        input.elements()
    }

    /// Whether the output is the first input's bytes under another shape: no launch, no copy.
    fn is_view(&self) -> bool {
        false
    }

    /// Whether the op draws random numbers, so that members with different seeds differ.
    fn random(&self) -> bool {
        false
    }
}

/// [`Op`] with the scalar chosen, so that it can stand behind a pointer. Every op has it; nobody writes it.
pub trait DynOp: Debug + Send + Sync {
    /// [`Op::name`]
    fn name(&self) -> &'static str;
    /// [`Op::output`]
    ///
    /// # Errors
    ///
    /// As [`Op::output`].
    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError>;
    /// [`Op::twin`] in f32.
    fn twin_f32(&self, inputs: &[Arg<'_, f32>], y: &mut [f32], cx: &Context);
    /// [`Op::twin`] in f64.
    fn twin_f64(&self, inputs: &[Arg<'_, f64>], y: &mut [f64], cx: &Context);
    /// [`Op::gradient`]
    ///
    /// # Errors
    ///
    /// As [`Op::gradient`].
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError>;
    /// [`Op::launches`]
    ///
    /// # Errors
    ///
    /// As [`Op::launches`].
    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError>;
    /// [`Op::variants`]
    fn variants(&self, plan: &Plan) -> Variants;
    /// [`Op::bound`]
    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]);
    /// [`Op::winners`]
    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>);
    /// [`Op::touched`]
    fn touched(&self, n: usize, input: &Shape, y: &Shape) -> usize;
    /// [`Op::is_view`]
    fn is_view(&self) -> bool;
    /// [`Op::random`]
    fn random(&self) -> bool;
    /// The op itself, for a derivative that looks at what its inputs come from.
    fn as_any(&self) -> &dyn Any;
}

impl<O: Op> DynOp for O {
    fn name(&self) -> &'static str {
        Op::name(self)
    }
    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        Op::output(self, inputs)
    }
    fn twin_f32(&self, inputs: &[Arg<'_, f32>], y: &mut [f32], cx: &Context) {
        Op::twin(self, inputs, y, cx);
    }
    fn twin_f64(&self, inputs: &[Arg<'_, f64>], y: &mut [f64], cx: &Context) {
        Op::twin(self, inputs, y, cx);
    }
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Op::gradient(self, tape)
    }
    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        Op::launches(self, plan)
    }
    fn variants(&self, plan: &Plan) -> Variants {
        Op::variants(self, plan)
    }
    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        Op::bound(self, inputs, y, error);
    }
    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>) {
        Op::winners(self, inputs, out);
    }
    fn touched(&self, n: usize, input: &Shape, y: &Shape) -> usize {
        Op::touched(self, n, input, y)
    }
    fn is_view(&self) -> bool {
        Op::is_view(self)
    }
    fn random(&self) -> bool {
        Op::random(self)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Runs an op's twin in the scalar at hand; what the CPU device is generic by.
pub(crate) trait TwinIn: Scalar {
    fn twin(op: &dyn DynOp, inputs: &[Arg<'_, Self>], y: &mut [Self], cx: &Context);
}

impl TwinIn for f32 {
    fn twin(op: &dyn DynOp, inputs: &[Arg<'_, f32>], y: &mut [f32], cx: &Context) {
        op.twin_f32(inputs, y, cx);
    }
}

impl TwinIn for f64 {
    fn twin(op: &dyn DynOp, inputs: &[Arg<'_, f64>], y: &mut [f64], cx: &Context) {
        op.twin_f64(inputs, y, cx);
    }
}
