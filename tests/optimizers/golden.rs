//! Trajectories of torch.optim, Optax and Keras, of the snippets of CS231n's notes and of papers' algorithms in numpy: see
//! `golden/optim/generate.py`, `generate_adaptive.py` and `generate_tensor.py`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use thalweg::optim::{ALL, Optimizer};

use crate::{Run, taking};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    convention: String,
    fields: toml::Table,
    rates: Vec<f64>,
    start: Vec<f64>,
    /// A vector's if it is left out.
    shape: Option<Vec<usize>>,
    gradients: Vec<Vec<f64>>,
    parameters: Vec<Vec<f64>>,
    states: BTreeMap<String, Vec<f64>>,
}

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
    let mut table = case.fields.clone();
    table.insert("name".into(), case.name.clone().into());
    table.insert("convention".into(), case.convention.clone().into());
    let optimizer = Optimizer::from_table(&table).unwrap();
    let rule = optimizer.rule();
    let shape = case.shape.clone().unwrap_or(vec![case.start.len()]).into();
    let mut run = Run::shaped(rule, &case.start, &shape);
    let tolerance = if taking(rule, &shape).is_some() && case.name == "muon" { ITERATED } else { TOLERANCE };
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
    let mut seen = BTreeSet::new();
    for entry in ALL {
        let path = format!("{}/tests/golden/optim/{}.json", env!("CARGO_MANIFEST_DIR"), entry.name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let file: File = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        for case in &file.cases {
            replay(case);
            seen.insert((case.name.clone(), case.convention.clone()));
        }
        for convention in entry.conventions {
            assert!(
                seen.contains(&(entry.name.into(), convention.to_string())),
                "no golden {} {convention}",
                entry.name
            );
        }
    }
}

/// A golden test that cannot fail proves nothing: the same data must refuse a rule with one number changed.
#[test]
fn a_changed_number_leaves_the_golden_trajectory() {
    let text = include_str!("../golden/optim/adam.json");
    let mut file: File = serde_json::from_str(text).unwrap();
    let case = &mut file.cases[0];
    case.fields.insert("beta2".into(), 0.9991.into());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| replay(case))).is_err());
}
