//! What a schedule does to a run: rates that wait for the validation loss, momentum that moves, rates of 0.

use thalweg::data::Split;
use thalweg::device::Device;
use thalweg::error::{Error, OptimError, TrainError};
use thalweg::schedule::Schedule;
use thalweg::train::{Recipe, Trainer};

use super::common::{data, dropping, go, optimizer, plain, recipe, trainer};
use super::resume::stopped_at;

fn schedule(toml: &str) -> Schedule {
    toml::from_str(toml).expect("a schedule")
}

/// No epoch is better by nine tenths than the first one: each from the second on cuts the rate of the next.
const HALVES: &str = "name = 'plateau'\nfactor = 0.5\npatience = 0\nthreshold = 0.9";

pub fn a_plateau_follows_the_validation_loss(device: &Device) {
    let sgd = optimizer("name = 'sgd'\nlearning_rate = 0.25");
    let course = |toml| Recipe { optimizer: sgd.clone().into(), schedule: schedule(toml), epochs: 5, ..recipe() };
    let rates = |toml| -> Vec<f64> {
        let told = go(&mut trainer(device, &plain(), &data(), &course(toml)), None).expect("a run");
        for (i, step) in told.steps.iter().enumerate() {
            assert_eq!(step.learning_rate, told.epochs[i / 6].learning_rate, "step {i}");
        }
        told.epochs.iter().map(|epoch| epoch.learning_rate).collect()
    };
    assert_eq!(rates(HALVES), [0.25, 0.25, 0.125, 0.0625, 0.03125]);
    // Epochs of the warm-up are not looked at: the third is the first that is.
    let warm = format!("{HALVES}\nwarmup = {{ over = 2, start = 0.5 }}");
    assert_eq!(rates(&warm), [0.125, 0.1875, 0.25, 0.25, 0.125]);
    // A loss that falls by anything is better.
    assert_eq!(rates("name = 'plateau'\nfactor = 0.5\npatience = 9"), [0.25; 5]);

    let Split { train, description, .. } = data();
    let blind = Split { train, validation: None, description };
    match Trainer::new(device, &plain(), &blind, course(HALVES)).map(|_| ()) {
        Err(Error::Train(TrainError::NoValidation { schedule: "plateau" })) => {}
        other => panic!("{other:?}"),
    }
}

pub fn a_plateau_is_resumed_exactly(device: &Device) {
    let course = Recipe { schedule: schedule(HALVES), ..recipe() };
    // Before the second epoch's end, which makes the first cut; at it; in the epoch after; before the last one.
    for at in [11, 12, 14, 18] {
        stopped_at(device, &dropping(), &course, at);
    }
}

/// Its one epoch of 0.5, then 0.9: as a run with the one number that goes on with the other.
pub fn momentum_moves_with_the_step(device: &Device) {
    for (rule, field) in [
        ("name = 'momentum'\nlearning_rate = 0.05", "momentum"),
        ("name = 'nesterov'\nconvention = 'cs231n'\nlearning_rate = 0.05", "momentum"),
        ("name = 'rmsprop'\nlearning_rate = 0.01", "momentum"),
        ("name = 'adam'\nlearning_rate = 0.01", "beta1"),
    ] {
        let with = |value: &str| optimizer(&format!("{rule}\n{field} = {value}")).into();
        let folder = tempfile::tempdir().expect("a folder");
        let mut first = trainer(device, &plain(), &data(), &Recipe { optimizer: with("0.5"), epochs: 1, ..recipe() });
        first.keep_in(folder.path()).expect("a folder");
        let first = go(&mut first, None).expect("a run");
        let mut rest = trainer(device, &plain(), &data(), &Recipe { optimizer: with("0.9"), epochs: 3, ..recipe() });
        rest.resume(folder.path()).expect("a checkpoint");
        let rest = go(&mut rest, None).expect("a run");

        let moved = schedule("name = 'constant'\nmomentum = { from = 0.5, to = 0.9, over = 1 }");
        let course = Recipe { optimizer: with("0.3"), schedule: moved, epochs: 3, ..recipe() };
        let whole = go(&mut trainer(device, &plain(), &data(), &course), None).expect("a run");
        assert_eq!(whole.last.parameters, rest.last.parameters, "{rule}");
        assert_eq!(whole.last.states, rest.last.states, "{rule}");
        assert_eq!(whole.steps, [first.steps, rest.steps].concat(), "{rule}");
        let still = Recipe { optimizer: with("0.3"), epochs: 3, ..recipe() };
        let still = go(&mut trainer(device, &plain(), &data(), &still), None).expect("a run");
        assert_ne!(still.last.parameters, whole.last.parameters, "{rule}");
    }
}

pub fn momentum_that_is_not_there_is_refused(device: &Device) {
    let started = |rule: &str, toml: &str| {
        let course = Recipe { optimizer: optimizer(rule).into(), schedule: schedule(toml), ..recipe() };
        Trainer::new(device, &plain(), &data(), course).map(|_| ())
    };
    let moved = "name = 'step'\nevery = 2\nfactor = 0.5\nmomentum = { from = 0.5, to = 0.99 }";
    let cycled = "name = 'one_cycle'\ncycle_momentum = true";
    for (rule, toml, of, culprit) in [
        ("name = 'sgd'", moved, "step", "neither `momentum` nor `beta1`"),
        ("name = 'adagrad'", cycled, "one_cycle", "neither `momentum` nor `beta1`"),
        // Without momentum it has a state less.
        ("name = 'rmsprop'", moved, "step", "another rule"),
    ] {
        match started(rule, toml) {
            Err(Error::Optim(OptimError::Momentum { schedule, why, .. }))
                if schedule == of && why.contains(culprit) => {}
            other => panic!("{rule}, {toml}: {other:?}"),
        }
    }
    for (rule, toml) in
        [("name = 'adamw'", moved), ("name = 'nesterov'", cycled), ("name = 'sgd'", "name = 'one_cycle'")]
    {
        started(rule, toml).unwrap_or_else(|e| panic!("{rule}, {toml}: {e}"));
    }
}

/// Where the schedule leads to 0 no parameter moves; what only became too small is still refused.
pub fn a_rate_of_0_is_one(device: &Device) {
    for rule in ["name = 'sgd'", "name = 'momentum'\nconvention = 'cs231n'", "name = 'adamw'", "name = 'rmsprop'"] {
        let ended = |epochs| {
            let fall = schedule("name = 'polynomial'\nover = 2\nunit = 'epoch'");
            let course = Recipe { optimizer: optimizer(rule).into(), schedule: fall, epochs, ..recipe() };
            go(&mut trainer(device, &plain(), &data(), &course), None).expect("a run")
        };
        let (two, four) = (ended(2), ended(4));
        let rates: Vec<_> = four.epochs.iter().map(|epoch| epoch.learning_rate).collect();
        assert_eq!(rates[2..], [0.0, 0.0]);
        // The velocity of CS231n's momentum holds the rates of the steps before, and goes on.
        assert_eq!(two.last.parameters == four.last.parameters, !rule.contains("cs231n"), "{rule}");
        assert!(four.epochs.iter().all(|epoch| epoch.train_loss.is_finite()));
    }
    let fall = schedule("name = 'polynomial'\npower = 40\nend = 0\nwarmup = { over = 1, start = 0 }");
    assert!(Trainer::new(device, &plain(), &data(), Recipe { schedule: fall, ..recipe() }).is_ok());
    let steep = schedule("name = 'exponential'\nrate = 400");
    match Trainer::new(device, &plain(), &data(), Recipe { schedule: steep, ..recipe() }).map(|_| ()) {
        // In f64 the third epoch's e⁻⁸⁰⁰ is none, in f32 the second's e⁻⁴⁰⁰.
        Err(Error::Optim(OptimError::Rate { step: 7 | 13, .. })) => {}
        other => panic!("{other:?}"),
    }
}
