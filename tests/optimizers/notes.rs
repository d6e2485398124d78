//! Statements U1–U8 of CS231n's notes (docs/learning-notes.md), and the formula bugs that shipped elsewhere.

use thalweg::optim::{
    Adadelta, Adam, AdamW, AmsGrad, Configurable, Convention, DynRule, Momentum, Nesterov, Optimizer, RmsProp,
};

use crate::{Run, noise, rosenbrock};

fn close(found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs();
    if !(error <= tolerance) {
        panic!("{found:e}, expected {expected:e}, off by {error:e}");
    }
}

/// U2: `v = μv + η dx; x −= v` is the same update.
#[test]
fn u2_momentum_in_the_other_sign() {
    let rule = Momentum { momentum: 0.95, ..Momentum::defaults(Convention::Cs231n) };
    let mut run = Run::new(&rule, &[-1.2, 1.0]);
    let (mut x, mut v) = ([-1.2, 1.0], [0.0; 2]);
    for t in 0..200 {
        let rate = 1e-4 / (1.0 + 0.01 * f64::from(t));
        let dx = rosenbrock(&x).1;
        let g = rosenbrock(&run.parameters).1;
        run.step(&rule, rate, &g);
        for i in 0..2 {
            v[i] = 0.95 * v[i] + rate * dx[i];
            x[i] -= v[i];
            close(run.parameters[i], x[i], 1e-12);
        }
    }
}

/// U3: the look-ahead form, gradient at `x + μv`, visits the same points as the rearranged one.
#[test]
fn u3_nesterov_in_both_forms() {
    let (rate, mu) = (2e-4, 0.9);
    for &convention in Nesterov::CONVENTIONS {
        let rule = Nesterov { momentum: mu, ..Nesterov::defaults(convention) };
        let mut run = Run::new(&rule, &[-1.2, 1.0]);
        let (mut x, mut v) = ([-1.2, 1.0], [0.0; 2]);
        for _ in 0..300 {
            let ahead = [x[0] + mu * v[0], x[1] + mu * v[1]];
            close(run.parameters[0], ahead[0], 1e-10);
            close(run.parameters[1], ahead[1], 1e-10);
            let dx = rosenbrock(&ahead).1;
            let g = rosenbrock(&run.parameters).1;
            run.step(&rule, rate, &g);
            for i in 0..2 {
                v[i] = mu * v[i] - rate * dx[i];
                x[i] += v[i];
            }
        }
        assert!(rosenbrock(&x).0 < 4.2, "it moved: {x:?}");
    }
}

/// U2, U3: the conventions agree while η is constant, and part when it changes: inside the velocity or outside.
#[test]
fn where_the_learning_rate_stands() {
    for name in ["momentum", "nesterov"] {
        let rule = |convention: &str| -> Optimizer {
            toml::from_str(&format!("name = '{name}'\nconvention = '{convention}'\nlearning_rate = 0.1")).unwrap()
        };
        let rules = ["cs231n", "paper", "keras", "optax", "pytorch"].map(rule);
        let mut runs = [(); 5].map(|()| Run::new(rules[0].rule(), &[1.0]));
        for (t, g) in noise(21).into_iter().enumerate() {
            for (run, rule) in runs.iter_mut().zip(&rules) {
                run.step(rule.rule(), if t < 20 { 0.1 } else { 0.01 }, &[g]);
            }
            let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|i| runs[i].parameters[0]);
            assert!(a == b && b == c && d == e, "{name}: {runs:?}");
            if t < 20 {
                close(a, d, 1e-14);
            } else {
                assert!((a - d).abs() > 1e-3, "{name}");
            }
        }
    }
}

/// Keras's ε is the ε̂ of the paper's shorter form: it does what `ε / √(1 − β₂ᵗ)` does in the other conventions.
#[test]
fn adams_two_epsilons() {
    let keras = Adam { epsilon: 1e-2, ..Adam::defaults(Convention::Keras) };
    let mut run = Run::new(&keras, &[0.0]);
    let (mut p, mut m, mut v) = ([0.0], [0.0], [0.0]);
    for (t, g) in (1..).zip(noise(30)) {
        let root = (1.0 - 0.999_f64.powi(t)).sqrt();
        let pytorch = Adam { epsilon: 1e-2 / root, ..Adam::default() };
        run.step(&keras, 0.1, &[g]);
        pytorch.update_f64(&DynRule::hyper(&pytorch, t as u64, 0.1), &[g], &mut p, &mut [&mut m, &mut v]);
        close(run.parameters[0], p[0], 1e-13);
    }
}

/// AMSGrad's state was grouped with the wrong list elsewhere: it holds the largest v (optax: v̂) there was, and divides.
#[test]
fn amsgrad_remembers_the_largest() {
    for &convention in AmsGrad::CONVENTIONS {
        let rule = AmsGrad { beta1: 0.5, beta2: 0.75, ..AmsGrad::defaults(convention) };
        let mut run = Run::new(&rule, &[0.0]);
        let (mut m, mut v, mut largest) = (0.0, 0.0, 0.0_f64);
        for (t, g) in (1..).zip([0.1, -2.0, 0.0, 0.3, 0.0, 0.2]) {
            (m, v) = (0.5 * m + 0.5 * g, 0.75 * v + 0.25 * g * g);
            let corrected = if convention == Convention::Optax { v / (1.0 - 0.75_f64.powi(t)) } else { v };
            largest = largest.max(corrected);
            run.step(&rule, 0.1, &[g]);
            for (state, expected) in run.states.iter().zip([m, v, largest]) {
                close(state[0], expected, 1e-15);
            }
        }
        assert!(run.states[2][0] > 2.0 * run.states[1][0], "the largest is not the last");
    }
}

/// The paper's λ is scaled by the schedule alone, a library's by the learning rate too.
#[test]
fn whose_decay_the_learning_rate_scales() {
    let one_step = |rule: &AdamW, rate: f64| {
        let mut run = Run::new(rule, &[4.0]);
        run.step(rule, rate, &[0.0]);
        run.parameters[0]
    };
    for &convention in AdamW::CONVENTIONS {
        let rule = AdamW { learning_rate: 0.5, weight_decay: 0.1, ..AdamW::defaults(convention) };
        let (first, half) = if convention == Convention::Paper { (3.6, 3.8) } else { (3.8, 3.9) };
        close(one_step(&rule, 0.5), first, 1e-15);
        close(one_step(&rule, 0.25), half, 1e-15);
    }
}

/// U6: the first step has the new E[g²] below the line. √1e-6 / √(0.1 + 1e-6), to 30 digits by decimal arithmetic:
/// 0.003162261848898663914… ; with the old one it would be 1.
#[test]
fn u6_adadelta_divides_by_the_new_mean_square() {
    let rule = Adadelta { decay: 0.9, epsilon: 1e-6, ..Adadelta::default() };
    let mut run = Run::new(&rule, &[0.0]);
    run.step(&rule, 1.0, &[1.0]);
    close(run.parameters[0], -ADADELTA_FIRST, 1e-17);
}

const ADADELTA_FIRST: f64 = 0.003_162_261_848_898_664;

/// U7 and U8: without the correction the first step is (1 − β₁)/√(1 − β₂) of the corrected one.
#[test]
fn u7_u8_bias_correction() {
    let corrected = Adam::defaults(Convention::Cs231n);
    let bare = Adam { bias_correction: false, ..corrected };
    let step = |rule: &Adam| {
        let mut run = Run::new(rule, &[0.0]);
        run.step(rule, 0.5, &[1e3]);
        run.parameters[0]
    };
    close(step(&corrected), -0.5, 1e-10);
    close(step(&bare), -0.5 * 10.0_f64.sqrt(), 1e-9); // 0.1/√0.001 = √10
    // The correction dies out, and never overflows.
    let late = DynRule::hyper(&corrected, 1 << 40, 0.5);
    assert_eq!((late[0], late[1]), (0.5, 1.0));
}

/// It subtracted 1 twice elsewhere: at t = 2 the correction is 1 − 0.9² = 0.19 and 1 − 0.999² = 0.001999.
#[test]
fn bias_corrections_of_the_second_step() {
    let h = DynRule::hyper(&Adam::default(), 2, 1.0);
    close(h[0], 1.0 / 0.19, 1e-14);
    close(h[1], 1.0 / 0.001999_f64.sqrt(), 1e-12);
}

/// `v − (m² + ε)` was NaN at step 153 of a constant gradient, and without a clamp cancellation goes negative.
#[test]
fn centred_rmsprop_outlives_a_constant_gradient() {
    let centred: Vec<RmsProp> = [Convention::Paper, Convention::Keras, Convention::Optax, Convention::PyTorch]
        .into_iter()
        .map(|convention| RmsProp { centered: true, epsilon: 1e-8, ..RmsProp::defaults(convention) })
        .collect();
    let corrected = RmsProp { bias_correction: true, ..centred[2] };
    let outside = RmsProp { epsilon_in_root: false, ..corrected };
    for (base, momentum) in centred.into_iter().chain([corrected, outside]).flat_map(|r| [(r, 0.0), (r, 0.9)]) {
        for decay in [0.9, 0.99, 0.999] {
            let rule = RmsProp { momentum, decay, ..base };
            for g in [1e-3, 0.1, 0.3, 1.0, 7.0] {
                let mut run = Run::new(&rule, &[1.0]);
                let (mut p, mut states) = ([1.0_f32], [[0.0_f32]; 3]);
                for t in 1..=2000 {
                    run.step(&rule, 0.01, &[g]);
                    let mut states: Vec<_> = states.iter_mut().map(|s| &mut s[..]).take(run.states.len()).collect();
                    rule.update_f32(&DynRule::hyper(&rule, t, 0.01), &[g as f32], &mut p, &mut states);
                    assert!(run.parameters[0].is_finite() && p[0].is_finite(), "step {t}, ρ {decay}, g {g}: {run:?}");
                }
                assert!(run.parameters[0] < 1.0 && p[0] < 1.0);
            }
        }
    }
}

/// AdamW takes ηλp from the parameter, Adam adds λp to the gradient, where the root swallows its size.
#[test]
fn decoupled_and_coupled_decay() {
    let decoupled = AdamW { weight_decay: 0.1, ..AdamW::default() };
    let coupled = Adam { weight_decay: 0.1, ..Adam::default() };
    let mut run = Run::new(&decoupled, &[4.0]);
    run.step(&decoupled, 0.5, &[0.0]);
    close(run.parameters[0], 3.8, 1e-15);
    let mut run = Run::new(&coupled, &[4.0]);
    run.step(&coupled, 0.5, &[0.0]);
    close(run.parameters[0], 3.5, 1e-7);
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p {:?}, states {:?}", self.parameters, self.states)
    }
}
