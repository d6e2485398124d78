//! Means and variances.

mod gradient;
mod launch;
mod layout;
mod near;
mod running;

pub use gradient::MomentsGradient;
pub(crate) use launch::{Cut, sum_depth};
pub use layout::{By, Over};
pub(crate) use layout::Layout;
pub(crate) use near::Near;
pub use running::RunningMoments;

use super::rounding::{EPSILON, TINY, gamma};
use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, padded, wgsl};
use crate::scalar::Scalar;

/// The mean and the biased variance of each set of elements.
///
/// ```text
/// x : [N, C, …]   y : [2, sets]; sets as Over says, m elements in each
/// y[0, s] = μ = Σ x / m        y[1, s] = Σ (x − μ)² / m
/// dx = (dμ + 2 (x − μ) dσ²) / m
/// ```
///
/// **Stability** never the mean of x² less the squared mean: two passes, the second also correcting what the first's mean is off by, and parts
/// merged by their means and squared distances. Numbers around 1000 that differ by 1 keep their variance to 1 part in 10³ by the bound.
///
/// **On the GPU** `shaders/op/moments.wgsl`: a part of a set a workgroup (an invocation where neighbouring channels lie side by side),
/// which reads its elements twice, the second time from a cache: 4 bytes an element from memory. `shaders/op/moments_merge.wgsl`
/// merges the parts. Fixed trees, no atomics. x must fit one binding.
///
/// **Source** Chan, Golub & LeVeque, *Algorithms for computing the sample variance* (1983): the corrected two-pass algorithm (1.7)
/// and pairwise merging; Higham 2002, §1.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// What one mean and one variance are taken over.
    pub over: Over,
}

const NAME: &str = "moments";

impl Op for Moments {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::reals(NAME, inputs, ["x"])?;
        let layout = self.over.layout(NAME, "x", x)?;
        if layout.sets > 0 && layout.view(By::Set).len == 0 {
            return Err(operand::misshapen(NAME, "x", "[N, C, …] with N ≥ 1".into(), x));
        }
        Ok(Meta::real([2, layout.sets]))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let layout = self.over.of(inputs[0].shape());
        let (x, n) = (inputs[0].real(), T::of(layout.view(By::Set).len as f64));
        let near: Vec<T> = layout.sums(By::Set, |i, _, _| [x[i]]).into_iter().map(|[sum]| sum / n).collect();
        let off = layout.sums(By::Set, |i, set, _| {
            let t = x[i] - near[set];
            [t, t * t]
        });
        let (means, variances) = y.split_at_mut(layout.sets);
        for (s, [d, q]) in off.into_iter().enumerate() {
            means[s] = near[s] + d / n;
            // What rounding makes negative is 0 within rounding; a NaN stays one.
            variances[s] = (q - d * d / n).abs() / n;
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let operands = [tape.upstream(), tape.input(0), tape.output()];
        Ok(vec![Some(tape.graph().apply(MomentsGradient { over: self.over }, &operands)?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        plan.whole(NAME)?;
        let layout = self.over.of(&plan.inputs[0].shape);
        let view = layout.view(By::Set);
        let cut = Cut::of(plan, view);
        let (rows, written) = (view.classes * cut.parts, 2 * view.classes * cut.parts);
        let (target, y_stride) =
            if cut.parts == 1 { (Operand::Output, plan.output.stride) } else { (Operand::Scratch(0), padded(written)) };
        let text = if cut.by_workgroup {
            wgsl!("op/moments", "lib/row_workgroup")
        } else {
            wgsl!("op/moments", "lib/row_invocation")
        };
        let mut all = Launches::from(Launch {
            kernel: Kernel::new(NAME, text, NAME),
            params: vec![
                ("rows", rows.into()),
                ("sets", view.classes.into()),
                ("inner", view.inner.into()),
                ("len", view.len.into()),
                ("chunk", cut.chunk.into()),
                ("divisor", (if cut.parts == 1 { view.len as f32 } else { 1.0 }).into()),
                ("x_stride", plan.inputs[0].stride.into()),
                ("y_stride", y_stride.into()),
            ],
            bindings: vec![Binding::read(Operand::Input(0), layout.elements), Binding::write(target, written)],
            groups: cut.groups(plan, rows),
            flops: 4 * layout.elements as u64,
        });
        if cut.parts > 1 {
            let by_workgroup = launch::merged_by_workgroup(plan, cut.parts);
            let text = if by_workgroup {
                wgsl!("op/moments_merge", "lib/row_workgroup")
            } else {
                wgsl!("op/moments_merge", "lib/row_invocation")
            };
            all.scratch.push(written);
            all.list.push(Launch {
                kernel: Kernel::new("moments_merge", text, "moments_merge"),
                params: vec![
                    ("sets", view.classes.into()),
                    ("len", view.len.into()),
                    ("chunk", cut.chunk.into()),
                    ("parts", cut.parts.into()),
                    ("part_stride", y_stride.into()),
                    ("y_stride", plan.output.stride.into()),
                ],
                bindings: vec![
                    Binding::read(Operand::Scratch(0), written),
                    Binding::write(Operand::Output, 2 * view.classes),
                ],
                groups: if by_workgroup { plan.groups(view.classes) } else { plan.linear(view.classes, 64) },
                flops: 0,
            });
        }
        Ok(all)
    }

    /// The exact moments of what arrived, then what two passes over parts, and two over the parts' moments, round.
    ///
    /// With G = γ of all additions on a term's way and X² the mean of x², a part's first mean is off by at most G·X, which the
    /// second pass takes out of the mean but for G·(σ + G·X) and one rounding, and out of the variance but for G·(G·X)². A merge
    /// does the same to the parts' means. Standard deviations are a norm: what moves the means by ρ moves σ by ρ.
    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let layout = self.over.of(inputs[0].value.shape());
        let (x, e, view) = (inputs[0].value.real(), inputs[0].error, layout.view(By::Set));
        let n = view.len as f64;
        let (within, between) = launch::moment_depths(view);
        let g = gamma(within.max(layout.depth(By::Set)) + between + 16);
        let sums = layout.sums(By::Set, |i, _, _| [e[i], e[i] * e[i], (x[i].abs() + e[i]).powi(2)]);
        let (means, variances) = error.split_at_mut(layout.sets);
        for (s, sums) in sums.into_iter().enumerate() {
            let [moved, moved_squared, squared] = sums.map(|sum| sum / n);
            let (r, size) = (moved_squared.sqrt(), squared.sqrt());
            let sd = y[layout.sets + s].abs().sqrt();
            let spread = sd + r;
            let flushed = 16.0 * TINY * (1.0 + size + 1.0 / n);
            let arrived = 2.0 * sd * r + r * r;
            means[s] = moved + g * (spread + g * size) + 1.1 * EPSILON * size + flushed;
            variances[s] = arrived + 3.0 * g * spread * spread + 6.0 * g.powi(3) * squared + flushed;
            if between > 1 {
                let parts = g * (spread + g * size) + 1.1 * EPSILON * size;
                means[s] += 2.0 * g * (spread + g * size) + EPSILON * size;
                variances[s] += 5.0 * g * spread * spread + 8.0 * g.powi(3) * squared + (2.0 * spread + parts) * parts;
            }
        }
    }
}

impl Graph {
    /// Means and biased variances, `[2, sets]`. See [`Moments`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] for x of fewer than two axes or without elements, [`GraphError::Range`] for groups that do not divide the
    /// channels, [`GraphError::Dtype`].
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::moments::{Moments, Over}};
    /// let mut g = Graph::new();
    /// let x = g.input("x", [2, 3])?;
    /// let y = g.moments(x, Over::Batch)?;
    /// assert_eq!(g.shape(y).to_string(), "[2, 3]");
    ///
    /// let x = [1.0, 2.0, 3.0, 5.0, 2.0, 1.0];
    /// let mut y = [0.0; 6];
    /// Moments { over: Over::Batch }.twin(&[Arg::Real(&[2, 3].into(), &x)], &mut y, &Context::default());
    /// assert_eq!(y, [3.0, 2.0, 2.0, 4.0, 0.0, 1.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn moments(&mut self, x: NodeId, over: Over) -> Result<NodeId, GraphError> {
        self.apply(Moments { over }, &[x])
    }
}

/// Shapes in which sets and parameters fall together, lie across each other, and are of one element.
pub(crate) fn shapes() -> Vec<(Over, Vec<usize>)> {
    vec![
        (Over::Batch, vec![7, 5]),
        (Over::Batch, vec![65, 67]),
        (Over::Batch, vec![1, 3, 5, 13]),
        (Over::Batch, vec![3, 1, 7, 9]),
        (Over::Batch, vec![9, 5, 19]),
        (Over::Batch, vec![4, 3, 2]),
        (Over::Example, vec![5, 67]),
        (Over::Example, vec![1, 3, 5, 11]),
        (Over::Example, vec![131, 3]),
        (Over::Groups(1), vec![2, 3, 5, 5]),
        (Over::Groups(2), vec![3, 6, 7]),
        (Over::Groups(3), vec![5, 9]),
        (Over::Groups(4), vec![3, 4, 5, 5]),
    ]
}

/// Small and ragged sets, sets of many parts by either mapping, numbers far from 0, equal ones.
pub fn cases() -> Vec<Case> {
    // Of either sign, yet not adding up to nothing.
    let any = Fill::Uniform(-0.5, 1.5);
    let case = |label: &str, over, shape: &[usize], fill| {
        Case::new(format!("{label}{over:?} of {shape:?}"), Moments { over }).real(shape, fill)
    };
    let mut cases: Vec<Case> = shapes().iter().map(|(over, shape)| case("", *over, shape, any)).collect();
    cases.push(case("", Over::Batch, &[700, 3], any));
    cases.push(case("", Over::Batch, &[2, 2, 5003], any));
    cases.push(case("", Over::Example, &[1, 9001], any));
    cases.push(case("", Over::Groups(2), &[2, 4, 2503], any));
    // Mean 1000, standard deviation 1.
    let far = Fill::Uniform(1000.0 - 3f64.sqrt(), 1000.0 + 3f64.sqrt());
    cases.push(case("far ", Over::Batch, &[513, 5], far));
    cases.push(case("far ", Over::Batch, &[33, 3, 17, 16], far));
    cases.push(case("far ", Over::Example, &[2, 9001], far));
    cases.push(case("equal ", Over::Batch, &[65, 3], Fill::Constant(0.1)).edge());
    cases.push(case("no examples ", Over::Example, &[0, 3], any).edge());
    // Parts enough for a workgroup to merge.
    cases.push(case("parts ", Over::Batch, &[33_000, 2], any).edge());
    cases.push(case("parts ", Over::Example, &[1, 300_007], far).edge());
    cases.push(case("bench ", Over::Batch, &[128, 64, 28, 28], any).edge().benched());
    cases.push(case("bench ", Over::Batch, &[1024, 1024], any).edge().benched());
    cases.push(case("bench ", Over::Example, &[4096, 1024], any).edge().benched());
    cases.extend(gradient::cases());
    cases.extend(running::cases());
    cases
}
