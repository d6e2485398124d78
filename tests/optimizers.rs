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

use thalweg::optim::{ALL, DynRule, FieldValue, Optimizer};

/// Parameters and states of one run.
struct Run {
    parameters: Vec<f64>,
    states: Vec<Vec<f64>>,
    step: u64,
}

impl Run {
    fn new(rule: &dyn DynRule, start: &[f64]) -> Self {
        let states = (0..rule.states().len()).map(|s| vec![rule.initial_state(s); start.len()]).collect();
        Self { parameters: start.to_vec(), states, step: 0 }
    }

    fn step(&mut self, rule: &dyn DynRule, rate: f64, gradients: &[f64]) {
        self.step += 1;
        let mut states: Vec<_> = self.states.iter_mut().map(Vec::as_mut_slice).collect();
        rule.update_f64(&rule.hyper(self.step, rate), gradients, &mut self.parameters, &mut states);
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
