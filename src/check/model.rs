//! A model's gradients: its own small batch, at two points, the penalty apart from the data, and on the GPU.

use super::burn_in::burn_in;
use super::graph::{Subject, examine};
use super::report::{Part, Point, PointReport, Report, coarse};
use super::{GradientCheck, KernelReport, TensorReport, Verdict, graph, kernels, trace};
use crate::data::{Dataset, Targets};
use crate::device::gpu::Gpu;
use crate::device::{Feed, Feeds};
use crate::error::{GraphError, Result};
use crate::graph::{Context, Dtype, NodeId};
use crate::nn::{Assembled, Mode, Model, Objective, TargetKind, assemble, initial_parameters};
use crate::rng::{Stream, stream};
use crate::shape::Shape;

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
