//! Update rules and schedules, in f64 and f32 on the CPU, and their shaders through the WGSL compiler.
//!
//! Everything goes through `optim::ALL` and `schedule::ALL`: a new entry is tested without a change here, but for its
//! golden trajectory.

#![expect(clippy::neg_cmp_op_on_partial_ord, reason = "comparisons fail closed: a NaN is not within a tolerance")]

#[path = "optimizers/case.rs"]
mod case;
#[path = "optimizers/golden.rs"]
mod golden;
#[path = "optimizers/notes.rs"]
mod notes;
#[path = "optimizers/progress.rs"]
mod progress;
#[path = "optimizers/rules.rs"]
mod rules;
#[path = "optimizers/schedules.rs"]
mod schedules;
#[path = "optimizers/shaders.rs"]
mod shaders;
#[path = "optimizers/tables.rs"]
mod tables;

use std::collections::HashMap;

use thalweg::Shape;
use thalweg::device::{Feed, cpu};
use thalweg::graph::{Context, Graph};
use thalweg::optim::{ALL, DynRule, FieldValue, Hyper, Operands, Optimizer, TensorRule};

/// Parameters and states of one run.
struct Run {
    parameters: Vec<f64>,
    shape: Shape,
    names: Vec<&'static str>,
    states: Vec<Vec<f64>>,
    step: u64,
}

impl Run {
    fn new(rule: &dyn DynRule, start: &[f64]) -> Self {
        Self::shaped(rule, start, &[start.len()].into())
    }

    /// Of a tensor, which a rule for whole tensors may take.
    fn shaped(rule: &dyn DynRule, start: &[f64], shape: &Shape) -> Self {
        let (names, states) = match taking(rule, shape) {
            Some(tensor) => tensor.states(shape).into_iter().map(|(s, shape)| (s, vec![0.0; shape.elements()])).unzip(),
            None => {
                let states = rule.states().iter().enumerate();
                states.map(|(s, name)| (*name, vec![rule.initial_state(s); start.len()])).unzip()
            }
        };
        Self { parameters: start.to_vec(), shape: shape.clone(), names, states, step: 0 }
    }

    fn step(&mut self, rule: &dyn DynRule, rate: f64, gradients: &[f64]) {
        self.step += 1;
        if let Some(tensor) = taking(rule, &self.shape) {
            return self.transformed(tensor, rate, gradients);
        }
        let mut states: Vec<_> = self.states.iter_mut().map(Vec::as_mut_slice).collect();
        let (hyper, before) = (rule.hyper(self.step, rate), self.parameters.clone());
        rule.update_f64(&hyper, gradients, &mut self.parameters, &mut states);
        if rule.trust_ratio() {
            scale(&hyper, before, &mut self.parameters);
        }
    }
}

impl Run {
    /// The transformation's graph by its twins, then the fused update's `p ← (1 − h₁)p − h₀u`.
    fn transformed(&mut self, tensor: &dyn TensorRule, rate: f64, gradients: &[f64]) {
        let mut graph = Graph::new();
        let operands = Operands::sources(&mut graph, tensor, &self.shape).unwrap();
        let made = tensor.transform(&mut graph, &operands).unwrap();
        assert_eq!(graph.shape(made.direction), &self.shape);
        let numbers = tensor.numbers(self.step, rate).into_iter().map(|x| vec![x]);
        let sources = [vec![operands.gradient, operands.parameter], operands.states, operands.numbers].concat();
        let values =
            [gradients.to_vec(), self.parameters.clone()].into_iter().chain(self.states.clone()).chain(numbers);
        let values: Vec<_> = values.map(Feed::Real).collect();
        assert_eq!(sources.len(), values.len());
        let feeds: HashMap<_, _> = sources.into_iter().zip(values).collect();
        let wanted = [vec![made.direction], made.states].concat();
        let mut found = cpu::evaluate(&graph, &feeds, &wanted, &Context::default()).unwrap();
        self.states = found.split_off(1);
        let h = tensor.hyper(self.step, rate);
        for (p, u) in self.parameters.iter_mut().zip(&found[0]) {
            *p = *p - h[1] * *p - h[0] * u;
        }
    }
}

/// The part of a rule that takes tensors of that shape, if there is one.
fn taking<'a>(rule: &'a dyn DynRule, shape: &Shape) -> Option<&'a dyn TensorRule> {
    rule.tensor_rule().filter(|tensor| tensor.takes(shape))
}

/// What `Rule::trust_ratio` says of one tensor: from the parameters before and the direction u to those after.
fn scale(hyper: &Hyper, before: Vec<f64>, u: &mut [f64]) {
    let norm = |xs: &[f64]| xs.iter().map(|x| x * x).sum::<f64>().sqrt();
    let shrunk: Vec<f64> = before.iter().map(|p| p - hyper[11] * p).collect();
    let ratio = match (norm(&shrunk), norm(u)) {
        (p, u) if p > 0.0 && u > 0.0 => p / u,
        _ => 1.0,
    };
    for (u, p) in u.iter_mut().zip(shrunk) {
        *u = p - hyper[10] * ratio * *u;
    }
}

/// Every rule in every convention, and every shape it takes when its flags and optional buffers are switched on.
fn every_form() -> Vec<Optimizer> {
    let mut forms: Vec<Optimizer> = Vec::new();
    for entry in ALL {
        for &convention in entry.conventions {
            let mut found = vec![(entry.defaults)(convention)];
            let fields = found[0].fields().len();
            for index in 0..fields {
                for mut form in found.clone() {
                    match &mut form.fields()[index].value {
                        FieldValue::Flag(flag) => **flag = !**flag,
                        FieldValue::Number(x) if **x == 0.0 => **x = 0.5,
                        FieldValue::Number(_) | FieldValue::Count(_) => continue,
                    }
                    found.push(form);
                }
            }
            forms.extend(found);
        }
    }
    forms
}

fn rosenbrock(p: &[f64]) -> (f64, [f64; 2]) {
    let (a, b) = (1.0 - p[0], p[1] - p[0] * p[0]);
    (a * a + 100.0 * b * b, [-2.0 * a - 400.0 * p[0] * b, 200.0 * b])
}

/// Numbers in [−1, 1) that follow no pattern a rule could share.
fn noise(n: usize) -> Vec<f64> {
    (0..n).map(|i| (i as f64 * 0.754_877_666 + 0.3).fract() * 2.0 - 1.0).collect()
}
