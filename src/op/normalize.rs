//! Batch, layer and group normalisation.

mod gradient;
mod graph;
mod statistics;
mod sums;

pub use gradient::NormalizeGradient;
pub use statistics::StatisticsGradient;
pub use sums::NormalizeSums;

use super::moments::{By, Moments, Near, Over};
use super::pass::store;
use super::unary::Function;
use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Kind, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::scalar::Scalar;

/// Each element, centred and scaled by the statistics of its set, then by a weight and a bias of its own kind.
///
/// ```text
/// x, y : [N, C, …]   moments : [2, sets]   weight, bias : [C], or an example's shape; see Over
/// x̂ = (x − μ) / √(σ² + ε)        y = x̂ · weight + bias
/// ```
///
/// The moments are those of x, of [`Moments`], or a model's running ones; variances are not negative.
///
/// **The derivative** where they are the [`Moments`] of x itself, over the same sets, is taken through them at once, with sums
/// over the m elements of a set:
///
/// ```text
/// dx = (dy·w − Σ dy·w / m − x̂ · Σ dy·w·x̂ / m) / √(σ² + ε)
/// dweight = Σ dy·x̂   dbias = Σ dy
/// ```
///
/// Otherwise each operand gets its own: `dx = dy·w / √(σ² + ε)`, and the moments theirs ([`StatisticsGradient`]).
///
/// **On the GPU** `shaders/op/normalize.wgsl`: reads x, writes y. Backward: the sums read dy and x (once for batches, by parameter and
/// by set for others), one pass writes dx.
///
/// **Source** Ioffe & Szegedy, *Batch Normalization* (2015); Ba, Kiros & Hinton, *Layer Normalization* (2016); Wu & He, *Group
/// Normalization* (2018).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalize {
    /// What one mean and one variance are taken over.
    pub over: Over,
    /// ε, above 0: what keeps equal elements from dividing 0 by 0. PyTorch takes 0 too.
    pub epsilon: f64,
}

const NAME: &str = "normalize";

/// Refuses an ε that f32 takes for 0 or for infinity.
pub(crate) fn in_range(op: &'static str, epsilon: f64) -> Result<(), GraphError> {
    if !((epsilon as f32) >= f32::MIN_POSITIVE && (epsilon as f32).is_finite()) {
        let found = epsilon.to_string();
        return Err(GraphError::Range { op, field: "epsilon", range: "above 0 and finite, as f32 too", found });
    }
    Ok(())
}

/// The n-th operand's i-th element, with its error.
fn at(inputs: &[BoundArg<'_>], n: usize, i: usize) -> Near {
    Near::new(inputs[n].value.real()[i], inputs[n].error[i])
}

/// `1 / √(σ² + ε)` of every set, from `[2, sets]`.
fn rstds<T: Scalar>(moments: &[T], epsilon: f64) -> Vec<T> {
    let variances = &moments[moments.len() / 2..];
    variances.iter().map(|&v| T::one() / (v + T::of(epsilon)).sqrt()).collect()
}

/// The same with errors.
fn near_rstds(moments: &BoundArg<'_>, epsilon: f64) -> Vec<Near> {
    let (value, sets) = (moments.value.real(), moments.value.real().len() / 2);
    (sets..2 * sets).map(|i| Near::new(value[i], moments.error[i]).rstd(epsilon)).collect()
}

impl Normalize {
    /// Whether the op's moments are those of its own x, and nobody asked for a gradient of them alone.
    fn through(&self, tape: &mut Tape<'_>) -> bool {
        let (x, moments) = (tape.input(0), tape.input(1));
        if tape.asked(1) {
            return false;
        }
        let Kind::Op { op, inputs } = &tape.graph().node(moments).kind else { return false };
        let theirs = op.as_any().downcast_ref::<Moments>();
        theirs.is_some_and(|theirs| theirs.over == self.over) && inputs.as_slice() == [x]
    }

    /// The launches, with a function in their store.
    pub(super) fn launched(&self, plan: &Plan, function: Option<Function>) -> Result<Launches, GraphError> {
        let layout = self.over.of(&plan.output.shape);
        let run = layout.run(plan.tiling);
        let mut kernel = Kernel::new(NAME, wgsl!("op/normalize", "lib/grid"), "normalize_by")
            .constant("SAME", f64::from(u8::from(layout.same())))
            .constant("RUN", run as f64);
        store(&mut kernel, function);
        let launch = |(offset, len): (usize, usize)| Launch {
            kernel: kernel.clone(),
            params: vec![
                ("len", len.into()),
                ("first", offset.into()),
                ("set_inner", layout.set_inner.into()),
                ("sets", layout.sets.into()),
                ("per", layout.per.into()),
                ("count", layout.params.into()),
                ("epsilon", (self.epsilon as f32).into()),
                ("x_stride", plan.inputs[0].stride.into()),
                ("moments_stride", plan.inputs[1].stride.into()),
                ("weight_stride", plan.inputs[2].stride.into()),
                ("bias_stride", plan.inputs[3].stride.into()),
                ("y_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset, len }),
                Binding::read(Operand::Input(1), 2 * layout.sets),
                Binding::read(Operand::Input(2), layout.params),
                Binding::read(Operand::Input(3), layout.params),
                Binding::Write(Window { operand: Operand::Output, offset, len }),
            ],
            groups: plan.linear(len.div_ceil(run), 64),
            flops: 0,
        };
        let runs = plan.runs(NAME, layout.elements, &[1])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }
}

impl Op for Normalize {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        in_range(NAME, self.epsilon)?;
        let [x, moments, weight, bias] = operand::exactly(NAME, inputs)?;
        let shape = operand::real(NAME, "x", x)?;
        let layout = self.over.layout(NAME, "x", shape)?;
        operand::shaped(NAME, "moments", moments, &[2, layout.sets].into())?;
        operand::shaped(NAME, "weight", weight, &self.over.parameters(shape))?;
        operand::shaped(NAME, "bias", bias, &self.over.parameters(shape))?;
        Ok(x.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let [x, moments, weight, bias] = [0, 1, 2, 3].map(|n| inputs[n].real());
        let rstd = rstds(moments, self.epsilon);
        self.over.of(inputs[0].shape()).each(|i, s, p| y[i] = (x[i] - moments[s]) * rstd[s] * weight[p] + bias[p]);
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let Self { over, epsilon } = *self;
        let through = self.through(tape);
        let [needs_x, needs_moments, needs_weight, needs_bias] = [0, 1, 2, 3].map(|n| tape.needs(n));
        let [x, moments, weight] = [0, 1, 2].map(|n| tape.input(n));
        let dy = tape.upstream();
        let g = tape.graph();
        let moved = if through { needs_x } else { needs_moments };
        let mut by_parameter = None;
        if needs_weight || needs_bias || (moved && over == Over::Batch) {
            by_parameter = Some(g.apply(NormalizeSums { over, epsilon, by: By::Parameter }, &[dy, x, moments])?);
        }
        let by_set = match (moved, over, by_parameter) {
            (false, ..) => None,
            // A channel's weight stands before its sums.
            (true, Over::Batch, Some(sums)) => Some(g.mul(sums, weight)?),
            _ => Some(g.apply(NormalizeSums { over, epsilon, by: By::Set }, &[dy, x, moments, weight])?),
        };
        let op = NormalizeGradient { over, epsilon, through };
        let dx = match by_set {
            _ if !needs_x => None,
            Some(sums) if through => Some(g.apply(op, &[dy, moments, weight, x, sums])?),
            _ => Some(g.apply(op, &[dy, moments, weight])?),
        };
        let dmoments = match by_set {
            Some(sums) if !through => Some(g.apply(StatisticsGradient { epsilon }, &[sums, moments])?),
            _ => None,
        };
        let mut row = |needed: bool, row: usize| match by_parameter {
            Some(sums) if needed => g.select(sums, row).map(Some),
            _ => Ok(None),
        };
        Ok(vec![dx, dmoments, row(needs_weight, 1)?, row(needs_bias, 0)?])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        self.launched(plan, None)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let rstd = near_rstds(&inputs[1], self.epsilon);
        self.over.of(inputs[0].value.shape()).each(|i, s, p| {
            let hat = Near::sum([at(inputs, 0, i), at(inputs, 1, s).negated()]).times(rstd[s]);
            error[i] = Near::sum([hat.times(at(inputs, 2, p)), at(inputs, 3, p)]).error;
        });
    }
}

/// Every layout with statistics that are not x's own; more of what follows from its own in `tests/norms.rs`.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-0.5, 1.5);
    let case = |label: &str, over: Over, shape: &[usize]| {
        let (sets, parameters) = (over.of(&shape.into()).sets, over.parameters(&shape.into()));
        Case::new(format!("{label}{over:?} of {shape:?}"), Normalize { over, epsilon: 1e-5 })
            .real(shape, any)
            .real([2, sets], Fill::Uniform(0.5, 1.5))
            .real(parameters.clone(), any)
            .real(parameters, any)
    };
    let mut cases: Vec<Case> = super::moments::shapes().iter().map(|(over, shape)| case("", *over, shape)).collect();
    // Sums of several parts, by either mapping.
    cases.push(case("", Over::Batch, &[700, 3]));
    cases.push(case("", Over::Batch, &[2, 2, 4801]));
    cases.push(case("", Over::Example, &[2, 9001]));
    cases.push(case("", Over::Example, &[601, 5]));
    cases.push(case("no examples ", Over::Batch, &[0, 3]).edge());
    cases.push(case("bench ", Over::Batch, &[128, 64, 28, 28]).edge().benched());
    cases.push(case("bench ", Over::Example, &[4096, 1024]).edge().benched());
    cases.extend(gradient::cases());
    cases.extend(statistics::cases());
    cases.extend(sums::cases());
    cases
}
