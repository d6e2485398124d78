//! L-BFGS in memory.

use thalweg::error::OptimError;
use thalweg::optim::Optimizer;
use thalweg::optim::second::{Ended, Host, Lbfgs, Memory, Newton, Report};

use crate::functions::{Beale, Function, Quadratic, Rosenbrock};
use crate::golden;

fn from_fields(fields: &toml::Table) -> Lbfgs {
    let mut table = fields.clone();
    table.insert("name".into(), "lbfgs".into());
    match Optimizer::from_table(&table).unwrap() {
        Optimizer::Lbfgs(lbfgs) => lbfgs,
        other => panic!("{other:?}"),
    }
}

/// One step, and what it did, from `x` on.
fn once(lbfgs: &Lbfgs, f: impl FnMut(&[f64], &mut [f64]) -> f64, x: &mut Vec<f64>) -> Report {
    let mut space = Host::new(x.len(), f);
    let Ok(report) = lbfgs.step(&mut space, x, &mut Memory::default(), lbfgs.learning_rate);
    report
}

fn closure(f: &dyn Function) -> impl FnMut(&[f64], &mut [f64]) -> f64 {
    |x, g| {
        g.copy_from_slice(&f.gradient(x));
        f.value(x)
    }
}

fn follow(name: &str, lbfgs: &Lbfgs, f: &dyn Function, x: &mut Vec<f64>, steps: &[golden::Step]) {
    let (mut space, mut memory) = (Host::new(x.len(), closure(f)), Memory::default());
    let mut evaluations = 0;
    for (n, step) in steps.iter().enumerate() {
        let Ok(report) = lbfgs.step(&mut space, x, &mut memory, lbfgs.learning_rate);
        evaluations += report.evaluations as u64;
        assert_eq!((memory.iterations, evaluations), (step.iterations, step.evaluations), "{name}, step {n}");
        assert!((report.began - step.loss).abs() <= 1e-9 * step.loss.abs().max(1.0), "{name}, step {n}: {report:?}");
        for (found, expected) in x.iter().zip(&step.x) {
            assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{name}, step {n}: {x:?} {:?}", step.x);
        }
    }
}

#[test]
fn pytorch_takes_the_same_steps() {
    for run in golden::runs() {
        let mut x = run.start.clone();
        follow(&run.name, &from_fields(&run.fields), run.function.as_ref(), &mut x, &run.steps);
    }
    let regression = golden::logistic();
    let lbfgs = Lbfgs { tolerance_grad: 1e-10, tolerance_change: 0.0, ..Lbfgs::default() };
    let mut x = vec![0.0; regression.minimiser.len()];
    // The second step ends where PyTorch sees but noise.
    follow("logistic", &lbfgs, &regression.function, &mut x, &regression.steps[..1]);
}

/// A name, the function, a start, the minimiser (empty where another is as good), and how near it must be come to.
type Search<'a> = (&'a str, &'a dyn Function, Vec<f64>, Vec<f64>, f64);

#[test]
fn minima_are_found() {
    let thorough = Lbfgs { max_iter: 2000, tolerance_grad: 1e-9, tolerance_change: 0.0, ..Lbfgs::default() };
    let long: Vec<f64> = (0..100).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
    let cases: [Search<'_>; 6] = [
        ("rosenbrock 2", &Rosenbrock, vec![-1.2, 1.0], vec![1.0; 2], 1e-8),
        ("rosenbrock 100", &Rosenbrock, vec![0.5; 100], vec![1.0; 100], 1e-8),
        ("rosenbrock 100, from the classical start", &Rosenbrock, long, Vec::new(), 0.0),
        ("beale", &Beale, vec![1.0, 1.0], vec![3.0, 0.5], 1e-8),
        ("condition 1e6", &Quadratic(1e6), vec![0.0; 20], vec![1.0; 20], 2e-9),
        ("condition 1e8", &Quadratic(1e8), vec![0.0; 20], vec![1.0; 20], 2e-9),
    ];
    for (name, f, mut x, minimiser, within) in cases {
        let report = once(&thorough, closure(f), &mut x);
        assert_eq!(report.ended, Ended::Gradient, "{name}: {report:?}");
        let largest = f.gradient(&x).iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        assert!(largest <= 1e-9 && report.gradient == largest, "{name}: {report:?}");
        // The gradient's tolerance over the least curvature. From the classical start a local minimum beside 1 is as good.
        for (x, expected) in x.iter().zip(&minimiser) {
            assert!((x - expected).abs() <= within, "{name}: {x}");
        }
        assert!(report.evaluations < 1000, "{name}: {report:?}");
    }
}

#[test]
fn logistic_regression_comes_within_1e_10_of_scipys_minimiser() {
    let regression = golden::logistic();
    let lbfgs = Lbfgs { max_iter: 500, tolerance_grad: 1e-12, tolerance_change: 0.0, ..Lbfgs::default() };
    let mut x = vec![0.0; regression.minimiser.len()];
    let report = once(&lbfgs, closure(&regression.function), &mut x);
    assert_eq!(report.ended, Ended::Gradient, "{report:?}");
    for (found, expected) in x.iter().zip(&regression.minimiser) {
        assert!((found - expected).abs() <= 1e-10, "{x:?} {:?}", regression.minimiser);
    }
    assert!((report.loss - regression.minimum).abs() <= 1e-14, "{report:?}");
}

#[test]
fn each_end_has_its_name() {
    let valley = || closure(&Rosenbrock);
    let ended = |lbfgs: Lbfgs, x: [f64; 2]| once(&lbfgs, valley(), &mut x.to_vec()).ended;
    let (any, start) = (Lbfgs::default(), [-1.2, 1.0]);
    assert_eq!(ended(any, [1.0, 1.0]), Ended::Gradient);
    assert_eq!(ended(Lbfgs { max_iter: 3, max_eval: 99, ..any }, start), Ended::Iterations);
    assert_eq!(ended(Lbfgs { max_eval: 3, ..any }, start), Ended::Evaluations);
    assert_eq!(ended(Lbfgs { tolerance_change: 1e-3, ..any }, [1.0001, 1.0]), Ended::Change);
    let steep = |x: &[f64], g: &mut [f64]| {
        g[0] = 100.0 * x[0];
        50.0 * x[0] * x[0]
    };
    // Moves by 0.0015, and the loss falls by 0.0006.
    let coarse = Lbfgs { learning_rate: 3e-3, tolerance_change: 1e-3, ..any };
    assert_eq!(once(&coarse, steep, &mut vec![0.005]).ended, Ended::Loss);
    let parabola = |x: &[f64], g: &mut [f64]| {
        g[0] = 1e3 * x[0];
        1e9 + 500.0 * x[0] * x[0]
    };
    let wide = Lbfgs { tolerance_change: 0.01, tolerance_grad: 0.0, ..any };
    assert_eq!(once(&wide, parabola, &mut vec![1e-6]).ended, Ended::Slope);
    let linear = |x: &[f64], g: &mut [f64]| {
        g[0] = 1.0;
        x[0]
    };
    let slow = Lbfgs { learning_rate: 1e-6, max_eval: 1, max_iter: 9, ..any };
    assert_eq!(once(&slow, linear, &mut vec![0.0]).ended, Ended::Evaluations);
}

#[test]
fn nothing_moves_where_nothing_is_finite() {
    for (value, slope) in [(f64::NAN, 1.0), (f64::INFINITY, 1.0), (1.0, f64::NAN), (1.0, f64::NEG_INFINITY)] {
        let mut x = vec![0.25, 4.0];
        let report = once(
            &Lbfgs::default(),
            |_, g| {
                g.copy_from_slice(&[0.5, slope]);
                value
            },
            &mut x,
        );
        assert_eq!((report.ended, report.iterations, report.evaluations), (Ended::NonFinite, 0, 1), "{report:?}");
        assert_eq!(x, [0.25, 4.0]);
    }
}

/// `x − ln x` with a start whose first trial lies where there is no logarithm: PyTorch ends there with a NaN.
#[test]
fn a_trial_that_is_no_number_is_too_far() {
    let f = |x: &[f64], g: &mut [f64]| {
        g[0] = if x[0] > 0.0 { 1.0 - 1.0 / x[0] } else { f64::NAN };
        x[0] - x[0].ln()
    };
    let mut x = vec![3.5];
    let eager =
        Lbfgs { learning_rate: 8.0, tolerance_grad: 1e-10, tolerance_change: 0.0, max_iter: 60, ..Lbfgs::default() };
    let report = once(&eager, f, &mut x);
    assert_eq!(report.ended, Ended::Gradient, "{report:?}");
    assert!((x[0] - 1.0).abs() < 1e-9, "{x:?}");
}

/// A gradient that points the wrong way: no step helps, and the search ends after its evaluations.
#[test]
fn a_search_that_fails_says_so_and_leaves_the_parameters() {
    let mut calls = 0;
    let lies = |x: &[f64], g: &mut [f64]| {
        calls += 1;
        g[0] = -1.0;
        x[0]
    };
    let mut x = vec![2.0];
    let report = once(&Lbfgs::default(), lies, &mut x);
    assert_eq!(report.ended, Ended::LineSearch, "{report:?}");
    assert_eq!((x[0], report.loss, report.evaluations), (2.0, 2.0, calls));
    assert!(calls <= 25);
}

#[test]
fn a_model_without_parameters_is_evaluated_once() {
    let report = once(&Lbfgs::default(), |_, _| 3.0, &mut Vec::new());
    assert_eq!((report.began, report.evaluations, report.ended), (3.0, 1, Ended::Gradient));
}

#[test]
fn a_table_is_read_and_written_and_what_is_wrong_is_named() {
    let read = |text: &str| Optimizer::from_table(&text.parse().unwrap());
    let lbfgs = read("name = 'lbfgs'\nhistory_size = 5\ntolerance_grad = 0").unwrap();
    assert_eq!(Optimizer::from_table(&lbfgs.to_table()).unwrap(), lbfgs);
    assert_eq!(lbfgs, Lbfgs { history_size: 5, tolerance_grad: 0.0, ..Lbfgs::default() }.into());
    let newton = read("name = 'newton'").unwrap();
    assert_eq!(newton, Newton::default().into());
    assert_eq!(Optimizer::from_table(&newton.to_table()).unwrap(), newton);
    assert!(
        matches!(read("name = 'newton'\nconvention = 'pytorch'"), Err(OptimError::Convention { known, .. }) if known == ["paper"])
    );
    assert_eq!(Lbfgs::default().evaluations(), 25);
    assert!(
        matches!(read("name = 'lbfgs'\nconvention = 'cs231n'"), Err(OptimError::Convention { known, .. }) if known == ["pytorch"])
    );
    assert!(
        matches!(read("name = 'lbfgs'\nmomentum = 1"), Err(OptimError::Field { known, .. }) if known.contains(&"history_size"))
    );
    assert!(matches!(read("name = 'lbfgs'\nmax_iter = 0"), Err(OptimError::Range { field: "max_iter", .. })));
    assert!(
        matches!(read("name = 'lbfgs'\nmax_iter = 1.5"), Err(OptimError::Type { field, .. }) if field == "max_iter")
    );
    assert!(matches!(read("name = 'lbfgs'\nmax_eval = -1"), Err(OptimError::Type { .. })));
    assert!(matches!(read("name = 'newton'\ntolerance_change = -1.0"), Err(OptimError::Range { .. })));
    assert!(matches!(read("name = 'newton'\nmax_parameters = 0"), Err(OptimError::Range { .. })));
}
