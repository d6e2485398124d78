//! Schedules against those of PyTorch, Optax, Keras and a paper: see `golden/schedule/generate.py`. And what they never do.

use std::collections::BTreeSet;

use serde::Deserialize;
use thalweg::error::OptimError;
use thalweg::schedule::{ALL, Moment, Schedule, Watch};

fn read(text: &str) -> Result<Schedule, OptimError> {
    Schedule::from_table(&text.parse().expect("the test's own TOML"))
}

/// A rate or momentum for each step; for a plateau the validation loss of each epoch.
#[derive(Deserialize)]
struct Case {
    source: String,
    table: toml::Table,
    base: f64,
    steps_per_epoch: u64,
    epochs: u64,
    rates: Vec<f64>,
    momenta: Option<Vec<f64>>,
    losses: Option<Vec<f64>>,
}

/// Of the largest number of a curve, its base rate included. PyTorch computes most rates from the one before: the roundings of all steps, at most some
/// 300 of a few ulps of the largest rate here, add up to below 300·8·1.1e-16 = 3e-13. Another formula is far outside.
const TOLERANCE: f64 = 1e-12;

fn golden() -> Vec<Case> {
    let path = format!("{}/tests/golden/schedule/curves.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn compare(what: &str, base: f64, found: &[f64], golden: &[f64]) {
    assert_eq!(found.len(), golden.len(), "{what}");
    let largest = golden.iter().fold(base, |most, x| most.max(x.abs()));
    for (step, (x, y)) in found.iter().zip(golden).enumerate() {
        if !((x - y).abs() <= TOLERANCE * largest) {
            panic!("{what} at step {step}: {x:e}, golden {y:e}, off by {:e} of the largest", (x - y).abs() / largest);
        }
    }
}

#[test]
fn golden_curves() {
    let (mut seen, mut warm) = (BTreeSet::new(), BTreeSet::new());
    for case in golden() {
        let what = format!("{} by {}", case.table, case.source);
        let schedule = Schedule::from_table(&case.table).unwrap_or_else(|e| panic!("{what}: {e}"));
        let (mut watch, mut found, mut momenta) = (Watch::default(), Vec::new(), Vec::new());
        for step in 0..case.steps_per_epoch * case.epochs {
            let at = Moment { cuts: watch.cuts, ..Moment::new(step, case.steps_per_epoch, case.epochs) };
            found.push(schedule.rate(case.base, &at));
            momenta.extend(schedule.momentum(&at));
            if let (Some(plateau), true) = (schedule.plateau(), (step + 1) % case.steps_per_epoch == 0) {
                let losses = case.losses.as_ref().expect("a plateau's golden has losses");
                watch = plateau.after(case.base, watch, losses[at.epoch as usize]);
            }
        }
        compare(&what, case.base, &found, &case.rates);
        compare(&format!("momentum of {what}"), 0.0, &momenta, &case.momenta.unwrap_or_default());
        let name = schedule.curve().name();
        if schedule.warmup.is_some() {
            warm.insert(name)
        } else {
            seen.insert(name)
        };
    }
    let all: BTreeSet<_> = ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(seen, all, "each schedule has a golden curve");
    // A plateau is not known to PyTorch's SequentialLR: `a_plateau_waits_for_the_warm_up`.
    assert_eq!(warm, all.into_iter().filter(|name| *name != "plateau").collect(), "and one behind a warm-up");
}

/// One form of each at least, none of which rises but where it says so.
const FORMS: &[&str] = &[
    "name = 'constant'",
    "name = 'step'\nevery = 3\nfactor = 0.5",
    "name = 'multi_step'\nmilestones = [3, 30]\nfactor = 0.5",
    "name = 'multi_step'\nmilestones = [70]\nfactor = 0.25\nunit = 'step'",
    "name = 'exponential'\nrate = 0.01\nunit = 'step'",
    "name = 'inverse'\nrate = 0.1",
    "name = 'polynomial'",
    "name = 'polynomial'\npower = 2\nend = 0.01\nover = 7",
    "name = 'cosine'",
    "name = 'cosine'\nover = 50\nminimum = 0.001",
    "name = 'cosine'\nunit = 'step'",
    "name = 'plateau'",
    "name = 'plateau'\nthreshold_mode = 'abs'\ncooldown = 2\nminimum = 1e-5",
];
const RISING: &[&str] = &[
    "name = 'cosine'\nperiod = 10\nmultiplier = 2",
    "name = 'one_cycle'",
    "name = 'one_cycle'\nthree_phase = true\nanneal_strategy = 'linear'\nover = 70\nunit = 'epoch'",
    "name = 'noam'\nmodel_size = 512",
    "name = 'constant'\nwarmup = 3",
    "name = 'cosine'\nwarmup = { over = 30, unit = 'step', start = 0 }\nmomentum = { from = 0.5, to = 0.99 }",
    "name = 'step'\nevery = 3\nfactor = 0.5\nmomentum = { from = 0.5, to = 0.9, over = 7, unit = 'step', shape = 'cos' }",
];

/// Over a run of 100 epochs and as much again behind its end: a cosine, above all, does not restart by accident.
#[test]
fn no_schedule_restarts_or_rises_unasked() {
    for text in FORMS {
        let schedule = read(text).unwrap();
        let mut last = f64::INFINITY;
        for step in 0..10_000 {
            let rate = schedule.rate(0.1, &Moment::new(step, 50, 100));
            assert!(rate <= last && rate >= 0.0, "{text} at step {step}: {last} to {rate}");
            assert!(rate > 0.0 || schedule.reaches_zero(), "{text} at step {step}");
            last = rate;
        }
    }
    for entry in ALL {
        let of = |forms: &[&str]| forms.iter().any(|text| text.starts_with(&format!("name = '{}'", entry.name)));
        assert!(of(FORMS) || of(RISING), "{}", entry.name);
    }
}

/// One epoch, one step, none at all; a rise longer than the run; steps behind the end: a number, and the right one.
#[test]
fn short_runs_and_long_ones() {
    for text in FORMS.iter().chain(RISING) {
        let schedule = read(text).unwrap();
        for (per, epochs) in [(1, 1), (7, 1), (1, 2), (3, 2), (0, 0), (1, 0), (50, 100)] {
            for step in [0, 1, 2, 5, 49, 4_999, 5_000, 123_456, u64::MAX] {
                let at = Moment::new(step, per, epochs);
                let rate = schedule.rate(0.1, &at);
                // The rise to the base rate may be rounded up.
                assert!((0.0..=0.1 * (1.0 + f64::EPSILON)).contains(&rate), "{text}, {at:?}: {rate}");
                let bounds = schedule.momenta();
                let within = |m: f64| bounds.is_some_and(|[a, b]| a.min(b) <= m && m <= a.max(b));
                assert!(schedule.momentum(&at).is_none_or(within), "{text}, {at:?}");
            }
        }
    }
    let rates = |text: &str, per: u64, epochs: u64, steps: u64| -> Vec<f64> {
        let schedule = read(text).unwrap();
        (0..steps).map(|step| schedule.rate(1.0, &Moment::new(step, per, epochs))).collect()
    };
    // Behind the end each stays at its end.
    assert_eq!(rates("name = 'polynomial'\nend = 0.25", 1, 2, 5), [1.0, 0.625, 0.25, 0.25, 0.25]);
    assert_eq!(rates("name = 'cosine'\nminimum = 0.25", 1, 1, 4), [1.0, 0.25, 0.25, 0.25]);
    let cycle = "name = 'one_cycle'\nanneal_strategy = 'linear'\ndiv_factor = 4\nfinal_div_factor = 2";
    assert_eq!(rates(cycle, 10, 1, 12)[8..], [0.25, 0.125, 0.125, 0.125]);
    // One step is both ends: PyTorch's takes the last. A rise without length, where PyTorch's divides by 0, is the peak.
    assert_eq!(rates(cycle, 1, 1, 2), [0.125, 0.125]);
    assert_eq!(rates(&format!("{cycle}\npct_start = 0.25"), 4, 1, 1), [1.0]);
    // A rise longer than the run is all there is of it.
    let rise = "name = 'cosine'\nwarmup = { over = 8, start = 0 }";
    assert_eq!(rates(rise, 2, 2, 4), [0.0, 0.0, 0.125, 0.125]);
    assert_eq!(rates(rise, 1, 2, 10), [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 0.0]);
}

/// Epochs behind a warm-up in steps count from its end, in the middle of the run's own.
#[test]
fn steps_before_epochs() {
    let schedule =
        read("name = 'step'\nevery = 1\nfactor = 0.5\nwarmup = { over = 3, unit = 'step', start = 0.25 }").unwrap();
    let rates: Vec<_> = (0..10).map(|step| schedule.rate(1.0, &Moment::new(step, 4, 3))).collect();
    assert_eq!(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]);
}

#[test]
fn a_plateau_waits_for_the_warm_up() {
    let schedule = read("name = 'plateau'\nfactor = 0.5\nwarmup = { over = 2, start = 0.5 }").unwrap();
    let at = |step, cuts| Moment { cuts, ..Moment::new(step, 4, 9) };
    assert_eq!([0, 4, 8, 9].map(|step| schedule.rate(1.0, &at(step, 0))), [0.5, 0.75, 1.0, 1.0]);
    assert_eq!(schedule.rate(1.0, &at(12, 2)), 0.25);
    assert!(schedule.behind(&at(7, 0)).is_none() && schedule.behind(&at(8, 0)).is_some());
}

/// From one value to another and no further: CS231n's 0.5 to 0.99.
#[test]
fn momentum_goes_from_one_value_to_another() {
    let momenta = |text: &str, count: u64| -> Vec<f64> {
        let schedule = read(&format!("name = 'constant'\nmomentum = {{ from = 0.5, to = 0.99, {text} }}")).unwrap();
        (0..count).map(|step| schedule.momentum(&Moment::new(step, 2, 4)).expect("it is set")).collect()
    };
    let near = |found: Vec<f64>, expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        for (x, y) in found.iter().zip(expected) {
            // A product and two sums of numbers below 1.
            assert!((x - y).abs() <= 4.0 * f64::EPSILON, "{found:?}, expected {expected:?}");
        }
    };
    near(momenta("over = 2", 8), &[0.5, 0.5, 0.745, 0.745, 0.99, 0.99, 0.99, 0.99]);
    near(momenta("over = 4, unit = 'step'", 6), &[0.5, 0.6225, 0.745, 0.8675, 0.99, 0.99]);
    // Half way, and at the thirds, where cos π/3 = 1/2.
    near(momenta("over = 3, unit = 'step', shape = 'cos'", 4), &[0.5, 0.6225, 0.8675, 0.99]);
    near(momenta("unit = 'step'", 8), &[0.5, 0.56125, 0.6225, 0.68375, 0.745, 0.80625, 0.8675, 0.92875]);
    assert_eq!(read("name = 'one_cycle'").unwrap().momentum(&Moment::new(0, 2, 4)), None);
}

#[test]
fn a_table_comes_back_as_it_was() {
    for text in FORMS.iter().chain(RISING) {
        let schedule = read(text).unwrap();
        let written = toml::to_string(&schedule).unwrap();
        assert_eq!(toml::from_str::<Schedule>(&written).unwrap(), schedule);
        let json = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule);
    }
    assert_eq!(Schedule::default(), read("name = 'constant'").unwrap());
}

#[test]
fn what_is_refused() {
    let error = read("name = 'setp'").unwrap_err();
    assert!(error.to_string().contains("no schedule named `setp` (did you mean `step`?)"), "{error}");
    let error = read("name = 'step'\nevry = 3\nfactor = 0.5").unwrap_err();
    assert!(error.to_string().contains("no field `evry` (did you mean `every`?)"), "{error}");
    let error = read("name = 'constant'\nrate = 1.0").unwrap_err();
    assert!(matches!(error, OptimError::Field { .. }), "{error}");
    for (text, missing) in [("name = 'step'\nevery = 3", "factor"), ("name = 'step'\nfactor = 0.5", "every")] {
        assert!(matches!(read(text), Err(OptimError::Missing { field, .. }) if field == missing), "{text}");
    }
    assert!(matches!(read("name = 'inverse'"), Err(OptimError::Missing { field: "rate", .. })));
    assert!(matches!(read("every = 3"), Err(OptimError::Missing { field: "name", .. })));
    for (text, wrong) in [
        ("name = 'step'\nevery = 0\nfactor = 0.5", "every"),
        ("name = 'step'\nevery = -2\nfactor = 0.5", "every"),
        ("name = 'step'\nevery = 2\nfactor = 0.0", "factor"),
        ("name = 'step'\nevery = 2\nfactor = nan", "factor"),
        ("name = 'exponential'\nrate = -0.1", "rate"),
        ("name = 'inverse'\nrate = inf", "rate"),
        ("name = 'multi_step'\nmilestones = [3, 3]\nfactor = 0.5", "milestones"),
        ("name = 'multi_step'\nmilestones = [0, 3]\nfactor = 0.5", "milestones"),
        ("name = 'multi_step'\nmilestones = [-1]\nfactor = 0.5", "milestones"),
        ("name = 'multi_step'\nmilestones = [1]\nfactor = 0", "factor"),
        ("name = 'polynomial'\npower = 0", "power"),
        ("name = 'polynomial'\nend = -0.1", "end"),
        ("name = 'polynomial'\nover = 0", "over"),
        ("name = 'cosine'\nminimum = nan", "minimum"),
        ("name = 'cosine'\nperiod = 0", "period"),
        ("name = 'cosine'\nperiod = 3\nmultiplier = 0", "multiplier"),
        ("name = 'one_cycle'\npct_start = 1.5", "pct_start"),
        ("name = 'one_cycle'\npct_start = 0.6\nthree_phase = true", "pct_start"),
        ("name = 'one_cycle'\ndiv_factor = 0", "div_factor"),
        ("name = 'one_cycle'\nfinal_div_factor = inf", "final_div_factor"),
        ("name = 'one_cycle'\nmax_momentum = 1", "max_momentum"),
        ("name = 'noam'\nmodel_size = 0", "model_size"),
        ("name = 'noam'\nmodel_size = 8\nwarmup_steps = 0", "warmup_steps"),
        ("name = 'plateau'\nfactor = 1.0", "factor"),
        ("name = 'plateau'\npatience = -1", "patience"),
        ("name = 'plateau'\nthreshold = nan", "threshold"),
        ("name = 'constant'\nwarmup = 0", "warmup.over"),
        ("name = 'constant'\nwarmup = { over = 3, start = 1.5 }", "warmup.start"),
        ("name = 'constant'\nmomentum = { from = 0.5, to = 1.0 }", "momentum.to"),
        ("name = 'constant'\nmomentum = { from = -0.5, to = 0.9 }", "momentum.from"),
        ("name = 'constant'\nmomentum = { from = 0.5, to = 0.9, over = 0 }", "momentum.over"),
    ] {
        assert!(matches!(read(text), Err(OptimError::Range { field, .. }) if field == wrong), "{text}");
    }
    for text in [
        "name = 'step'\nevery = 2.5\nfactor = 0.5",
        "name = 'inverse'\nrate = '1'",
        "name = 'inverse'\nrate = 1\nunit = 'day'",
        "name = 'multi_step'\nmilestones = 3\nfactor = 0.5",
        "name = 'multi_step'\nmilestones = [1.5]\nfactor = 0.5",
        "name = 'one_cycle'\nanneal_strategy = 'cosine'",
        "name = 'one_cycle'\nthree_phase = 1",
        "name = 'plateau'\nthreshold_mode = 'relative'",
        "name = 'plateau'\npatience = 1.5",
        "name = 'constant'\nwarmup = 1.5",
        "name = 'constant'\nwarmup = 'long'",
        "name = 'constant'\nmomentum = 0.9",
        "name = 'constant'\nmomentum = { from = 0.5, to = 0.9, shape = 'round' }",
    ] {
        assert!(matches!(read(text), Err(OptimError::Type { .. })), "{text}");
    }
    for (text, missing) in [
        ("name = 'multi_step'\nfactor = 0.5", "milestones"),
        ("name = 'multi_step'\nmilestones = []\nfactor = 0.5", "milestones"),
        ("name = 'noam'", "model_size"),
        ("name = 'cosine'\nmultiplier = 2", "period"),
        ("name = 'constant'\nwarmup = { start = 0.5 }", "warmup.over"),
        ("name = 'constant'\nmomentum = { from = 0.5 }", "momentum.to"),
    ] {
        assert!(matches!(read(text), Err(OptimError::Missing { field, .. }) if field == missing), "{text}");
    }
    for (text, clash) in [
        ("name = 'cosine'\nover = 5\nperiod = 5", ["over", "period"]),
        (
            "name = 'one_cycle'\ncycle_momentum = true\nmomentum = { from = 0.5, to = 0.9 }",
            ["momentum", "cycle_momentum"],
        ),
    ] {
        assert!(matches!(read(text), Err(OptimError::Clash { fields, .. }) if fields == clash), "{text}");
    }
    let error = read("name = 'cosine'\nwarmup = { ovr = 3 }").unwrap_err();
    assert!(error.to_string().contains("schedule warmup has no field `warmup.ovr` (did you mean `over`?)"), "{error}");
    let error = read("name = 'cosine'\nwarmpu = 3").unwrap_err();
    assert!(error.to_string().contains("no field `warmpu` (did you mean `warmup`?)"), "{error}");
}
