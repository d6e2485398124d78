//! Rules as objects, and the loops over slices.

use std::fmt::Debug;
use std::sync::Arc;

use super::second::SecondOrder;
use super::{Convention, Hyper, MAX_STATES, Rule, TensorRule};
use crate::error::OptimError;
use crate::scalar::Number;

/// A [`Rule`] behind a pointer; every `Rule` is one. The methods of the same names do the same.
pub trait DynRule: Debug + Send + Sync + 'static {
    /// [`Rule::name`]
    fn name(&self) -> &'static str;
    /// [`Rule::convention`]
    fn convention(&self) -> Convention;
    /// [`Rule::states`]
    fn states(&self) -> &'static [&'static str];
    /// [`Rule::initial_state`]
    fn initial_state(&self, state: usize) -> f64;
    /// # Errors
    ///
    /// As [`Rule::validate`].
    fn validate(&self) -> Result<(), OptimError>;
    /// # Errors
    ///
    /// As [`Rule::validate_f32`].
    fn validate_f32(&self) -> Result<(), OptimError>;
    /// [`Rule::learning_rate`]
    fn learning_rate(&self) -> f64;
    /// [`Rule::hyper`]
    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper;
    /// # Errors
    ///
    /// As [`Rule::with`].
    fn with(&self, field: &str, value: f64) -> Result<Arc<dyn DynRule>, OptimError>;
    /// [`Rule::trust_ratio`]
    fn trust_ratio(&self) -> bool;
    /// [`Rule::tensor_rule`]
    fn tensor_rule(&self) -> Option<&dyn TensorRule>;
    /// [`Rule::source`]
    fn source(&self) -> &'static str;
    /// [`Rule::second_order`]
    fn second_order(&self) -> Option<SecondOrder> {
        None
    }

    /// One step of many elements in f32, `hyper` rounded once as on the GPU.
    ///
    /// # Panics
    ///
    /// If the slices differ in length, `states` are not as many as [`Rule::states`], or the rule has more than
    /// [`MAX_STATES`]; engines refuse such a rule.
    fn update_f32(&self, hyper: &Hyper, gradients: &[f32], parameters: &mut [f32], states: &mut [&mut [f32]]);

    /// One step of many elements in f64.
    ///
    /// # Panics
    ///
    /// As [`update_f32`](Self::update_f32).
    fn update_f64(&self, hyper: &Hyper, gradients: &[f64], parameters: &mut [f64], states: &mut [&mut [f64]]);
}

impl<R: Rule> DynRule for R {
    fn name(&self) -> &'static str {
        Rule::name(self)
    }
    fn convention(&self) -> Convention {
        Rule::convention(self)
    }
    fn states(&self) -> &'static [&'static str] {
        Rule::states(self)
    }
    fn initial_state(&self, state: usize) -> f64 {
        Rule::initial_state(self, state)
    }
    fn validate(&self) -> Result<(), OptimError> {
        Rule::validate(self)
    }
    fn validate_f32(&self) -> Result<(), OptimError> {
        Rule::validate_f32(self)
    }
    fn learning_rate(&self) -> f64 {
        Rule::learning_rate(self)
    }
    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        Rule::hyper(self, step, learning_rate)
    }
    fn with(&self, field: &str, value: f64) -> Result<Arc<dyn DynRule>, OptimError> {
        Ok(Arc::new(Rule::with(self, field, value)?))
    }
    fn trust_ratio(&self) -> bool {
        Rule::trust_ratio(self)
    }
    fn tensor_rule(&self) -> Option<&dyn TensorRule> {
        Rule::tensor_rule(self)
    }
    fn source(&self) -> &'static str {
        Rule::source(self)
    }
    fn second_order(&self) -> Option<SecondOrder> {
        Rule::second_order(self)
    }
    fn update_f32(&self, hyper: &Hyper, gradients: &[f32], parameters: &mut [f32], states: &mut [&mut [f32]]) {
        update(self, hyper, gradients, parameters, states);
    }
    fn update_f64(&self, hyper: &Hyper, gradients: &[f64], parameters: &mut [f64], states: &mut [&mut [f64]]) {
        update(self, hyper, gradients, parameters, states);
    }
}

fn update<R: Rule, T: Number>(rule: &R, hyper: &Hyper, g: &[T], p: &mut [T], states: &mut [&mut [T]]) {
    assert_eq!(states.len(), rule.states().len(), "{} has the states {:?}", rule.name(), rule.states());
    let lengths = || states.iter().map(|s| s.len()).chain([p.len()]);
    let told = || lengths().collect::<Vec<_>>();
    assert!(lengths().all(|n| n == g.len()), "{} gradients, parameters and states of {:?}", g.len(), told());
    let h = hyper.map(T::of);
    match states {
        [] => zero(rule, &h, g, p),
        [a] => one(rule, &h, g, p, a),
        [a, b] => two(rule, &h, g, p, a, b),
        [a, b, c] => three(rule, &h, g, p, a, b, c),
        more => panic!("{} has {} states, and a rule has at most {MAX_STATES}", rule.name(), more.len()),
    }
}

// One function for each number of states: slices that are arguments of their own are known not to overlap, and the
// loops become vector code.

fn zero<R: Rule, T: Number>(rule: &R, h: &[T; 12], g: &[T], p: &mut [T]) {
    let z = T::of(0.0);
    for (p, &g) in p.iter_mut().zip(g) {
        *p = rule.update(h, g, *p, [z; 3]).0;
    }
}

fn one<R: Rule, T: Number>(rule: &R, h: &[T; 12], g: &[T], p: &mut [T], a: &mut [T]) {
    let z = T::of(0.0);
    for ((p, &g), a) in p.iter_mut().zip(g).zip(a) {
        let (new, [x, ..]) = rule.update(h, g, *p, [*a, z, z]);
        (*p, *a) = (new, x);
    }
}

fn two<R: Rule, T: Number>(rule: &R, h: &[T; 12], g: &[T], p: &mut [T], a: &mut [T], b: &mut [T]) {
    let z = T::of(0.0);
    for (((p, &g), a), b) in p.iter_mut().zip(g).zip(a).zip(b) {
        let (new, [x, y, _]) = rule.update(h, g, *p, [*a, *b, z]);
        (*p, *a, *b) = (new, x, y);
    }
}

fn three<R: Rule, T: Number>(rule: &R, h: &[T; 12], g: &[T], p: &mut [T], a: &mut [T], b: &mut [T], c: &mut [T]) {
    for ((((p, &g), a), b), c) in p.iter_mut().zip(g).zip(a).zip(b).zip(c) {
        let (new, [x, y, z]) = rule.update(h, g, *p, [*a, *b, *c]);
        (*p, *a, *b, *c) = (new, x, y, z);
    }
}
