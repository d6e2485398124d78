//! The largest of each group of features.

use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::op::rounding::TINY;
use crate::scalar::Scalar;

/// `y[.., c] = max x[.., c·k .. c·k + k]`: each k consecutive features compete.
///
/// # Shapes
///
/// `x: [.., k·C]`, result `[.., C]`.
///
/// # Formula
///
/// The gradient goes to the winner; of equals the first wins.
///
/// # On the GPU
///
/// `shaders/op/maxout.wgsl`, one invocation a group. A maximum is exact: its error is the largest of the group's.
///
/// # Source
///
/// Goodfellow et al., *Maxout networks*, ICML 2013, §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maxout {
    /// k, the features of a group. At least 1.
    pub pieces: usize,
}

/// `dx`: the gradient `dy` at the winner of each group of `x`, 0 elsewhere. The backward pass of [`Maxout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxoutGradient {
    /// k
    pub pieces: usize,
}

/// The first of the largest. NaN wins, so that it shows.
fn winner<T: Scalar>(group: &[T]) -> usize {
    (1..group.len()).fold(0, |best, j| if group[j] > group[best] || group[j].is_nan() { j } else { best })
}

/// Elements of whole groups that one binding takes, cut from `groups` groups of k.
fn launches(
    plan: &Plan,
    op: &'static str,
    pieces: usize,
    entry: &'static str,
    wide: &[(&'static str, Operand)],
    narrow: &[(&'static str, Operand)],
) -> Result<Launches, GraphError> {
    let groups = plan.inputs[0].elements() / pieces;
    let runs = plan.runs(op, groups, &[pieces, 1])?;
    let launch = |(first, count): (usize, usize)| {
        let mut params = vec![("groups", count.into()), ("pieces", pieces.into())];
        let mut bindings = Vec::new();
        let all = wide.iter().map(|o| (o, pieces)).chain(narrow.iter().map(|o| (o, 1)));
        for (&(name, operand), width) in all {
            let window = Window { operand, offset: first * width, len: count * width };
            let stride = match operand {
                Operand::Input(n) => plan.inputs[n].stride,
                _ => plan.output.stride,
            };
            params.push((name, stride.into()));
            let write = operand == Operand::Output;
            bindings.push(if write { Binding::Write(window) } else { Binding::Read(window) });
        }
        let source = if op == "maxout" {
            wgsl!("op/maxout", "lib/grid")
        } else {
            wgsl!("op/maxout_gradient", "lib/grid")
        };
        Launch { kernel: Kernel::new(op, source, entry), params, bindings, groups: plan.linear(count, 64), flops: 0 }
    };
    Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
}

impl Op for Maxout {
    fn name(&self) -> &'static str {
        "maxout"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::reals("maxout", inputs, ["x"])?;
        if self.pieces == 0 {
            let range = "at least 1";
            return Err(GraphError::Range { op: "maxout", field: "pieces", range, found: "0".into() });
        }
        match x.split_last() {
            Some((&last, lead)) if last % self.pieces == 0 => Ok(Meta::real([lead, &[last / self.pieces]].concat())),
            _ => {
                let expected = format!("[.., {}·C]", self.pieces);
                Err(GraphError::Shape { op: "maxout", operand: "x", expected, found: x.clone() })
            }
        }
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        for (y, group) in y.iter_mut().zip(inputs[0].real().chunks_exact(self.pieces)) {
            *y = group[winner(group)];
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, dy) = (tape.input(0), tape.upstream());
        Ok(vec![Some(tape.graph().apply(MaxoutGradient { pieces: self.pieces }, &[x, dy])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let (x, y) = (("x_stride", Operand::Input(0)), ("y_stride", Operand::Output));
        launches(plan, "maxout", self.pieces, "maxout", &[x], &[y])
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        for (error, group) in error.iter_mut().zip(inputs[0].error.chunks_exact(self.pieces)) {
            *error = group.iter().fold(TINY, |most, &e| e.max(most));
        }
    }

    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>) {
        out.extend(inputs[0].real().chunks_exact(self.pieces).map(|group| winner(group) as u32));
    }
}

impl Op for MaxoutGradient {
    fn name(&self) -> &'static str {
        "maxout_gradient"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x, _] = operand::reals("maxout_gradient", inputs, ["x", "dy"])?;
        let expected = Maxout { pieces: self.pieces }.output(&inputs[..1])?.shape;
        operand::shaped("maxout_gradient", "dy", &inputs[1], &expected)?;
        Ok(Meta::real(x.clone()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let groups = inputs[0].real().chunks_exact(self.pieces).zip(inputs[1].real());
        for (dx, (group, &dy)) in dx.chunks_exact_mut(self.pieces).zip(groups) {
            dx.fill(T::zero());
            dx[winner(group)] = dy;
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Err(GraphError::NotDifferentiable { op: "maxout_gradient", input: usize::from(!tape.needs(0)) })
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let (x, dx) = (("x_stride", Operand::Input(0)), ("dx_stride", Operand::Output));
        launches(plan, "maxout_gradient", self.pieces, "maxout_gradient", &[x, dx], &[("dy_stride", Operand::Input(1))])
    }

    /// Where another feature is within reach of the winner, either may win.
    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (x, e) = (inputs[0].value.real(), inputs[0].error);
        let (dy, e_dy) = (inputs[1].value.real(), inputs[1].error);
        for c in 0..dy.len() {
            let group = c * self.pieces..(c + 1) * self.pieces;
            let best = group.start + winner(&x[group.clone()]);
            let reach = |j: usize| j != best && e[j] + e[best] > 0.0 && x[j] + e[j] >= x[best] - e[best];
            let contested = group.clone().any(reach);
            for j in group {
                let own = if j == best { e_dy[c] + TINY } else { 0.0 };
                let jump = (j == best && contested) || reach(j);
                error[j] = own.max(if jump { dy[c].abs() + e_dy[c] } else { 0.0 });
            }
        }
    }
}

impl Graph {
    /// The largest of each `pieces` consecutive features. See [`Maxout`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the last axis is no multiple of `pieces`, [`GraphError::Range`] if that is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::maxout::Maxout};
    /// let mut g = Graph::new();
    /// let x = g.input("x", [8, 6])?;
    /// let y = g.maxout(x, 3)?;
    /// assert_eq!(g.shape(y).to_string(), "[8, 2]");
    ///
    /// let mut y = [0.0; 2];
    /// Maxout { pieces: 3 }.twin(&[Arg::Real(&[1, 6].into(), &[1., 5., 2., -1., -3., -2.])], &mut y, &Context::default());
    /// assert_eq!(y, [5.0, -1.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn maxout(&mut self, x: NodeId, pieces: usize) -> Result<NodeId, GraphError> {
        self.apply(Maxout { pieces }, &[x])
    }
}

/// Ragged numbers of groups; one piece; all equal, where the first wins.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let mut cases = Vec::new();
    for (shape, pieces) in [([1, 2], 2), ([5, 21], 3), ([64, 4], 4), ([13, 65], 5), ([3, 7], 1), ([0, 4], 2), ([101, 20], 2)] {
        cases.push(Case::new(format!("{shape:?} by {pieces}"), Maxout { pieces }).real(shape, any));
        let [rows, width] = shape;
        let gradient = Case::new(format!("{shape:?} by {pieces}"), MaxoutGradient { pieces });
        cases.push(gradient.fixed(shape, any).fixed([rows, width / pieces], any));
    }
    cases.push(Case::new("all equal", Maxout { pieces: 4 }).real([9, 8], Fill::Constant(1.5)).edge());
    cases
}
