//! How far noise keeps a rule from its minimum: theory, and the rule.

use thalweg::optim::Sgd;
use thalweg::rng::Stream;

use crate::run::Run;

/// Where SGD is on `½(x − 1)²` with draws added to the gradient, after it has forgotten its start.
fn positions(rate: f64, steps: u32, seed: u64, draw: impl Fn(Stream, u32) -> f64) -> Vec<f64> {
    let (rule, stream) = (Sgd::default(), Stream::new(seed, 0, 0));
    let mut run = Run::new(&rule, rate, &[1.0]);
    let all = (0..steps).map(|t| {
        let g = run.parameters[0] - 1.0 + draw(stream, t);
        run.step(&[g]);
        run.parameters[0] - 1.0
    });
    all.collect::<Vec<_>>().split_off(steps as usize / 10)
}

/// `x ← (1 − η)x − ησξ` has the variance `ησ²/(2 − η)`. Squares of an AR(1) of coefficient q count for
/// `n (1 − q²)/(1 + q²)` independent ones, each with the relative error √2; five standard errors.
#[test]
fn sgd_under_additive_noise_has_the_variance_of_theory() {
    for (rate, sigma) in [(0.1, 1.0), (0.5, 0.1), (1.0, 10.0), (1.5, 1.0)] {
        let found = positions(rate, 60_000, 3, |stream, t| sigma * stream.normal(t));
        let variance = found.iter().map(|x| x * x).sum::<f64>() / found.len() as f64;
        let expected = rate * sigma * sigma / (2.0 - rate);
        let q: f64 = 1.0 - rate;
        let independent = found.len() as f64 * (1.0 - q * q) / (1.0 + q * q);
        let error = (variance / expected - 1.0).abs();
        assert!(error <= 5.0 * (2.0 / independent).sqrt(), "η {rate}: {variance}, expected {expected}");
    }
}

/// A sum of Cauchy draws is one again, of the scales' sum, and `η Σ (1 − η)ᵏ = 1`: at every rate SGD is as far away as one
/// gradient's noise, with the median distance γ = 1. No rate averages it out.
#[test]
fn sgd_does_not_average_cauchys_noise() {
    for rate in [0.1, 0.3, 1.0] {
        let mut found =
            positions(rate, 60_000, 5, |stream, t| (std::f64::consts::PI * (stream.uniform(t) - 0.5)).tan());
        found.iter_mut().for_each(|x| *x = x.abs());
        found.sort_by(f64::total_cmp);
        let median = found[found.len() / 2];
        // The density of |x| at its median is 1/π; some 2/η draws hang together: 5 standard errors of a median.
        let error = 5.0 * 0.5 * std::f64::consts::PI * (2.0 / rate / found.len() as f64).sqrt();
        assert!((median - 1.0).abs() <= error, "η {rate}: median {median}, allowed ± {error}");
    }
}
