//! Going on from what PyTorch's optimizers saved.

use std::sync::Arc;

use libtest_mimic::Failed;
use serde_json::Value;
use thalweg::device::Device;
use thalweg::optim::Storage;
use thalweg::train::checkpoint::Checkpoint;
use thalweg::train::{Event, Flow, Group, Member, Recipe, Trainer};

use super::Check;
use super::libraries::{follows, golden, near, network, numbers, recipe, rows, runs, text, tolerance};

pub fn checks() -> Vec<(String, Check)> {
    let check = |run: Value| -> (String, Check) {
        (format!("on from PyTorch's {}", text(&run, "name")), Arc::new(move |device| goes_on(&run, device)))
    };
    let mut all: Vec<_> = runs(include_str!("../golden/updates/states.json")).into_iter().map(check).collect();
    type Plain = fn(&Device) -> Result<(), Failed>;
    let more: [(&str, Plain); 5] = [
        ("on by numbers as by names", by_numbers),
        ("on from PyTorch, stopped and gone on", stopped_and_gone_on),
        ("on from PyTorch in a population", in_a_population),
        ("on from PyTorch into halves", into_halves),
        ("on from PyTorch with what is frozen", with_what_is_frozen),
    ];
    all.extend(more.map(|(name, check)| (name.to_owned(), Arc::new(check) as Check)));
    all
}

pub fn of(name: &str) -> Value {
    let all = runs(include_str!("../golden/updates/states.json"));
    all.into_iter().find(|run| text(run, "name") == name).expect("a run of that name")
}

pub fn started(run: &Value, device: &Device, change: impl FnOnce(&mut Recipe)) -> Result<Trainer, Failed> {
    let mut recipe = recipe(text(run, "toml"))?;
    change(&mut recipe);
    let mut trainer = Trainer::new(device, &network(), &rows()?, recipe)?;
    trainer.load_weights(&golden(&format!("updates/{}.model.safetensors", text(run, "name"))))?;
    Ok(trainer)
}

fn loaded(run: &Value, device: &Device, change: impl FnOnce(&mut Recipe)) -> Result<Trainer, Failed> {
    let mut trainer = started(run, device, change)?;
    let found = trainer.load_optimizer(&golden(&format!("updates/{}.optimizer.safetensors", text(run, "name"))))?;
    assert_eq!(found.differences, []);
    // PyTorch's SGD counts nothing; with an RMSprop or Adadelta it would not matter.
    let counted = match text(run, "name") {
        "sgd" => 0,
        "momentum" | "nesterov" => 1,
        _ => run["updates"].as_u64().expect("a count"),
    };
    assert_eq!(found.updates, counted);
    Ok(trainer)
}

/// Losses, parameters and states are PyTorch's, had it gone on.
fn goes_on(run: &Value, device: &Device) -> Result<(), Failed> {
    let mut trainer = loaded(run, device, |_| ())?;
    follows(&mut trainer, run, device)?;
    let last = trainer.checkpoint()?;
    let mut compared = 0;
    for (state, tensors) in &last.states {
        for tensor in tensors {
            let name = format!("{}.{state}", tensor.name);
            near(&name, &tensor.data.to_f64(), &numbers(&run["states"][&name]), tolerance(run, "state", device))?;
            compared += 1;
        }
    }
    assert_eq!(compared, run["states"].as_object().expect("states").len());
    // A run without the state is another one: the bounds tell them apart.
    if !last.states.is_empty() {
        let mut without = started(run, device, |_| ())?;
        assert!(follows(&mut without, run, device).is_err(), "the state makes no difference");
    }
    Ok(())
}

fn by_numbers(device: &Device) -> Result<(), Failed> {
    for name in ["momentum", "adam"] {
        let run = of(name);
        let mut named = loaded(&run, device, |_| ())?;
        let mut numbered = started(&run, device, |_| ())?;
        let found = numbered.load_optimizer(&golden(&format!("updates/{name}.numbered.safetensors")))?;
        assert_eq!(found.differences, []);
        assert_eq!(numbered.checkpoint()?, named.checkpoint()?);
        assert_ne!(numbered.checkpoint()?, started(&run, device, |_| ())?.checkpoint()?);
    }
    Ok(())
}

fn all_of(trainer: &mut Trainer, stop: Option<u64>) -> Result<Checkpoint, Failed> {
    trainer.run(&mut |event| match (event, stop) {
        (Event::Step(step), Some(stop)) if step.step >= stop => Flow::Stop,
        _ => Flow::Continue,
    })?;
    Ok(trainer.checkpoint()?)
}

/// The count of updates goes on through our own files.
fn stopped_and_gone_on(device: &Device) -> Result<(), Failed> {
    for name in ["adam", "adagrad", "momentum"] {
        let run = of(name);
        let whole = all_of(&mut loaded(&run, device, |_| ())?, None)?;
        assert_eq!(whole.step, 12);
        let folder = tempfile::tempdir()?;
        let mut first = loaded(&run, device, |_| ())?;
        first.keep_in(folder.path())?;
        all_of(&mut first, Some(5))?;
        let kept = Checkpoint::load(folder.path())?;
        assert!(kept.step < 12);
        let before = if name == "momentum" { 1.0 } else { 6.0 };
        assert_eq!(kept.scalars["updates"], before + kept.step as f64);
        let mut rest = started(&run, device, |_| ())?;
        rest.resume(folder.path())?;
        assert_eq!(all_of(&mut rest, None)?, whole);
    }
    Ok(())
}

/// Every member goes on from it, each at a rate of its own.
fn in_a_population(device: &Device) -> Result<(), Failed> {
    let run = of("adam");
    let rates = [0.02, 0.005];
    let members = rates.map(|rate| Member::default().with("learning_rate", rate)).to_vec();
    let mut all = loaded(&run, device, |recipe| recipe.members = members.clone())?;
    all_of(&mut all, None)?;
    for (m, member) in members.into_iter().enumerate() {
        let mut alone = started(&run, device, |recipe| recipe.members = vec![member])?;
        let found = alone.load_optimizer(&golden("updates/adam.optimizer.safetensors"))?;
        assert_eq!(found.differences.len(), m, "{:?}", found.differences);
        assert_eq!(all_of(&mut alone, None)?, all.checkpoint_of(m)?, "member {m}");
    }
    Ok(())
}

/// What is held is what a half holds, on both devices the nearest.
fn into_halves(device: &Device) -> Result<(), Failed> {
    // f16 is refused for states that a rule divides by.
    for (rule, storage) in [("momentum", Storage::F16), ("amsgrad", Storage::Bf16)] {
        let run = of(rule);
        let exact = loaded(&run, device, |_| ())?.checkpoint()?;
        let held = loaded(&run, device, |recipe| recipe.update.storage = storage)?.checkpoint()?;
        let mut moved = 0;
        for ((name, held), (_, exact)) in held.states.iter().zip(&exact.states) {
            for (held, exact) in held.iter().zip(exact) {
                for (held, exact) in held.data.to_f64().into_iter().zip(exact.data.to_f64()) {
                    let nearest = match storage {
                        Storage::F16 => half::f16::from_f64(exact).to_f64(),
                        _ => half::bf16::from_f64(exact).to_f64(),
                    };
                    assert_eq!(held, nearest, "{name}");
                    moved += usize::from(held != exact);
                }
            }
        }
        let all: usize = exact.states.iter().flat_map(|(_, state)| state).map(|t| t.shape.elements()).sum();
        assert!(2 * moved > all, "{moved} of the {all} numbers are no halves");
    }
    Ok(())
}

/// A tensor that nothing updates needs no state; all others do.
fn with_what_is_frozen(device: &Device) -> Result<(), Failed> {
    let run = of("adam");
    let file =
        super::wrong_states::changed("adam", |file| file.tensors.retain(|name, _| !name.starts_with("state.3.bias.")))?;
    let frozen = Group { frozen: true, ..Group::new("3.bias") };
    let mut trainer = started(&run, device, |recipe| recipe.groups = vec![frozen])?;
    let found = trainer.load_optimizer(&file.path)?;
    assert_eq!((found.updates, found.differences), (6, vec![]));
    let end = all_of(&mut trainer, None)?;
    assert!(end.states.iter().all(|(_, tensors)| tensors[3].data.to_f64().iter().all(|&x| x == 0.0)));
    let mut free = started(&run, device, |_| ())?;
    assert!(free.load_optimizer(&file.path).is_err());
    Ok(())
}
