//! The gradient checker's second stage: kernels against f64, where there is an adapter.

mod support;

#[path = "support/faulty.rs"]
mod faulty;

use faulty::{Curve, Fault, classes, net};
use libtest_mimic::Failed;
use std::collections::HashMap;
use thalweg::{Graph, Shape};

use thalweg::check::{self, GradientCheck, KernelReport, Report, gradients};
use thalweg::data::Source;
use thalweg::device::Feed;
use thalweg::device::gpu::Options;
use thalweg::error::GraphError;
use thalweg::graph::{Context, NodeId};
use thalweg::loss::Loss;
use thalweg::nn::{BatchNorm, Builder, Dropout, Flatten, Layer, Linear, Model, Objective, Relu, Sequential, Tanh};
use thalweg::op::max_pool2d::MaxPool2d;
use thalweg::op::{Case, Fill};
use thalweg::rng::Stream;

fn run(model: &dyn Model, objective: &Objective) -> Result<Report, Failed> {
    let gpu = support::open(Options::default())?;
    Ok(gradients(model, &Shape::from([4]), objective, &classes(), &GradientCheck::default(), Some(&gpu))?)
}

fn passes(model: &dyn Model, objective: &Objective) -> Result<(), Failed> {
    let report = run(model, objective)?;
    assert!(report.passed(), "{report}");
    assert!(report.adapter.is_some());
    for point in &report.points {
        // The loss and four gradients, all elements of each, within bounds that say something.
        let elements: Vec<usize> = point.kernels.iter().map(|k| k.elements).collect();
        assert_eq!(elements, [1, 24, 6, 18, 3], "{report}");
        assert!(point.kernels.iter().all(|k| !k.vacuous()), "{report}");
    }
    Ok(())
}

fn right_networks() -> Result<(), Failed> {
    let plain = Objective::default();
    let first = || Sequential::new().add(Linear::new(6));
    passes(&first().add(Tanh).add(Linear::new(3)), &plain)?;
    passes(&first().add(Relu).add(Linear::new(3)), &Objective { loss: Loss::Hinge, l2: 0.0 })?;
    passes(&first().add(Tanh).add(Dropout { p: 0.3 }).add(Linear::new(3)), &Objective { l2: 0.01, ..plain })
}

/// The first op is a view of what is fed.
fn images() -> Result<(), Failed> {
    let gpu = support::open(Options::default())?;
    let data = Source::Digits.load(std::path::Path::new("."), 0.2)?.train;
    let model = Sequential::new().add(Flatten).add(Linear::new(16)).add(Relu).add(Linear::new(10));
    let objective = Objective { l2: 1e-4, ..Objective::default() };
    let report = gradients(&model, data.shape(), &objective, &data, &GradientCheck::default(), Some(&gpu))?;
    assert!(report.passed() && report.points.iter().all(|p| p.kernels.len() == 5), "{report}");
    Ok(())
}

/// A bound wider than what it bounds is no proof, and the report says so.
fn bounds_that_say_little_are_named() -> Result<(), Failed> {
    let gpu = support::open(Options::default())?;
    let mut g = Graph::new();
    let a = g.input("a", [1])?;
    let b = g.input("b", [1])?;
    let y = g.sub(a, b)?;
    let z = g.add(y, b)?;
    let back = g.sub(z, a)?;
    let feeds = HashMap::from([(a, Feed::Real(vec![1000.25])), (b, Feed::Real(vec![0.125]))]);
    let report = check::kernels(&gpu, &g, &feeds, &[("sum", z), ("rest", back)], &Context::default())?;
    // z is about 1000 and precise; z − a is 0 and all rounding.
    assert!(report.iter().all(KernelReport::passed), "{report:?}");
    assert!(!report[0].vacuous() && report[1].vacuous(), "{report:?}");
    Ok(())
}

fn wrong_kernels_fail() -> Result<(), Failed> {
    assert!(run(&net(Fault::Nothing), &Objective::default())?.passed());
    for fault in [Fault::Kernel, Fault::GradientKernel, Fault::Short] {
        let report = run(&net(fault), &Objective::default())?;
        assert_eq!(report.failures().count(), 0, "the twins are right\n{report}");
        let wrong: Vec<&str> =
            report.points[0].kernels.iter().filter(|k| !k.passed()).map(|k| k.name.as_str()).collect();
        assert!(!report.passed() && wrong.contains(&"first.weight"), "{fault:?}\n{report}");
        assert_eq!(wrong.contains(&"loss"), fault != Fault::GradientKernel, "{fault:?}\n{report}");
    }
    Ok(())
}

/// So many normalisations that no bound survives, then the op.
fn deep(fault: Fault) -> impl Model {
    move |b: &mut Builder<'_>, mut x: NodeId| -> Result<NodeId, GraphError> {
        for n in 0..12 {
            let block = Sequential::new().add(Linear::new(8)).add(BatchNorm::default()).add(Relu);
            x = b.scope(&n.to_string(), |b| block.build(b, x))?;
        }
        let h = b.graph().apply(Curve(fault), &[x])?;
        b.scope("last", |b| Linear::new(3).build(b, h))
    }
}

/// Behind them each op is proved by itself, and the one that is wrong is named.
fn deep_networks() -> Result<(), Failed> {
    let check = |fault| -> Result<Report, Failed> {
        let gpu = support::open(Options::default())?;
        let check = GradientCheck { rows: 9, burn_in: 0, ..GradientCheck::default() };
        Ok(gradients(&deep(fault), &Shape::from([4]), &Objective::default(), &classes(), &check, Some(&gpu))?)
    };
    let unproved = |report: &Report| -> Vec<String> {
        let trace = &report.points[0].trace;
        trace.iter().filter(|k| !k.proved()).map(|k| k.name.clone()).collect()
    };
    let report = check(Fault::Nothing)?;
    let point = &report.points[0];
    assert!(report.passed() && point.kernels.iter().all(|k| k.unbounded > 0 && !k.passed()), "{report}");
    assert!(report.to_string().contains("NO FINITE BOUND") && report.warnings.len() == 1, "{report}");
    let normalised = point.trace.iter().find(|k| k.name == "normalize x12").ok_or("no trace")?;
    assert_eq!(normalised.elements, 12 * 9 * 8);
    assert!(unproved(&report).is_empty(), "{report}");
    for (fault, culprit) in [
        (Fault::Kernel, "curve x1"),
        (Fault::GradientKernel, "curve_gradient x1"),
        (Fault::Bound(f64::INFINITY), "curve x1"),
        (Fault::Bound(f64::NAN), "curve x1"),
        (Fault::Bound(1e3), "curve x1"),
    ] {
        let report = check(fault)?;
        assert!(!report.passed() && report.failures().count() == 0, "{fault:?}\n{report}");
        assert_eq!(unproved(&report), [culprit], "{fault:?}\n{report}");
    }
    // What it leaves out is NaN, and so is all that follows: but where the operands are finite there is one culprit.
    let report = check(Fault::Short)?;
    let first: Vec<&str> =
        report.points[0].trace.iter().filter(|k| k.non_finite > 0).map(|k| k.name.as_str()).collect();
    assert!(!report.passed() && first == ["curve x1"], "{report}");
    Ok(())
}

fn an_op_of_ones_own() -> Result<(), Failed> {
    let gpu = support::open(Options::default())?;
    let case = |fault| Case::new("some", Curve(fault)).real([3, 67], Fill::Uniform(-1.0, 1.0));
    let right = check::op(&case(Fault::Nothing), &GradientCheck::default(), Some(&gpu))?;
    assert!(right.passed() && right.kernels.len() == 2, "{right}");
    for fault in [Fault::Kernel, Fault::GradientKernel, Fault::Short] {
        let report = check::op(&case(fault), &GradientCheck::default(), Some(&gpu))?;
        assert!(!report.passed() && report.derivative.as_ref().is_some_and(|d| d.passed()), "{fault:?}\n{report}");
    }
    Ok(())
}

/// Right values within bounds that would pass anything are not proved.
fn bounds_that_pass_anything() -> Result<(), Failed> {
    let gpu = support::open(Options::default())?;
    let case = |bound| Case::new("some", Curve(Fault::Bound(bound))).real([3, 67], Fill::Uniform(-1.0, 1.0));
    for bound in [f64::INFINITY, f64::NAN] {
        let report = check::op(&case(bound), &GradientCheck::default(), Some(&gpu))?;
        let value = &report.kernels[0];
        assert!(!report.passed() && !value.passed() && value.unbounded == 201, "{bound}\n{report}");
    }
    let report = check::op(&case(1.0), &GradientCheck::default(), Some(&gpu))?;
    assert!(report.kernels.iter().all(KernelReport::passed) && !report.kernels[0].proved(), "{report}");
    assert!(!report.passed() && report.unproved() && report.to_string().contains("NOT PROVED"), "{report}");
    assert!(check::op(&case(1.0).coarse("a test"), &GradientCheck::default(), Some(&gpu))?.passed());
    Ok(())
}

/// What has no bound hands none on, through a maximum neither: a bound that forgot it would call right values wrong.
fn what_has_no_bound_hands_none_on() -> Result<(), Failed> {
    let gpu = support::open(Options::default())?;
    for bound in [f64::INFINITY, f64::NAN] {
        let mut g = Graph::new();
        let x = g.input("x", [1, 1, 4, 6])?;
        let y = g.apply(Curve(Fault::Bound(bound)), &[x])?;
        let ends = [
            g.maxout(y, 3)?,
            g.max_pool2d(y, MaxPool2d { kernel: [2, 2], stride: [2, 2], padding: [0, 0] })?,
            g.relu(y)?,
            g.max(y, 3, true)?,
        ];
        let mut wanted: Vec<(&str, NodeId)> =
            vec![("maxout", ends[0]), ("pool", ends[1]), ("relu", ends[2]), ("max", ends[3])];
        for (name, end) in ["by maxout", "by pool", "by relu"].into_iter().zip(ends) {
            let upstream = g.input(name, g.shape(end).clone())?;
            wanted.extend(g.gradients(end, upstream, &[y])?[0].map(|gradient| (name, gradient)));
        }
        let draw = Stream::new(5, 0, 0);
        let sources: Vec<NodeId> = g.inputs().map(|(_, id)| id).collect();
        let values =
            |id: NodeId| (0..g.shape(id).elements() as u32).map(|i| f64::from(draw.uniform(i) as f32 - 0.5)).collect();
        let feeds = sources.into_iter().map(|id| (id, Feed::Real(values(id)))).collect();
        let report = check::kernels(&gpu, &g, &feeds, &wanted, &Context::default())?;
        assert_eq!(report.len(), 7);
        for kernel in &report {
            assert!(kernel.wrong == 0 && kernel.non_finite == 0 && kernel.vacuous(), "{bound} {kernel:?}");
            // A gradient goes to one operand or to another: all of it may be elsewhere, but no more.
            let unbounded = if kernel.name.starts_with("by") { 0 } else { kernel.elements };
            assert_eq!(kernel.unbounded, unbounded, "{bound} {kernel:?}");
        }
    }
    Ok(())
}

fn main() {
    support::main(vec![
        support::trial("right networks pass", right_networks),
        support::trial("images", images),
        support::trial("bounds that say little are named", bounds_that_say_little_are_named),
        support::trial("wrong kernels fail, whatever the twins say", wrong_kernels_fail),
        support::trial("deep networks op by op", deep_networks),
        support::trial("what has no bound hands none on", what_has_no_bound_hands_none_on),
        support::trial("an op of one's own", an_op_of_ones_own),
        support::trial("bounds that pass anything prove nothing", bounds_that_pass_anything),
    ]);
}
