//! One rule on one landscape, and the verdict.

use std::sync::Arc;

use thalweg::optim::{DynRule, Optimizer};
use thalweg::rng::Stream;

use crate::prototype::{Noise, Prototype, STEPS};

/// The learning rates of the tables.
pub const GRID: [f64; 13] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0];

/// The last steps, which count.
pub const TAIL: usize = STEPS / 10;

/// Runs of a noisy landscape, each with noise of its own.
const REPEATS: u32 = 3;

/// How far apart the two starts of a run are: chaos makes of it, and of rounding, a different end.
const APART: f64 = 1e-9;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// In the neighbourhood of a minimum.
    There,
    /// Elsewhere: on the way, or to and fro around it.
    Elsewhere,
    /// A million times as far from a minimum as it began, or not a number.
    Diverged,
}

/// How a run ended from two starts.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub first: f64,
    pub second: f64,
    /// The farthest that the two were from each other on the way.
    pub parted: f64,
}

/// The parameters, as tensors of one length, and the states of a rule.
pub struct Run<'a> {
    rule: &'a dyn DynRule,
    rate: f64,
    tensor: usize,
    pub parameters: Vec<f64>,
    states: Vec<Vec<f64>>,
    direction: Vec<f64>,
    step: u64,
}

impl<'a> Run<'a> {
    /// With one tensor.
    pub fn new(rule: &'a dyn DynRule, rate: f64, start: &[f64]) -> Self {
        let states = (0..rule.states().len()).map(|s| vec![rule.initial_state(s); start.len()]).collect();
        let direction = Vec::new();
        Self { rule, rate, tensor: start.len(), parameters: start.to_vec(), states, direction, step: 0 }
    }

    pub fn step(&mut self, gradients: &[f64]) {
        self.step += 1;
        let hyper = self.rule.hyper(self.step, self.rate);
        let mut states: Vec<_> = self.states.iter_mut().map(Vec::as_mut_slice).collect();
        if !self.rule.trust_ratio() {
            self.rule.update_f64(&hyper, gradients, &mut self.parameters, &mut states);
            return;
        }
        self.direction.clone_from(&self.parameters);
        self.rule.update_f64(&hyper, gradients, &mut self.direction, &mut states);
        for (p, u) in self.parameters.chunks_mut(self.tensor).zip(self.direction.chunks(self.tensor)) {
            trusted(p, u, hyper[10], hyper[11]);
        }
    }
}

/// `p ← (1 − κ) p; p ← p − η r u` with `r = ‖p‖/‖u‖`, 1 where either is 0: see `Rule::trust_ratio`.
pub fn trusted(p: &mut [f64], u: &[f64], rate: f64, shrink: f64) {
    p.iter_mut().for_each(|p| *p *= 1.0 - shrink);
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (length, across) = (norm(p), norm(u));
    let ratio = if length > 0.0 && across > 0.0 { length / across } else { 1.0 };
    p.iter_mut().zip(u).for_each(|(p, u)| *p -= rate * ratio * u);
}

/// A landscape with the draws of its noise, the same for every rule and rate.
pub struct Ground {
    pub prototype: Prototype,
    draws: Vec<Vec<f64>>,
}

impl Ground {
    pub fn new(prototype: Prototype) -> Self {
        let draw = |stream: Stream, t: u32| match prototype.noise {
            Noise::None => 0.0,
            Noise::Additive(scale) => scale * stream.normal(t),
            Noise::Multiplicative(scale) => (scale * stream.normal(t)).exp(),
            Noise::Masked(share) => f64::from(u8::from(stream.uniform(t) >= share)),
            Noise::Cauchy(scale) => scale * (std::f64::consts::PI * (stream.uniform(t) - 0.5)).tan(),
        };
        let repeats = if prototype.noise == Noise::None { 1 } else { REPEATS };
        let draws = (0..repeats).map(|seed| {
            let stream = Stream::new(u64::from(seed), 0, 0);
            (0..STEPS as u32).map(|t| draw(stream, t)).collect()
        });
        Self { draws: draws.collect(), prototype }
    }

    /// The root of the mean squared distance from a minimum in the last steps, over all repeats, from two starts that are
    /// [`APART`]. `None` where the first leads out of the numbers.
    pub fn distances(&self, rule: &dyn DynRule, rate: f64) -> Option<Pair> {
        let Prototype { start, slope, away, noise, .. } = self.prototype;
        let n = start.len();
        let both: Vec<f64> = start.iter().copied().chain(start.iter().map(|x| x + APART)).collect();
        let (mut sums, mut parted, mut g) = ([0.0; 2], 0.0_f64, vec![0.0; 2 * n]);
        for draws in &self.draws {
            let mut run = Run { tensor: n, ..Run::new(rule, rate, &both) };
            for (t, draw) in draws.iter().enumerate() {
                for (p, g) in run.parameters.chunks(n).zip(g.chunks_mut(n)) {
                    slope(t, p, g);
                    match noise {
                        Noise::None => {}
                        Noise::Additive(_) | Noise::Cauchy(_) => g.iter_mut().for_each(|g| *g += draw),
                        Noise::Multiplicative(_) | Noise::Masked(_) => g.iter_mut().for_each(|g| *g *= draw),
                    }
                }
                run.step(&g);
                if !run.parameters.iter().all(|p| p.is_finite()) {
                    return None;
                }
                let (first, second) = run.parameters.split_at(n);
                parted = first.iter().zip(second).fold(parted, |most, (a, b)| most.max((a - b).abs()));
                if t >= STEPS - TAIL {
                    sums[0] += away(t, first).powi(2);
                    sums[1] += away(t, second).powi(2);
                }
            }
        }
        let [first, second] = sums.map(|sum| (sum / (self.draws.len() * TAIL) as f64).sqrt());
        Some(Pair { first, second, parted })
    }

    pub fn verdict(&self, rule: &dyn DynRule, rate: f64) -> Verdict {
        let began = (self.prototype.away)(0, self.prototype.start);
        let Some(Pair { first, second, parted }) = self.distances(rule, rate) else { return Verdict::Diverged };
        if !(first <= 1e6 * began) {
            return Verdict::Diverged;
        }
        // Where rounding decides how a run ends, its end says nothing.
        let (worse, doubt) = (first.max(second), (first - second).abs());
        if worse + 10.0 * doubt <= self.prototype.near && parted <= began { Verdict::There } else { Verdict::Elsewhere }
    }

    /// The verdict at each rate of [`GRID`].
    pub fn verdicts(&self, make: &dyn Fn(f64) -> Arc<dyn DynRule>) -> Vec<Verdict> {
        GRID.iter().map(|&rate| self.verdict(&*make(rate), rate)).collect()
    }
}

/// A rule as it is by default but for the learning rate.
pub fn at(optimizer: &Optimizer, rate: f64) -> Arc<dyn DynRule> {
    let changed = optimizer.rule().with("learning_rate", rate);
    changed.unwrap_or_else(|e| panic!("{:?}: {e}", optimizer))
}
