//! What a population keeps, and how it goes on from there.

use std::path::Path;

use thalweg::device::Device;
use thalweg::nn::Model;
use thalweg::train::checkpoint::{Checkpoint, member_folder, population as note};
use thalweg::train::{Diverged, EpochEvent, Event, Flow, Recipe, StepEvent, Trainer};

use super::alone::{population, with_everything};
use super::common::{data, dropping, history, trainer};
use super::diverged::{linear, regression, too_fast};

#[derive(Debug, Default, PartialEq)]
struct Told {
    steps: Vec<StepEvent>,
    epochs: Vec<EpochEvent>,
    gone: Vec<Diverged>,
}

/// Runs on in `folder`, to the end or until so many steps were told.
fn run(trainer: &mut Trainer, folder: &Path, stop: Option<usize>) -> Told {
    trainer.keep_in(folder).expect("a folder");
    let mut told = Told::default();
    trainer
        .run(&mut |event| {
            match event {
                Event::Step(step) => told.steps.push(*step),
                Event::Epoch(e) => {
                    told.epochs.push(EpochEvent { seconds: 0.0, examples_per_second: 0.0, ..*e });
                }
                // Its reason names a folder.
                Event::Diverged(d) => told.gone.push(Diverged { reason: String::new(), ..d.clone() }),
                _ => {}
            }
            if stop.is_some_and(|at| told.steps.len() >= at) { Flow::Stop } else { Flow::Continue }
        })
        .expect("a run");
    told
}

fn lines(folder: &Path, member: usize) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(member_folder(folder, member).join("history.jsonl")).expect("a history");
    let mut all: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for fields in all.iter_mut().filter_map(|line| line.as_object_mut()) {
        for told_otherwise in ["seconds", "examples_per_second", "reason"] {
            fields.remove(told_otherwise);
        }
    }
    all
}

/// Stopped after so many steps of all members together and gone on with by another trainer, against a run never stopped.
fn stopped_at(device: &Device, model: &dyn Model, data: &thalweg::data::Split, recipe: &Recipe, at: usize) {
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let [one, two] = [folders[0].path(), folders[1].path()];
    let mut whole = trainer(device, model, data, recipe);
    let told = run(&mut whole, one, None);
    let first = run(&mut trainer(device, model, data, recipe), two, Some(at));
    assert!(first.steps.len() < told.steps.len(), "stopped");
    let mut rest = trainer(device, model, data, recipe);
    rest.resume(two).expect("a checkpoint");
    let second = run(&mut rest, two, None);
    assert_eq!([first.steps, second.steps].concat(), told.steps);
    assert_eq!([first.epochs, second.epochs].concat(), told.epochs);
    assert_eq!([first.gone, second.gone].concat(), told.gone);
    for m in 0..recipe.population() {
        assert_eq!(lines(two, m), lines(one, m), "member {m}");
        let kept = |folder: &Path| Checkpoint::load(&member_folder(folder, m)).expect("a checkpoint");
        assert_eq!(kept(two), kept(one), "member {m}");
        if !rest.diverged().any(|d| d.member == m) {
            assert_eq!(rest.checkpoint_of(m).expect("a checkpoint"), kept(one), "member {m}");
        }
        let left =
            std::fs::read_dir(member_folder(two, m)).expect("a folder").map(|file| file.expect("a file").file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("next")).collect();
        assert!(left.is_empty(), "what is saved has its name: {left:?}");
    }
}

pub fn stopped_and_gone_on(device: &Device) {
    // 4 members of 6 steps an epoch: within an epoch, and at its end.
    for at in [1, 30, 24] {
        stopped_at(device, &dropping(), &data(), &population(), at);
    }
}

pub fn stopped_and_gone_on_with_everything(device: &Device) {
    // 3 members, 3 updates of 6 steps an epoch; a stop waits for the end of an update.
    for at in [21, 55] {
        stopped_at(device, &dropping(), &data(), &with_everything(), at);
    }
}

pub fn gone_on_after_one_diverged(device: &Device) {
    let recipe = too_fast();
    let whole = tempfile::tempdir().expect("a folder");
    let told = run(&mut trainer(device, &linear(), &regression(), &recipe), whole.path(), None);
    let before = told.steps.iter().filter(|step| step.member == Some(1)).count();
    assert!(before > 6, "it diverges after an epoch at the earliest");
    stopped_at(device, &linear(), &regression(), &recipe, 3 * before + 40);
    stopped_at(device, &linear(), &regression(), &recipe, 3 * before - 9);
}

/// Whatever moment a crash takes: before the note is written the old files count, after it the new ones.
pub fn a_crash_between_the_members_files(device: &Device) {
    let (recipe, data, folder) = (population(), data(), tempfile::tempdir().expect("a folder"));
    let path = folder.path();
    let two = Recipe { epochs: 2, ..recipe.clone() };
    run(&mut trainer(device, &dropping(), &data, &Recipe { epochs: 1, ..recipe.clone() }), path, None);
    let file = |m: usize, name: &str| member_folder(path, m).join(name);
    let early: Vec<_> = (0..4).map(|m| std::fs::read(file(m, "optimizer.safetensors")).expect("a file")).collect();
    let early_note = std::fs::read(path.join("population.json")).expect("a note");
    let mut on = trainer(device, &dropping(), &data, &two);
    on.resume(path).expect("a checkpoint");
    run(&mut on, path, None);
    let late: Vec<_> = (0..4).map(|m| std::fs::read(file(m, "optimizer.safetensors")).expect("a file")).collect();
    let resumed = || {
        let mut trainer = trainer(device, &dropping(), &data, &two);
        trainer.resume(path).expect("a checkpoint");
        for m in 0..4 {
            assert!(!file(m, "optimizer.next.safetensors").exists() && !file(m, "model.next.safetensors").exists());
        }
        (trainer.step(), (0..4).map(|m| trainer.checkpoint_of(m).expect("a checkpoint")).collect::<Vec<_>>())
    };
    let (step, at_end) = resumed();
    assert_eq!(step, 12);
    // After the note: members 2 and 3 have not got their names yet.
    for m in [2, 3] {
        std::fs::write(file(m, "optimizer.next.safetensors"), &late[m]).expect("a file");
        std::fs::write(file(m, "optimizer.safetensors"), &early[m]).expect("a file");
        std::fs::copy(file(m, "model.safetensors"), file(m, "model.next.safetensors")).expect("a file");
    }
    assert_eq!(resumed(), (12, at_end));
    // Before it: what members 0 and 1 have written beside their files is of a step that never was saved.
    std::fs::write(path.join("population.json"), &early_note).expect("a file");
    for (m, early) in early.iter().enumerate() {
        std::fs::write(file(m, "optimizer.safetensors"), early).expect("a file");
    }
    for m in [0, 1] {
        std::fs::write(file(m, "optimizer.next.safetensors"), &late[m]).expect("a file");
    }
    assert_eq!(resumed().0, 6);
    assert_eq!(note(path).expect("a note").expect("a population").step, 6);
}

/// A member's folder is an ordinary run's.
pub fn a_member_goes_on_alone(device: &Device) {
    let (recipe, data, folder) = (population(), data(), tempfile::tempdir().expect("a folder"));
    let half = Recipe { epochs: 2, ..recipe.clone() };
    run(&mut trainer(device, &dropping(), &data, &half), folder.path(), None);
    let own = member_folder(folder.path(), 2);
    let mut alone = trainer(device, &dropping(), &data, &recipe.alone(2));
    alone.resume(&own).expect("a checkpoint");
    assert_eq!((alone.step(), alone.epoch()), (12, 2));
    run(&mut alone, &own, None);
    let mut whole = trainer(device, &dropping(), &data, &recipe);
    whole.run(&mut |_| Flow::Continue).expect("a run");
    assert_eq!(alone.checkpoint().expect("a checkpoint"), whole.checkpoint_of(2).expect("a checkpoint"));
    assert_eq!(history(&own).len(), 4);
    // The weights alone, for all members of another run.
    let mut other = trainer(device, &dropping(), &data, &half);
    other.load_weights(&own.join("model.safetensors")).expect("weights");
    for m in 0..4 {
        assert_eq!(other.parameters_of(m).expect("weights"), alone.parameters().expect("weights"));
    }
}
