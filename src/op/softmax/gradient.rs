//! The derivative of softmax and log-softmax, from their values.

use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::op::reduce::{Axes, rows_by_workgroup};
use crate::op::rounding::{self, EPSILON, TINY, gamma};
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;

/// The gradient that passes through a [`Softmax`](super::Softmax).
///
/// ```text
/// y, dy, dx : […, n, …]; y the forward's values
/// dx = y (dy − Σ dy y)       softmax
/// dx = dy − exp(y) Σ dy      log-softmax
/// ```
///
/// The sums run along the axis, never over the batch. **On the GPU** `shaders/op/softmax_gradient.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftmaxGradient {
    /// The axis of the softmax.
    pub axis: usize,
    /// Whether `y` is the logarithm.
    pub logarithm: bool,
}

impl Op for SoftmaxGradient {
    fn name(&self) -> &'static str {
        if self.logarithm { "log_softmax_gradient" } else { "softmax_gradient" }
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [y, upstream] = operand::exactly(Op::name(self), inputs)?;
        let shape = operand::real(Op::name(self), "y", y)?;
        operand::axis(Op::name(self), shape, self.axis, true)?;
        operand::shaped(Op::name(self), "dy", upstream, shape)?;
        Ok(y.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let (y, dy) = (inputs[0].real(), inputs[1].real());
        let axes = Axes::of(inputs[0].shape(), Some(self.axis));
        for i in 0..axes.lines() {
            if self.logarithm {
                let total: T = axes.line(i).map(|k| dy[k]).sum();
                axes.line(i).for_each(|k| dx[k] = dy[k] - y[k].exp() * total);
            } else {
                let total: T = axes.line(i).map(|k| dy[k] * y[k]).sum();
                axes.line(i).for_each(|k| dx[k] = y[k] * (dy[k] - total));
            }
        }
    }

    /// With the upstream `v`: to `y` goes `v (dy − Σ dy y) − dy Σ v y`, of the logarithm `−v exp(y) Σ dy`; to `dy` what another
    /// softmax gradient makes of `v`, whose matrix is symmetric, of the logarithm `v − Σ v exp(y)`.
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (y, dy, v) = (tape.input(0), tape.input(1), tape.upstream());
        let (curved, linear) = (tape.needs(0), tape.needs(1));
        let g = tape.graph();
        let along = |g: &mut Graph, a: NodeId, b: NodeId| {
            let product = g.mul(a, b)?;
            g.sum(product, self.axis, true)
        };
        let mut parts = vec![None; 2];
        if curved && self.logarithm {
            let (total, p) = (g.sum(dy, self.axis, true)?, g.exp(y)?);
            let full = g.mul(v, p)?;
            let full = g.mul(full, total)?;
            parts[0] = Some(g.scale(full, -1.0)?);
        } else if curved {
            let (total, mean) = (along(g, dy, y)?, along(g, v, y)?);
            let apart = g.sub(dy, total)?;
            let (first, second) = (g.mul(v, apart)?, g.mul(dy, mean)?);
            parts[0] = Some(g.sub(first, second)?);
        }
        if linear && self.logarithm {
            let p = g.exp(y)?;
            let mean = along(g, v, p)?;
            parts[1] = Some(g.sub(v, mean)?);
        } else if linear {
            parts[1] = Some(g.apply(*self, &[y, v])?);
        }
        Ok(parts)
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let axes = Axes::of(&plan.output.shape, Some(self.axis));
        let wide = axes.len * axes.inner;
        let launch = |(first, count): (usize, usize)| {
            let rows = count * axes.inner;
            let by_workgroup = rows_by_workgroup(plan, axes);
            let text = if by_workgroup {
                wgsl!("op/softmax_gradient", "lib/row_workgroup")
            } else {
                wgsl!("op/softmax_gradient", "lib/row_invocation")
            };
            let window = |operand| Window { operand, offset: first * wide, len: count * wide };
            Launch {
                kernel: Kernel::new(Op::name(self), text, "softmax_gradient")
                    .constant("LOGARITHM", f64::from(u8::from(self.logarithm))),
                params: vec![
                    ("rows", rows.into()),
                    ("len", axes.len.into()),
                    ("inner", axes.inner.max(1).into()),
                    ("y_stride", plan.inputs[0].stride.into()),
                    ("dy_stride", plan.inputs[1].stride.into()),
                    ("dx_stride", plan.output.stride.into()),
                ],
                bindings: vec![
                    Binding::Read(window(Operand::Input(0))),
                    Binding::Read(window(Operand::Input(1))),
                    Binding::Write(window(Operand::Output)),
                ],
                groups: if by_workgroup { plan.groups(rows) } else { plan.linear(rows, 64) },
                flops: 0,
            }
        };
        let runs = plan.runs(Op::name(self), axes.outer, &[wide])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], dx: &[f64], error: &mut [f64]) {
        let (y, dy) = (inputs[0].value.real(), inputs[1].value.real());
        let (ey, edy) = (inputs[0].error, inputs[1].error);
        let axes = Axes::of(inputs[0].value.shape(), Some(self.axis));
        for i in 0..axes.lines() {
            // The line's sum: its own roundings on top of the operands' errors.
            let (mut total, mut sizes, mut arrived) = (0.0, 0.0, 0.0);
            for k in axes.line(i) {
                let (weight, slack) = if self.logarithm { (1.0, 0.0) } else { (y[k], ey[k]) };
                total += dy[k] * weight;
                sizes += (dy[k].abs() + edy[k]) * (weight.abs() + slack);
                arrived += edy[k] * (weight.abs() + slack) + dy[k].abs() * slack;
            }
            let moved = arrived + gamma(axes.len) * sizes + axes.len as f64 * TINY;
            for k in axes.line(i) {
                error[k] = if self.logarithm {
                    let p = y[k].exp();
                    let ep = p * (ey[k].exp() * (1.0 + rounding::exp(y[k].abs() + ey[k])) - 1.0) + TINY;
                    let product = p * moved + ep * (total.abs() + moved);
                    let before = edy[k] + product + EPSILON * (p + ep) * (total.abs() + moved);
                    before + EPSILON * (dx[k].abs() + before) + 2.0 * TINY
                } else {
                    let difference = edy[k] + moved;
                    let size = (dy[k] - total).abs() + difference;
                    let rounded = difference + EPSILON * size;
                    let before = y[k].abs() * rounded + ey[k] * (size + rounded);
                    before + EPSILON * (dx[k].abs() + before) + TINY * (1.0 + y[k].abs())
                };
            }
        }
    }
}

pub(super) fn cases(logarithm: bool) -> Vec<Case> {
    let (any, name) = (Fill::Uniform(-1.0, 1.0), if logarithm { "log_softmax" } else { "softmax" });
    let y = if logarithm { Fill::Uniform(-5.0, 0.0) } else { Fill::Rows(1.0) };
    let case = |shape: &[usize], axis| {
        let label = format!("gradient of {name} of {shape:?}, axis {axis}");
        Case::new(label, SoftmaxGradient { axis, logarithm }).real(shape, y).real(shape, any)
    };
    vec![case(&[63, 10], 1), case(&[3, 1009], 1), case(&[2, 5, 3], 1)]
}
