//! Populations that do not hold together, each by a typed error.

use std::collections::BTreeMap;

use thalweg::device::{Device, Precision};
use thalweg::error::{CheckpointError, Error, OptimError, PopulationError};
use thalweg::nn::Objective;
use thalweg::train::{Flow, Member, Recipe, Trainer};

use super::alone::{member, population};
use super::common::{data, dropping, optimizer, plain, recipe, trainer};

fn refused(device: &Device, recipe: Recipe) -> Error {
    Trainer::new(device, &dropping(), &data(), recipe).err().expect("it must be refused")
}

pub fn what_does_not_hold_together(device: &Device) {
    let of = |second: Member| Recipe {
        optimizer: optimizer("name = 'rmsprop'\nlearning_rate = 0.01").into(),
        members: vec![Member::default(), second],
        ..recipe()
    };
    match refused(device, of(Member::default().with("momentum", 0.9))) {
        Error::Population(PopulationError::States { who, rule: "rmsprop", found, expected }) => {
            assert_eq!(who, "member 1");
            assert_eq!(
                (found, expected),
                (vec!["square_avg".into(), "momentum_buffer".into()], vec!["square_avg".into()])
            );
        }
        other => panic!("{other}"),
    }
    match refused(device, of(Member::default().with("beta1", 0.9))) {
        Error::Optim(OptimError::Field { found, .. }) => assert_eq!(found, "beta1"),
        other => panic!("{other}"),
    }
    for (field, value) in [("learning_rate", 0.0), ("decay", 1.0), ("epsilon", f64::NAN)] {
        match refused(device, of(Member::default().with(field, value))) {
            Error::Optim(OptimError::Range { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{other}"),
        }
    }
    // What only f64 holds.
    let tiny = Trainer::new(device, &dropping(), &data(), of(Member::default().with("learning_rate", 1e-50)));
    match tiny.err() {
        Some(Error::Optim(OptimError::Range { field: "learning_rate", .. })) => {
            assert_eq!(device.precision(), Precision::F32);
        }
        None => assert_eq!(device.precision(), Precision::F64),
        other => panic!("{other:?}"),
    }
    for (own, named) in [
        (Member { l2: Some(-1.0), ..Member::default() }, "l2"),
        (Member { l2: Some(f64::INFINITY), ..Member::default() }, "l2"),
        (Member { l2: Some(1e39), ..Member::default() }, "l2"),
        (Member { dropout: Some(1.5), ..Member::default() }, "2.p"),
        (Member { dropout: Some(f64::NAN), ..Member::default() }, "2.p"),
        (Member { settings: BTreeMap::from([("2.p".into(), -0.1)]), ..Member::default() }, "2.p"),
        (Member { settings: BTreeMap::from([("loss_scale".into(), 1e39)]), ..Member::default() }, "loss_scale"),
    ] {
        match refused(device, of(own)) {
            Error::Population(PopulationError::Range { member: 1, name, .. }) => assert_eq!(name, named),
            other => panic!("{other}"),
        }
    }
    // The recipe's own λ is a member's where it has none.
    let objective = Objective { l2: f64::NAN, ..Objective::default() };
    match refused(device, Recipe { objective, ..of(Member::default()) }) {
        Error::Population(PopulationError::Range { member: 0, name, .. }) => assert_eq!(name, "l2"),
        other => panic!("{other}"),
    }
    let strange = Member { settings: BTreeMap::from([("3.p".into(), 0.5)]), ..Member::default() };
    match refused(device, of(strange)) {
        Error::Population(PopulationError::NoSetting { member: 1, name, known }) => {
            assert_eq!((name.as_str(), &known[..]), ("3.p", &["2.p".to_owned(), "loss_scale".to_owned()][..]));
        }
        other => panic!("{other}"),
    }
    let no_dropout = Trainer::new(device, &plain(), &data(), of(member(1, &[], 0.0, 0.5)));
    match no_dropout.err() {
        Some(Error::Population(PopulationError::NoSetting { name, .. })) => assert_eq!(name, "dropout"),
        other => panic!("{other:?}"),
    }
}

pub fn folders_of_another_kind() {
    let device = Device::Cpu(Precision::F32);
    let [one, many] = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let mut single = trainer(&device, &dropping(), &data(), &recipe());
    single.keep_in(one.path()).expect("a folder");
    single.run(&mut |_| Flow::Continue).expect("a run");
    let mut four = trainer(&device, &dropping(), &data(), &population());
    four.keep_in(many.path()).expect("a folder");
    four.run(&mut |_| Flow::Continue).expect("a run");

    let size = |error: Option<Error>| match error {
        Some(Error::Population(PopulationError::Size { found, expected, .. })) => (found, expected),
        other => panic!("{other:?}"),
    };
    assert_eq!(size(single.resume(many.path()).err()), (4, 1));
    assert_eq!(size(four.resume(one.path()).err()), (1, 4));
    let mut three = population();
    three.members.pop();
    let mut three = trainer(&device, &dropping(), &data(), &three);
    assert_eq!(size(three.resume(many.path()).err()), (4, 3));
    assert!(matches!(
        four.resume(&one.path().join("nowhere")).err(),
        Some(Error::Checkpoint(CheckpointError::Unreadable { .. }))
    ));

    // Other seeds in another order: said of the member's file, and nothing has changed.
    let mut swapped = population();
    swapped.members.swap(0, 1);
    let mut other = trainer(&device, &dropping(), &data(), &swapped);
    let before: Vec<_> = (0..4).map(|m| other.checkpoint_of(m).expect("a checkpoint")).collect();
    match other.resume(many.path()).err() {
        Some(Error::Checkpoint(CheckpointError::Differs { path, setting: "seed", found, expected })) => {
            assert!(path.starts_with(many.path().join("member-0")), "{}", path.display());
            assert_eq!((found.as_str(), expected.as_str()), ("11", "12"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((0..4).map(|m| other.checkpoint_of(m).expect("a checkpoint")).collect::<Vec<_>>(), before);

    // A member that went on alone is no longer where the others are.
    let mut alone = trainer(&device, &dropping(), &data(), &Recipe { epochs: 5, ..population().alone(3) });
    let own = many.path().join("member-3");
    alone.resume(&own).expect("a checkpoint");
    alone.keep_in(&own).expect("a folder");
    alone.run(&mut |_| Flow::Continue).expect("a run");
    match four.resume(many.path()).err() {
        Some(Error::Checkpoint(CheckpointError::Inconsistent { what: "step", found, .. })) => assert_eq!(found, "30"),
        other => panic!("{other:?}"),
    }
    std::fs::write(many.path().join("population.json"), "{}").expect("a file");
    assert!(matches!(four.resume(many.path()).err(), Some(Error::Population(PopulationError::BadNote { .. }))));
}
