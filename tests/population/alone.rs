//! Bits of a member, and of the run that trains it alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use thalweg::data::{Dataset, Split, Targets, Values};
use thalweg::device::{Call, Column, Device, Engine, Precision, Setup, StepGraph, Tensor, Transform};
use thalweg::device::{cpu::CpuEngine, gpu::GpuEngine};
use thalweg::graph::Graph;
use thalweg::loss::Loss;
use thalweg::nn::{Augment, BatchNorm, Conv2d, Dropout, Flatten, Linear, Model, Objective, Relu, Sequential, Tanh};
use thalweg::optim::{ALL, Clip, DynRule, FieldValue, Storage};
use thalweg::train::checkpoint::Checkpoint;
use thalweg::train::{EpochEvent, Event, Flow, Member, Recipe, StepEvent, TelemetryEvent, Trainer, UpdateOptions};

use super::common::{Told, data, dropping, go, noise, optimizer, recipe, trainer};

/// What the members said, and where they ended.
#[derive(Debug, PartialEq)]
pub struct Said {
    pub steps: Vec<StepEvent>,
    pub epochs: Vec<EpochEvent>,
    pub telemetry: Vec<TelemetryEvent>,
    pub last: Checkpoint,
}

impl From<Told> for Said {
    fn from(told: Told) -> Self {
        Self { steps: told.steps, epochs: told.epochs, telemetry: Vec::new(), last: told.last }
    }
}

/// Runs to the end; what each member said, as if it were alone.
pub fn together(trainer: &mut Trainer) -> Vec<Said> {
    let mut said = vec![(Vec::new(), Vec::new(), Vec::new()); trainer.population()];
    trainer
        .run(&mut |event| {
            match event {
                Event::Step(step) => said[step.member.unwrap_or(0)].0.push(StepEvent { member: None, ..*step }),
                Event::Epoch(epoch) => said[epoch.member.unwrap_or(0)].1.push(EpochEvent {
                    member: None,
                    seconds: 0.0,
                    examples_per_second: 0.0,
                    ..*epoch
                }),
                Event::Telemetry(told) => {
                    said[told.member.unwrap_or(0)].2.push(TelemetryEvent { member: None, ..told.clone() });
                }
                other => panic!("{other:?}"),
            }
            Flow::Continue
        })
        .expect("a run");
    let mut last = |m| trainer.checkpoint_of(m).expect("a checkpoint");
    let said = said.into_iter().enumerate();
    said.map(|(m, (steps, epochs, telemetry))| Said { steps, epochs, telemetry, last: last(m) }).collect()
}

/// Each member against the run of it alone.
pub fn each_is_itself_alone(device: &Device, model: &dyn Model, data: &Split, recipe: &Recipe) -> Vec<Said> {
    let all = together(&mut trainer(device, model, data, recipe));
    assert_eq!(all.len(), recipe.population());
    for (m, said) in all.iter().enumerate() {
        let alone = together(&mut trainer(device, model, data, &recipe.alone(m))).remove(0);
        // Without its numbers, which are many.
        assert!(*said == alone, "member {m} of {:?} under {:?}", recipe.members[m], recipe.optimizer);
    }
    all
}

pub fn member(seed: u64, numbers: &[(&str, f64)], l2: f64, dropout: f64) -> Member {
    let optimizer: BTreeMap<_, _> = numbers.iter().map(|&(name, x)| (name.to_owned(), x)).collect();
    Member { seed: Some(seed), optimizer, l2: Some(l2), dropout: Some(dropout), settings: BTreeMap::new() }
}

/// Everything a member may have of its own; one without a penalty, one without dropout, two of one seed.
pub fn members() -> Vec<Member> {
    let numbers = |rate, momentum, decay| [("learning_rate", rate), ("momentum", momentum), ("weight_decay", decay)];
    vec![
        member(11, &numbers(0.1, 0.9, 0.0), 0.01, 0.4),
        member(12, &numbers(0.01, 0.5, 1e-3), 0.0, 0.25),
        member(12, &numbers(0.3, 0.0, 0.1), 1.0, 0.0),
        member(u64::MAX, &numbers(0.05, 0.99, 1e-4), 1e-30, 0.9),
    ]
}

pub fn population() -> Recipe {
    let schedule = toml::from_str("name = 'step'\nevery = 2\nfactor = 0.5").expect("a schedule");
    Recipe { optimizer: optimizer("name = 'momentum'").into(), schedule, members: members(), ..recipe() }
}

fn normed() -> Sequential {
    let hidden = |width| Linear::new(width);
    Sequential::new()
        .add(hidden(9))
        .add(BatchNorm::default())
        .add(Relu)
        .add(Dropout { p: 0.5 })
        .add(hidden(7))
        .add(Tanh)
        .add(hidden(3))
}

pub fn a_member_is_a_run_of_its_own(device: &Device) {
    // 22 rows in minibatches of 4: the last of each epoch is short.
    let all = each_is_itself_alone(device, &normed(), &data(), &population());
    assert!(all.iter().all(|said| said.steps.len() == 24 && said.epochs.len() == 4));
    // So that passing says something: no two of them are alike, and only those with a penalty report one.
    for a in 0..all.len() {
        assert!((0..a).all(|b| all[a].last.parameters != all[b].last.parameters), "{a}");
        assert_eq!(all[a].epochs[0].penalty.is_some(), a != 1, "{a}");
    }
    assert!(all.iter().all(|said| !said.last.buffers.is_empty()));
}

/// A population whose updates do all that an update may do, and whose members' rates fall when their own losses do not.
pub fn with_everything() -> Recipe {
    let clip = Some(Clip::Norm { maximum: 0.2, epsilon: 1e-6 });
    let schedule =
        toml::from_str("name = 'plateau'\npatience = 0\nthreshold = 0.05\nfactor = 0.5").expect("a schedule");
    let update = UpdateOptions { clip, accumulate: 2, average: Some(0.9), telemetry: 2, storage: Storage::Bf16 };
    let adam = |seed: u64, rate: f64| Member { seed: Some(seed), ..Member::default() }.with("learning_rate", rate);
    let members = vec![adam(3, 0.3), adam(4, 1e-5), adam(5, 0.02)];
    Recipe { update, schedule, members, epochs: 6, ..recipe() }
}

pub fn with_all_that_an_update_does(device: &Device) {
    let all = each_is_itself_alone(device, &dropping(), &data(), &with_everything());
    // So that passing says something: the rates fell at epochs of each member's own, and all was told.
    let rates =
        |m: usize| all[m].epochs.iter().map(|e| e.learning_rate / all[m].epochs[0].learning_rate).collect::<Vec<_>>();
    assert!((1..3).any(|m| rates(m) != rates(0)), "{:?}", [rates(0), rates(1), rates(2)]);
    assert!(all.iter().all(|said| said.telemetry.len() == 9 && said.epochs[5].average_val_loss.is_some()));
    assert!(all.iter().all(|said| !said.last.averages.is_empty()));
}

/// Every rule in every convention, with members that each have another value of one of its numbers.
pub fn under_every_rule(device: &Device) {
    // What a rule of whole tensors makes of a matrix: numbers that stand in the graph are not a member's own.
    let graph = |rule: &dyn DynRule| {
        let matrix = Tensor { name: "matrix".into(), shape: [4, 3].into() };
        rule.tensor_rule().map(|r| Transform::new(r, &[matrix], [(0, 0)]).expect("it takes matrices"))
    };
    for entry in ALL {
        for &convention in entry.conventions {
            let mut optimizer = (entry.defaults)(convention);
            let rule: Arc<dyn DynRule> = optimizer.clone().into();
            if rule.second_order().is_some() {
                // Refused, as the tests of training show.
                continue;
            }
            let numbers = optimizer.fields().into_iter().filter_map(|field| match field.value {
                FieldValue::Number(x) => Some((field.name, *x)),
                _ => None,
            });
            let mut members = vec![Member { seed: Some(1), ..Member::default() }];
            for (name, x) in numbers.collect::<Vec<_>>() {
                // Of those that leave the rule its states, its kernel and its graph.
                let alike = |x: &f64| {
                    let same = |r: &dyn DynRule| (r.states(), r.source()) == (rule.states(), rule.source());
                    rule.with(name, *x).is_ok_and(|r| {
                        same(r.as_ref())
                            && graph(r.as_ref()).zip(graph(rule.as_ref())).is_none_or(|(a, b)| a.is_like(&b))
                    })
                };
                if let Some(other) = [0.5 * x, 2.0 * x, 0.125].into_iter().find(|y| *y != x && alike(y)) {
                    members.push(Member { seed: Some(1), ..Member::default() }.with(name, other));
                }
            }
            assert!(members.len() > 1, "{} has a learning rate", entry.name);
            let recipe = Recipe { optimizer: rule, members, epochs: 2, ..recipe() };
            each_is_itself_alone(device, &dropping(), &data(), &recipe);
        }
    }
}

/// The numbers of a member written where a run of one model has them: in the objective, the layer and the rule.
pub fn a_setting_has_a_constants_bits(device: &Device) {
    let model = |p| Sequential::new().add(Linear::new(9)).add(Relu).add(Dropout { p }).add(Linear::new(3));
    let (l2, p) = (0.03, 0.3);
    let own = [member(5, &[("momentum", 0.7)], l2, p), member(6, &[("momentum", 0.8)], 0.0, 0.0)];
    let recipe = Recipe { optimizer: optimizer("name = 'momentum'\nlearning_rate = 0.1").into(), ..recipe() };
    let of_many = Recipe { members: own.into(), ..recipe.clone() };
    let all = together(&mut trainer(device, &model(0.9), &data(), &of_many));
    let constant = Recipe {
        seed: 5,
        shuffle_seed: Some(recipe.seed),
        optimizer: optimizer("name = 'momentum'\nlearning_rate = 0.1\nmomentum = 0.7").into(),
        objective: Objective { loss: Loss::CrossEntropy, l2 },
        ..recipe
    };
    let told = go(&mut trainer(device, &model(p), &data(), &constant), None).expect("a run");
    assert_eq!(all[0], Said::from(told));
}

/// A rate by its setting's name goes before the rate of all dropouts.
pub fn one_dropout_by_its_name(device: &Device) {
    let model = |first, second| {
        let hidden = |p| Sequential::new().add(Linear::new(6)).add(Dropout { p });
        move |b: &mut thalweg::nn::Builder<'_>, x| {
            let h = b.scope("a", |b| Model::build(&hidden(first), b, x))?;
            let h = b.scope("b", |b| Model::build(&hidden(second), b, h))?;
            thalweg::nn::Layer::build(&Linear::new(3), b, h)
        }
    };
    let settings = BTreeMap::from([("b.1.p".to_owned(), 0.1)]);
    let own = Member { dropout: Some(0.6), settings, ..Member::default() };
    let of_one = Recipe { members: vec![own], ..recipe() };
    let said = together(&mut trainer(device, &model(0.5, 0.5), &data(), &of_one)).remove(0);
    let told = go(&mut trainer(device, &model(0.6, 0.1), &data(), &recipe()), None).expect("a run");
    assert_eq!(said, Said::from(told));
}

pub fn images_change_for_each_member(device: &Device) {
    let rows = |count: usize, salt| {
        let labels = (0..count as u32).map(|row| row % 3).collect();
        let pixels = Values::F64(noise(count * 25, salt));
        Dataset::new(pixels, [1, 5, 5].into(), Targets::Classes { labels, classes: 3 }).expect("images")
    };
    let images = Split { train: rows(14, 1), validation: Some(rows(5, 2)), description: "noise".into() };
    let model = Sequential::new()
        .add(Conv2d::new(4, [3, 3]))
        .add(Relu)
        .add(Flatten)
        .add(Dropout { p: 0.2 })
        .add(Linear::new(3));
    let augment = Augment { crop_padding: 2, horizontal_flip: true, ..Augment::default() };
    let members = [1, 2, 3].map(|seed| Member { seed: Some(seed), ..Member::default() }).into();
    each_is_itself_alone(device, &model, &images, &Recipe { augment, members, epochs: 2, ..recipe() });
}

/// A population of one is that member, and says nothing of its number.
pub fn a_member_alone_in_its_population(device: &Device) {
    let recipe = Recipe { members: vec![Member { seed: Some(3), ..Member::default() }], ..recipe() };
    let mut one = trainer(device, &dropping(), &data(), &recipe);
    one.run(&mut |event| {
        assert!(!matches!(event, Event::Step(StepEvent { member: Some(_), .. })));
        assert!(!matches!(event, Event::Epoch(EpochEvent { member: Some(_), .. })));
        Flow::Continue
    })
    .expect("a run");
    let plain = Recipe { seed: 3, shuffle_seed: Some(recipe.seed), members: Vec::new(), ..recipe };
    let told = go(&mut trainer(device, &dropping(), &data(), &plain), None).expect("a run");
    assert_eq!(one.checkpoint().expect("a checkpoint"), told.last);
}

/// Before a program is compiled and after; a member that says nothing has the graph's value.
pub fn engines_take_settings_at_any_time(device: &Device) {
    let mut g = Graph::new();
    let x = g.input("x", [1, 1]).expect("an input");
    let y = g.index_input("y", [1]).expect("an input");
    let s = g.setting("s", 0.5).expect("a setting");
    let product = g.mul(x, s).expect("a product");
    let loss = g.sum_to(product, thalweg::Shape::scalar()).expect("a sum");
    let step = StepGraph {
        graph: g,
        features: x,
        targets: y,
        record: [Some(loss), None, None, None],
        gradients: Vec::new(),
        updates: Vec::new(),
    };
    let tensors = vec![Tensor { name: "w".into(), shape: [1].into() }];
    let rule = optimizer("name = 'sgd'\nlearning_rate = 0.1").into_rule();
    let setup = Setup {
        tensors,
        buffers: Vec::new(),
        groups: vec![0],
        rule,
        update: thalweg::device::Update::default(),
        seeds: vec![1, 2, 3],
    };
    let mut engine: Box<dyn Engine> = match device {
        Device::Cpu(Precision::F32) => Box::new(CpuEngine::<f32>::new(setup).expect("an engine")),
        Device::Cpu(Precision::F64) => Box::new(CpuEngine::<f64>::new(setup).expect("an engine")),
        Device::Gpu(gpu) => Box::new(GpuEngine::new(gpu, setup).expect("an engine")),
    };
    let data = engine.add_data(1, Column::F64(&[8.0]), Column::Index(&[0])).expect("data");
    let losses = |engine: &mut dyn Engine, program| {
        engine.submit(0, 0, &[Call::evaluate(program)]).expect("a step");
        engine.collect().expect("records")[0].scalars.iter().map(|record| record[0]).collect::<Vec<_>>()
    };
    engine.set_setting("s", 1, 0.25).expect("a setting");
    let first = engine.compile(step.clone(), data).expect("a program");
    assert_eq!(losses(engine.as_mut(), first), [4.0, 2.0, 4.0]);
    engine.set_setting("s", 2, 3.0).expect("a setting");
    let second = engine.compile(step, data).expect("a program");
    for program in [first, second] {
        assert_eq!(losses(engine.as_mut(), program), [4.0, 2.0, 24.0]);
    }
    for (member, value) in [(3, 0.5), (0, f64::NAN), (0, f64::INFINITY)] {
        engine.set_setting("s", member, value).expect_err("no member, or no number");
    }
    assert_eq!(losses(engine.as_mut(), second), [4.0, 2.0, 24.0]);
}
