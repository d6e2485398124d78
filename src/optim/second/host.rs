//! A function of `Vec<f64>`.

use std::convert::Infallible;

use super::{Norms, Pair, Space};

/// A [`Space`] in memory, in f64: a closure that gives the value at `x` and writes the gradient.
///
/// # Examples
///
/// ```
/// use thalweg::optim::second::{Host, Space};
///
/// let mut parabola = Host::new(2, |x: &[f64], g: &mut [f64]| {
///     g.copy_from_slice(&[2.0 * x[0], 6.0 * x[1]]);
///     x[0] * x[0] + 3.0 * x[1] * x[1]
/// });
/// let mut g = vec![0.0; 2];
/// assert_eq!(parabola.evaluate(&vec![1.0, 2.0], &mut g), Ok(13.0));
/// assert_eq!(g, [2.0, 12.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Host<F> {
    length: usize,
    function: F,
}

impl<F: FnMut(&[f64], &mut [f64]) -> f64> Host<F> {
    /// A function of `length` numbers.
    pub fn new(length: usize, function: F) -> Self {
        Self { length, function }
    }
}

impl<F: FnMut(&[f64], &mut [f64]) -> f64> Space for Host<F> {
    type Vector = Vec<f64>;
    type Error = Infallible;

    fn vector(&mut self) -> Result<Vec<f64>, Infallible> {
        Ok(vec![0.0; self.length])
    }

    fn evaluate(&mut self, x: &Vec<f64>, gradient: &mut Vec<f64>) -> Result<f64, Infallible> {
        Ok((self.function)(x, gradient))
    }

    fn copy(&mut self, x: &Vec<f64>, to: &mut Vec<f64>) -> Result<(), Infallible> {
        to.copy_from_slice(x);
        Ok(())
    }

    fn scaled(&mut self, a: f64, x: &Vec<f64>, to: &mut Vec<f64>) -> Result<(), Infallible> {
        to.iter_mut().zip(x).for_each(|(to, x)| *to = a * x);
        Ok(())
    }

    fn sum(&mut self, x: &Vec<f64>, a: f64, y: &Vec<f64>, to: &mut Vec<f64>) -> Result<(), Infallible> {
        to.iter_mut().zip(x).zip(y).for_each(|((to, x), y)| *to = x + a * y);
        Ok(())
    }

    fn add(&mut self, a: f64, x: &Vec<f64>, to: &mut Vec<f64>) -> Result<(), Infallible> {
        to.iter_mut().zip(x).for_each(|(to, x)| *to += a * x);
        Ok(())
    }

    fn dots<const N: usize>(&mut self, pairs: [(&Vec<f64>, &Vec<f64>); N]) -> Result<[f64; N], Infallible> {
        Ok(pairs.map(|(a, b)| dot(a, b)))
    }

    fn norms(&mut self, x: &Vec<f64>) -> Result<Norms, Infallible> {
        Ok(norms(x))
    }

    fn direction(
        &mut self,
        pairs: &[Pair<Vec<f64>>],
        scale: f64,
        g: &Vec<f64>,
        to: &mut Vec<f64>,
    ) -> Result<(), Infallible> {
        self.scaled(-1.0, g, to)?;
        let mut alphas = Vec::with_capacity(pairs.len());
        for pair in pairs.iter().rev() {
            let alpha = dot(&pair.s, to) * pair.rho;
            self.add(-alpha, &pair.y, to)?;
            alphas.push(alpha);
        }
        to.iter_mut().for_each(|x| *x *= scale);
        for (pair, alpha) in pairs.iter().zip(alphas.into_iter().rev()) {
            let beta = dot(&pair.y, to) * pair.rho;
            self.add(alpha - beta, &pair.s, to)?;
        }
        Ok(())
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn norms(x: &[f64]) -> Norms {
    let sizes = || x.iter().map(|x| x.abs()).filter(|x| x.is_finite());
    Norms { largest: sizes().fold(0.0, f64::max), sum: sizes().sum(), finite: x.iter().all(|x| x.is_finite()) }
}
