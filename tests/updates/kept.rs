//! How a run with all that an update does beside its rule is stopped, kept and gone on with.

use std::path::Path;

use libtest_mimic::Failed;
use serde_json::Value;
use thalweg::data::Split;
use thalweg::device::Device;
use thalweg::error::{CheckpointError, Error};
use thalweg::nn::{BatchNorm, Dropout, Linear, Relu, Sequential};
use thalweg::optim::{Clip, Storage};
use thalweg::train::checkpoint::{AVERAGE, Checkpoint, OPTIMIZER, member_folder};
use thalweg::train::{Event, Flow, Member, Recipe, TelemetryEvent, Trainer, UpdateOptions};

use super::common::{data, optimizer, trainer};

/// With running statistics and dropout.
pub fn normed() -> Sequential {
    let hidden = |width| Linear::new(width);
    Sequential::new().add(hidden(9)).add(BatchNorm::default()).add(Relu).add(Dropout { p: 0.25 }).add(hidden(3))
}

/// Everything at once; an epoch of 6 minibatches has updates of 4 and of 2.
pub fn all() -> UpdateOptions {
    UpdateOptions {
        storage: Storage::Bf16,
        clip: Some(Clip::Norm { maximum: 0.3, epsilon: 1e-6 }),
        accumulate: 4,
        average: Some(0.75),
        telemetry: 2,
    }
}

pub fn recipe() -> Recipe {
    let schedule = toml::from_str("name = 'exponential'\nrate = 0.1\nunit = 'step'").expect("a schedule");
    Recipe {
        optimizer: optimizer("name = 'adam'\nlearning_rate = 0.02").into(),
        schedule,
        update: all(),
        ..super::common::recipe()
    }
}

/// Two members, each at a rate of its own.
pub fn population() -> Recipe {
    let member = |seed, rate| Member { seed: Some(seed), ..Member::default() }.with("learning_rate", rate);
    Recipe { members: vec![member(3, 0.02), member(4, 0.005)], ..recipe() }
}

/// Runs on, and gives back all that was said but its timings, step by step.
pub fn listen(trainer: &mut Trainer, stop: Option<u64>) -> Result<Vec<Event>, Failed> {
    let mut said = Vec::new();
    trainer.run(&mut |event| {
        let mut event = event.clone();
        if let Event::Epoch(epoch) = &mut event {
            (epoch.seconds, epoch.examples_per_second) = (0.0, 0.0);
        }
        let over = matches!((&event, stop), (Event::Step(step), Some(stop)) if step.step >= stop);
        said.push(event);
        if over { Flow::Stop } else { Flow::Continue }
    })?;
    Ok(said)
}

pub fn told(said: &[Event]) -> Vec<TelemetryEvent> {
    said.iter().filter_map(|event| if let Event::Telemetry(told) = event { Some(told.clone()) } else { None }).collect()
}

/// Lines of the history without their timings.
fn lines(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("history.jsonl")).expect("a history");
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).expect("JSON");
        for timing in ["seconds", "examples_per_second"] {
            value.as_object_mut().expect("an object").remove(timing);
        }
        value
    };
    text.lines().map(line).collect()
}

fn run_in(device: &Device, data: &Split, recipe: &Recipe, folder: &Path, resume: bool) -> Result<Trainer, Failed> {
    let mut trainer = trainer(device, &normed(), data, recipe);
    if resume {
        trainer.resume(folder)?;
    }
    trainer.keep_in(folder)?;
    Ok(trainer)
}

/// Whatever minibatch a stop falls into, the rest of its update is made first.
pub fn between_two_updates(device: &Device) -> Result<(), Failed> {
    let data = data();
    for (stop, saved) in [(1, 4), (4, 4), (5, 6), (7, 10), (10, 10), (11, 12)] {
        let folder = tempfile::tempdir()?;
        let mut run = run_in(device, &data, &recipe(), folder.path(), false)?;
        listen(&mut run, Some(stop))?;
        let kept = Checkpoint::load(folder.path())?;
        // What was under way when it was said is done too, up to whole updates.
        assert!(kept.step >= saved, "stopped at {stop}: kept at {}", kept.step);
        let within = kept.step % 6;
        assert!(within == 4 || within == 0, "stopped at {stop}: kept at {}", kept.step);
        assert_eq!(kept.scalars["updates"], (kept.step / 6 * 2 + within / 4) as f64);
    }
    Ok(())
}

/// Clipping, accumulation, an average, bf16 states, telemetry, batch norm, dropout and two members: stopped where it hurts.
pub fn resumed_exactly(device: &Device) -> Result<(), Failed> {
    let data = data();
    for recipe in [recipe(), population()] {
        let members = recipe.population();
        let own = |folder: &Path, m| if members == 1 { folder.to_path_buf() } else { member_folder(folder, m) };
        let [one, two] = [tempfile::tempdir()?, tempfile::tempdir()?];
        let mut whole = run_in(device, &data, &recipe, one.path(), false)?;
        let said = listen(&mut whole, None)?;
        let mut parts = Vec::new();
        for (n, stop) in [Some(2), Some(9), Some(17), None].into_iter().enumerate() {
            let mut run = run_in(device, &data, &recipe, two.path(), n > 0)?;
            parts.extend(listen(&mut run, stop)?);
            if stop.is_none() {
                for m in 0..members {
                    assert_eq!(run.checkpoint_of(m)?, whole.checkpoint_of(m)?, "member {m}");
                }
            }
        }
        assert_eq!(parts, said);
        for m in 0..members {
            let folders = [one.path(), two.path()].map(|folder| own(folder, m));
            assert_eq!(lines(&folders[0]), lines(&folders[1]));
            for file in [OPTIMIZER, AVERAGE, "model.safetensors"] {
                let [a, b] = folders.each_ref().map(|folder| std::fs::read(folder.join(file)).expect("a file"));
                assert!(a == b, "{file} of member {m} differs");
            }
        }
        // Updates 0, 2, 4, 6 of 8 are told, each after its last minibatch.
        let told = told(&said);
        let at: Vec<_> = told.iter().map(|t| (t.step, t.member.unwrap_or(0))).collect();
        let expected = [4, 10, 16, 22].into_iter().flat_map(|step| (0..members).map(move |m| (step, m)));
        assert_eq!(at, expected.collect::<Vec<_>>());
        for t in &told {
            let names: Vec<_> = t.tensors.iter().map(|t| &*t.tensor).collect();
            assert_eq!(names, ["0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"]);
            assert!(t.tensors.iter().all(|t| t.update > 0.0 && t.non_finite == 0), "{t:?}");
        }
    }
    Ok(())
}

/// A crash after lines of telemetry were written, before the checkpoint that they belong to.
pub fn telemetry_is_rewound(device: &Device) -> Result<(), Failed> {
    let (data, folder) = (data(), tempfile::tempdir()?);
    let recipe = Recipe { update: UpdateOptions { telemetry: 1, ..all() }, ..recipe() };
    let one = Recipe { epochs: 1, ..recipe.clone() };
    listen(&mut run_in(device, &data, &one, folder.path(), false)?, None)?;
    let early = Checkpoint::load(folder.path())?;
    let two = Recipe { epochs: 2, ..recipe };
    listen(&mut run_in(device, &data, &two, folder.path(), true)?, None)?;
    let (late, before) = (Checkpoint::load(folder.path())?, lines(folder.path()));
    let telemetry = before.iter().filter(|line| line.get("telemetry").is_some());
    assert_eq!(telemetry.map(|line| line["step"].as_u64()).collect::<Vec<_>>(), [4, 6, 10, 12].map(Some));
    assert_eq!(before.len(), 6);
    let tensors = before[0]["telemetry"].as_array().expect("a list");
    assert_eq!((tensors.len(), &tensors[0]["tensor"]), (6, &Value::from("0.weight")));
    for key in ["parameters", "gradients", "update", "ratio", "largest_gradient"] {
        assert!(tensors[0][key].as_f64().is_some_and(|x| x > 0.0), "{key}: {}", tensors[0]);
    }
    early.save(folder.path())?;
    run_in(device, &data, &two, folder.path(), true)?;
    assert_eq!(lines(folder.path()), before[..3]);
    listen(&mut run_in(device, &data, &two, folder.path(), true)?, None)?;
    assert_eq!(lines(folder.path()), before);
    assert_eq!(Checkpoint::load(folder.path())?, late);
    Ok(())
}

pub fn another_runs_is_refused(device: &Device) -> Result<(), Failed> {
    let (data, folder) = (data(), tempfile::tempdir()?);
    listen(&mut run_in(device, &data, &recipe(), folder.path(), false)?, Some(9))?;
    for (change, setting, found, expected) in [
        (UpdateOptions { accumulate: 2, ..all() }, "accumulate", "4", "2"),
        (UpdateOptions { average: Some(0.5), ..all() }, "average", "0.75", "0.5"),
        (UpdateOptions { average: None, ..all() }, "average", "0.75", "none"),
        (UpdateOptions { storage: Storage::F32, ..all() }, "optimizer.state", "bf16", "f32"),
    ] {
        let mut other = trainer(device, &normed(), &data, &Recipe { update: change, ..recipe() });
        let before = other.checkpoint()?;
        match other.resume(folder.path()) {
            Err(Error::Checkpoint(CheckpointError::Differs { setting: s, found: f, expected: e, .. })) => {
                assert_eq!((s, &*f, &*e), (setting, found, expected));
            }
            other => panic!("{setting}: {other:?}"),
        }
        assert_eq!(other.checkpoint()?, before);
    }
    // Clipping and telemetry may change, as a learning rate may.
    let change = UpdateOptions { clip: None, telemetry: 0, ..all() };
    trainer(device, &normed(), &data, &Recipe { update: change, ..recipe() }).resume(folder.path())?;
    for number in [-1.0, 0.5, f64::NAN, 1e300] {
        let mut changed = Checkpoint::load(folder.path())?;
        let good = changed.clone();
        changed.scalars.insert("updates".into(), number);
        changed.save(folder.path())?;
        match trainer(device, &normed(), &data, &recipe()).resume(folder.path()) {
            Err(Error::Checkpoint(CheckpointError::Inconsistent { what: "updates", .. })) => {}
            other => panic!("{number}: {other:?}"),
        }
        good.save(folder.path())?;
    }
    Ok(())
}

/// Swapping back leaves every bit, and the number is that of a run that begins with the file.
pub fn the_average_is_judged_as_its_file_is(device: &Device) -> Result<(), Failed> {
    let (data, folder) = (data(), tempfile::tempdir()?);
    let mut run = run_in(device, &data, &recipe(), folder.path(), false)?;
    let said = listen(&mut run, None)?;
    let before = run.checkpoint()?;
    let found = run.evaluate_averages()?.expect("validation data")[0];
    let plain = run.evaluate()?.expect("validation data");
    assert_eq!(run.checkpoint()?, before);
    let Some(Event::Epoch(last)) = said.iter().rfind(|event| matches!(event, Event::Epoch(_))) else {
        panic!("no epoch");
    };
    assert_eq!((last.average_val_loss, last.average_val_accuracy), (Some(found.0), found.1));
    assert_eq!((last.val_loss, last.val_accuracy), (Some(plain.0), plain.1));
    assert_ne!(found.0, plain.0);
    let mut other = trainer(device, &normed(), &data, &Recipe { update: UpdateOptions::default(), ..recipe() });
    other.load_weights(&folder.path().join(AVERAGE))?;
    assert_eq!(other.evaluate()?, Some(found));
    assert!(other.evaluate_averages()?.is_none());
    // Statistics are the run's own: nothing is averaged but what is learnt.
    assert_eq!(other.checkpoint()?.buffers, before.buffers);
    Ok(())
}
