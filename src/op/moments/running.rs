//! The statistics that evaluation uses.

use super::Near;
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, wgsl};
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;

/// Running means and unbiased variances, one step on.
///
/// ```text
/// running, moments, y : [2, C]
/// y[0] = r + momentum (μ − r)        y[1] = r + momentum (σ² m/(m−1) − r)
/// ```
///
/// PyTorch's: a batch is normalised by the biased variance, remembered by the unbiased one. No derivative.
///
/// **On the GPU** `shaders/op/running_moments.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunningMoments {
    /// The weight of the new, in `[0, 1]`.
    pub momentum: f64,
    /// m, the values that a mean was taken over; at least 2.
    pub count: usize,
}

const NAME: &str = "running_moments";

impl RunningMoments {
    fn unbiased(&self) -> f64 {
        self.count as f64 / (self.count as f64 - 1.0)
    }
}

impl Op for RunningMoments {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        if !(0.0..=1.0).contains(&self.momentum) {
            let found = self.momentum.to_string();
            return Err(GraphError::Range { op: NAME, field: "momentum", range: "in [0, 1]", found });
        }
        if self.count < 2 {
            let found = self.count.to_string();
            return Err(GraphError::Range { op: NAME, field: "count", range: "at least 2", found });
        }
        let [running, moments] = operand::exactly(NAME, inputs)?;
        let shape = operand::real(NAME, "running", running)?;
        if shape.rank() != 2 || shape[0] != 2 {
            return Err(operand::misshapen(NAME, "running", "[2, C]".into(), shape));
        }
        operand::shaped(NAME, "moments", moments, shape)?;
        Ok(running.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let (running, moments) = (inputs[0].real(), inputs[1].real());
        let (momentum, unbiased) = (T::of(self.momentum), T::of(self.unbiased()));
        let channels = inputs[0].shape()[1];
        for (i, y) in y.iter_mut().enumerate() {
            let found = if i < channels { moments[i] } else { moments[i] * unbiased };
            *y = running[i] + momentum * (found - running[i]);
        }
    }

    fn gradient(&self, _: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Err(GraphError::NotDifferentiable { op: NAME, input: 0 })
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        plan.whole(NAME)?;
        let len = plan.output.elements();
        Ok(Launch {
            kernel: Kernel::new(NAME, wgsl!("op/running_moments", "lib/grid"), NAME),
            params: vec![
                ("len", len.into()),
                ("channels", plan.output.shape[1].into()),
                ("momentum", (self.momentum as f32).into()),
                ("unbiased", (self.unbiased() as f32).into()),
                ("running_stride", plan.inputs[0].stride.into()),
                ("moments_stride", plan.inputs[1].stride.into()),
                ("y_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::read(Operand::Input(0), len),
                Binding::read(Operand::Input(1), len),
                Binding::write(Operand::Output, len),
            ],
            groups: plan.linear(len, 64),
            flops: 0,
        }
        .into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let channels = inputs[0].value.shape()[1];
        let at = |n: usize, i: usize| Near::new(inputs[n].value.real()[i], inputs[n].error[i]);
        let (momentum, unbiased) = (Near::constant(self.momentum), Near::constant(self.unbiased()));
        for (i, e) in error.iter_mut().enumerate() {
            let found = if i < channels { at(1, i) } else { at(1, i).times(unbiased) };
            let step = momentum.times(Near::sum([found, at(0, i).negated()]));
            *e = Near::sum([at(0, i), step]).error;
        }
    }
}

impl Graph {
    /// Running statistics after a batch of `count` values a channel with these `moments`. See [`RunningMoments`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Range`] for a momentum outside `[0, 1]` or a count below 2, [`GraphError::Shape`], [`GraphError::Dtype`].
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::moments::RunningMoments};
    /// let mut g = Graph::new();
    /// let [running, moments] = [g.input("running", [2, 5])?, g.input("moments", [2, 5])?];
    /// assert_eq!(g.running_moments(0.1, 64, [running, moments]).map(|y| g.shape(y).to_string())?, "[2, 5]");
    /// assert!(g.running_moments(0.1, 1, [running, moments]).is_err());
    ///
    /// let mut y = [0.0; 2];
    /// let shape = [2, 1].into();
    /// let (running, moments) = (Arg::Real(&shape, &[0.0, 1.0]), Arg::Real(&shape, &[4.0, 6.0]));
    /// RunningMoments { momentum: 0.5, count: 3 }.twin(&[running, moments], &mut y, &Context::default());
    /// assert_eq!(y, [2.0, 5.0]); // the unbiased variance is 9
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn running_moments(
        &mut self,
        momentum: f64,
        count: usize,
        [running, moments]: [NodeId; 2],
    ) -> Result<NodeId, GraphError> {
        self.apply(RunningMoments { momentum, count }, &[running, moments])
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |channels: usize, momentum, count| {
        Case::new(format!("{channels} channels, {momentum} of {count}"), RunningMoments { momentum, count })
            .fixed([2, channels], Fill::Uniform(-0.5, 1.5))
            .fixed([2, channels], Fill::Uniform(0.5, 1.5))
    };
    vec![case(1, 0.1, 2), case(67, 0.1, 3), case(130, 1.0, 1009), case(5, 0.0, 7)]
}
