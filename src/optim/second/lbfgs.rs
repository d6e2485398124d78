//! L-BFGS with a strong-Wolfe line search.

use super::super::fields::{self, Configurable, Field};
use super::super::{Convention, Hyper, Rule};
use super::gather::{self, gather};
use super::wolfe::{Line, Work, search};
use super::{Ended, Report, SecondOrder, Space};
use crate::scalar::Number;

/// L-BFGS: Newton's method with an inverse Hessian guessed from the last gradients, over the whole training set.
///
/// # Formula
///
/// ```text
/// dₖ = −Hₖ gₖ            Nocedal's two loops over the pairs sᵢ = xᵢ₊₁ − xᵢ, yᵢ = gᵢ₊₁ − gᵢ; d₁ = −g₁
/// Hₖ⁰ = γ I              γ = ⟨s, y⟩ / ⟨y, y⟩ of the newest pair; a pair counts where ⟨s, y⟩ > 1e-10
/// xₖ₊₁ = xₖ + t dₖ       f(xₖ₊₁) ≤ f(xₖ) + 1e-4 t ⟨gₖ, dₖ⟩ and |⟨gₖ₊₁, dₖ⟩| ≤ 0.9 |⟨gₖ, dₖ⟩|
/// ```
///
/// The search begins at t = η, in the very first iteration at `min(1, 1/‖g‖₁)·η`. It is `torch.optim.LBFGS` with
/// `line_search_fn="strong_wolfe"`, the same trials in the same order. It differs where PyTorch has no answer: a trial whose loss or slope
/// is not finite counts as too far (PyTorch goes on with the NaN), a step that begins at such a point moves nothing, and where the
/// loss falls by less than its own rounding the slope decides (PyTorch stays 1e-8 away from a minimum).
///
/// In a run, an epoch is one step, that is one `optimizer.step(closure)`: up to `max_iter` iterations and `max_eval` passes over **all**
/// training rows, added up minibatch by minibatch in one order.
///
/// # Limits
///
/// `2·history_size + 10` vectors as long as the parameters.
///
/// # Source
///
/// Nocedal, *Updating Quasi-Newton Matrices with Limited Storage* (1980); the search after Schmidt's minFunc.
///
/// # Examples
///
/// ```
/// use thalweg::optim::second::{Ended, Host, Lbfgs, Memory};
///
/// // Rosenbrock's valley.
/// let mut f = Host::new(2, |x: &[f64], g: &mut [f64]| {
///     let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
///     g.copy_from_slice(&[-2.0 * a - 400.0 * x[0] * b, 200.0 * b]);
///     a * a + 100.0 * b * b
/// });
/// let lbfgs = Lbfgs { max_iter: 100, ..Lbfgs::default() };
/// let mut x = vec![-1.2, 1.0];
/// let report = lbfgs.step(&mut f, &mut x, &mut Memory::default(), lbfgs.learning_rate)?;
/// assert_eq!(report.ended, Ended::Slope); // downhill by less than 1e-9
/// assert!(report.loss < 1e-9 && report.iterations < 40, "{report:?}");
/// assert!((x[0] - 1.0).abs() < 1e-4 && (x[1] - 1.0).abs() < 1e-4);
/// # Ok::<(), std::convert::Infallible>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lbfgs {
    /// Whose arithmetic and defaults. Default `PyTorch`, the only one.
    pub convention: Convention,
    /// η, the step that each line search tries first. Positive. Default 1.
    pub learning_rate: f64,
    /// Most iterations of a step, at least 1. Default 20.
    pub max_iter: usize,
    /// Most evaluations of a step; 0, the default, stands for `max_iter · 5 / 4` rounded down.
    pub max_eval: usize,
    /// A step ends where `max |g|` is at most this. Not negative. Default 1e-7.
    pub tolerance_grad: f64,
    /// A step ends where no parameter moves by more than this, or the loss changes by less. Not negative. Default 1e-9.
    pub tolerance_change: f64,
    /// Pairs that are remembered, at least 1. Default 100.
    pub history_size: usize,
}

/// A step and the gradient's change over it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair<V> {
    /// `t d`
    pub s: V,
    /// `g₊ − g`
    pub y: V,
    /// `1 / ⟨s, y⟩`
    pub rho: f64,
}

/// What [`Lbfgs`] remembers from step to step. [`Memory::default`] is that of the beginning.
#[derive(Debug)]
pub struct Memory<V> {
    /// Iterations done.
    pub iterations: u64,
    /// The last line search's step length.
    pub t: f64,
    /// γ, the scale of the inverse Hessian.
    pub scale: f64,
    /// Oldest first.
    pub pairs: Vec<Pair<V>>,
    /// The last iteration's direction, and the gradient where it began; `None` before the first.
    pub last: Option<Last<V>>,
    work: Option<(V, Work<V>)>,
    /// Vectors that hold nothing any more, to be used before new ones are made.
    pub spare: Vec<V>,
}

/// The last iteration of a [`Memory`].
#[derive(Clone, Debug, PartialEq)]
pub struct Last<V> {
    /// Its direction.
    pub d: V,
    /// The gradient where it began.
    pub g: V,
}

impl<V> Default for Memory<V> {
    fn default() -> Self {
        Self { iterations: 0, t: 1.0, scale: 1.0, pairs: Vec::new(), last: None, work: None, spare: Vec::new() }
    }
}

impl<V> Memory<V> {
    /// A vector that holds nothing, an old one if there is one.
    fn free<S: Space<Vector = V>>(&mut self, space: &mut S) -> Result<V, S::Error> {
        self.spare.pop().map_or_else(|| space.vector(), Ok)
    }
}

/// A pair of which `⟨s, y⟩` is no larger says nothing of the curvature.
const LEAST_CURVATURE: f64 = 1e-10;

impl Lbfgs {
    /// Most evaluations of a step.
    pub fn evaluations(&self) -> usize {
        if self.max_eval == 0 { self.max_iter.saturating_mul(5) / 4 } else { self.max_eval }
    }

    /// One `optimizer.step(closure)` from `x` on, at learning rate `rate`; `x` becomes the best point that the last line search found.
    ///
    /// # Errors
    ///
    /// What the space says. `x` is then where the last whole iteration left it.
    pub fn step<S: Space>(
        &self,
        space: &mut S,
        x: &mut S::Vector,
        memory: &mut Memory<S::Vector>,
        rate: f64,
    ) -> Result<Report, S::Error> {
        let (mut g, mut work) = match memory.work.take() {
            Some(own) => own,
            None => {
                let gradients = [space.vector()?, space.vector()?, space.vector()?];
                (space.vector()?, Work { trial: space.vector()?, gradients })
            }
        };
        let done = self.iterate(space, x, memory, rate, &mut g, &mut work);
        memory.work = Some((g, work));
        done
    }

    fn iterate<S: Space>(
        &self,
        space: &mut S,
        x: &mut S::Vector,
        memory: &mut Memory<S::Vector>,
        rate: f64,
        g: &mut S::Vector,
        work: &mut Work<S::Vector>,
    ) -> Result<Report, S::Error> {
        let mut loss = space.evaluate(x, g)?;
        let (began, mut size) = (loss, space.norms(g)?);
        let (mut iterations, mut evaluations) = (0, 1);
        let ended = loop {
            if !(loss.is_finite() && size.finite) {
                break Ended::NonFinite;
            }
            if iterations == 0 && size.largest <= self.tolerance_grad {
                break Ended::Gradient;
            }
            iterations += 1;
            memory.iterations += 1;
            self.remember(space, memory, g)?;
            let last = match &mut memory.last {
                Some(last) => last,
                none => none.insert(Last { d: space.vector()?, g: space.vector()? }),
            };
            space.direction(&memory.pairs, memory.scale, g, &mut last.d)?;
            space.copy(g, &mut last.g)?;
            let first = memory.iterations == 1;
            memory.t = if first { (1.0 / size.sum).min(1.0) * rate } else { rate };
            let [slope] = space.dots([(&*g, &last.d)])?;
            if slope > -self.tolerance_change {
                break Ended::Slope;
            }
            let length = space.norms(&last.d)?;
            if !(slope.is_finite() && length.finite) {
                break Ended::NonFinite;
            }
            let line = Line {
                x: &*x,
                d: &last.d,
                size: length.largest,
                f: loss,
                slope,
                most: self.evaluations().saturating_sub(evaluations),
                tolerance: self.tolerance_change,
            };
            let found = search(space, &line, memory.t, g, work)?;
            let before = std::mem::replace(&mut loss, found.f);
            (memory.t, evaluations) = (found.t, evaluations + found.evaluations);
            if found.t == 0.0 {
                break Ended::LineSearch;
            }
            space.add(found.t, &last.d, x)?;
            size = space.norms(g)?;
            if iterations >= self.max_iter {
                break Ended::Iterations;
            }
            if evaluations >= self.evaluations() {
                break Ended::Evaluations;
            }
            if size.largest <= self.tolerance_grad {
                break Ended::Gradient;
            }
            if found.t * length.largest <= self.tolerance_change {
                break Ended::Change;
            }
            if (loss - before).abs() < self.tolerance_change {
                break Ended::Loss;
            }
        };
        Ok(Report { began, loss, gradient: size.largest, iterations, evaluations, ended })
    }

    /// Takes the last iteration's pair into the memory; nothing before the second.
    fn remember<S: Space>(&self, space: &mut S, memory: &mut Memory<S::Vector>, g: &S::Vector) -> Result<(), S::Error> {
        let Some(last) = memory.last.take() else { return Ok(()) };
        let (mut s, mut y) = (memory.free(space)?, memory.free(space)?);
        space.sum(g, -1.0, &last.g, &mut y)?;
        space.scaled(memory.t, &last.d, &mut s)?;
        memory.last = Some(last);
        let [curvature, square] = space.dots([(&y, &s), (&y, &y)])?;
        if curvature > LEAST_CURVATURE {
            memory.pairs.push(Pair { s, y, rho: 1.0 / curvature });
            memory.scale = curvature / square;
        } else {
            memory.spare.extend([s, y]);
        }
        while memory.pairs.len() > self.history_size.max(1) {
            let oldest = memory.pairs.remove(0);
            memory.spare.extend([oldest.s, oldest.y]);
        }
        Ok(())
    }
}

impl Configurable for Lbfgs {
    const NAME: &'static str = "lbfgs";
    const CONVENTIONS: &'static [Convention] = &[Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        Self {
            convention,
            learning_rate: 1.0,
            max_iter: 20,
            max_eval: 0,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history_size: 100,
        }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::count("max_iter", &mut self.max_iter),
            Field::count("max_eval", &mut self.max_eval),
            Field::number("tolerance_grad", &mut self.tolerance_grad),
            Field::number("tolerance_change", &mut self.tolerance_change),
            Field::count("history_size", &mut self.history_size),
        ]
    }
}

/// What a device does for it: minibatch by minibatch the gradient over all rows is gathered, and no parameter moves.
impl Rule for Lbfgs {
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
        Some(SecondOrder::Lbfgs(*self))
    }
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}
