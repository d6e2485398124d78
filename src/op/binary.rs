//! Arithmetic on two operands, broadcast as numpy does.

pub(crate) mod strides;
mod then;

use strides::{RANK, axes, common, walk, words};

use super::rounding::{DIVIDE, EPSILON, TINY};
use super::{Case, Fill, RAGGED, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::scalar::Scalar;

/// Which operation a [`Binary`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `a + b`
    Add,
    /// `a − b`
    Sub,
    /// `a · b`
    Mul,
    /// `a / b`
    Div,
}

/// `y = a ∘ b`, element by element, either operand broadcast.
///
/// # Shapes
///
/// numpy's rule: axes are matched from the last, and an axis of length 1, or a missing one, stretches. `[N, C]` with `[C]`
/// adds a bias to each row; with `[]` scales by one number. At most six axes remain after neighbours are merged.
///
/// # Formula
///
/// ```text
/// a + b:  da = dy,     db = dy
/// a − b:  da = dy,     db = −dy
/// a · b:  da = dy·b,   db = dy·a
/// a / b:  da = dy/b,   db = −dy·y/b
/// ```
///
/// each summed over the axes along which its operand was stretched ([`SumTo`](super::sum_to::SumTo)).
///
/// # On the GPU
///
/// `shaders/op/binary.wgsl`; 12 bytes an element, less where an operand is stretched. Tolerance: one rounding (division:
/// 2.5 ULP) beside what the operands bring along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binary {
    /// ∘
    pub arithmetic: Arithmetic,
}

impl Arithmetic {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Add, Self::Sub, Self::Mul, Self::Div];

    fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
        }
    }

    fn of<T: Scalar>(self, a: T, b: T) -> T {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::Add => wgsl!("op/binary", "lib/grid", "op/add"),
            Self::Sub => wgsl!("op/binary", "lib/grid", "op/sub"),
            Self::Mul => wgsl!("op/binary", "lib/grid", "op/mul"),
            Self::Div => wgsl!("op/binary", "lib/grid", "op/div"),
        }
    }

    /// |fl(â ∘ b̂) − a ∘ b|
    fn error(self, [a, b]: [f64; 2], [ea, eb]: [f64; 2]) -> f64 {
        let propagated = match self {
            Self::Add | Self::Sub => ea + eb,
            Self::Mul => a.abs() * eb + ea * (b.abs() + eb),
            Self::Div if eb < b.abs() => (ea + (a / b).abs() * eb) / (b.abs() - eb),
            Self::Div => f64::INFINITY,
        };
        let rounding = if self == Self::Div { DIVIDE } else { EPSILON };
        propagated + rounding * (self.of(a, b).abs() + propagated) + TINY
    }
}

impl Op for Binary {
    fn name(&self) -> &'static str {
        self.arithmetic.name()
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let op = self.arithmetic.name();
        let [a, b] = operand::reals(op, inputs, ["a", "b"])?;
        let Some(y) = common(a, b) else {
            let (expected, found) = (format!("one that broadcasts with {a}"), b.clone());
            return Err(GraphError::Shape { op, operand: "b", expected, found });
        };
        if axes(&y, [a, b]).len() > RANK {
            let expected = format!("one that broadcasts with {a} along at most {RANK} separate axes");
            return Err(GraphError::Shape { op, operand: "b", expected, found: b.clone() });
        }
        Ok(Meta::real(y))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        self.each(inputs, |i, [a, b]| y[i] = self.arithmetic.of(inputs[0].real()[a], inputs[1].real()[b]));
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (a, b, y, dy) = (tape.input(0), tape.input(1), tape.output(), tape.upstream());
        let (need_a, need_b) = (tape.needs(0), tape.needs(1));
        let g = tape.graph();
        let mut parts = vec![None; 2];
        if need_a {
            let full = match self.arithmetic {
                Arithmetic::Add | Arithmetic::Sub => dy,
                Arithmetic::Mul => g.mul(dy, b)?,
                Arithmetic::Div => g.div(dy, b)?,
            };
            parts[0] = Some(g.sum_to(full, g.shape(a).clone())?);
        }
        if need_b {
            // The sign goes on what is left after the sum: fewer elements.
            let (full, sign) = match self.arithmetic {
                Arithmetic::Add => (dy, 1.0),
                Arithmetic::Sub => (dy, -1.0),
                Arithmetic::Mul => (g.mul(dy, a)?, 1.0),
                Arithmetic::Div => {
                    let ratio = g.div(y, b)?;
                    (g.mul(dy, ratio)?, -1.0)
                }
            };
            let sum = g.sum_to(full, g.shape(b).clone())?;
            parts[1] = Some(if sign < 0.0 { g.scale(sum, sign)? } else { sum });
        }
        Ok(parts)
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let op = self.arithmetic.name();
        let [a, b] = [&plan.inputs[0], &plan.inputs[1]];
        let axes = axes(&plan.output.shape, [&a.shape, &b.shape]);
        // One run of both operands can be cut anywhere; a stretched operand is bound whole.
        let plain = axes.len() <= 1 && axes.iter().all(|axis| axis.1 == [1, 1]);
        let runs = if plain {
            plan.runs(op, plan.output.elements(), &[1])?
        } else {
            plan.whole(op)?;
            vec![(0, plan.output.elements())]
        };
        let launch = |(offset, len): (usize, usize)| {
            let part = |n: usize| if plain { (offset, len) } else { (0, plan.inputs[n].elements()) };
            let read = |n: usize| {
                let (offset, len) = part(n);
                Binding::Read(Window { operand: Operand::Input(n), offset, len })
            };
            let mut params = vec![
                ("len", len.into()),
                ("a_stride", a.stride.into()),
                ("b_stride", b.stride.into()),
                ("y_stride", plan.output.stride.into()),
            ];
            params.extend(words(
                &axes,
                ["d0", "d1", "d2", "d3", "d4"],
                [["a0", "a1", "a2", "a3", "a4", "a5"], ["b0", "b1", "b2", "b3", "b4", "b5"]],
            ));
            Launch {
                kernel: Kernel::new(op, self.arithmetic.source(), "binary").constant("RANK", axes.len().max(1) as f64),
                params,
                bindings: vec![read(0), read(1), Binding::Write(Window { operand: Operand::Output, offset, len })],
                groups: plan.linear(len, 64),
                flops: 0,
            }
        };
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let values = [inputs[0].value, inputs[1].value];
        self.each(&values, |i, [a, b]| {
            let operands = [values[0].real()[a], values[1].real()[b]];
            error[i] = self.arithmetic.error(operands, [inputs[0].error[a], inputs[1].error[b]]);
        });
    }
}

impl Binary {
    /// Calls `at` with each element of the result and those of the operands that make it.
    fn each<T: Scalar>(&self, inputs: &[Arg<'_, T>], mut at: impl FnMut(usize, [usize; 2])) {
        let Some(shape) = common(inputs[0].shape(), inputs[1].shape()) else { return };
        let axes = axes(&shape, [inputs[0].shape(), inputs[1].shape()]);
        let (inner, [da, db]) = axes.first().copied().unwrap_or((1, [0, 0]));
        walk(&axes, |start, [a, b]| (0..inner).for_each(|i| at(start + i, [a + i * da, b + i * db])));
    }
}

macro_rules! builders {
    ($($name:ident $kind:ident $sign:literal),*) => {
        impl Graph {
            $(
                #[doc = concat!("`a ", $sign, " b`, broadcast as numpy does. See [`Binary`].")]
                ///
                /// # Errors
                ///
                /// [`GraphError::Shape`] if the shapes do not broadcast, [`GraphError::Dtype`].
                ///
                /// ```
                /// let mut g = thalweg::Graph::new();
                /// let a = g.input("a", [2, 1, 4])?;
                /// let b = g.input("b", [3, 1])?;
                #[doc = concat!("let y = g.", stringify!($name), "(a, b)?;")]
                /// assert_eq!(g.shape(y).to_string(), "[2, 3, 4]");
                /// # Ok::<(), thalweg::Error>(())
                /// ```
                pub fn $name(&mut self, a: NodeId, b: NodeId) -> Result<NodeId, GraphError> {
                    self.apply(Binary { arithmetic: Arithmetic::$kind }, &[a, b])
                }
            )*
        }
    };
}

builders!(add Add "+", sub Sub "−", mul Mul "·", div Div "/");

/// Same shapes at ragged lengths; rows, columns, one number, both stretched, six axes.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let mut cases = Vec::new();
    for arithmetic in Arithmetic::ALL {
        let op = Binary { arithmetic };
        // A divisor stays away from 0.
        let second = if arithmetic == Arithmetic::Div { Fill::Away(0.5, 2.0) } else { any };
        for n in RAGGED {
            cases.push(Case::new(format!("{n}"), op).real([n], any).real([n], second));
        }
        let pairs: [(&[usize], &[usize]); 8] = [
            (&[65, 37], &[37]),
            (&[37], &[5, 37]),
            (&[65, 37], &[65, 1]),
            (&[7, 11], &[]),
            (&[5, 1, 3], &[1, 7, 1]),
            (&[2, 3, 5, 7], &[3, 1, 1]),
            (&[2, 1, 3, 1, 2, 1], &[1, 3, 1, 2, 1, 5]),
            (&[0, 3], &[3]),
        ];
        for (a, b) in pairs {
            cases.push(Case::new(format!("{a:?} {b:?}"), op).real(a, any).real(b, second));
        }
    }
    let add = Binary { arithmetic: Arithmetic::Add };
    cases.push(Case::new("2^20", add).real([1 << 20], any).real([1 << 20], any).edge().benched());
    cases.push(Case::new("bias of 4096 rows", add).real([4096, 250], any).real([250], any).edge().benched());
    cases
}
