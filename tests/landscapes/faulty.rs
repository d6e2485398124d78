//! Rules with a fault, which the checks must find: a test that cannot fail proves nothing.

use std::sync::Arc;

use thalweg::Number;
use thalweg::error::OptimError;
use thalweg::optim::{Convention, DynRule, Hyper, Rule, hyper};

use crate::prototype::groups;
use crate::run::{GRID, Ground, Verdict};

/// What every rule must do: `Err` says what it does not.
pub fn sound(verdicts: &[Vec<Verdict>]) -> Result<(), String> {
    let groups = groups();
    let mut rest = verdicts.iter();
    for group in &groups {
        for (prototype, verdicts) in group.prototypes.iter().zip(rest.by_ref()) {
            let there = |verdict: &Verdict| *verdict == Verdict::There;
            let decade = verdicts.windows(3).any(|three| three.iter().all(there));
            let works = verdicts.iter().any(there);
            let (bowl, shape) = (group.title == "Bowls", group.title.starts_with("Bends"));
            if bowl && prototype.name != "valley" && !decade {
                return Err(format!("no decade of rates on the bowl {}: {verdicts:?}", prototype.name));
            }
            if shape && !works {
                return Err(format!("no rate on {}: {verdicts:?}", prototype.name));
            }
            if verdicts.iter().all(there) {
                return Err(format!("every rate on {}, a factor of a million", prototype.name));
            }
        }
    }
    Ok(())
}

/// What is wrong with descent in one of these ways.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// The wrong sign.
    Uphill,
    /// A rate of its own, whatever it is told.
    Deaf,
    /// Nothing moves.
    Frozen,
    /// The gradient is squared and loses its sign.
    Blind,
    /// Each step adds to the last one for ever.
    Endless,
}

#[derive(Clone, Debug)]
struct Faulty(Fault);

impl Rule for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }
    fn convention(&self) -> Convention {
        Convention::PyTorch
    }
    fn states(&self) -> &'static [&'static str] {
        &["momentum_buffer"]
    }
    fn validate(&self) -> Result<(), OptimError> {
        Ok(())
    }
    fn learning_rate(&self) -> f64 {
        0.1
    }
    fn hyper(&self, _: u64, rate: f64) -> Hyper {
        match self.0 {
            Fault::None | Fault::Blind | Fault::Endless => hyper([rate]),
            Fault::Uphill => hyper([-rate]),
            Fault::Deaf => hyper([1e-2]),
            Fault::Frozen => hyper([0.0]),
        }
    }
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [b, x, y]: [T; 3]) -> (T, [T; 3]) {
        let b = match self.0 {
            Fault::Blind => g * g,
            Fault::Endless => b + g,
            _ => g,
        };
        (p - h[0] * b, [b, x, y])
    }
    fn source(&self) -> &'static str {
        "fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated { return Updated(p - h[0] * g, s); }"
    }
}

fn verdicts(fault: Fault) -> Vec<Vec<Verdict>> {
    let rule: Arc<dyn DynRule> = Arc::new(Faulty(fault));
    let prototypes = groups().into_iter().flat_map(|group| group.prototypes);
    prototypes.map(|prototype| Ground::new(prototype).verdicts(&|_| rule.clone())).collect()
}

/// What is said of a rule that climbs.
pub fn complaint() -> Option<String> {
    sound(&verdicts(Fault::Uphill)).err()
}

#[test]
fn faults_are_found() {
    assert_eq!(sound(&verdicts(Fault::None)), Ok(()));
    for fault in [Fault::Uphill, Fault::Deaf, Fault::Frozen, Fault::Blind, Fault::Endless] {
        let found = sound(&verdicts(fault));
        assert!(found.is_err(), "{fault:?} goes unnoticed");
    }
    assert!(complaint().is_some_and(|why| why.starts_with("no decade")));
    // A rule that does not listen gets there at all rates or at none.
    assert!(verdicts(Fault::Deaf).iter().all(|row| row.windows(2).all(|two| two[0] == two[1])));
    assert_eq!(verdicts(Fault::Frozen).iter().flatten().filter(|v| **v == Verdict::There).count(), 0);
    assert_eq!(verdicts(Fault::None).iter().map(Vec::len).sum::<usize>(), 22 * GRID.len());
}
