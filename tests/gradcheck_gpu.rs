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
use thalweg::graph::Context;
use thalweg::loss::Loss;
use thalweg::nn::{Dropout, Flatten, Linear, Model, Objective, Relu, Sequential, Tanh};
use thalweg::op::{Case, Fill};

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

fn main() {
    support::main(vec![
        support::trial("right networks pass", right_networks),
        support::trial("images", images),
        support::trial("bounds that say little are named", bounds_that_say_little_are_named),
        support::trial("wrong kernels fail, whatever the twins say", wrong_kernels_fail),
        support::trial("an op of one's own", an_op_of_ones_own),
        support::trial("bounds that pass anything prove nothing", bounds_that_pass_anything),
    ]);
}
