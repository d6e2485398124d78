//! Functions with gradient and Hessian by hand.

use thalweg::error::OptimError;
use thalweg::optim::second::Curved;

/// A function of the suite: value, gradient, Hessian.
pub trait Function {
    fn value(&self, x: &[f64]) -> f64;
    fn gradient(&self, x: &[f64]) -> Vec<f64>;
    fn hessian(&self, x: &[f64]) -> Vec<f64>;
}

/// `Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²`, least at 1.
pub struct Rosenbrock;

impl Function for Rosenbrock {
    fn value(&self, x: &[f64]) -> f64 {
        x.windows(2).map(|w| 100.0 * (w[1] - w[0] * w[0]).powi(2) + (1.0 - w[0]).powi(2)).sum()
    }

    fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let mut g = vec![0.0; x.len()];
        for (i, w) in x.windows(2).enumerate() {
            let b = w[1] - w[0] * w[0];
            g[i] += -400.0 * w[0] * b - 2.0 * (1.0 - w[0]);
            g[i + 1] += 200.0 * b;
        }
        g
    }

    fn hessian(&self, x: &[f64]) -> Vec<f64> {
        let n = x.len();
        let mut h = vec![0.0; n * n];
        for (i, w) in x.windows(2).enumerate() {
            h[i * n + i] += 1200.0 * w[0] * w[0] - 400.0 * w[1] + 2.0;
            h[(i + 1) * n + i] -= 400.0 * w[0];
            h[i * n + i + 1] -= 400.0 * w[0];
            h[(i + 1) * n + i + 1] += 200.0;
        }
        h
    }
}

/// Beale's, least at (3, ½): a narrow valley beside a plateau.
pub struct Beale;

impl Beale {
    const TERMS: [(f64, i32); 3] = [(1.5, 1), (2.25, 2), (2.625, 3)];
}

impl Function for Beale {
    fn value(&self, x: &[f64]) -> f64 {
        Self::TERMS.iter().map(|&(c, k)| (c - x[0] + x[0] * x[1].powi(k)).powi(2)).sum()
    }

    fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let mut g = vec![0.0; 2];
        for (c, k) in Self::TERMS {
            let r = c - x[0] + x[0] * x[1].powi(k);
            g[0] += 2.0 * r * (x[1].powi(k) - 1.0);
            g[1] += 2.0 * r * x[0] * f64::from(k) * x[1].powi(k - 1);
        }
        g
    }

    fn hessian(&self, x: &[f64]) -> Vec<f64> {
        let mut h = vec![0.0; 4];
        for (c, k) in Self::TERMS {
            let (r, n) = (c - x[0] + x[0] * x[1].powi(k), f64::from(k));
            let (a, b) = (x[1].powi(k) - 1.0, x[0] * n * x[1].powi(k - 1));
            let bent = if k > 1 { x[0] * n * (n - 1.0) * x[1].powi(k - 2) } else { 0.0 };
            h[0] += 2.0 * a * a;
            h[2] += 2.0 * (a * b + r * n * x[1].powi(k - 1));
            h[3] += 2.0 * (b * b + r * bent);
        }
        h[1] = h[2];
        h
    }
}

/// `½ Σ λᵢ (xᵢ − 1)²`, λ in a geometric row from 1 to the condition.
pub struct Quadratic(pub f64);

impl Quadratic {
    fn eigenvalues(&self, n: usize) -> impl Iterator<Item = f64> {
        (0..n).map(move |i| self.0.powf(i as f64 / (n - 1) as f64))
    }
}

impl Function for Quadratic {
    fn value(&self, x: &[f64]) -> f64 {
        0.5 * self.eigenvalues(x.len()).zip(x).map(|(l, x)| l * (x - 1.0) * (x - 1.0)).sum::<f64>()
    }

    fn gradient(&self, x: &[f64]) -> Vec<f64> {
        self.eigenvalues(x.len()).zip(x).map(|(l, x)| l * (x - 1.0)).collect()
    }

    fn hessian(&self, x: &[f64]) -> Vec<f64> {
        let n = x.len();
        let mut h = vec![0.0; n * n];
        self.eigenvalues(n).enumerate().for_each(|(i, l)| h[i * n + i] = l);
        h
    }
}

/// Cross-entropy of a linear layer, mean over rows, with `½ λ ‖weight‖²`: `[weight (classes, width), bias]`.
pub struct Logistic {
    pub rows: Vec<Vec<f64>>,
    pub classes: Vec<usize>,
    pub penalty: f64,
}

impl Logistic {
    fn sizes(&self, x: &[f64]) -> (usize, usize) {
        let width = self.rows[0].len();
        (width, x.len() / (width + 1))
    }

    /// A row's probabilities, and the loss it adds.
    fn row(&self, n: usize, x: &[f64]) -> (Vec<f64>, f64) {
        let (width, count) = self.sizes(x);
        let score = |k: usize| {
            let weights = &x[k * width..(k + 1) * width];
            weights.iter().zip(&self.rows[n]).map(|(w, v)| w * v).sum::<f64>() + x[count * width + k]
        };
        let scores: Vec<f64> = (0..count).map(score).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.iter().map(|s| (s - most).exp()).sum();
        let loss = total.ln() - (scores[self.classes[n]] - most);
        (scores.iter().map(|s| (s - most).exp() / total).collect(), loss)
    }

    /// Where the weight of input `j` (the bias: `width`) to class `k` lies.
    fn place(&self, x: &[f64], k: usize, j: usize) -> usize {
        let (width, count) = self.sizes(x);
        if j == width { count * width + k } else { k * width + j }
    }

    fn input(&self, n: usize, j: usize) -> f64 {
        self.rows[n].get(j).copied().unwrap_or(1.0)
    }
}

impl Function for Logistic {
    fn value(&self, x: &[f64]) -> f64 {
        let (width, count) = self.sizes(x);
        let data: f64 = (0..self.rows.len()).map(|n| self.row(n, x).1).sum();
        let length: f64 = x[..width * count].iter().map(|w| w * w).sum();
        data / self.rows.len() as f64 + 0.5 * self.penalty * length
    }

    fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let ((width, count), mut g) = (self.sizes(x), vec![0.0; x.len()]);
        for n in 0..self.rows.len() {
            let (p, _) = self.row(n, x);
            for k in 0..count {
                let d = (p[k] - f64::from(u8::from(k == self.classes[n]))) / self.rows.len() as f64;
                (0..=width).for_each(|j| g[self.place(x, k, j)] += d * self.input(n, j));
            }
        }
        g.iter_mut().zip(x).take(width * count).for_each(|(g, w)| *g += self.penalty * w);
        g
    }

    fn hessian(&self, x: &[f64]) -> Vec<f64> {
        let ((width, count), len) = (self.sizes(x), x.len());
        let mut h = vec![0.0; len * len];
        for n in 0..self.rows.len() {
            let (p, _) = self.row(n, x);
            for (k, l) in (0..count).flat_map(|k| (0..count).map(move |l| (k, l))) {
                let w = p[k] * (f64::from(u8::from(k == l)) - p[l]) / self.rows.len() as f64;
                for (i, j) in (0..=width).flat_map(|i| (0..=width).map(move |j| (i, j))) {
                    h[self.place(x, k, i) * len + self.place(x, l, j)] += w * self.input(n, i) * self.input(n, j);
                }
            }
        }
        (0..width * count).for_each(|i| h[i * len + i] += self.penalty);
        h
    }
}

/// A function of the suite as Newton's method takes it.
pub struct Known<F>(pub F);

impl<F: Function> Curved for Known<F> {
    type Error = OptimError;

    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64, OptimError> {
        gradient.copy_from_slice(&self.0.gradient(x));
        Ok(self.0.value(x))
    }

    fn hessian(&mut self, x: &[f64], hessian: &mut [f64]) -> Result<(), OptimError> {
        hessian.copy_from_slice(&self.0.hessian(x));
        Ok(())
    }
}

/// By hand, so themselves to be held to differences.
#[test]
fn gradients_and_hessians_are_those_of_the_values() {
    let rows = vec![vec![0.3, -1.0], vec![1.2, 0.4], vec![-0.7, 2.0]];
    let logistic = Logistic { rows, classes: vec![0, 2, 1], penalty: 0.3 };
    let all: [(&dyn Function, Vec<f64>); 4] = [
        (&Rosenbrock, vec![-1.2, 1.0, 0.4]),
        (&Beale, vec![0.8, -0.6]),
        (&Quadratic(1e3), vec![0.1, 0.7, -2.0]),
        (&logistic, (0..9).map(|i| 0.1 * f64::from(i) - 0.4).collect()),
    ];
    let h = 1e-5;
    for (f, x) in all {
        let (g, curvature) = (f.gradient(&x), f.hessian(&x));
        for i in 0..x.len() {
            let at = |by: f64| x.iter().enumerate().map(|(k, &x)| if k == i { x + by } else { x }).collect::<Vec<_>>();
            let slope = (f.value(&at(h)) - f.value(&at(-h))) / (2.0 * h);
            assert!((slope - g[i]).abs() <= 1e-6 * (1.0 + g[i].abs()), "{slope} {g:?}");
            let (up, down) = (f.gradient(&at(h)), f.gradient(&at(-h)));
            for k in 0..x.len() {
                let (bend, found) = ((up[k] - down[k]) / (2.0 * h), curvature[k * x.len() + i]);
                assert!((bend - found).abs() <= 1e-6 * (1.0 + found.abs()), "[{k}, {i}]: {bend} {found}");
            }
        }
    }
}
