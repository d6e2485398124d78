//! Every rule makes its way down a bowl and along Rosenbrock's valley.

use thalweg::optim::{FieldValue, Optimizer};

use crate::{Run, every_form, rosenbrock};

/// A rate for each rule at which its step is neither lost nor wild on slopes of up to some hundreds; the centred rule gets
/// an ε that its documentation asks for.
fn tame(optimizer: &mut Optimizer, rate: f64) {
    let centered = optimizer.rule().states().contains(&"grad_avg");
    for field in optimizer.fields() {
        match (field.name, field.value) {
            ("learning_rate", FieldValue::Number(x)) => *x = rate,
            ("epsilon", FieldValue::Number(x)) if centered => *x = 1e-2,
            // A decayed weight has its minimum elsewhere, and a falling rate does not reach it in this many steps.
            ("weight_decay" | "lr_decay", FieldValue::Number(x)) => *x = 0.0,
            // The variance of the first gradient alone is 0, and the first step ηg/ε.
            ("bias_correction", FieldValue::Flag(corrected)) if centered => *corrected = false,
            _ => {}
        }
    }
}

#[test]
fn a_quadratic_bowl() {
    let bowl = |p: &[f64]| p.iter().enumerate().map(|(i, x)| 0.5 * (i + 1) as f64 * (x - 1.0).powi(2)).sum::<f64>();
    for mut optimizer in every_form() {
        let rate = match optimizer.rule().name() {
            "sgd" => 0.1,
            "momentum" | "nesterov" => 0.02,
            "adagrad" => 0.5,
            "adadelta" => 20.0,
            "radam" => 0.05,
            _ => 0.02,
        };
        tame(&mut optimizer, rate);
        let rule = optimizer.rule();
        let mut run = Run::new(rule, &[-1.0, 3.0, 0.0, 2.5]);
        let before = bowl(&run.parameters);
        for _ in 0..400 {
            let g: Vec<f64> = run.parameters.iter().enumerate().map(|(i, x)| (i + 1) as f64 * (x - 1.0)).collect();
            run.step(rule, rate, &g);
        }
        let after = bowl(&run.parameters);
        assert!(after < before / 100.0, "{rule:?}: {before} to {after}");
    }
}

#[test]
fn rosenbrocks_valley() {
    for mut optimizer in every_form() {
        let rate = match optimizer.rule().name() {
            "sgd" => 1e-3,
            "momentum" | "nesterov" => 2e-4,
            "adagrad" => 0.5,
            "adadelta" => 1.0,
            // RAdam's first five steps are as long as the gradient.
            "rmsprop" | "radam" => 1e-3,
            // The steep slopes of the start are never forgotten.
            "amsgrad" => 0.03,
            _ => 0.01,
        };
        tame(&mut optimizer, rate);
        let rule = optimizer.rule();
        let mut run = Run::new(rule, &[-1.2, 1.0]);
        for _ in 0..10_000 {
            let g = rosenbrock(&run.parameters).1;
            run.step(rule, rate, &g);
        }
        // From 24.2; the valley's floor at x = 0 has 1. Below it the minimum at (1, 1) is being approached.
        let after = rosenbrock(&run.parameters).0;
        assert!(after < 1.0, "{rule:?}: {after} at {:?}", run.parameters);
    }
}
