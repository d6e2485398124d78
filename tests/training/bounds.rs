//! A number with the most by which a correct f32 computation may miss it.
//!
//! The rules' formulas are run in such numbers: what an update may be off by follows from their operations, each within WGSL's
//! accuracy, and from nothing that a device was seen to do.

use std::ops::{Add, Div, Mul, Neg, Sub};

use thalweg::Number;
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

    fn root(self) -> Self {
        let root = self.value.max(0.0).sqrt();
        let (low, high) = ((self.value - self.error).max(0.0).sqrt(), (self.value + self.error).max(0.0).sqrt());
        Self::made(root, (root - low).max(high - root), SQRT)
    }

    /// Infinite where the divisor may be 0.
    fn over(self, by: Self) -> Self {
        let value = self.value / by.value;
        let least = by.value.abs() - by.error;
        let carried = if least > 0.0 { (self.error + value.abs() * by.error) / least } else { f64::INFINITY };
        Self::made(value, carried, DIVIDE)
    }
}

impl Number for Near {
    fn of(x: f64) -> Self {
        Self::rounded(x)
    }
    fn sqrt(self) -> Self {
        self.root()
    }
    fn abs(self) -> Self {
        Self { value: self.value.abs(), error: self.error }
    }
    fn max(self, b: Self) -> Self {
        Self { value: self.value.max(b.value), error: self.error.max(b.error) }
    }
    /// Unknown where 0 is within the error.
    fn sign(self) -> Self {
        let error = if self.value.abs() > self.error || self.error == 0.0 { 0.0 } else { 2.0 };
        Self { value: Number::sign(self.value), error }
    }
}

/// By the values: a comparison that the error could turn has no bound, and rules compare with 0 alone.
impl PartialEq for Near {
    fn eq(&self, b: &Self) -> bool {
        self.value == b.value
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, b: &Self) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&b.value)
    }
}

impl Neg for Near {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, error: self.error }
    }
}

impl Div for Near {
    type Output = Self;
    fn div(self, b: Self) -> Self {
        self.over(b)
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

/// One step of one element by the rule's formula, with its errors: the new parameter and states.
pub fn update(optimizer: &Optimizer, hyper: &Hyper, g: Near, p: Near, states: [Near; 3]) -> (Near, [Near; 3]) {
    optimizer.update(&hyper.map(Near::rounded), g, p, states)
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
        "name = 'adam'\nconvention = 'optax'\nepsilon_root = 0.01",
        "name = 'amsgrad'\nconvention = 'keras'\nweight_decay = 0.1",
        "name = 'momentum'\nconvention = 'keras'\nweight_decay = 0.1",
        "name = 'rmsprop'\nconvention = 'keras'\nmomentum = 0.8\nweight_decay = 0.1",
        "name = 'rmsprop'\nconvention = 'optax'\nmomentum = 0.8\nnesterov = true\nbias_correction = true",
        "name = 'rmsprop'\nconvention = 'optax'\ncentered = true\nepsilon = 0.01\ninitial_scale = 1",
    ];
    defaults.chain(further.map(super::common::optimizer)).collect()
}
