//! Parameter groups: PyTorch's own runs with them, what a factor and a decay amount to, and tensors that nothing changes.
//! `golden/groups/generate.py` made the file and says how far rounding may carry a run.
#![allow(clippy::result_large_err, reason = "the library's error type is what it is, and tests are not hot")]

#[path = "population/alone.rs"]
#[allow(dead_code, reason = "the tests of populations use more of it")]
mod alone;
#[path = "training/common.rs"]
#[allow(dead_code, unused_macros, unused_imports, reason = "the tests of training use more of it")]
mod common;
mod support;

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use thalweg::data::Source;
use thalweg::device::gpu::Options;
use thalweg::device::{Device, Precision};
use thalweg::error::{Error, OptimError, PopulationError};
use thalweg::nn::{Flatten, Linear, Objective, Relu, Sequential};
use thalweg::optim::{ALL, Optimizer};
use thalweg::train::{Event, Flow, Group, Recipe, Trainer};

use alone::{each_is_itself_alone, population};
use common::{data, dropping, go, optimizer, plain, recipe, trainer};

type Shared = std::sync::Arc<dyn Fn(&Device) -> Result<(), Failed> + Send + Sync>;

fn main() {
    let mut trials = Vec::new();
    let mut everywhere = |name: String, check: Shared| {
        for precision in [Precision::F32, Precision::F64] {
            let check = check.clone();
            let name = format!("{name} cpu {}", precision.name());
            trials.push(Trial::test(name, move || check(&Device::Cpu(precision))));
        }
        trials.push(support::trial(format!("{name} gpu"), move || {
            check(&Device::Gpu(support::open(Options::default())?))
        }));
    };
    let runs: Value = serde_json::from_str(include_str!("golden/groups/runs.json")).expect("valid JSON");
    for run in runs["runs"].as_array().expect("runs").clone() {
        let name = format!("pytorch's {}", run["optimizer"]["name"].as_str().expect("a name"));
        everywhere(name, std::sync::Arc::new(move |device| reproduces(&run, device)));
    }
    type Check = fn(&Device) -> Result<(), Failed>;
    let checks: [(&str, Check); 6] = [
        ("one group of all is the rule itself", one_group_of_all_is_the_rule_itself),
        ("frozen tensors and their states stay", frozen_tensors_and_their_states_stay),
        ("decay is the rule's, the penalty is not", decay_is_the_rules_and_the_penalty_is_not),
        ("in a population", in_a_population),
        ("stopped and gone on", stopped_and_gone_on),
        ("what is refused", refused),
    ];
    for (name, check) in checks {
        everywhere(name.into(), std::sync::Arc::new(check));
    }
    support::main(trials);
}

fn golden(folder: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder).join(file)
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn groups(list: &Value) -> Vec<Group> {
    let one = |g: &Value| Group {
        learning_rate_factor: g["learning_rate_factor"].as_f64().unwrap_or(1.0),
        weight_decay: g["weight_decay"].as_f64(),
        frozen: g["frozen"].as_bool().unwrap_or(false),
        ..Group::new(g["pattern"].as_str().expect("a pattern"))
    };
    list.as_array().expect("a list").iter().map(one).collect()
}

/// Every step's loss and the last parameters lie as near to PyTorch's f64 ones as rounding in this precision lets them.
fn reproduces(run: &Value, device: &Device) -> Result<(), Failed> {
    let model = Sequential::new().add(Flatten).add(Linear::new(5)).add(Relu).add(Linear::new(4));
    let arrays = Source::Npz("classes.npz".into()).load(&golden("pytorch", ""), 0.0)?;
    let optimizer: Optimizer = serde_json::from_value(run["optimizer"].clone())?;
    let recipe = Recipe {
        objective: Objective::default(),
        optimizer: optimizer.into(),
        groups: groups(&run["groups"]),
        epochs: run["epochs"].as_u64().expect("a count") as u32,
        batch_size: 5,
        shuffle: false,
        ..Recipe::default()
    };
    let mut trainer = Trainer::new(device, &model, &arrays, recipe)?;
    trainer.load_weights(&golden("pytorch", "mlp.safetensors"))?;
    let mut losses = Vec::new();
    trainer.run(&mut |event| {
        if let Event::Step(step) = event {
            losses.push(step.loss);
        }
        Flow::Continue
    })?;
    let unit = match device.precision() {
        Precision::F32 => f64::from(f32::EPSILON) / 2.0,
        Precision::F64 => f64::EPSILON / 2.0,
    };
    let near = |what: &str, found: &[f64], expected: &[f64], tolerance: f64| {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let error = (found - expected).abs();
            assert!(error <= tolerance, "{what} [{i}]: {found} is not {expected}: {error:e} above {tolerance:e}");
        }
    };
    let tolerance = |of: &str| run["spread"][of].as_f64().expect("a number") * unit;
    near("loss of step", &losses, &numbers(&run["losses"]), tolerance("loss"));
    let names: Vec<String> = trainer.tensors().iter().map(|t| t.name.clone()).collect();
    for (name, found) in names.iter().zip(trainer.parameters()?) {
        near(name, &found, &numbers(&run["parameters"][name]), tolerance("parameter"));
    }
    Ok(())
}

/// Half the rate and a decay for every tensor, by a group and in the rule: powers of two round nothing.
fn one_group_of_all_is_the_rule_itself(device: &Device) -> Result<(), Failed> {
    for entry in ALL {
        let rule = (entry.defaults)(thalweg::optim::Convention::PyTorch);
        let Ok(decayed) = rule.rule().with("weight_decay", 0.125) else { continue };
        // A group's decay is that of all its tensors, those that Muon leaves to AdamW too.
        let decayed = decayed.with("adam_weight_decay", 0.125).unwrap_or(decayed);
        let half = 0.5 * decayed.learning_rate();
        let group = Group { learning_rate_factor: 0.5, weight_decay: Some(0.125), ..Group::new("*") };
        let by_group = Recipe { optimizer: rule.clone().into(), groups: vec![group], epochs: 2, ..recipe() };
        let by_rule = Recipe { optimizer: decayed.with("learning_rate", half)?, epochs: 2, ..recipe() };
        let run = |recipe: &Recipe| go(&mut trainer(device, &dropping(), &data(), recipe), None);
        let (a, b) = (run(&by_group)?, run(&by_rule)?);
        assert!(a.last.parameters == b.last.parameters, "{}", entry.name);
        assert!((&a.last.states, &a.last.kept) == (&b.last.states, &b.last.kept), "{}", entry.name);
        let losses = |told: &common::Told| told.steps.iter().map(|step| step.loss).collect::<Vec<_>>();
        assert_eq!(losses(&a), losses(&b), "{}", entry.name);
        let untouched = run(&Recipe { groups: Vec::new(), ..by_group })?;
        assert_ne!(a.last.parameters, untouched.last.parameters, "{}", entry.name);
    }
    Ok(())
}

fn frozen(pattern: &str) -> Group {
    Group { frozen: true, ..Group::new(pattern) }
}

fn frozen_tensors_and_their_states_stay(device: &Device) -> Result<(), Failed> {
    let rule = || optimizer("name = 'adamw'\nlearning_rate = 0.05\nweight_decay = 0.5");
    let recipe = Recipe { optimizer: rule().into(), groups: vec![frozen("0.*"), frozen("*.bias")], ..recipe() };
    let mut run = trainer(device, &dropping(), &data(), &recipe);
    let start = run.checkpoint()?;
    let end = go(&mut run, None)?.last;
    let names: Vec<&str> = start.parameters.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["0.weight", "0.bias", "3.weight", "3.bias", "5.weight", "5.bias"]);
    for (i, name) in names.iter().enumerate() {
        let stays = *name == "0.weight" || name.ends_with("bias");
        assert_eq!(start.parameters[i] == end.parameters[i], stays, "{name}");
        for (before, after) in start.states.iter().zip(&end.states) {
            assert_eq!(before.1[i] == after.1[i], stays, "{} of {name}", before.0);
        }
    }
    // The others' gradients at the first step are those of a run without frozen tensors, and so are they after it.
    let one = Recipe { epochs: 1, batch_size: 22, ..recipe.clone() };
    let free = Recipe { groups: Vec::new(), ..one.clone() };
    let after = |recipe: &Recipe| go(&mut trainer(device, &dropping(), &data(), recipe), None);
    let (still, moved) = (after(&one)?.last, after(&free)?.last);
    for (i, name) in names.iter().enumerate() {
        let stays = *name == "0.weight" || name.ends_with("bias");
        assert_eq!(still.parameters[i] == moved.parameters[i], !stays, "{name}");
    }
    // What no gradient is computed for needs no room for one, on the device whose bytes say so.
    if matches!(device, Device::Cpu(_)) {
        let wide = Sequential::new().add(Linear::new(4000)).add(Relu).add(Linear::new(3));
        let bytes = |recipe: &Recipe| trainer(device, &wide, &data(), recipe).bytes();
        let first = Recipe { groups: vec![frozen("0.*")], ..one };
        let saved = bytes(&free) - bytes(&first);
        assert!(saved >= (5 * 4000 * device.precision().bytes()) as u64, "{saved} bytes");
    }
    Ok(())
}

/// `weight_decay` is every parameter's, biases included, as in PyTorch; `l2` is that of tensors of rank 2 and more.
fn decay_is_the_rules_and_the_penalty_is_not(device: &Device) -> Result<(), Failed> {
    let sgd = |decay: f64| optimizer(&format!("name = 'sgd'\nlearning_rate = 0.25\nweight_decay = {decay:?}"));
    let after = |decay: f64, l2: f64, groups: Vec<Group>| {
        let objective = Objective { l2, ..Objective::default() };
        let recipe = Recipe { optimizer: sgd(decay).into(), objective, groups, epochs: 1, batch_size: 22, ..recipe() };
        go(&mut trainer(device, &plain(), &data(), &recipe), None).map(|told| told.last.parameters)
    };
    let none = after(0.0, 0.0, Vec::new())?;
    let (decayed, penalised) = (after(0.5, 0.0, Vec::new())?, after(0.0, 0.5, Vec::new())?);
    let weights_only = after(0.5, 0.0, vec![Group { weight_decay: Some(0.0), ..Group::new("*.bias") }])?;
    for i in 0..none.len() {
        let bias = none[i].name.ends_with("bias");
        assert!(decayed[i] != none[i], "decay takes of `{}`", none[i].name);
        assert_eq!(penalised[i] == none[i], bias, "the penalty on `{}`", none[i].name);
        assert_eq!(weights_only[i] == none[i], bias, "the group of `{}`", none[i].name);
        if !bias {
            assert_eq!(weights_only[i], decayed[i]);
        }
    }
    Ok(())
}

/// Members with rates and decays of their own, groups with theirs, one of them frozen.
fn in_a_population(device: &Device) -> Result<(), Failed> {
    let biases = Group { learning_rate_factor: 3.0, weight_decay: Some(0.25), ..Group::new("?.bias") };
    let last = Group { learning_rate_factor: 0.3, ..Group::new("5.*") };
    let recipe = Recipe { groups: vec![frozen("3.weight"), biases, last], ..population() };
    let all = each_is_itself_alone(device, &dropping(), &data(), &recipe);
    assert_eq!(all.len(), 4);
    Ok(())
}

fn stopped_and_gone_on(device: &Device) -> Result<(), Failed> {
    let groups = vec![frozen("3.*"), Group { learning_rate_factor: 0.1, ..Group::new("*.bias") }];
    let (recipe, folder) = (Recipe { groups, ..recipe() }, tempfile::tempdir()?);
    let whole = go(&mut trainer(device, &dropping(), &data(), &recipe), None)?;
    let mut first = trainer(device, &dropping(), &data(), &recipe);
    first.keep_in(folder.path())?;
    let first = go(&mut first, Some(9))?;
    let mut rest = trainer(device, &dropping(), &data(), &recipe);
    rest.resume(folder.path())?;
    let rest = go(&mut rest, None)?;
    assert_eq!(rest.last, whole.last);
    assert_eq!([first.steps, rest.steps].concat(), whole.steps);
    Ok(())
}

fn refused(device: &Device) -> Result<(), Failed> {
    let with = |rule: &str, groups: Vec<Group>| {
        let recipe = Recipe { optimizer: optimizer(rule).into(), groups, ..recipe() };
        Trainer::new(device, &plain(), &data(), recipe).err()
    };
    let adam = |groups: Vec<Group>| with("name = 'adam'", groups);
    match adam(vec![Group::new("*.bias"), Group::new("1.weight")]) {
        Some(Error::Population(PopulationError::NoMatch { pattern, tensors })) => {
            assert_eq!((pattern.as_str(), tensors.len()), ("1.weight", 4));
        }
        other => panic!("{other:?}"),
    }
    match adam(vec![Group::new("*.bias"), Group::new("0.*"), Group::new("2.bias"), Group::new("*")]) {
        Some(Error::Population(PopulationError::Shadowed { pattern, before })) => {
            assert_eq!((pattern.as_str(), &before[..]), ("2.bias", &["*.bias".to_owned()][..]));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(adam(vec![frozen("*")]), Some(Error::Population(PopulationError::NothingToTrain))));
    let many = vec![Group::new("*"); 255];
    assert!(matches!(adam(many), Some(Error::Population(PopulationError::TooManyGroups { found: 255, most: 254 }))));
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        match adam(vec![Group { learning_rate_factor: factor, ..Group::new("*") }]) {
            Some(Error::Population(PopulationError::GroupRange { field: "learning_rate_factor", .. })) => {}
            other => panic!("{factor}: {other:?}"),
        }
    }
    // A rate that the device's floats do not hold.
    match adam(vec![Group { learning_rate_factor: 1e-43, ..Group::new("*") }]) {
        Some(Error::Optim(OptimError::Rate { .. })) => assert_eq!(device.precision(), Precision::F32),
        None => assert_eq!(device.precision(), Precision::F64),
        other => panic!("{other:?}"),
    }
    let decay = |decay: f64| vec![Group { weight_decay: Some(decay), ..Group::new("*") }];
    match adam(decay(-1.0)) {
        Some(Error::Optim(OptimError::Range { field: "weight_decay", .. })) => {}
        other => panic!("{other:?}"),
    }
    match with("name = 'adam'\nconvention = 'cs231n'", decay(0.1)) {
        Some(Error::Optim(OptimError::Field { found, .. })) => assert_eq!(found, "weight_decay"),
        other => panic!("{other:?}"),
    }
    Ok(())
}
