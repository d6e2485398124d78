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

/// Each run is made from starts so near each other: chaos makes of that, as of rounding, another end.
const STARTS: [f64; 3] = [0.0, 1e-9, -1e-9];

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

/// The root of the mean squared distance from a minimum in the last steps, over all repeats, from [`STARTS`].
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub nearest: f64,
    pub farthest: f64,
    /// The farthest that two starts' runs were from each other on the way.
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

/// A normal draw (Box–Muller) with the same bits on every machine, whose own `ln` and `cos` differ.
fn normal(stream: Stream, t: u32) -> f64 {
    let [u, v] = [2 * t, 2 * t + 1].map(|element| stream.uniform(element));
    libm::sqrt(-2.0 * libm::log(1.0 - u)) * libm::cos(std::f64::consts::TAU * v)
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
            Noise::Additive(scale) => scale * normal(stream, t),
            Noise::Multiplicative(scale) => libm::exp(scale * normal(stream, t)),
            Noise::Masked(share) => f64::from(u8::from(stream.uniform(t) >= share)),
            Noise::Cauchy(scale) => scale * libm::tan(std::f64::consts::PI * (stream.uniform(t) - 0.5)),
        };
        let repeats = if prototype.noise == Noise::None { 1 } else { REPEATS };
        let draws = (0..repeats).map(|seed| {
            let stream = Stream::new(u64::from(seed), 0, 0);
            (0..STEPS as u32).map(|t| draw(stream, t)).collect()
        });
        Self { draws: draws.collect(), prototype }
    }

    /// `None` where a run leads out of the numbers.
    pub fn ends(&self, rule: &dyn DynRule, rate: f64) -> Option<Ends> {
        let Prototype { start, slope, away, noise, .. } = self.prototype;
        let n = start.len();
        let all: Vec<f64> = STARTS.iter().flat_map(|apart| start.iter().map(move |x| x + apart)).collect();
        let (mut sums, mut parted, mut g) = ([0.0; STARTS.len()], 0.0_f64, vec![0.0; all.len()]);
        for draws in &self.draws {
            let mut run = Run { tensor: n, ..Run::new(rule, rate, &all) };
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
                let (first, others) = run.parameters.split_at(n);
                parted = others.iter().zip(first.iter().cycle()).fold(parted, |most, (a, b)| most.max((a - b).abs()));
                if t >= STEPS - TAIL {
                    sums.iter_mut().zip(run.parameters.chunks(n)).for_each(|(sum, p)| *sum += away(t, p).powi(2));
                }
            }
        }
        let ends = sums.map(|sum| (sum / (self.draws.len() * TAIL) as f64).sqrt());
        let (nearest, farthest) = ends.iter().fold((f64::MAX, 0.0_f64), |(low, high), &x| (low.min(x), high.max(x)));
        Some(Ends { nearest, farthest, parted })
    }

    pub fn verdict(&self, rule: &dyn DynRule, rate: f64) -> Verdict {
        self.judged(rule, rate).0
    }

    /// The verdict, and whether the landscape has made of the starts' distance a thousandfold: then the verdict may be
    /// another on a machine that rounds `powf` in another way.
    fn judged(&self, rule: &dyn DynRule, rate: f64) -> (Verdict, bool) {
        let began = (self.prototype.away)(0, self.prototype.start);
        let Some(Ends { nearest, farthest, parted }) = self.ends(rule, rate) else { return (Verdict::Diverged, false) };
        if !(farthest <= 1e6 * began) {
            return (Verdict::Diverged, false);
        }
        // Where rounding decides how a run ends, its end says nothing.
        let sure = farthest + 10.0 * (farthest - nearest) <= self.prototype.near && parted <= began / 4.0;
        let verdict = if sure { Verdict::There } else { Verdict::Elsewhere };
        (verdict, parted > 1e3 * STARTS[1])
    }

    /// The verdict at each rate of [`GRID`], and whether it hangs on rounding.
    pub fn all_judged(&self, make: &dyn Fn(f64) -> Arc<dyn DynRule>) -> (Vec<Verdict>, Vec<bool>) {
        GRID.iter().map(|&rate| self.judged(&*make(rate), rate)).unzip()
    }

    pub fn verdicts(&self, make: &dyn Fn(f64) -> Arc<dyn DynRule>) -> Vec<Verdict> {
        self.all_judged(make).0
    }
}

/// A rule as it is by default but for the learning rate.
pub fn at(optimizer: &Optimizer, rate: f64) -> Arc<dyn DynRule> {
    let changed = optimizer.rule().with("learning_rate", rate);
    changed.unwrap_or_else(|e| panic!("{:?}: {e}", optimizer))
}
