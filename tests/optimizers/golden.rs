//! Trajectories of torch.optim, keras.optimizers and optax, and of the snippets of CS231n's notes and the algorithms of the
//! papers in numpy: see `golden/optim/generate.py`, `generate_adaptive.py` and `generate_tensor.py`.

use thalweg::optim::ALL;

use crate::Run;
use crate::case::{self, Case};

/// Some 24 steps of a dozen f64 roundings on numbers of order 1 each, and a root that at most doubles their relative
/// error: below 24·12·2·1.1e-16 = 7e-14. Another order of operations is within it, another formula is not.
const TOLERANCE: f64 = 1e-12;

/// Muon's iteration multiplies an error by at most 4 (its polynomial's slope on [0, 1.3]) five times over: of 24 steps of
/// η s ≤ 0.05·2 with some 10 roundings in each of the 5, 24·0.1·4⁵·50·1.1e-16 = 1.4e-11.
const ITERATED: f64 = 2e-11;

fn compare(what: &str, found: &[f64], golden: &[f64], tolerance: f64) {
    assert_eq!(found.len(), golden.len(), "{what}: lengths");
    for (i, (x, y)) in found.iter().zip(golden).enumerate() {
        let error = (x - y).abs();
        let limit = tolerance * y.abs().max(1.0);
        if !(error <= limit) {
            panic!("{what}[{i}]: {x:e}, golden {y:e}, off by {error:e}, allowed {limit:e}");
        }
    }
}

fn replay(case: &Case) {
    let (table, optimizer) = (case.table(), case.optimizer());
    let rule = optimizer.rule();
    assert_eq!(rule.learning_rate(), case.rates[0], "{table:?}: the rate of the first step");
    let shape = case.shape();
    let mut run = Run::shaped(rule, &case.start, &shape);
    let tolerance = if case.transformed() && case.name == "muon" { ITERATED } else { TOLERANCE };
    assert_eq!(case.gradients.len(), 24);
    for (t, ((gradients, rate), golden)) in case.gradients.iter().zip(&case.rates).zip(&case.parameters).enumerate() {
        run.step(rule, *rate, gradients);
        compare(&format!("{table:?} step {t}: parameters"), &run.parameters, golden, tolerance);
    }
    // Some states hold numbers far below 1: each is held relative to its largest as well.
    for (name, golden) in &case.states {
        let index = run.names.iter().position(|s| s == name).unwrap_or_else(|| panic!("{table:?}: no state {name}"));
        let largest = golden.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let scaled = |xs: &[f64]| xs.iter().map(|x| x / largest).collect::<Vec<_>>();
        compare(&format!("{table:?}: {name}"), &scaled(&run.states[index]), &scaled(golden), tolerance);
    }
    if run.names.len() != case.states.len() && case.shape.as_ref().is_none_or(|shape| shape.len() <= 2) {
        panic!("{table:?}: states {:?}, golden {:?}", run.names, case.states.keys());
    }
}

#[test]
fn every_rule_follows_its_convention() {
    ALL.iter().flat_map(|entry| case::of(entry.name)).for_each(|case| replay(&case));
}

/// A golden test that cannot fail proves nothing: the same data must refuse a rule with one number changed.
#[test]
fn a_changed_number_leaves_the_golden_trajectory() {
    let case = case::of("adam").swap_remove(0);
    for (field, x) in [("beta2", 0.9991), ("epsilon", 1.1e-8), ("learning_rate", 1.1e-3)] {
        let mut changed = case.clone();
        changed.fields.insert(field.into(), x.into());
        assert!(std::panic::catch_unwind(|| replay(&changed)).is_err(), "{field}");
    }
    let mut changed = case.clone();
    changed.convention = "keras".into();
    assert!(std::panic::catch_unwind(|| replay(&changed)).is_err());
}

/// Each convention's own defaults are run through, and each of its fields is somewhere away from them.
#[test]
fn every_field_of_every_convention_is_in_a_golden_case() {
    for entry in ALL {
        let all = case::of(entry.name);
        for &convention in entry.conventions {
            let whose = format!("{} {convention}", entry.name);
            let cases: Vec<_> = all.iter().filter(|case| case.convention == convention.name()).collect();
            assert!(!cases.is_empty(), "no golden {whose}");
            let defaults = (entry.defaults)(convention).to_table();
            for field in (entry.defaults)(convention).fields() {
                let written = |case: &Case| case.fields.get(field.name).cloned();
                let away = cases.iter().any(|case| written(case).is_some_and(|x| x != defaults[field.name]));
                assert!(away, "{whose}: no case with another {}", field.name);
                let own = cases.iter().any(|case| written(case).is_none_or(|x| x == defaults[field.name]));
                // Notes and papers cannot be run without numbers, nor Optax without a learning rate.
                let given = match convention.name() {
                    "cs231n" | "paper" => true,
                    other => other == "optax" && field.name == "learning_rate",
                };
                assert!(own || given, "{whose}: no case with the default {}", field.name);
            }
        }
    }
}
