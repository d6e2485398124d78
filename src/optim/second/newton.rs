//! Newton's method with the exact Hessian.

use super::super::fields::{self, Configurable, Field};
use super::super::{Convention, Hyper, Rule};
use super::backtrack::search;
use super::cholesky::Factor;
use super::gather::{self, gather};
use super::host::{dot, norms};
use super::{Curved, Ended, Report, SecondOrder};
use crate::error::OptimError;
use crate::scalar::Number;

/// Newton's method for few parameters: the exact Hessian, factored, and a line search.
///
/// # Formula
///
/// ```text
/// (H + τI) d = −g        Cholesky; τ = 0 where H is positive definite, else the first of τ₁, 10 τ₁, … that makes it so
/// x ← x + t d            t = η first, shortened until f falls by at least 1e-4 t |⟨g, d⟩|
/// ```
///
/// τ₁ is 1e-8 of the Hessian's largest element, and above `−min hᵢᵢ` where that is negative. A singular Hessian (softmax does not
/// care for a constant added to all scores) is shifted so little that convergence stays fast. Near the minimum, where
/// f falls by less than its own rounding, the slope decides (Hager and Zhang's approximate Wolfe conditions).
///
/// # Limits
///
/// f64 on the cpu. At most `max_parameters`: the Hessian and its factor are `16 n²` bytes, the factor costs `n³/3` multiplications.
///
/// # Source
///
/// Nocedal & Wright, *Numerical Optimization* (2006), algorithms 3.2 and 3.3; Hager & Zhang, *A New Conjugate Gradient Method with
/// Guaranteed Descent* (2005), for the end.
///
/// # Examples
///
/// ```
/// use thalweg::error::OptimError;
/// use thalweg::optim::second::{Curved, Ended, Newton};
///
/// /// e^x − 2x, least at ln 2.
/// struct Exponential;
///
/// impl Curved for Exponential {
///     type Error = OptimError;
///     fn evaluate(&mut self, x: &[f64], g: &mut [f64]) -> Result<f64, OptimError> {
///         g[0] = x[0].exp() - 2.0;
///         Ok(x[0].exp() - 2.0 * x[0])
///     }
///     fn hessian(&mut self, x: &[f64], h: &mut [f64]) -> Result<(), OptimError> {
///         h[0] = x[0].exp();
///         Ok(())
///     }
/// }
///
/// let mut x = [3.0];
/// let report = Newton::default().step(&mut Exponential, &mut x, 1.0)?;
/// assert_eq!(report.ended, Ended::Gradient);
/// assert!((x[0] - 2f64.ln()).abs() < 1e-12 && report.iterations < 8);
/// # Ok::<(), OptimError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Newton {
    /// Whose arithmetic. Default `Paper`, the only one: no library has this optimizer.
    pub convention: Convention,
    /// η, the part of the Newton step that each line search tries first. Positive. Default 1.
    pub learning_rate: f64,
    /// Most iterations of a step, at least 1. Default 20.
    pub max_iter: usize,
    /// A step ends where `max |g|` is at most this. Not negative. Default 1e-10.
    pub tolerance_grad: f64,
    /// A step ends where no parameter moves by more than this. Not negative. Default 0.
    pub tolerance_change: f64,
    /// Most parameters, at least 1. Default 4096: 256 MiB.
    pub max_parameters: usize,
}

impl Newton {
    /// Refuses more parameters than [`max_parameters`](Self::max_parameters).
    ///
    /// # Errors
    ///
    /// [`OptimError::TooLarge`].
    pub fn admit(&self, parameters: usize) -> Result<(), OptimError> {
        if parameters <= self.max_parameters {
            return Ok(());
        }
        let bytes = (parameters as u128).saturating_mul(parameters as u128).saturating_mul(16);
        Err(OptimError::TooLarge { owner: Self::NAME.into(), parameters, limit: self.max_parameters, bytes })
    }

    /// Up to `max_iter` iterations from `x` on, each beginning with the part `rate` of the Newton step.
    ///
    /// # Errors
    ///
    /// [`OptimError::TooLarge`], and what the function says. `x` is then where the last whole iteration left it.
    pub fn step<F: Curved + ?Sized>(&self, f: &mut F, x: &mut [f64], rate: f64) -> Result<Report, F::Error>
    where
        F::Error: From<OptimError>,
    {
        let n = x.len();
        self.admit(n)?;
        let (mut g, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        let mut loss = f.evaluate(x, &mut g)?;
        let (began, mut size) = (loss, norms(&g));
        let (mut iterations, mut evaluations) = (0, 1);
        let ended = loop {
            if !(loss.is_finite() && size.finite) {
                break Ended::NonFinite;
            }
            if size.largest <= self.tolerance_grad {
                break Ended::Gradient;
            }
            if iterations >= self.max_iter {
                break Ended::Iterations;
            }
            iterations += 1;
            f.hessian(x, &mut hessian)?;
            let Some((factor, _)) = Factor::new(&hessian, n) else { break Ended::NonFinite };
            let mut d: Vec<f64> = g.iter().map(|g| -g).collect();
            factor.solve(&mut d);
            let slope = dot(&g, &d);
            if !(slope < 0.0 && norms(&d).finite) {
                break Ended::Slope;
            }
            let (found, spent) = search(f, x, &d, (loss, slope), rate)?;
            evaluations += spent;
            let Some(found) = found else { break Ended::LineSearch };
            x.copy_from_slice(&found.x);
            (loss, g) = (found.f, found.g);
            size = norms(&g);
            if size.largest > self.tolerance_grad && found.t * norms(&d).largest <= self.tolerance_change {
                break Ended::Change;
            }
        };
        Ok(Report { began, loss, gradient: size.largest, iterations, evaluations, ended })
    }
}

impl Configurable for Newton {
    const NAME: &'static str = "newton";
    const CONVENTIONS: &'static [Convention] = &[Convention::Paper];

    fn defaults(convention: Convention) -> Self {
        Self {
            convention,
            learning_rate: 1.0,
            max_iter: 20,
            tolerance_grad: 1e-10,
            tolerance_change: 0.0,
            max_parameters: 4096,
        }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::count("max_iter", &mut self.max_iter),
            Field::number("tolerance_grad", &mut self.tolerance_grad),
            Field::number("tolerance_change", &mut self.tolerance_change),
            Field::count("max_parameters", &mut self.max_parameters),
        ]
    }
}

/// What a device does for it: minibatch by minibatch the gradient over all rows is gathered, and no parameter moves.
impl Rule for Newton {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        gather::STATES
    }

    fn hyper(&self, _: u64, _: f64) -> Hyper {
        gather(1.0, true)
    }

    #[inline]
    fn update<T: Number>(&self, hyper: &[T; 12], g: T, p: T, state: [T; 3]) -> (T, [T; 3]) {
        gather::update(hyper, g, p, state)
    }

    fn source(&self) -> &'static str {
        gather::source()
    }

    fn second_order(&self) -> Option<SecondOrder> {
        Some(SecondOrder::Newton(*self))
    }
}

impl Default for Newton {
    fn default() -> Self {
        Self::defaults(Convention::Paper)
    }
}
