//! A model's gradients: its own small batch, at two points, the penalty apart from the data, and on the GPU.

use super::burn_in::burn_in;
use super::graph::{Subject, examine};
use super::{GradientCheck, GraphReport, KernelReport, TensorReport, Verdict, graph, kernels, trace};
use crate::data::{Dataset, Targets};
use crate::device::gpu::Gpu;
use crate::device::{Feed, Feeds};
use crate::error::{GraphError, Result};
use crate::graph::{Context, Dtype, NodeId};
use crate::nn::{Assembled, Mode, Model, Objective, TargetKind, assemble, initial_parameters};
use crate::rng::{Stream, stream};
use crate::shape::Shape;

/// Which weights.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// As initialised.
    Initial,
    /// After some training, where gradients look as they do in use.
    BurnedIn {
        /// Steps taken.
        steps: u32,
        /// The loss before.
        before: f64,
        /// The loss after.
        after: f64,
    },
}

/// Which part of the loss is differentiated: a large penalty would hide a wrong derivative of the data loss in the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The loss on the data, the penalty off.
    Data,
    /// The penalty alone.
    Penalty,
    /// Both, as training differentiates them.
    Sum,
}

impl Part {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data loss",
            Self::Penalty => "penalty",
            Self::Sum => "data loss + penalty",
        }
    }
}

/// What was found at one point.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PointReport {
    /// Where.
    pub point: Point,
    /// The data loss and, where there is a penalty, the penalty and the sum.
    pub parts: Vec<(Part, GraphReport)>,
    /// The GPU's loss and gradients, all elements; empty without a GPU.
    pub kernels: Vec<KernelReport>,
    /// Each kind of op of the whole step on the GPU's own operands ([`trace`](super::trace)), where some of the bounds of `kernels`
    /// say little or are not finite; empty otherwise.
    pub trace: Vec<KernelReport>,
}

impl PointReport {
    /// Whether the GPU is right: every element within its bound; where rounding carried through the graph has no finite bound, every op
    /// on the way within its own, and by one that says something.
    pub fn kernels_passed(&self) -> bool {
        let traced = !self.trace.is_empty() && self.trace.iter().all(KernelReport::proved);
        let right = |k: &KernelReport| k.passed() || (traced && k.wrong == 0 && k.non_finite == 0);
        self.kernels.iter().all(right) && self.trace.iter().all(KernelReport::passed)
    }
}

/// What was found in a model.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    /// Examples in the batch.
    pub rows: usize,
    /// The adapter the kernels ran on.
    pub adapter: Option<String>,
    /// The initial weights, and those after the burn-in.
    pub points: Vec<PointReport>,
    /// What a person should know beside the verdicts.
    pub warnings: Vec<String>,
}

impl Report {
    /// Whether no dimension failed anywhere, every tensor was decided for every part at one point at least, and on the GPU all is
    /// right as [`PointReport::kernels_passed`] says. Dimensions that crossed a kink or are below resolution count for neither side.
    pub fn passed(&self) -> bool {
        let sound = |p: &PointReport| {
            p.parts.iter().all(|(_, r)| r.tensors.iter().all(TensorReport::sound)) && p.kernels_passed()
        };
        !self.points.is_empty() && self.points.iter().all(sound) && self.undecided().is_empty()
    }

    /// Tensors about which nothing was proved for a part of the loss, at no point.
    pub fn undecided(&self) -> Vec<(Part, &str)> {
        let Some(first) = self.points.first() else { return Vec::new() };
        let mut open = Vec::new();
        for (p, (part, report)) in first.parts.iter().enumerate() {
            for (t, tensor) in report.tensors.iter().enumerate() {
                if !self.points.iter().any(|point| point.parts[p].1.tensors[t].decided()) {
                    open.push((*part, tensor.name.as_str()));
                }
            }
        }
        open
    }

    /// Each tensor that failed: its point, part and report.
    pub fn failures(&self) -> impl Iterator<Item = (Point, Part, &TensorReport)> {
        self.points.iter().flat_map(|point| {
            point.parts.iter().flat_map(move |(part, report)| {
                report.tensors.iter().filter(|t| !t.sound()).map(move |t| (point.point, *part, t))
            })
        })
    }
}

/// Checks the gradients of `model` under `objective`, on examples of shape `input` out of `data`.
///
/// **In f64**, on the cpu device: every parameter, sampled as [`GradientCheck::dimensions`] says, against centred differences; at the
/// initial weights and again after a burn-in (Adam at 1e-2 until the loss has halved); the data loss and the penalty apart and together.
/// The model is built to train: dropout draws one mask for all evaluations.
///
/// **With a GPU**: the loss and all elements of all gradients against the f64 ones, within [`bounds`](super::bounds). Parameters and
/// examples are rounded to f32 first, so that both devices stand at one point. Where the model is so deep that these bounds
/// say little, every op of the step is held to its own as well, on the GPU's own operands ([`trace`](super::trace)).
///
/// # Errors
///
/// What [`assemble`] refuses; settings out of range; data that f32 does not hold; a device's own errors.
///
/// # Examples
///
/// ```
/// use thalweg::Shape;
/// use thalweg::check::{GradientCheck, gradients};
/// use thalweg::data::{Dataset, Targets, Values};
/// use thalweg::nn::{Linear, Objective, Sequential, Tanh};
///
/// let features = Values::F64(vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
/// let xor = Dataset::new(features, Shape::from([2]), Targets::Classes { labels: vec![0, 1, 1, 0], classes: 2 })?;
/// let model = Sequential::new().add(Linear::new(8)).add(Tanh).add(Linear::new(2));
/// let report = gradients(&model, &Shape::from([2]), &Objective::default(), &xor, &GradientCheck::default(), None)?;
/// assert!(report.passed(), "{report}");
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn gradients(
    model: &dyn Model,
    input: &Shape,
    objective: &Objective,
    data: &Dataset,
    check: &GradientCheck,
    gpu: Option<&Gpu>,
) -> Result<Report> {
    gradients_from(None, model, input, objective, data, check, gpu)
}

/// [`gradients`] at weights of one's own, trained ones for example, in the place of initial ones: a value for each element of each
/// parameter, in the order of [`Assembled::parameters`].
///
/// # Errors
///
/// As [`gradients`]; values that are too few or too many for the parameters.
pub fn gradients_from(
    initial: Option<Vec<Vec<f64>>>,
    model: &dyn Model,
    input: &Shape,
    objective: &Objective,
    data: &Dataset,
    check: &GradientCheck,
    gpu: Option<&Gpu>,
) -> Result<Report> {
    check.validate()?;
    if gpu.is_some() {
        data.check_f32()?;
    }
    if let Some(count) = model.index_count() {
        data.indices(count)?;
    }
    let kind = match data.targets() {
        Targets::Classes { classes, .. } => TargetKind::Classes { classes: *classes },
        Targets::Values { shape, .. } => TargetKind::Values { shape: shape.clone() },
    };
    let order = Stream::new(check.seed, 0, stream::CHECK).permutation(data.rows());
    let take = |rows: usize| -> Result<(Assembled, Dataset)> {
        let set = data.select(&order[..rows.min(data.rows())]);
        let assembled = assemble(model, input, kind.clone(), objective, set.rows(), Mode::Train)?;
        Ok((assembled, set))
    };
    let (assembled, set) = take(check.rows)?;
    let adapter = gpu.map(|gpu| gpu.adapter().name.clone());
    let mut report = Report { rows: set.rows(), adapter, points: Vec::new(), warnings: Vec::new() };
    if assembled.parameters.is_empty() {
        let (op, field, range) = ("gradcheck", "parameters of the model", "at least 1");
        return Err(GraphError::Range { op, field, range, found: "0".into() }.into());
    }
    let elements = assembled.parameters.iter().fold(0_usize, |n, p| n.saturating_add(p.shape.elements()));
    // The values, what the burn-in makes of them with its two states, and what is read back.
    crate::device::cpu::admit("the model's parameters and the checker's copies", elements, 5 * size_of::<f64>())?;
    let mut parameters = initial.unwrap_or_else(|| initial_parameters(&assembled.parameters, check.seed));
    round(&mut parameters);
    let look = |point, parameters: &[Vec<f64>]| at(point, &assembled, &set, parameters, check, gpu);
    report.points.push(look(Point::Initial, &parameters)?);
    if check.burn_in > 0 {
        // More examples than the check's own, so that the weights are not fitted to three.
        let (larger, more) = take(check.rows.max(32))?;
        let (steps, before, after) =
            burn_in(&larger, &feeds(&larger, &more, &parameters, 1.0), &mut parameters, check)?;
        if !(after < before) {
            report
                .warnings
                .push(format!("the loss did not fall in {steps} steps of burn-in: {before} before, {after} after"));
        }
        round(&mut parameters);
        report.points.push(look(Point::BurnedIn { steps, before, after }, &parameters)?);
    }
    for (part, name) in report.undecided().into_iter().map(|(part, name)| (part, name.to_owned())).collect::<Vec<_>>() {
        report.warnings.push(format!("{name}: nothing was decided about the {} at any point", part.name()));
    }
    let said: Vec<String> = report.points.iter().enumerate().filter_map(|(i, point)| coarse(i, point)).collect();
    report.warnings.extend(said);
    let zero = |t: &TensorReport| t.dimensions.iter().all(|d| d.verdict == Verdict::BothZero);
    if report.points.iter().all(|p| p.parts[0].1.tensors.iter().all(zero)) {
        report.warnings.push("every derivative of the data loss is 0: nothing was exercised".into());
    }
    Ok(report)
}

/// What is said of a point whose bounds say little.
fn coarse(i: usize, point: &PointReport) -> Option<String> {
    let wide: Vec<&KernelReport> =
        point.kernels.iter().filter(|k| k.wrong == 0 && k.non_finite == 0 && !k.proved()).collect();
    let widest = wide.iter().max_by(|a, b| a.resolution.total_cmp(&b.resolution))?;
    let at = if i == 0 { "the initial weights" } else { "the weights after burn-in" };
    let held = match point.trace.iter().all(KernelReport::proved) {
        true => "each op of the step is held to a tight one on the GPU's own operands",
        false => "and not every op of the step was proved on its own either",
    };
    let (name, resolution, count, all) = (&widest.name, widest.resolution, wide.len(), point.kernels.len());
    Some(format!(
        "on the GPU at {at}: the bounds of {count} of {all} values are so wide that being within them says little (of {name} \
         {resolution:.0e} of the largest element); {held}"
    ))
}

fn at(
    point: Point,
    a: &Assembled,
    set: &Dataset,
    parameters: &[Vec<f64>],
    check: &GradientCheck,
    gpu: Option<&Gpu>,
) -> Result<PointReport> {
    let cx = Context { step: 1, seed: check.seed };
    let feeds = feeds(a, set, parameters, check.scale);
    let wrt: Vec<NodeId> = a.parameters.iter().map(|p| p.node).collect();
    // The very nodes that training takes its gradients from.
    let trained = Subject { graph: &a.graph, y: a.loss, weights: &[check.scale], wrt: &wrt, gradients: &a.gradients };
    let trained = examine(&trained, &feeds, &cx, check)?;
    let parts = match a.penalty {
        None => vec![(Part::Data, trained)],
        Some(penalty) => {
            let plain = GradientCheck { sweep: false, ..*check };
            let data = graph(&a.graph, a.data_loss, &feeds, &wrt, &cx, &plain)?;
            // The parameters that are penalised at all; that the others are not shows in the sum.
            let live = a.graph.live(&[penalty]);
            let penalised: Vec<NodeId> = wrt.iter().copied().filter(|id| live[id.index()]).collect();
            let penalty = graph(&a.graph, penalty, &feeds, &penalised, &cx, &plain)?;
            vec![(Part::Data, data), (Part::Penalty, penalty), (Part::Sum, trained)]
        }
    };
    let (mut found, mut traced) = (Vec::new(), Vec::new());
    if let Some(gpu) = gpu {
        let gradients = a.parameters.iter().zip(&a.gradients).filter_map(|(p, g)| Some((p.name.as_str(), (*g)?)));
        let wanted: Vec<(&str, NodeId)> = [("loss", a.loss)].into_iter().chain(gradients).collect();
        found = kernels(gpu, &a.graph, &feeds, &wanted, &cx)?;
        if !found.iter().all(KernelReport::proved) {
            let wanted: Vec<NodeId> = wanted.iter().map(|&(_, id)| id).collect();
            traced = trace(gpu, &a.graph, &feeds, &wanted, &cx)?;
        }
    }
    Ok(PointReport { point, parts, kernels: found, trace: traced })
}

fn feeds(a: &Assembled, set: &Dataset, parameters: &[Vec<f64>], scale: f64) -> Feeds {
    let rounded = |values: Vec<f64>| Feed::Real(values.into_iter().map(single).collect());
    let targets = match set.targets() {
        Targets::Classes { labels, .. } => Feed::Index(labels.clone()),
        Targets::Values { values, .. } => rounded(values.to_f64()),
    };
    let features = match a.graph.node(a.features).meta.dtype {
        Dtype::Real => rounded(set.features().to_f64()),
        Dtype::Index => Feed::Index(set.features().iter().map(|x| x as u32).collect()),
    };
    let mut feeds = Feeds::from([(a.features, features), (a.targets, targets)]);
    feeds.insert(a.loss_scale, vec![scale].into());
    feeds.extend(a.parameters.iter().zip(parameters).map(|(p, values)| (p.node, values.as_slice().into())));
    feeds.extend(a.buffers.iter().map(|b| (b.node, b.initial().into())));
    feeds
}

/// As f32 holds it, where it holds it at all.
fn single(x: f64) -> f64 {
    let near = f64::from(x as f32);
    if near.is_finite() { near } else { x }
}

fn round(parameters: &mut [Vec<f64>]) {
    parameters.iter_mut().flatten().for_each(|x| *x = single(*x));
}
