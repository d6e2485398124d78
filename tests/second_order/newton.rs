//! Newton's method in memory.

use thalweg::error::OptimError;
use thalweg::optim::second::{Curved, Ended, Newton};

use crate::functions::{Beale, Function, Known, Quadratic, Rosenbrock};
use crate::golden;

/// A name, the function, a start, the minimiser, and the most iterations.
type Search = (&'static str, Box<dyn Curved<Error = OptimError>>, Vec<f64>, Vec<f64>, usize);

#[test]
fn minima_are_found() {
    let thorough = Newton { max_iter: 200, ..Newton::default() };
    let cases: [Search; 6] = [
        ("rosenbrock 2", Box::new(Known(Rosenbrock)), vec![-1.2, 1.0], vec![1.0; 2], 30),
        ("rosenbrock 100", Box::new(Known(Rosenbrock)), vec![0.5; 100], vec![1.0; 100], 150),
        ("beale", Box::new(Known(Beale)), vec![1.0, 1.0], vec![3.0, 0.5], 30),
        ("condition 1e6", Box::new(Known(Quadratic(1e6))), vec![0.0; 20], vec![1.0; 20], 2),
        ("condition 1e8", Box::new(Known(Quadratic(1e8))), vec![0.0; 20], vec![1.0; 20], 2),
        ("condition 1e12", Box::new(Known(Quadratic(1e12))), vec![0.0; 20], vec![1.0; 20], 3),
    ];
    for (name, mut f, mut x, minimiser, most) in cases {
        let report = thorough.step(f.as_mut(), &mut x, 1.0).unwrap();
        // At a condition of 1e12 a rounding of x moves the gradient by more than the tolerance.
        let steep = name.ends_with("1e12") && report.ended != Ended::Gradient && report.gradient < 1e-3;
        assert!(report.ended == Ended::Gradient || steep, "{name}: {report:?}");
        assert!(report.iterations <= most, "{name}: {report:?}");
        for (x, expected) in x.iter().zip(&minimiser) {
            assert!((x - expected).abs() <= 1e-9, "{name}: {x} {report:?}");
        }
    }
}

#[test]
fn logistic_regression_comes_within_1e_10_of_scipys_minimiser() {
    let golden::Regression { function, minimiser, minimum, hessian, .. } = golden::logistic();
    for (found, expected) in function.hessian(&minimiser).iter().zip(&hessian) {
        assert!((found - expected).abs() <= 1e-13, "{found} {expected}");
    }
    let mut x = vec![0.0; minimiser.len()];
    let newton = Newton { tolerance_grad: 1e-12, ..Newton::default() };
    // The minimum is a line: all biases may be shifted alike, and SciPy's have the mean 0.
    let report = newton.step(&mut Known(function), &mut x, 1.0).unwrap();
    assert_eq!(report.ended, Ended::Gradient, "{report:?}");
    assert!(report.iterations <= 12, "{report:?}");
    let mean = x[15..].iter().sum::<f64>() / 3.0;
    assert!(mean.abs() < 1e-6, "{x:?}");
    x[15..].iter_mut().for_each(|bias| *bias -= mean);
    for (found, expected) in x.iter().zip(&minimiser) {
        assert!((found - expected).abs() <= 1e-10, "{x:?} {minimiser:?}");
    }
    assert!((report.loss - minimum).abs() <= 1e-14, "{report:?}");
}

/// `½ (x² − y²) + ¼ y⁴` at its saddle's ridge: least at (0, ±1), where the Hessian is positive definite; at the start it is not.
struct Saddle;

impl Function for Saddle {
    fn value(&self, x: &[f64]) -> f64 {
        0.5 * (x[0] * x[0] - x[1] * x[1]) + 0.25 * x[1].powi(4)
    }
    fn gradient(&self, x: &[f64]) -> Vec<f64> {
        vec![x[0], -x[1] + x[1].powi(3)]
    }
    fn hessian(&self, x: &[f64]) -> Vec<f64> {
        vec![1.0, 0.0, 0.0, 3.0 * x[1] * x[1] - 1.0]
    }
}

#[test]
fn a_saddle_is_left() {
    let mut x = [1.0, 1e-3];
    let report = Newton { max_iter: 100, ..Newton::default() }.step(&mut Known(Saddle), &mut x, 1.0).unwrap();
    assert_eq!(report.ended, Ended::Gradient, "{report:?}");
    assert!(x[0].abs() < 1e-9 && (x[1] - 1.0).abs() < 1e-9, "{x:?}");
}

/// Constant value, gradient and curvature, whatever `x` is.
struct Constant([f64; 3]);

impl Curved for Constant {
    type Error = OptimError;
    fn evaluate(&mut self, _: &[f64], gradient: &mut [f64]) -> Result<f64, OptimError> {
        gradient.fill(self.0[1]);
        Ok(self.0[0])
    }
    fn hessian(&mut self, _: &[f64], hessian: &mut [f64]) -> Result<(), OptimError> {
        hessian.fill(self.0[2]);
        Ok(())
    }
}

#[test]
fn what_cannot_go_on_says_why_and_moves_nothing() {
    let (nan, infinite) = (f64::NAN, f64::INFINITY);
    let cases = [
        ([nan, 1.0, 1.0], Ended::NonFinite),
        ([infinite, 1.0, 1.0], Ended::NonFinite),
        ([1.0, nan, 1.0], Ended::NonFinite),
        ([1.0, 1.0, nan], Ended::NonFinite),
        ([1.0, 0.0, nan], Ended::Gradient),
        // The value never falls, whatever the gradient promises.
        ([1.0, 1.0, 1.0], Ended::LineSearch),
        ([1.0, 1.0, -1.0], Ended::LineSearch),
        ([1.0, 1.0, 0.0], Ended::LineSearch),
    ];
    for (numbers, ended) in cases {
        let mut x = [2.0];
        let report = Newton::default().step(&mut Constant(numbers), &mut x, 1.0).unwrap();
        assert_eq!((report.ended, x), (ended, [2.0]), "{numbers:?}");
    }
    let report = Newton::default().step(&mut Constant([3.0, 0.0, 0.0]), &mut [], 1.0).unwrap();
    assert_eq!((report.began, report.ended), (3.0, Ended::Gradient));
}

#[test]
fn too_many_parameters_are_refused_before_anything_is_allocated() {
    let newton = Newton { max_parameters: 3, ..Newton::default() };
    let refused = newton.step(&mut Constant([0.0; 3]), &mut [0.0; 4], 1.0);
    let Err(error @ OptimError::TooLarge { parameters: 4, limit: 3, bytes: 256, .. }) = &refused else {
        panic!("{refused:?}");
    };
    assert!(error.to_string().contains("256 bytes") && error.to_string().contains("`max_parameters` is 3"), "{error}");
    assert!(Newton::default().admit(usize::MAX).is_err());
    assert!(Newton::default().admit(4096).is_ok());
}
