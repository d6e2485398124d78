//! Schedules against numbers that need no formula of ours: halvings, powers of e, fractions.

use thalweg::error::OptimError;
use thalweg::schedule::{ALL, Schedule};

fn read(text: &str) -> Result<Schedule, OptimError> {
    Schedule::from_table(&text.parse().expect("the test's own TOML"))
}

/// e⁻⁰·³ and e⁻³, 16 digits by decimal arithmetic.
const E_03: f64 = 0.740_818_220_681_717_9;
const E_3: f64 = 0.049_787_068_367_863_94;

/// Step, epoch, rate at base 1.
type Point = (u64, u64, f64);

#[test]
fn golden_curves() {
    let golden: &[(&str, &[Point])] = &[
        ("name = 'constant'", &[(0, 0, 1.0), (1_000_000, 99, 1.0)]),
        (
            "name = 'step'\nevery = 5\nfactor = 0.5",
            &[(0, 0, 1.0), (99, 4, 1.0), (100, 5, 0.5), (199, 9, 0.5), (200, 10, 0.25), (0, 100, 1.0 / 1_048_576.0)],
        ),
        ("name = 'step'\nevery = 20\nfactor = 0.1", &[(7, 19, 1.0), (7, 20, 0.1), (7, 39, 0.1), (7, 40, 0.01)]),
        ("name = 'exponential'\nrate = 0.3", &[(77, 0, 1.0), (77, 1, E_03), (77, 10, E_3)]),
        ("name = 'exponential'\nrate = 0.3\nunit = 'step'", &[(0, 5, 1.0), (1, 5, E_03), (10, 5, E_3)]),
        ("name = 'exponential'\nrate = 0.01\nunit = 'step'", &[(30, 0, E_03), (300, 0, E_3)]),
        ("name = 'inverse'\nrate = 0.5", &[(9, 0, 1.0), (9, 2, 0.5), (9, 6, 0.25), (9, 18, 0.1)]),
        ("name = 'inverse'\nrate = 0.25\nunit = 'step'", &[(0, 3, 1.0), (4, 3, 0.5), (12, 3, 0.25)]),
        ("name = 'inverse'\nrate = 0\nunit = 'epoch'", &[(5, 5, 1.0)]),
    ];
    for entry in ALL {
        assert!(golden.iter().any(|(text, _)| text.starts_with(&format!("name = '{}'", entry.name))), "{}", entry.name);
    }
    for (text, points) in golden {
        let schedule = read(text).unwrap();
        for &(step, epoch, expected) in *points {
            for base in [1.0, 0.001] {
                let found = schedule.rate(base, step, epoch);
                // exp and pow of a rounded argument, two products: a few roundings.
                if !((found - base * expected).abs() <= 8.0 * f64::EPSILON * base * expected) {
                    panic!("{text} at step {step}, epoch {epoch}: {found:e}, golden {:e}", base * expected);
                }
            }
        }
    }
}

#[test]
fn no_schedule_restarts_or_rises() {
    for text in [
        "name = 'constant'",
        "name = 'step'\nevery = 3\nfactor = 0.5",
        "name = 'exponential'\nrate = 0.01\nunit = 'step'",
        "name = 'inverse'\nrate = 0.1",
    ] {
        let schedule = read(text).unwrap();
        let mut last = f64::INFINITY;
        for step in 0..5000 {
            let rate = schedule.rate(0.1, step, step / 50);
            assert!(rate <= last && rate > 0.0, "{text} at step {step}: {last} to {rate}");
            last = rate;
        }
    }
}

#[test]
fn a_table_comes_back_as_it_was() {
    for text in [
        "name = 'constant'",
        "name = 'step'\nevery = 3\nfactor = 0.5",
        "name = 'exponential'\nrate = 0.01\nunit = 'step'",
        "name = 'inverse'\nrate = 0.1",
    ] {
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
    ] {
        assert!(matches!(read(text), Err(OptimError::Range { field, .. }) if field == wrong), "{text}");
    }
    for text in [
        "name = 'step'\nevery = 2.5\nfactor = 0.5",
        "name = 'inverse'\nrate = '1'",
        "name = 'inverse'\nrate = 1\nunit = 'day'",
    ] {
        assert!(matches!(read(text), Err(OptimError::Type { .. })), "{text}");
    }
}
