//! Products with one number.

use super::rounding::{EPSILON, TINY};
use super::{Case, Fill, RAGGED, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::scalar::Scalar;

/// `y = s x` with a constant s. For a number that a run may change, multiply by a setting ([`Graph::mul`] broadcasts it).
///
/// # Formula
///
/// ```text
/// yᵢ = s xᵢ,   dxᵢ = s dyᵢ
/// ```
///
/// # On the GPU
///
/// `shaders/op/scale.wgsl`, 8 bytes an element; s is a field, so all factors share a pipeline. Tolerance: s is rounded to f32
/// once, the product once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// s; finite, as f32 too.
    pub factor: f64,
}

impl Op for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        if !(self.factor as f32).is_finite() {
            let (range, found) = ("a finite f32", self.factor.to_string());
            return Err(GraphError::Range { op: "scale", field: "factor", range, found });
        }
        let [x] = operand::reals("scale", inputs, ["x"])?;
        Ok(Meta::real(x.clone()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let factor = T::of(self.factor);
        for (y, &x) in y.iter_mut().zip(inputs[0].real()) {
            *y = factor * x;
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let dy = tape.upstream();
        Ok(vec![Some(tape.graph().scale(dy, self.factor)?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let launch = |(offset, len): (usize, usize)| Launch {
            kernel: Kernel::new("scale", wgsl!("op/scale", "lib/grid"), "scale"),
            params: vec![
                ("len", len.into()),
                ("factor", (self.factor as f32).into()),
                ("x_stride", plan.inputs[0].stride.into()),
                ("y_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset, len }),
                Binding::Write(Window { operand: Operand::Output, offset, len }),
            ],
            groups: plan.linear(len, 64),
            flops: 0,
        };
        let runs = plan.runs("scale", plan.output.elements(), &[1])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let rounded = (f64::from(self.factor as f32) - self.factor).abs();
        let x = inputs[0].value.real();
        for (i, bound) in error.iter_mut().enumerate() {
            let e = inputs[0].error[i];
            let propagated = self.factor.abs() * e + rounded * (x[i].abs() + e);
            *bound = propagated + EPSILON * (y[i].abs() + propagated) + TINY;
        }
    }
}

impl Graph {
    /// `s x`, s constant. See [`Scale`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Range`] if s is not finite in f32, [`GraphError::Dtype`].
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::scale::Scale};
    /// let mut g = Graph::new();
    /// let x = g.input("x", [3])?;
    /// let y = g.scale(x, -0.5)?;
    /// assert_eq!(g.shape(y).to_string(), "[3]");
    /// assert!(g.scale(x, f64::NAN).is_err());
    ///
    /// let mut y = [0.0; 3];
    /// Scale { factor: -0.5 }.twin(&[Arg::Real(&[3].into(), &[2.0, 0.0, -4.0])], &mut y, &Context::default());
    /// assert_eq!(y, [-1.0, 0.0, 2.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn scale(&mut self, x: NodeId, factor: f64) -> Result<NodeId, GraphError> {
        self.apply(Scale { factor }, &[x])
    }
}

/// Ragged lengths, a factor that f32 does not hold.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let mut cases: Vec<Case> =
        RAGGED.iter().map(|&n| Case::new(format!("{n}"), Scale { factor: 0.1 }).real([n], any)).collect();
    cases.push(Case::new("negated", Scale { factor: -1.0 }).real([5, 7], any));
    cases
}
