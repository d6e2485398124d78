//! Same seed, same bits; a resumed run is the uninterrupted one.

use thalweg::device::Device;
use thalweg::error::{CheckpointError, Error};
use thalweg::nn::Model;
use thalweg::optim::ALL;
use thalweg::train::checkpoint::Checkpoint;
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
pub fn stopped_at(device: &Device, model: &dyn Model, recipe: &Recipe, at: usize) {
    let data = data();
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let mut whole = trainer(device, model, &data, recipe);
    whole.keep_in(folders[0].path()).expect("a folder");
    let whole = go(&mut whole, None).expect("a run");

    let mut first = trainer(device, model, &data, recipe);
    first.keep_in(folders[1].path()).expect("a folder");
    let first = go(&mut first, Some(at)).expect("a run");
    assert_eq!(first.end, End::Stopped);
    assert!(first.steps.len() >= at && first.steps.len() < whole.steps.len());

    let mut rest = trainer(device, model, &data, recipe);
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
        stopped_at(device, &dropping(), &recipe(), at);
    }
}

/// The watcher says stop at an epoch's last step: the epoch's line is still to be written.
pub fn at_an_epochs_last_step(device: &Device) {
    stopped_at(device, &dropping(), &recipe(), 6);
    stopped_at(device, &dropping(), &recipe(), 12);
}

pub fn with_every_optimizer(device: &Device) {
    for entry in ALL {
        for &convention in entry.conventions {
            let optimizer = (entry.defaults)(convention);
            stopped_at(device, &dropping(), &Recipe { optimizer: optimizer.into(), epochs: 2, ..recipe() }, 3);
        }
    }
    let three_states = optimizer("name = 'rmsprop'\ncentered = true\nmomentum = 0.5");
    stopped_at(device, &dropping(), &Recipe { optimizer: three_states.into(), epochs: 2, ..recipe() }, 3);
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

/// Momentum's buffer is not the mean of the gradients that a centred RMSProp holds, though each is one tensor.
pub fn of_other_states_is_refused(device: &Device) {
    let (model, data, folder) = (dropping(), data(), tempfile::tempdir().expect("a folder"));
    let rule = |more: &str| Recipe {
        optimizer: optimizer(&format!("name = 'rmsprop'\nlearning_rate = 0.01\n{more}")).into(),
        ..recipe()
    };
    let mut first = trainer(device, &model, &data, &rule("momentum = 0.9"));
    first.keep_in(folder.path()).expect("a folder");
    go(&mut first, Some(2)).expect("a run");
    let mut other = trainer(device, &model, &data, &rule("centered = true"));
    match other.resume(folder.path()).err() {
        Some(Error::Checkpoint(CheckpointError::Differs { setting, found, expected, .. })) => assert_eq!(
            (setting, &*found, &*expected),
            ("optimizer states", "square_avg, momentum_buffer", "square_avg, grad_avg")
        ),
        other => panic!("{other:?}"),
    }
}

/// Files changed by hand: what no run can have come to is named, and a trainer that refused it is as before.
pub fn from_where_no_run_can_be_is_refused(device: &Device) {
    let (model, data, folder) = (dropping(), data(), tempfile::tempdir().expect("a folder"));
    let mut first = trainer(device, &model, &data, &recipe());
    first.keep_in(folder.path()).expect("a folder");
    go(&mut first, Some(8)).expect("a run");
    let good = Checkpoint::load(folder.path()).expect("a checkpoint");
    assert_eq!((good.epoch, good.step, good.step_in_epoch), (1, good.step, good.step as u32 - 6));
    let mut other = trainer(device, &model, &data, &recipe());
    let before = other.checkpoint().expect("a checkpoint");
    let at = |step, epoch, step_in_epoch| Checkpoint { step, epoch, step_in_epoch, ..good.clone() };
    let with = |name: &str, value: f64| {
        let mut changed = good.clone();
        changed.scalars.insert(name.into(), value);
        changed
    };
    for (changed, named) in [
        (at(0, 0, 6), "step"),
        (at(3, 1, 5), "step"),
        (at(u64::MAX, 1, 2), "step"),
        (at(u64::MAX, u32::MAX, 6), "step"),
        (at(6 * u64::from(u32::MAX), u32::MAX, 0), "step"),
        (at(6 + 4_000_000, 1, 4_000_000), "step_in_epoch"),
        (at(6 + 7, 1, 7), "step_in_epoch"),
        (with("rows", f64::NAN), "rows"),
        (with("rows", 0.0), "rows"),
        (with("data_loss", f64::NAN), "data_loss"),
        (with("penalty", f64::INFINITY), "penalty"),
        (with("accuracy", f64::NEG_INFINITY), "accuracy"),
        (with("plateau_best", f64::NAN), "plateau_best"),
        (with("plateau_waited", -1.0), "plateau_waited"),
        (with("plateau_cooling", 1e300), "plateau_cooling"),
        (with("plateau_cuts", 0.5), "plateau_cuts"),
    ] {
        changed.save(folder.path()).expect("a file");
        match other.resume(folder.path()).err() {
            Some(Error::Checkpoint(CheckpointError::Inconsistent { what, .. })) => assert_eq!(what, named),
            other => panic!("{named}: {other:?}"),
        }
        assert_eq!(other.checkpoint().expect("a checkpoint"), before);
    }
    good.save(folder.path()).expect("a file");
    other.resume(folder.path()).expect("a checkpoint");
}

/// A crash between an epoch's line and its checkpoint loses neither: the line is written first, and a resume drops it.
pub fn no_epochs_line_is_lost(device: &Device) {
    let (model, data) = (dropping(), data());
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let run = |folder: &std::path::Path, epochs| {
        let mut run = trainer(device, &model, &data, &Recipe { epochs, ..recipe() });
        run.keep_in(folder).expect("a folder");
        if epochs > 1 {
            run.resume(folder).expect("a checkpoint");
        }
        go(&mut run, None).expect("a run").last
    };
    run(folders[0].path(), 1);
    let one = Checkpoint::load(folders[0].path()).expect("a checkpoint");
    let two = run(folders[0].path(), 2);
    let lines = history(folders[0].path());
    assert_eq!(lines.len(), 2);
    one.save(folders[0].path()).expect("a file");
    assert_eq!(run(folders[0].path(), 2), two);
    assert_eq!(history(folders[0].path()), lines);

    // Where the line cannot be written, no checkpoint is.
    std::fs::create_dir(folders[1].path().join("history.jsonl")).expect("a folder");
    let mut run = trainer(device, &model, &data, &recipe());
    run.keep_in(folders[1].path()).expect("a folder");
    match go(&mut run, None).err() {
        Some(Error::Checkpoint(CheckpointError::Unwritable { path, .. })) => assert!(path.ends_with("history.jsonl")),
        other => panic!("{other:?}"),
    }
    assert!(!folders[1].path().join("optimizer.safetensors").exists());
}
