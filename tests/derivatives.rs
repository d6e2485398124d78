//! Every derivative, in f64, against centred differences: each smooth case of the registries, mid-graph behind a random
//! weighting, so that an op which assumed the end of the graph would be caught. G1–G12: docs/learning-notes.md.

use std::collections::HashMap;

use thalweg::Graph;
use thalweg::check::fill;
use thalweg::device::{Feed, Feeds, cpu};
use thalweg::graph::{Arg, BoundArg, Context, Meta, NodeId};
use thalweg::op::{Case, CaseInput, Entry};
use thalweg::rng::{Stream, stream};

/// Correct, where everything is smooth (G3).
const TOLERANCE: f64 = 1e-7;
/// The steps of the sweep (G8): large ones for long sums, whose rounding drowns a small difference, small ones for strong curvature.
const STEPS: [f64; 4] = [1e-3, 1e-4, 1e-5, 1e-6];
/// Elements looked at of each operand (G12).
const SAMPLES: u32 = 40;
/// The same for f(x + h), f(x − h) and the analytic pass (G11).
const CONTEXT: Context = Context { step: 3, seed: 0x5eed };

fn entries() -> impl Iterator<Item = &'static Entry> {
    thalweg::op::ALL.iter().chain(thalweg::loss::ALL)
}

/// A case with values: f(x) = Σ r ⊙ op(x) with random weights r.
struct Problem<'a> {
    case: &'a Case,
    feeds: Vec<Feed>,
    weights: Vec<f64>,
}

impl<'a> Problem<'a> {
    fn new(case: &'a Case) -> Self {
        let values = |(input, i)| fill(input, Stream::new(41, i, stream::CHECK));
        let feeds: Vec<Feed> = case.inputs.iter().zip(0..).map(values).collect();
        let metas: Vec<Meta> = case.inputs.iter().map(CaseInput::meta).collect();
        let len = case.op.output(&metas).expect("a case suits its op").shape.elements();
        let draws = Stream::new(43, 0, stream::CHECK);
        // Between ½ and 1½ in size: no weight hides its element.
        let weight = |i: u32| (0.5 + draws.uniform(i)) * if draws.word(i).is_multiple_of(2) { 1.0 } else { -1.0 };
        Self { case, feeds, weights: (0..len as u32).map(weight).collect() }
    }

    fn args(&self) -> Vec<Arg<'_, f64>> {
        let arg = |(input, feed)| args_of(input, feed);
        self.case.inputs.iter().zip(&self.feeds).map(arg).collect()
    }

    fn value(&self) -> Vec<f64> {
        let mut y = vec![f64::NAN; self.weights.len()];
        self.case.op.twin_f64(&self.args(), &mut y, &CONTEXT);
        y
    }

    fn winners(&self) -> Vec<u32> {
        let mut out = Vec::new();
        self.case.op.winners(&self.args(), &mut out);
        out
    }

    /// The gradients that autodiff builds, evaluated in f64, for each differentiable operand.
    fn analytic(&self) -> Result<Vec<(usize, Vec<f64>)>, String> {
        let mut g = Graph::new();
        let mut feeds: Feeds = HashMap::new();
        let mut nodes = Vec::new();
        for (i, (input, feed)) in self.case.inputs.iter().zip(&self.feeds).enumerate() {
            let id = match feed {
                Feed::Real(_) => g.input(&i.to_string(), input.shape.clone()),
                Feed::Index(_) => g.index_input(&i.to_string(), input.shape.clone()),
            };
            nodes.push(id.map_err(|e| e.to_string())?);
            feeds.insert(nodes[i], feed.clone());
        }
        let y = g.apply_dyn(self.case.op.clone(), &nodes).map_err(|e| e.to_string())?;
        let upstream = g.input("weights", g.shape(y).clone()).map_err(|e| e.to_string())?;
        feeds.insert(upstream, Feed::Real(self.weights.clone()));
        let which: Vec<usize> = (0..nodes.len()).filter(|&i| self.case.inputs[i].differentiable).collect();
        let wrt: Vec<NodeId> = which.iter().map(|&i| nodes[i]).collect();
        let gradients = g.gradients(y, upstream, &wrt).map_err(|e| e.to_string())?;
        let wanted: Vec<NodeId> = gradients.iter().copied().flatten().collect();
        let mut values = cpu::evaluate(&g, &feeds, &wanted, &CONTEXT).map_err(|e| e.to_string())?.into_iter();
        let mut found = Vec::new();
        for (&i, gradient) in which.iter().zip(&gradients) {
            let len = self.case.inputs[i].shape.elements();
            let value = if gradient.is_some() { values.next().unwrap_or_default() } else { vec![0.0; len] };
            if value.len() != len {
                return Err(format!("gradient of operand {i} has {} elements, the operand {len}", value.len()));
            }
            found.push((i, value));
        }
        Ok(found)
    }
}

fn args_of<'a>(input: &'a CaseInput, feed: &'a Feed) -> Arg<'a, f64> {
    match feed {
        Feed::Real(values) => Arg::Real(&input.shape, values),
        Feed::Index(values) => Arg::Index(&input.shape, values),
    }
}

/// What a check of one case came to.
#[derive(Default)]
struct Outcome {
    checked: usize,
    crossed: usize,
    drowned: usize,
    failures: Vec<String>,
}

/// `|fa − fn| ≤ 1e-7 max(|fa|, |fn|)`, both zero being a pass (G2), beyond what rounding alone makes of the difference.
/// NaN is no pass, nor is infinity, which any difference is small beside.
fn agrees(analytic: f64, numeric: f64, rounding: f64) -> bool {
    let finite = analytic.is_finite() && numeric.is_finite() && rounding.is_finite();
    (analytic == 0.0 && numeric == 0.0)
        || finite && (analytic - numeric).abs() <= TOLERANCE * analytic.abs().max(numeric.abs()) + rounding
}

fn check(case: &Case, tamper: impl Fn(&mut [f64])) -> Result<Outcome, String> {
    let mut problem = Problem::new(case);
    let mut outcome = Outcome::default();
    let (base, winners) = (problem.value(), problem.winners());
    let scale: f64 = base.iter().zip(&problem.weights).map(|(y, r)| (y * r).abs()).sum();
    let longest = case.inputs.iter().map(|input| input.shape.elements()).max().unwrap_or(1);
    for (operand, mut gradient) in problem.analytic()? {
        tamper(&mut gradient);
        let len = gradient.len() as u32;
        let draws = Stream::new(47, operand as u32, stream::CHECK);
        let picks: Vec<usize> = if len <= SAMPLES {
            (0..len as usize).collect()
        } else {
            // The ends, where ragged sizes go wrong, and the rest at random.
            [0, len - 1].into_iter().chain((2..SAMPLES).map(|i| draws.word(i) % len)).map(|i| i as usize).collect()
        };
        for at in picks {
            let Feed::Real(values) = &problem.feeds[operand] else { return Err("an index was differentiated".into()) };
            let x = values[at];
            let mut tried: Vec<(f64, f64, f64)> = Vec::new();
            for step in STEPS {
                let h = step * x.abs().max(1.0);
                let mut shifted = |x: f64| {
                    if let Feed::Real(values) = &mut problem.feeds[operand] {
                        values[at] = x;
                    }
                    (problem.value(), problem.winners())
                };
                let (above, below) = (shifted(x + h), shifted(x - h));
                shifted(x);
                if above.1 != below.1 || above.1 != winners {
                    continue; // A kink was crossed: neither a pass nor a failure (G6).
                }
                let width = (x + h) - (x - h);
                let terms = above.0.iter().zip(&below.0).zip(&problem.weights);
                let numeric = terms.map(|((a, b), r)| r * (a - b)).sum::<f64>() / width;
                // Each value carries roundings of its own; in a naive sum of n terms they add up like √n (Higham 2002, §2.8).
                let rounding = f64::EPSILON * (longest as f64).sqrt() * scale / h;
                tried.push((h, numeric, rounding));
            }
            let fa = gradient[at];
            if tried.is_empty() {
                outcome.crossed += 1;
                continue;
            }
            // How much of the gradient must stand out of the rounding for a step to say something.
            let agrees_above = |visible: f64| {
                tried.iter().any(|&(_, numeric, rounding)| {
                    let seen = rounding <= visible * fa.abs().max(numeric.abs()) || (fa == 0.0 && numeric == 0.0);
                    seen && agrees(fa, numeric, rounding)
                })
            };
            if agrees_above(1e-4) {
                outcome.checked += 1;
            } else if agrees_above(1e-2) || tried.iter().all(|&(_, numeric, rounding)| agrees(fa, numeric, rounding)) {
                // Right as far as can be seen, but that is not far.
                outcome.drowned += 1;
            } else {
                let sweep: Vec<String> =
                    tried.iter().map(|(h, n, r)| format!("h {h:.0e}: {n:.10e} (rounding {r:.0e})")).collect();
                outcome.failures.push(format!("operand {operand}[{at}]: analytic {fa:.10e}, {}", sweep.join(", ")));
            }
        }
    }
    Ok(outcome)
}

#[test]
fn every_smooth_case_agrees_with_centred_differences() {
    let mut report = Vec::new();
    let (mut cases, mut checked, mut crossed) = (0, 0, 0);
    for entry in entries() {
        for case in (entry.cases)().iter().filter(|case| case.smooth) {
            let name = format!("{} · {} · {}", entry.name, case.op.name(), case.label);
            let outcome = match check(case, |_| {}) {
                Ok(outcome) => outcome,
                Err(e) => {
                    report.push(format!("{name}: {e}"));
                    continue;
                }
            };
            cases += 1;
            checked += outcome.checked;
            crossed += outcome.crossed;
            let elements: usize = case.inputs.iter().filter(|i| i.differentiable).map(|i| i.shape.elements()).sum();
            if outcome.checked <= outcome.drowned && outcome.failures.is_empty() && elements > 0 {
                let Outcome { checked, crossed, drowned, .. } = outcome;
                report
                    .push(format!("{name}: {checked} checked, {crossed} crossed kinks, {drowned} drowned in rounding"));
            }
            if !outcome.failures.is_empty() {
                let worst: Vec<_> = outcome.failures.iter().take(5).cloned().collect();
                report.push(format!("{name}: {} wrong\n  {}", outcome.failures.len(), worst.join("\n  ")));
            }
        }
    }
    assert!(report.is_empty(), "{} of {cases} cases\n{}", report.len(), report.join("\n"));
    assert!(checked > 1000, "{checked} elements of {cases} cases");
    println!("{cases} cases, {checked} elements checked, {crossed} crossed kinks");
}

/// Each registry entry proves a derivative, unless it has none to prove.
#[test]
fn no_entry_goes_without_a_smooth_case() {
    for entry in entries().filter(|entry| entry.name != "accuracy") {
        let proved = |case: &Case| case.smooth && case.inputs.iter().any(|i| i.differentiable && !i.shape.contains(&0));
        assert!((entry.cases)().iter().any(proved), "{} has no case whose derivative is checked", entry.name);
    }
}

/// A checker that cannot fail proves nothing.
#[test]
fn wrong_gradients_are_caught() {
    type Tampering = fn(&mut [f64]);
    let wrongs: [(&str, Tampering); 5] = [
        ("NaN", |g| g[0] = f64::NAN),
        ("zero", |g| g.fill(0.0)),
        ("sign", |g| g.iter_mut().for_each(|g| *g = -*g)),
        ("one part in a million", |g| g.iter_mut().for_each(|g| *g *= 1.000_001)),
        ("infinite", |g| g[0] = f64::INFINITY),
    ];
    for name in ["softmax", "cross_entropy", "hinge", "mse"] {
        let entry = entries().find(|entry| entry.name == name).expect("the entry is registered");
        let cases = (entry.cases)();
        let case = cases.iter().find(|case| case.smooth && case.inputs[0].shape.axes() == [63, 10]);
        let case = case.or_else(|| cases.iter().find(|case| case.smooth && case.inputs[0].shape.axes() == [64, 10]));
        let case = case.unwrap_or_else(|| panic!("{name} has no case of [63, 10] or [64, 10]"));
        assert!(check(case, |_| {}).is_ok_and(|outcome| outcome.failures.is_empty()), "{name}");
        for (what, tamper) in wrongs {
            let caught = check(case, tamper).is_ok_and(|outcome| !outcome.failures.is_empty());
            assert!(caught, "{name}: a gradient that is wrong by {what} passed");
        }
    }
}

/// The twin in f32 keeps within the bound that the kernels are held to, which is a check on both.
#[test]
fn twins_in_f32_keep_the_bound() {
    let mut report = Vec::new();
    for entry in entries() {
        for case in (entry.cases)().iter().filter(|case| !case.bench) {
            let problem = Problem::new(case);
            let (args, y) = (problem.args(), problem.value());
            let singles: Vec<Vec<f32>> = problem
                .feeds
                .iter()
                .map(|feed| if let Feed::Real(v) = feed { v.iter().map(|&x| x as f32).collect() } else { Vec::new() })
                .collect();
            let narrow: Vec<Arg<'_, f32>> = args
                .iter()
                .zip(&singles)
                .map(|(arg, single)| match arg {
                    Arg::Real(shape, _) => Arg::Real(shape, single),
                    Arg::Index(shape, values) => Arg::Index(shape, values),
                })
                .collect();
            let mut found = vec![f32::NAN; y.len()];
            case.op.twin_f32(&narrow, &mut found, &CONTEXT);
            let exact: Vec<Vec<f64>> = args.iter().map(|arg| vec![0.0; arg.shape().elements()]).collect();
            let operands: Vec<BoundArg<'_>> =
                args.iter().zip(&exact).map(|(&value, error)| BoundArg { value, error }).collect();
            let mut bound = vec![f64::NAN; y.len()];
            case.op.bound(&operands, &y, &mut bound);
            for i in 0..y.len() {
                let error = (f64::from(found[i]) - y[i]).abs();
                let kept = error <= bound[i]; // false for NaN
                if !kept {
                    let name = format!("{} · {}", case.op.name(), case.label);
                    report.push(format!("{name} [{i}]: f32 {:e}, f64 {:e}, bound {:e}", found[i], y[i], bound[i]));
                    break;
                }
            }
        }
    }
    assert!(report.is_empty(), "{}", report.join("\n"));
}
