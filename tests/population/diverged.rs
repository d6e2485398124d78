//! Members that no longer compute with numbers.

use thalweg::data::{Dataset, Split, Targets, Values};
use thalweg::device::{Device, Precision};
use thalweg::error::{Error, PopulationError, TrainError};
use thalweg::loss::Loss;
use thalweg::nn::{Linear, Objective, Sequential};
use thalweg::train::checkpoint::{Checkpoint, member_folder, population};
use thalweg::train::{Diverged, Event, Flow, Member, Recipe};

use super::common::{go, noise, optimizer, recipe, trainer};

/// Numbers to be told from numbers, so that a rate too high leads to infinity.
pub fn regression() -> Split {
    let rows = |count: usize, salt| {
        let targets = Targets::Values { values: Values::F64(noise(count, salt + 9)), shape: [1].into() };
        Dataset::new(Values::F64(noise(3 * count, salt)), [3].into(), targets).expect("data")
    };
    Split { train: rows(22, 1), validation: Some(rows(5, 2)), description: "noise".into() }
}

pub fn linear() -> Sequential {
    Sequential::new().add(Linear::new(1))
}

/// Three members; the one in the middle grows a hundredfold or so at each step.
pub fn too_fast() -> Recipe {
    let member = |seed: u64, rate: f64| Member { seed: Some(seed), ..Member::default() }.with("learning_rate", rate);
    Recipe {
        optimizer: optimizer("name = 'sgd'\nlearning_rate = 0.1").into(),
        objective: Objective { loss: Loss::Mse, l2: 0.0 },
        members: vec![member(1, 0.01), member(2, 100.0), member(3, 0.02)],
        epochs: 30,
        ..recipe()
    }
}

pub fn one_diverges_and_the_others_go_on(device: &Device) {
    let (recipe, data, folder) = (too_fast(), regression(), tempfile::tempdir().expect("a folder"));
    let mut run = trainer(device, &linear(), &data, &recipe);
    run.keep_in(folder.path()).expect("a folder");
    let mut seen: Vec<Diverged> = Vec::new();
    let mut told = [0; 3];
    run.run(&mut |event| {
        match event {
            Event::Diverged(diverged) => seen.push(diverged.clone()),
            Event::Step(step) => {
                let m = step.member.expect("a member");
                assert!(m != 1 || seen.is_empty(), "a member that stays says nothing");
                told[m] += 1;
            }
            _ => {}
        }
        Flow::Continue
    })
    .expect("the others go on");
    let [diverged] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((diverged.member, told[0], told[2]), (1, 180, 180));
    assert_eq!(told[1] as u64, diverged.step - 1);
    assert_eq!(run.diverged().cloned().collect::<Vec<_>>(), seen);
    for m in [0, 2] {
        let alone = go(&mut trainer(device, &linear(), &data, &recipe.alone(m)), None).expect("a run");
        assert_eq!(run.checkpoint_of(m).expect("a checkpoint"), alone.last, "member {m}");
    }
    // Alone it ends with an error, at that step.
    let other = tempfile::tempdir().expect("a folder");
    let mut alone = trainer(device, &linear(), &data, &recipe.alone(1));
    alone.keep_in(other.path()).expect("a folder");
    match go(&mut alone, None).err() {
        Some(Error::Train(TrainError::NonFiniteLoss { step, loss, .. })) => {
            assert_eq!(step, diverged.step);
            assert!(diverged.reason.contains(&format!("the loss of step {step} is {loss}")), "{}", diverged.reason);
        }
        other => panic!("{other:?}"),
    }
    // What is kept of it is what a run of it alone has kept: its last epoch of numbers.
    let own = member_folder(folder.path(), 1);
    let kept = Checkpoint::load(&own).expect("a checkpoint");
    assert_eq!(kept, Checkpoint::load(other.path()).expect("a checkpoint"));
    assert!(kept.step > 0 && kept.step < diverged.step && kept.step.is_multiple_of(6), "{}", kept.step);
    assert!(diverged.reason.contains("member-1"), "{}", diverged.reason);
    let history = std::fs::read_to_string(own.join("history.jsonl")).expect("a history");
    let last: serde_json::Value = serde_json::from_str(history.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["diverged"], last["step"].as_u64()), (&true.into(), Some(diverged.step)));
    let note = population(folder.path()).expect("a note").expect("a population");
    assert_eq!((note.step, note.members[1].diverged.as_ref()), (180, Some(diverged)));
    assert_eq!((note.members[2].seed, note.members[2].own.optimizer["learning_rate"]), (3, 0.02));
}

/// The last update of an epoch overflows: its loss was a number, its weights are none.
pub fn a_tensor_that_is_no_number(device: &Device) {
    let rate = if device.precision() == Precision::F64 { 1e308 } else { 1e38 };
    let member = |rate: f64| Member::default().with("learning_rate", rate);
    let members = vec![member(0.01), member(rate)];
    let mut data = regression();
    let Targets::Values { .. } = data.train.targets() else { panic!("numbers") };
    data.train = {
        let large = noise(22, 3).into_iter().map(|x| 1000.0 * x).collect();
        let features = Values::F64(noise(66, 1).into_iter().map(|x| 1000.0 * x).collect());
        Dataset::new(features, [3].into(), Targets::Values { values: Values::F64(large), shape: [1].into() })
            .expect("data")
    };
    let recipe = Recipe { members, epochs: 1, batch_size: 22, ..too_fast() };
    let mut run = trainer(device, &linear(), &data, &recipe);
    let (mut steps, mut epochs, mut gone) = (0, 0, Vec::new());
    run.run(&mut |event| {
        match event {
            Event::Step(_) => steps += 1,
            Event::Epoch(epoch) => {
                assert_eq!(epoch.member, Some(0));
                epochs += 1;
            }
            Event::Diverged(diverged) => gone.push(diverged.clone()),
            _ => {}
        }
        Flow::Continue
    })
    .expect("the other goes on");
    assert_eq!((steps, epochs), (2, 1));
    assert!(matches!(&gone[..], [Diverged { member: 1, step: 1, .. }]), "{gone:?}");
    assert!(gone[0].reason.contains("was the first to be non-finite"), "{}", gone[0].reason);
}

pub fn all_diverge(device: &Device) {
    let member = |rate: f64| Member::default().with("learning_rate", rate);
    let recipe = Recipe { members: vec![member(100.0), member(300.0)], ..too_fast() };
    let mut gone = Vec::new();
    let mut run = trainer(device, &linear(), &regression(), &recipe);
    let end = run.run(&mut |event| {
        if let Event::Diverged(diverged) = event {
            gone.push(diverged.member);
        }
        Flow::Continue
    });
    match end.err() {
        Some(Error::Population(PopulationError::AllDiverged { members: 2, member, step, .. })) => {
            assert_eq!((member, gone.as_slice()), (0, &[1, 0][..]), "the faster one first");
            assert!(step > 1);
        }
        other => panic!("{other:?}"),
    }
    // There is nothing to go on with.
    assert!(matches!(run.run(&mut |_| Flow::Continue), Err(Error::Population(PopulationError::AllDiverged { .. }))));
}
