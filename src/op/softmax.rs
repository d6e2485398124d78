//! Softmax and its logarithm along an axis.

mod gradient;

pub use gradient::SoftmaxGradient;

use super::reduce::{Axes, rows_by_workgroup};
use super::rounding::{self, DIVIDE, EPSILON, TINY, gamma};
use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::scalar::Scalar;

/// Softmax along an axis, or its logarithm.
///
/// ```text
/// x, y : […, n, …]
/// m = max x;  S = Σ exp(x − m)          along the axis
/// y = exp(x − m) / S                    softmax
/// y = x − m − ln S                      log-softmax
/// ∂L/∂x = y (∂L/∂y − Σ ∂L/∂y · y)       softmax
/// ∂L/∂x = ∂L/∂y − exp(y) Σ ∂L/∂y        log-softmax
/// ```
///
/// With m subtracted no exponent is above 0, so logits of ±1000 are as good as any. The logarithm is not taken of the softmax, which would be
/// −∞ from about −104 on. Equal logits give 1/n and −ln n: a uniform guess.
///
/// **On the GPU** `shaders/op/softmax.wgsl`: one workgroup a row where rows are long and contiguous, otherwise one invocation. The derivative
/// reuses the forward's values.
///
/// **Source** Blanchard, Higham & Higham, *Accurately computing the log-sum-exp and softmax functions* (2021), for the shifted forms and
/// their errors. Names and meaning as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// Along which axis the values sum to 1.
    pub axis: usize,
    /// Whether the result is the logarithm.
    pub logarithm: bool,
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        if self.logarithm { "log_softmax" } else { "softmax" }
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::exactly(Op::name(self), inputs)?;
        operand::axis(Op::name(self), operand::real(Op::name(self), "x", x)?, self.axis, true)?;
        Ok(x.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let (x, axes) = (inputs[0].real(), Axes::of(inputs[0].shape(), Some(self.axis)));
        for i in 0..axes.lines() {
            let m = x[axes.winner(x, i)];
            let total: T = axes.line(i).map(|k| (x[k] - m).exp()).sum();
            for k in axes.line(i) {
                y[k] = if self.logarithm { x[k] - m - total.ln() } else { (x[k] - m).exp() / total };
            }
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (y, upstream) = (tape.output(), tape.upstream());
        let op = SoftmaxGradient { axis: self.axis, logarithm: self.logarithm };
        Ok(vec![Some(tape.graph().apply(op, &[y, upstream])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let axes = Axes::of(&plan.output.shape, Some(self.axis));
        let wide = axes.len * axes.inner;
        let launch = |(first, count): (usize, usize)| {
            let rows = count * axes.inner;
            let by_workgroup = rows_by_workgroup(plan, axes);
            let text = if by_workgroup {
                wgsl!("op/softmax", "lib/row_workgroup")
            } else {
                wgsl!("op/softmax", "lib/row_invocation")
            };
            let window = |operand| Window { operand, offset: first * wide, len: count * wide };
            Launch {
                kernel: Kernel::new(Op::name(self), text, "softmax")
                    .constant("LOGARITHM", f64::from(u8::from(self.logarithm))),
                params: vec![
                    ("rows", rows.into()),
                    ("len", axes.len.into()),
                    ("inner", axes.inner.max(1).into()),
                    ("x_stride", plan.inputs[0].stride.into()),
                    ("y_stride", plan.output.stride.into()),
                ],
                bindings: vec![Binding::Read(window(Operand::Input(0))), Binding::Write(window(Operand::Output))],
                groups: if by_workgroup { plan.groups(rows) } else { plan.linear(rows, 64) },
                flops: 0,
            }
        };
        let runs = plan.runs(Op::name(self), axes.outer, &[wide])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let axes = Axes::of(inputs[0].value.shape(), Some(self.axis));
        let x = inputs[0].value.real();
        for i in 0..axes.lines() {
            let line = Line::new(axes.line(i), x, inputs[0].error);
            for k in axes.line(i) {
                error[k] = if self.logarithm {
                    // x − m, then − ln S, each rounded once; a shift of m itself cancels in exact arithmetic.
                    let difference = EPSILON * ((x[k] - line.largest).abs() + 2.0 * line.slack);
                    let log = line.log_total_error();
                    let before = inputs[0].error[k] + difference + log;
                    before + EPSILON * (y[k].abs() + before) + TINY
                } else {
                    let power = line.power_error(x[k], inputs[0].error[k]);
                    let quotient = (1.0 + power) * (1.0 + DIVIDE) / (1.0 - line.total_error) - 1.0;
                    y[k] * quotient + TINY * 2.0
                };
                if !error[k].is_finite() || line.total_error >= 1.0 {
                    error[k] = f64::INFINITY;
                }
            }
        }
    }
}

/// The errors of one line's m, S and powers, as the kernels compute them: shared with the losses that fuse a softmax.
pub(crate) struct Line {
    /// m = max x.
    pub largest: f64,
    /// S = Σ exp(x − m).
    pub total: f64,
    /// The most by which any of the line's x may be off.
    pub slack: f64,
    /// Relative error of the computed S, against the true sum about the computed m.
    pub total_error: f64,
}

impl Line {
    pub fn new(line: impl Iterator<Item = usize> + Clone, x: &[f64], error: &[f64]) -> Self {
        let largest = line.clone().map(|k| x[k]).fold(f64::NEG_INFINITY, f64::max);
        let slack = line.clone().map(|k| error[k]).fold(0.0, f64::max);
        let total: f64 = line.clone().map(|k| (x[k] - largest).exp()).sum();
        let mut this = Self { largest, total, slack, total_error: 0.0 };
        let powers = line.clone().map(|k| (x[k] - largest).exp() * this.power_error(x[k], error[k])).sum::<f64>() / total;
        let n = line.count();
        // S ≥ 1, so powers flushed to 0 weigh at most n · 2⁻¹²⁶.
        this.total_error = powers + gamma(n) * (1.0 + powers) + n as f64 * TINY;
        this
    }

    /// Relative error of the computed exp(x − m): the argument's rounding and own error, then WGSL's `exp`.
    pub fn power_error(&self, x: f64, error: f64) -> f64 {
        let distance = (x - self.largest).abs() + 2.0 * self.slack;
        (error + EPSILON * distance).exp() * (1.0 + rounding::exp(distance)) - 1.0
    }

    /// Absolute error of the computed ln S.
    pub fn log_total_error(&self) -> f64 {
        let moved = -(-self.total_error).ln_1p();
        moved + rounding::log(self.total.ln()).max(rounding::ulps(3.0, self.total.ln() + moved))
    }
}

/// Builders.
impl Graph {
    /// `exp(x) / Σ exp(x)` along `axis`. See [`Softmax`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if `x` has no such axis or it is empty, [`GraphError::Dtype`] if it holds indices.
    pub fn softmax(&mut self, x: NodeId, axis: usize) -> Result<NodeId, GraphError> {
        self.apply(Softmax { axis, logarithm: false }, &[x])
    }

    /// `ln softmax(x)` along `axis`, stably. See [`Softmax`].
    ///
    /// # Errors
    ///
    /// As [`softmax`](Self::softmax).
    pub fn log_softmax(&mut self, x: NodeId, axis: usize) -> Result<NodeId, GraphError> {
        self.apply(Softmax { axis, logarithm: true }, &[x])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    let logits = Fill::Uniform(-4.0, 4.0);
    let shapes: [(&[usize], usize); 9] = [
        (&[1], 0),
        (&[7], 0),
        (&[3, 1], 1),
        (&[1, 10], 1),
        (&[63, 10], 1),
        (&[5, 65], 1),
        (&[3, 1009], 1),
        (&[64, 7], 0),
        (&[2, 5, 3], 1),
    ];
    let mut cases = Vec::new();
    for logarithm in [false, true] {
        let name = if logarithm { "log_softmax" } else { "softmax" };
        let op = |axis| Softmax { axis, logarithm };
        for (shape, axis) in shapes {
            cases.push(Case::new(format!("{name} of {shape:?}, axis {axis}"), op(axis)).real(shape, logits));
        }
        for width in [10, 200] {
            let label = |what: &str| format!("{name}, {what}, width {width}");
            let far = Case::new(label("logits to ±1000"), op(1)).real([9, width], Fill::Uniform(-1000.0, 1000.0)).edge();
            // y is 0 or 1, so that dy − Σ dy y is the rounding of a difference of equals.
            cases.push(if logarithm { far } else { far.coarse("the derivative of a one-hot softmax cancels to 0") });
            cases.push(Case::new(label("all 1000"), op(1)).real([9, width], Fill::Constant(1000.0)).edge());
            cases.push(Case::new(label("all −1000"), op(1)).real([9, width], Fill::Constant(-1000.0)).edge());
            cases.push(Case::new(label("all equal"), op(1)).real([9, width], Fill::Constant(0.25)));
        }
        cases.push(Case::new(format!("{name} of no rows"), op(1)).real([0, 10], logits).edge());
        cases.push(Case::new(format!("{name} bench"), op(1)).real([4096, 1000], logits).edge().benched());
        cases.extend(gradient::cases(logarithm));
    }
    cases
}
