//! A number with the most by which a correct f32 computation may miss it, and the update rules written in such numbers.
//!
//! The rules stand here a second time, from their formulas: what an update may be off by follows from their operations, each
//! within WGSL's accuracy, and from nothing that a device was seen to do.

use std::ops::{Add, Mul, Sub};

use thalweg::op::rounding::{DIVIDE, SQRT, TINY, round};
use thalweg::optim::{Hyper, Optimizer};

/// A value and its error.
#[derive(Clone, Copy, Debug)]
pub struct Near {
    pub value: f64,
    pub error: f64,
}

impl Near {
    pub const ZERO: Self = Self { value: 0.0, error: 0.0 };

    /// What a device holds exactly.
    pub fn exact(value: f64) -> Self {
        Self { value, error: 0.0 }
    }

    /// A number of the host, rounded once to f32.
    pub fn rounded(value: f64) -> Self {
        Self { value, error: (f64::from(value as f32) - value).abs() }
    }

    /// The result of one operation whose operands bring `carried` along: WGSL's own error is relative to what is computed.
    fn made(value: f64, carried: f64, relative: f64) -> Self {
        let magnitude = value.abs() + carried;
        Self { value, error: carried + relative * magnitude + TINY }
    }

    fn once(value: f64, carried: f64) -> Self {
        Self { value, error: carried + round(value.abs() + carried) }
    }

    pub fn sqrt(self) -> Self {
        let root = self.value.max(0.0).sqrt();
        let (low, high) = ((self.value - self.error).max(0.0).sqrt(), (self.value + self.error).max(0.0).sqrt());
        Self::made(root, (root - low).max(high - root), SQRT)
    }

    /// Infinite where the divisor may be 0.
    pub fn over(self, by: Self) -> Self {
        let value = self.value / by.value;
        let least = by.value.abs() - by.error;
        let carried = if least > 0.0 { (self.error + value.abs() * by.error) / least } else { f64::INFINITY };
        Self::made(value, carried, DIVIDE)
    }

    pub fn max0(self) -> Self {
        Self { value: self.value.max(0.0), error: self.error }
    }
}

impl Add for Near {
    type Output = Self;
    fn add(self, b: Self) -> Self {
        Self::once(self.value + b.value, self.error + b.error)
    }
}

impl Sub for Near {
    type Output = Self;
    fn sub(self, b: Self) -> Self {
        Self::once(self.value - b.value, self.error + b.error)
    }
}

impl Mul for Near {
    type Output = Self;
    fn mul(self, b: Self) -> Self {
        let carried = self.value.abs() * b.error + b.value.abs() * self.error + self.error * b.error;
        Self::once(self.value * b.value, carried)
    }
}

/// One step of one element by the rule's formula: the new parameter and states.
pub fn update(optimizer: &Optimizer, hyper: &Hyper, g: Near, p: Near, [x, y, z]: [Near; 3]) -> (Near, [Near; 3]) {
    let h = hyper.map(Near::rounded);
    match optimizer {
        Optimizer::Sgd(_) => (p - h[0] * (g + h[1] * p), [x, y, z]),
        Optimizer::Momentum(_) => {
            let b = h[0] * x + h[1] * (g + h[3] * p);
            (p + h[2] * b, [b, y, z])
        }
        Optimizer::Nesterov(_) => {
            let g = g + h[3] * p;
            let b = h[0] * x + h[1] * g;
            (p + h[2] * (h[0] * b + h[1] * g), [b, y, z])
        }
        Optimizer::Adagrad(_) => {
            let g = g + h[2] * p;
            let sum = x + g * g;
            (p - (h[0] * g).over(sum.sqrt() + h[1]), [sum, y, z])
        }
        Optimizer::RmsProp(rule) => {
            let g = g + h[5] * p;
            let v = h[1] * x + h[2] * g * g;
            let (variance, mean) = if rule.centered {
                let mean = h[1] * y + h[2] * g;
                ((v - mean * mean).max0(), mean)
            } else {
                (v, y)
            };
            let root = variance.sqrt() + h[3];
            if rule.momentum > 0.0 {
                let b = h[4] * if rule.centered { z } else { y } + g.over(root);
                (p - h[0] * b, if rule.centered { [v, mean, b] } else { [v, b, z] })
            } else {
                (p - (h[0] * g).over(root), [v, mean, z])
            }
        }
        Optimizer::Adadelta(_) => {
            let g = g + h[4] * p;
            let v = h[1] * x + h[2] * g * g;
            let step = (y + h[3]).sqrt().over((v + h[3]).sqrt()) * g;
            (p - h[0] * step, [v, h[1] * y + h[2] * step * step, z])
        }
        Optimizer::Adam(_) => {
            let g = g + h[7] * p;
            adam(&h, g, p, x, y)
        }
        Optimizer::AdamW(_) => adam(&h, g, p - h[7] * p, x, y),
        other => panic!("{other:?} is new: write its formula here"),
    }
}

fn adam(h: &[Near; 8], g: Near, p: Near, m: Near, v: Near) -> (Near, [Near; 3]) {
    let m = h[2] * m + h[3] * g;
    let v = h[4] * v + h[5] * g * g;
    (p - (h[0] * m).over(v.sqrt() * h[1] + h[6]), [m, v, Near::ZERO])
}

/// Every rule in every convention, and those with states or terms that the defaults leave out.
pub fn forms() -> Vec<Optimizer> {
    let defaults = thalweg::optim::ALL.iter().flat_map(|entry| entry.conventions.iter().map(|&c| (entry.defaults)(c)));
    let further = [
        "name = 'sgd'\nlearning_rate = 0.01\nweight_decay = 0.1",
        "name = 'momentum'\nlearning_rate = 0.01\nweight_decay = 0.1",
        "name = 'momentum'\nlearning_rate = 0.01\ndampening = 0.4",
        "name = 'adagrad'\nlr_decay = 0.25",
        "name = 'rmsprop'\ncentered = true",
        "name = 'rmsprop'\nmomentum = 0.8",
        "name = 'rmsprop'\ncentered = true\nmomentum = 0.8\nweight_decay = 0.1",
        "name = 'adam'\nweight_decay = 0.1",
    ];
    defaults.chain(further.map(super::common::optimizer)).collect()
}
