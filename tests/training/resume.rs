//! Same seed, same bits; a resumed run is the uninterrupted one.

use thalweg::device::Device;
use thalweg::error::{CheckpointError, Error};
use thalweg::optim::ALL;
use thalweg::train::{End, Recipe, Trainer};

use super::common::{data, dropping, go, history, optimizer, recipe, trainer};

pub fn same_seed_same_bits(device: &Device) {
    let run = |seed| go(&mut trainer(device, &dropping(), &data(), &Recipe { seed, ..recipe() }), None).expect("a run");
    let (a, b, other) = (run(7), run(7), run(8));
    assert_eq!(a.last, b.last);
    assert_eq!(a.steps, b.steps);
    assert_eq!(a.epochs, b.epochs);
    assert_ne!(a.last.parameters, other.last.parameters);
    assert_eq!((a.end, a.steps.len(), a.epochs.len()), (End::Done, 24, 4));
}

/// Stopped after `at` steps and gone on with by another trainer, against a run that was never stopped.
fn stopped_at(device: &Device, recipe: &Recipe, at: usize) {
    let (model, data) = (dropping(), data());
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let mut whole = trainer(device, &model, &data, recipe);
    whole.keep_in(folders[0].path()).expect("a folder");
    let whole = go(&mut whole, None).expect("a run");

    let mut first = trainer(device, &model, &data, recipe);
    first.keep_in(folders[1].path()).expect("a folder");
    let first = go(&mut first, Some(at)).expect("a run");
    assert_eq!(first.end, End::Stopped);
    assert!(first.steps.len() >= at && first.steps.len() < whole.steps.len());

    let mut rest = trainer(device, &model, &data, recipe);
    rest.keep_in(folders[1].path()).expect("a folder");
    rest.resume(folders[1].path()).expect("a checkpoint");
    let rest = go(&mut rest, None).expect("a run");
    assert_eq!(rest.end, End::Done);
    assert_eq!(rest.last, whole.last, "stopped after {at} steps");
    assert_eq!([first.steps, rest.steps].concat(), whole.steps);
    assert_eq!([first.epochs, rest.epochs].concat(), whole.epochs);
    assert_eq!(history(folders[1].path()), history(folders[0].path()));
}

pub fn in_the_middle_of_an_epoch(device: &Device) {
    for at in [1, 8] {
        stopped_at(device, &recipe(), at);
    }
}

/// The watcher says stop at an epoch's last step: the epoch's line is still to be written.
pub fn at_an_epochs_last_step(device: &Device) {
    stopped_at(device, &recipe(), 6);
    stopped_at(device, &recipe(), 12);
}

pub fn with_every_optimizer(device: &Device) {
    for entry in ALL {
        for &convention in entry.conventions {
            let optimizer = (entry.defaults)(convention);
            stopped_at(device, &Recipe { optimizer: optimizer.into(), epochs: 2, ..recipe() }, 3);
        }
    }
    let three_states = optimizer("name = 'rmsprop'\ncentered = true\nmomentum = 0.5");
    stopped_at(device, &Recipe { optimizer: three_states.into(), epochs: 2, ..recipe() }, 3);
}

/// Two epochs, then two more, are four.
pub fn more_epochs(device: &Device) {
    let (model, data, folder) = (dropping(), data(), tempfile::tempdir().expect("a folder"));
    let whole = go(&mut trainer(device, &model, &data, &recipe()), None).expect("a run");
    let mut half = trainer(device, &model, &data, &Recipe { epochs: 2, ..recipe() });
    half.keep_in(folder.path()).expect("a folder");
    let half = go(&mut half, None).expect("a run");
    let mut rest = trainer(device, &model, &data, &recipe());
    rest.resume(folder.path()).expect("a checkpoint");
    assert_eq!((rest.epoch(), rest.step()), (2, 12));
    let rest = go(&mut rest, None).expect("a run");
    assert_eq!(rest.last, whole.last);
    assert_eq!([half.steps, rest.steps].concat(), whole.steps);
    assert_eq!([half.epochs, rest.epochs].concat(), whole.epochs);
    // A run that is over goes on for no step.
    let mut over = trainer(device, &model, &data, &Recipe { epochs: 2, ..recipe() });
    over.resume(folder.path()).expect("a checkpoint");
    let over = go(&mut over, None).expect("nothing to do");
    assert_eq!((over.end, over.steps.len(), over.epochs.len()), (End::Done, 0, 0));
}

pub fn of_another_run_is_refused(device: &Device) {
    let (model, data, folder) = (dropping(), data(), tempfile::tempdir().expect("a folder"));
    let mut first = trainer(device, &model, &data, &recipe());
    first.keep_in(folder.path()).expect("a folder");
    go(&mut first, Some(2)).expect("a run");
    let refused = |changed: Recipe| {
        let mut other: Trainer = trainer(device, &model, &data, &changed);
        other.resume(folder.path()).expect_err("another run")
    };
    for (changed, name) in [
        (Recipe { seed: 8, ..recipe() }, "seed"),
        (Recipe { optimizer: optimizer("name = 'sgd'\nlearning_rate = 0.1").into(), ..recipe() }, "optimizer"),
        (Recipe { batch_size: 5, ..recipe() }, "batch_size"),
        (Recipe { shuffle: false, ..recipe() }, "shuffle"),
    ] {
        match refused(changed) {
            Error::Checkpoint(CheckpointError::Differs { setting, .. }) => assert_eq!(setting, name),
            other => panic!("{name}: {other}"),
        }
    }
}
