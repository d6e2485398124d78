//! The gradient checker: right gradients pass, wrong ones fail and are named.

#[path = "support/faulty.rs"]
mod faulty;

use std::collections::HashMap;

use faulty::{Curve, Fault, classes, net, numbers};
use thalweg::check::{self, GradientCheck, GraphReport, Part, Point, Report, Verdict, gradients};
use thalweg::device::Feed;
use thalweg::error::{Error, GraphError};
use thalweg::graph::{Context, NodeId};
use thalweg::loss::Loss;
use thalweg::nn::{
    Dropout, Elu, Gelu, LeakyRelu, Linear, Maxout, Model, Objective, Relu, Sequential, Sigmoid, Silu, Tanh,
};
use thalweg::op::{Case, Fill};
use thalweg::{Graph, Shape};

const CHECK: GradientCheck =
    GradientCheck { rows: 3, step: 1e-5, dimensions: 20, seed: 0, sweep: false, burn_in: 200, scale: 1.0 };

fn run(model: &dyn Model, objective: &Objective, check: &GradientCheck) -> Report {
    let data = if objective.loss.takes_classes() { classes() } else { numbers() };
    gradients(model, &Shape::from([4]), objective, &data, check, None).unwrap()
}

fn chain() -> Sequential {
    Sequential::new().add(Linear::new(6))
}

fn tensor<'a>(report: &'a GraphReport, name: &str) -> &'a check::TensorReport {
    report.tensors.iter().find(|t| t.name == name).unwrap()
}

fn worst(report: &Report) -> f64 {
    let tensors = report.points.iter().flat_map(|p| &p.parts).flat_map(|(_, r)| &r.tensors);
    let decided = tensors.flat_map(|t| &t.dimensions).filter(|d| d.verdict.passes() || d.verdict.fails());
    decided.map(|d| d.error).fold(0.0, f64::max)
}

#[test]
fn every_op_and_loss() {
    let report = check::ops(&CHECK, None).unwrap();
    assert!(report.passed(), "{report}");
    assert!(report.cases.len() > 100 && report.cases.iter().all(|c| c.kernels.is_empty()));
}

#[test]
fn smooth_networks_are_held_to_1e_7() {
    for model in [chain().add(Tanh), chain().add(Sigmoid), chain().add(Silu), chain().add(Gelu)] {
        let model = model.add(Linear::new(3));
        for loss in [Loss::CrossEntropy, Loss::Mse, Loss::BceWithLogits] {
            let report = run(&model, &Objective { loss, l2: 0.0 }, &CHECK);
            assert!(report.passed(), "{report}");
            assert!(report.points.iter().all(|p| p.parts[0].1.smooth));
            assert!(worst(&report) <= 1e-7);
        }
    }
}

#[test]
fn networks_with_kinks_pass() {
    for model in [
        chain().add(Relu),
        chain().add(Maxout { pieces: 2 }),
        chain().add(LeakyRelu::default()),
        chain().add(Elu::default()),
    ] {
        let model = model.add(Linear::new(3));
        for loss in Loss::ALL {
            let report = run(&model, &Objective { loss, l2: 0.0 }, &CHECK);
            assert!(report.passed(), "{report}");
        }
    }
    let report = run(&chain().add(Relu).add(Linear::new(3)), &Objective::default(), &CHECK);
    assert!(!report.points[0].parts[0].1.smooth);
}

#[test]
fn dropout_and_penalty_pass() {
    let model = chain().add(Tanh).add(Dropout { p: 0.4 }).add(Linear::new(3));
    let report = run(&model, &Objective { loss: Loss::CrossEntropy, l2: 0.01 }, &CHECK);
    assert!(report.passed(), "{report}");
    for point in &report.points {
        let parts: Vec<Part> = point.parts.iter().map(|(part, _)| *part).collect();
        assert_eq!(parts, [Part::Data, Part::Penalty, Part::Sum]);
        // The penalty is over weights alone.
        let penalised: Vec<&str> = point.parts[1].1.tensors.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(penalised, ["0.weight", "3.weight"]);
    }
}

#[test]
fn both_points_are_checked() {
    let report = run(&net(Fault::Nothing), &Objective::default(), &CHECK);
    assert!(report.passed(), "{report}");
    assert_eq!(report.points[0].point, Point::Initial);
    let Point::BurnedIn { steps, before, after } = report.points[1].point else { panic!("no burn-in") };
    assert!(steps > 0 && steps <= 200 && after < before);
    let at = |p: usize| tensor(&report.points[p].parts[0].1, "last.bias").dimensions[0].analytic;
    assert_ne!(at(0), at(1));
}

#[test]
fn wrong_derivatives_fail_and_are_named() {
    use Fault::*;
    let faults = [
        Factor(-1.0),
        Factor(1.001),
        Factor(0.0),
        Factor(2.0),
        Factor(1.0 + 1e-6),
        Nan,
        Infinite,
        BatchAverage,
        IgnoresUpstream,
        OneRow,
    ];
    for fault in faults {
        let report = run(&net(fault), &Objective::default(), &GradientCheck { burn_in: 20, ..CHECK });
        assert!(!report.passed(), "{fault:?} passed\n{report}");
        let initial = &report.points[0].parts[0].1;
        for (name, sound) in
            [("first.weight", false), ("first.bias", false), ("last.weight", true), ("last.bias", true)]
        {
            assert_eq!(tensor(initial, name).sound(), sound, "{fault:?}, {name}\n{report}");
        }
        assert!(report.failures().any(|(_, part, t)| part == Part::Data && t.name == "first.weight"));
        assert!(report.to_string().contains("NOT PROVED"));
    }
}

#[test]
fn verdicts_of_wrong_derivatives() {
    let verdict = |fault| {
        let report = run(&net(fault), &Objective::default(), &GradientCheck { burn_in: 0, ..CHECK });
        tensor(&report.points[0].parts[0].1, "first.weight").worst().unwrap().verdict
    };
    assert_eq!(verdict(Fault::Factor(1.0 + 1e-6)), Verdict::TooHigh);
    assert_eq!(verdict(Fault::Factor(1.001)), Verdict::Suspicious);
    assert_eq!(verdict(Fault::Factor(-1.0)), Verdict::Wrong);
    assert_eq!(verdict(Fault::Nan), Verdict::Wrong);
}

/// A parameter, an op or two, and the report.
fn alone(
    values: &[f64],
    check: &GradientCheck,
    y: impl Fn(&mut Graph, NodeId) -> Result<NodeId, GraphError>,
) -> GraphReport {
    let mut g = Graph::new();
    let w = g.parameter("w", [values.len()]).unwrap();
    let y = y(&mut g, w).unwrap();
    let feeds = HashMap::from([(w, Feed::Real(values.to_vec()))]);
    check::graph(&g, y, &feeds, &[w], &Context::default(), check).unwrap()
}

#[test]
fn a_crossed_kink_neither_passes_nor_fails() {
    let report = alone(&[0.0, 1e-9, -1e-9, 5e-7, 1.0, -1.0], &CHECK, |g, w| g.relu(w));
    let verdicts: Vec<Verdict> = report.tensors[0].dimensions.iter().map(|d| d.verdict).collect();
    use Verdict::*;
    assert_eq!(verdicts[..3], [CrossedKink; 3]);
    assert_eq!(verdicts[4..], [Correct, BothZero]);
    // A step a hundred times shorter does not reach the kink.
    assert!(verdicts[3].passes() && (report.tensors[0].dimensions[3].step / 1e-7 - 1.0).abs() < 1e-3);
    assert!(report.passed() && report.warnings.iter().any(|w| w.contains("3 of 6 dimensions crossed a kink")));

    // Nothing decided is nothing proved.
    let report = alone(&[0.0, 1e-9], &CHECK, |g, w| g.relu(w));
    assert!(report.tensors[0].sound() && !report.tensors[0].decided() && !report.passed());
}

#[test]
fn a_dead_unit_is_both_zero() {
    let report = alone(&[-1.0, -2.0], &CHECK, |g, w| g.relu(w));
    assert!(report.passed() && report.tensors[0].count(Verdict::BothZero) == 2);
    assert!(report.tensors[0].dimensions.iter().all(|d| d.error == 0.0));
}

#[test]
fn rounding_is_told_from_a_wrong_derivative() {
    // A slope of 1e-9 beside 1e6, whose last place is 1e-10: at no step is the slope seen.
    let drowned = |g: &mut Graph, w: NodeId| {
        let small = g.scale(w, 1e-9)?;
        let big = g.input("big", [1])?;
        let y = g.add(small, big)?;
        g.sum_all(y)
    };
    let mut g = Graph::new();
    let w = g.parameter("w", [1]).unwrap();
    let y = drowned(&mut g, w).unwrap();
    let big = g.inputs().next().unwrap().1;
    let feeds = HashMap::from([(w, Feed::Real(vec![0.5])), (big, Feed::Real(vec![1e6]))]);
    let report = check::graph(&g, y, &feeds, &[w], &Context::default(), &CHECK).unwrap();
    assert_eq!(report.tensors[0].dimensions[0].verdict, Verdict::BelowResolution, "{report}");
    assert!(!report.passed() && report.warnings.iter().any(|w| w.contains("below resolution")));
    // The same slope alone is seen.
    assert!(alone(&[0.5], &CHECK, |g, w| g.scale(w, 1e-9)).passed());
}

/// Confident logits: the loss is far smaller than what it is the difference of, and so noisier than its own last place. A longer step
/// sees over that.
#[test]
fn a_confident_classifier_is_no_false_alarm() {
    let mut g = Graph::new();
    let w = g.parameter("w", [1, 3]).unwrap();
    let t = g.index_input("t", [1]).unwrap();
    let y = Loss::CrossEntropy.build(&mut g, w, t).unwrap();
    for confident in [5.0, 10.0, 15.0, 20.0, 30.0] {
        let feeds = HashMap::from([(w, Feed::Real(vec![confident, 0.3, -1.0])), (t, Feed::Index(vec![0]))]);
        let report = check::graph(&g, y, &feeds, &[w], &Context::default(), &CHECK).unwrap();
        assert!(report.tensors[0].sound(), "{report}");
        assert!(confident > 12.0 || report.passed(), "{report}");
    }
}

/// A shift of all logits changes no probability: its derivative is 0 but for rounding.
#[test]
fn a_derivative_that_is_all_rounding_is_negligible() {
    let mut g = Graph::new();
    let w = g.parameter("w", [2, 3]).unwrap();
    let shift = g.parameter("shift", [2, 1]).unwrap();
    let logits = g.add(w, shift).unwrap();
    let t = g.index_input("t", [2]).unwrap();
    let y = Loss::CrossEntropy.build(&mut g, logits, t).unwrap();
    let values = vec![0.5, -0.2, 0.9, 0.1, 1.3, -0.7];
    let feeds =
        HashMap::from([(w, Feed::Real(values)), (shift, Feed::Real(vec![0.37, -0.61])), (t, Feed::Index(vec![0, 2]))]);
    let report = check::graph(&g, y, &feeds, &[w, shift], &Context::default(), &CHECK).unwrap();
    assert!(report.passed(), "{report}");
    let shift = tensor(&report, "shift");
    assert!(shift.count(Verdict::BelowResolution) + shift.count(Verdict::BothZero) == 2, "{report}");
}

/// Over many weights, batches and masks: no right network fails, no wrong one passes.
#[test]
fn no_seed_turns_the_verdict() {
    let plain = Objective::default();
    for seed in 0..20 {
        let check = GradientCheck { seed, ..CHECK };
        let smooth = chain().add(Tanh).add(Dropout { p: 0.2 }).add(Linear::new(3));
        let kinked = chain().add(Relu).add(Linear::new(6)).add(Maxout { pieces: 2 });
        let kinked = kinked.add(Linear::new(3));
        for report in [
            run(&smooth, &plain, &check),
            run(&smooth, &Objective { loss: Loss::Mse, l2: 1e-3 }, &check),
            run(&kinked, &Objective { loss: Loss::Hinge, l2: 0.0 }, &check),
            run(&net(Fault::Nothing), &plain, &check),
        ] {
            assert_eq!(report.failures().count(), 0, "seed {seed}\n{report}");
        }
        for fault in [Fault::Factor(1.001), Fault::Factor(0.999_999), Fault::OneRow, Fault::BatchAverage] {
            assert!(!run(&net(fault), &plain, &check).passed(), "{fault:?} passed with seed {seed}");
        }
    }
}

#[test]
fn a_tiny_loss_is_warned_of_and_can_be_scaled_up() {
    let tiny = |g: &mut Graph, w: NodeId| {
        let y = g.tanh(w)?;
        let y = g.scale(y, 1e-13)?;
        g.sum_all(y)
    };
    let report = alone(&[0.5, -0.25], &CHECK, tiny);
    let warning = report.warnings.iter().find(|w| w.contains("below 1e-10")).expect("a warning");
    assert!(warning.contains("scale the loss by 1e14") || warning.contains("scale the loss by 1e13"), "{warning}");
    let report = alone(&[0.5, -0.25], &GradientCheck { scale: 1e13, ..CHECK }, tiny);
    assert!(report.passed() && report.warnings.is_empty(), "{report}");

    let small = GradientCheck { scale: 1e-12, burn_in: 0, ..CHECK };
    let report = run(&chain().add(Tanh).add(Linear::new(3)), &Objective::default(), &small);
    assert!(
        report.passed() && report.points[0].parts[0].1.warnings.iter().any(|w| w.contains("scale the loss by")),
        "{report}"
    );
}

#[test]
fn the_sweep_is_a_v() {
    let check = GradientCheck { sweep: true, burn_in: 0, ..CHECK };
    let report = run(&chain().add(Tanh).add(Linear::new(3)), &Objective::default(), &check);
    let sweep = report.points[0].parts[0].1.sweep.as_ref().unwrap();
    assert_eq!(sweep.points.len(), 10);
    let least = sweep.minimum().unwrap();
    assert!(least.step < 1.5e-3 && least.step > 0.5e-8, "{sweep}");
    let ends = [&sweep.points[0], &sweep.points[9]];
    assert!(ends.iter().all(|end| end.median > 100.0 * least.median), "{sweep}");
    assert!(sweep.to_string().contains("<- least"));
}

#[test]
fn a_bias_is_never_missed() {
    let check = GradientCheck { dimensions: 4, burn_in: 0, ..CHECK };
    let model = Sequential::new().add(Linear::new(200)).add(Tanh).add(Linear::new(3));
    let report = run(&model, &Objective::default(), &check);
    let checked: Vec<_> =
        report.points[0].parts[0].1.tensors.iter().map(|t| (t.name.as_str(), t.dimensions.len())).collect();
    assert_eq!(checked, [("0.weight", 4), ("0.bias", 4), ("2.weight", 4), ("2.bias", 3)]);
}

#[test]
fn a_penalty_does_not_hide_a_wrong_derivative() {
    let objective = Objective { loss: Loss::CrossEntropy, l2: 1e9 };
    let report = run(&net(Fault::Factor(1.5)), &objective, &GradientCheck { burn_in: 0, ..CHECK });
    let part = |i: usize| tensor(&report.points[0].parts[i].1, "first.weight");
    assert!(part(2).sound(), "the sum should have hidden it\n{report}");
    assert!(part(1).sound() && !part(0).sound() && !report.passed(), "{report}");
}

#[test]
fn a_value_that_is_not_finite_fails() {
    let report = alone(&[f64::MAX, 1.0], &CHECK, |g, w| {
        let y = g.apply(Curve(Fault::Nothing), &[w])?;
        g.sum_all(y)
    });
    assert!(!report.passed() && report.warnings[0].contains("the value itself is inf"), "{report}");
}

#[test]
fn an_op_of_ones_own() {
    let case = |fault| Case::new("some", Curve(fault)).real([3, 7], Fill::Uniform(-1.0, 1.0));
    assert!(check::op(&case(Fault::Nothing), &CHECK, None).unwrap().passed());
    for fault in [Fault::Factor(1.001), Fault::IgnoresUpstream, Fault::BatchAverage, Fault::Nan] {
        let report = check::op(&case(fault), &CHECK, None).unwrap();
        assert!(!report.passed() && report.to_string().contains("FAILED"), "{fault:?}\n{report}");
    }
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let look = |seed| run(&net(Fault::Nothing), &Objective::default(), &GradientCheck { seed, ..CHECK });
    assert_eq!(look(4), look(4));
    assert_ne!(look(4), look(5));
}

#[test]
fn settings_and_subjects_out_of_range_are_refused() {
    let model = net(Fault::Nothing);
    let bad = [
        ("rows", GradientCheck { rows: 0, ..CHECK }),
        ("step", GradientCheck { step: 0.0, ..CHECK }),
        ("step", GradientCheck { step: f64::NAN, ..CHECK }),
        ("scale", GradientCheck { scale: f64::INFINITY, ..CHECK }),
        ("dimensions", GradientCheck { dimensions: 0, ..CHECK }),
    ];
    for (name, check) in bad {
        let refused = gradients(&model, &Shape::from([4]), &Objective::default(), &classes(), &check, None);
        assert!(matches!(refused, Err(Error::Graph(GraphError::Range { field, .. })) if field == name), "{name}");
    }
    let mut g = Graph::new();
    let w = g.parameter("w", [2]).unwrap();
    let y = g.tanh(w).unwrap();
    let z = g.sum_all(y).unwrap();
    let feeds = HashMap::from([(w, Feed::Real(vec![0.5, 1.0]))]);
    let refused = check::graph(&g, z, &feeds, &[y], &Context::default(), &CHECK);
    assert!(matches!(refused, Err(Error::Graph(GraphError::Range { field: "wrt", .. }))));
}

#[test]
fn reports_read_as_a_table_and_as_json() {
    let report = run(&net(Fault::Nan), &Objective::default(), &GradientCheck { burn_in: 0, ..CHECK });
    let text = report.to_string();
    for word in ["first.weight", "numeric", "analytic", "WRONG", "20 of 20", "last.bias"] {
        assert!(text.contains(word), "{word}\n{text}");
    }
    let lines = report.to_json();
    assert_eq!(lines[0]["event"], "gradient");
    assert_eq!((&lines[0]["point"], &lines[0]["part"]), (&"initial".into(), &"data".into()));
    assert_eq!((&lines[0]["verdict"], &lines[0]["analytic"]), (&"wrong".into(), &"NaN".into()));
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["passed"]), (&"done".into(), &false.into()));
    assert!(lines.iter().all(|line| !line.to_string().contains('\n')));
}
