//! Which rows a step takes, and what it says of them.

use std::collections::HashMap;

use thalweg::check::{Bounded, bounds};
use thalweg::data::{Dataset, Split, Targets};
use thalweg::device::{Device, Feed, Precision, cpu};
use thalweg::graph::{Context, NodeId};
use thalweg::nn::{Assembled, Mode, Objective, TargetKind, assemble, initial_parameters};
use thalweg::schedule::Schedule;
use thalweg::train::Recipe;

use super::common::{data, go, optimizer, plain, recipe, rows, trainer};

fn assembled(batch: usize, l2: f64) -> Assembled {
    let objective = Objective { l2, ..Objective::default() };
    assemble(&plain(), &[5].into(), TargetKind::Classes { classes: 3 }, &objective, batch, Mode::Train)
        .expect("a model")
}

fn feeds(a: &Assembled, data: &Dataset, rows: &[u32], parameters: &[Vec<f64>]) -> HashMap<NodeId, Feed> {
    let part = data.select(rows);
    let Targets::Classes { labels, .. } = part.targets() else { panic!("classes") };
    let fixed = [(a.features, part.features().to_f64().into()), (a.targets, labels.clone().into())];
    let learnt = a.parameters.iter().zip(parameters).map(|(p, values)| (p.node, values.clone().into()));
    fixed.into_iter().chain(learnt).collect()
}

/// The values of `wanted` at a model's first weights, and how far f32 may lie from them.
fn at_the_start(rows: &[u32], data: &Dataset, seed: u64, l2: f64, pick: fn(&Assembled) -> NodeId) -> Bounded {
    let a = assembled(rows.len(), l2);
    let parameters = initial_parameters(&a.parameters, seed);
    let all = bounds(&a.graph, &feeds(&a, data, rows, &parameters), &[pick(&a)], &Context::default());
    all.expect("an evaluation").remove(0)
}

/// f32 within the bound of its arithmetic; f64, which runs the same twins, to the last bit.
fn agrees(device: &Device, found: f64, expected: &Bounded) {
    let exact = device.precision() == Precision::F64;
    let bound = if exact { 0.0 } else { expected.error[0] + f64::from(f32::MIN_POSITIVE) };
    let error = (found - expected.value[0]).abs();
    assert!(error <= bound, "{found} is {error:e} from {}, allowed {bound:e}", expected.value[0]);
}

/// 10 rows in fours with the last two left out: two steps an epoch, whose rows make the epoch's means; a run stopped on the way
/// is resumed exactly, and one that takes the last two is another run.
pub fn rows_that_fill_no_minibatch_are_left_out(device: &Device) {
    let split = Split { train: rows(10, 5, 3), validation: Some(rows(6, 5, 4)), description: String::new() };
    let dropping = Recipe { drop_last: true, epochs: 3, ..recipe() };
    let told = go(&mut trainer(device, &plain(), &split, &dropping), None).expect("a run");
    assert_eq!(told.steps.iter().map(|s| s.rows).collect::<Vec<_>>(), [4; 6]);
    assert_eq!(told.steps.iter().map(|s| s.epoch).collect::<Vec<_>>(), [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]);
    for (epoch, steps) in told.epochs.iter().zip(told.steps.chunks(2)) {
        assert_eq!(epoch.train_loss, (4.0 * steps[0].data_loss + 4.0 * steps[1].data_loss) / 8.0);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = trainer(device, &plain(), &split, &dropping);
    first.keep_in(folder.path()).expect("a folder");
    go(&mut first, Some(3)).expect("a run");
    let mut rest = trainer(device, &plain(), &split, &dropping);
    rest.resume(folder.path()).expect("a checkpoint");
    assert_eq!(go(&mut rest, None).expect("a run").last, told.last);
    let mut other = trainer(device, &plain(), &split, &Recipe { drop_last: false, ..dropping });
    let refused = other.resume(folder.path()).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refused.contains("drop_last"), "{refused}");
}

/// 10 rows in fours: the third step of each epoch takes the last two. At a rate of 1e-30 no weight moves, so that each loss is
/// one at the first weights.
pub fn rows_in_order_and_a_short_last_minibatch(device: &Device) {
    let split = Split { train: rows(10, 5, 3), validation: None, description: String::new() };
    let still = optimizer("name = 'sgd'\nlearning_rate = 1e-30");
    let course = Recipe { optimizer: still.into(), epochs: 2, shuffle: false, ..recipe() };
    let mut trainer_ = trainer(device, &plain(), &split, &course);
    assert_eq!(trainer_.steps_per_epoch(), 3);
    let told = go(&mut trainer_, None).expect("a run");
    let order = [&[0, 1, 2, 3][..], &[4, 5, 6, 7], &[8, 9]];
    let expected = order.map(|rows| at_the_start(rows, &split.train, course.seed, 0.0, |a| a.loss));
    let gap = (0..3).map(|i| (expected[i].value[0] - expected[(i + 1) % 3].value[0]).abs()).fold(f64::MAX, f64::min);
    assert!(expected.iter().all(|e| e.error[0] < gap / 100.0), "the minibatches are told apart");
    let found: Vec<usize> = told.steps.iter().map(|s| s.rows).collect();
    assert_eq!(found, [4, 4, 2, 4, 4, 2]);
    for (step, expected) in told.steps.iter().zip(expected.iter().cycle()) {
        agrees(device, step.loss, expected);
    }
    if device.precision() == Precision::F64 {
        by_hand(device, &split);
    }
}

/// The whole of two epochs with plain gradient descent, by evaluations and a subtraction: f64 to the last bit.
fn by_hand(device: &Device, split: &Split) {
    let (rate, seed) = (0.3, recipe().seed);
    let sgd = optimizer("name = 'sgd'\nlearning_rate = 0.3");
    let course = Recipe { optimizer: sgd.into(), epochs: 2, shuffle: false, ..recipe() };
    let mut trainer = trainer(device, &plain(), split, &course);
    let told = go(&mut trainer, None).expect("a run");
    let mut parameters = initial_parameters(&assembled(4, 0.0).parameters, seed);
    let order = [&[0, 1, 2, 3][..], &[4, 5, 6, 7], &[8, 9]];
    for (step, rows) in told.steps.iter().zip(order.iter().cycle()) {
        let a = assembled(rows.len(), 0.0);
        let mut wanted = vec![a.loss];
        wanted.extend(a.gradients.iter().flatten());
        let feeds = feeds(&a, &split.train, rows, &parameters);
        let found = cpu::evaluate(&a.graph, &feeds, &wanted, &Context::default()).expect("an evaluation");
        assert_eq!(step.loss, found[0][0], "step {}", step.step);
        for (p, g) in parameters.iter_mut().zip(&found[1..]) {
            p.iter_mut().zip(g).for_each(|(p, g)| *p -= rate * g);
        }
    }
    assert_eq!(trainer.parameters().expect("parameters"), parameters);
}

pub fn losses_are_those_before_the_update(device: &Device) {
    let l2 = 0.5;
    let course = Recipe { objective: Objective { l2, ..Objective::default() }, shuffle: false, ..recipe() };
    let told = go(&mut trainer(device, &plain(), &data(), &course), None).expect("a run");
    let first = &told.steps[0];
    let start = |pick| at_the_start(&[0, 1, 2, 3], &data().train, course.seed, l2, pick);
    agrees(device, first.loss, &start(|a| a.loss));
    agrees(device, first.data_loss, &start(|a| a.data_loss));
    let chance = 3f64.ln();
    assert!((first.data_loss - chance).abs() < 0.5 * chance, "three classes at the start: {}", first.data_loss);
    // Penalty: ½λ‖w‖² over the two weights, not the biases.
    let initial = initial_parameters(&assembled(4, l2).parameters, course.seed);
    let squares: f64 = [&initial[0], &initial[2]].into_iter().flatten().map(|w| w * w).sum();
    let penalty = start(|a| a.penalty.expect("a penalty"));
    assert!((penalty.value[0] - 0.5 * l2 * squares).abs() <= 1e-12 * squares);

    let numbers: Vec<u64> = told.steps.iter().map(|s| s.step).collect();
    assert_eq!(numbers, (1..=24).collect::<Vec<u64>>());
    for (i, step) in told.steps.iter().enumerate() {
        let done = if i % 6 == 5 { 1.0 } else { ((i % 6 + 1) * 4) as f64 / 22.0 };
        assert_eq!(step.epoch, (i / 6) as f64 + done);
    }
    for (epoch, steps) in told.epochs.iter().zip(told.steps.chunks(6)) {
        let mean =
            |of: fn(&thalweg::train::StepEvent) -> f64| steps.iter().map(|s| s.rows as f64 * of(s)).sum::<f64>() / 22.0;
        assert_eq!(epoch.train_loss, mean(|s| s.data_loss));
        assert_eq!(epoch.train_accuracy, Some(mean(|s| s.accuracy.expect("classes"))));
        assert!(epoch.penalty.is_some() && epoch.val_loss.is_some());
    }
}

pub fn rates_follow_the_schedule(device: &Device) {
    let base = 0.2;
    let sgd = optimizer("name = 'sgd'\nlearning_rate = 0.2");
    type Expected = fn(u32, i32) -> f64;
    let curves: [(&str, Expected); 6] = [
        ("name = 'constant'", |_, _| 1.0),
        ("name = 'step'\nevery = 1\nfactor = 0.5", |_, epoch| 0.5f64.powi(epoch)),
        ("name = 'step'\nevery = 2\nfactor = 0.5", |_, epoch| 0.5f64.powi(epoch / 2)),
        ("name = 'exponential'\nrate = 0.1\nunit = 'step'", |step, _| (-0.1 * f64::from(step)).exp()),
        ("name = 'inverse'\nrate = 0.5\nunit = 'epoch'", |_, epoch| 1.0 / (1.0 + 0.5 * f64::from(epoch))),
        ("name = 'inverse'\nrate = 0.5\nunit = 'step'", |step, _| 1.0 / (1.0 + 0.5 * f64::from(step))),
    ];
    for (curve, expected) in curves {
        let schedule: Schedule = toml::from_str(curve).expect("a schedule");
        let course = Recipe { optimizer: sgd.clone().into(), schedule, epochs: 3, ..recipe() };
        let told = go(&mut trainer(device, &plain(), &data(), &course), None).expect("a run");
        for (i, step) in told.steps.iter().enumerate() {
            let wanted = base * expected(i as u32, i as i32 / 6);
            assert!((step.learning_rate - wanted).abs() <= 4.0 * f64::EPSILON * wanted, "{curve}, step {i}");
        }
        assert_eq!(told.epochs[2].learning_rate, told.steps[17].learning_rate);
    }
    // The update uses it: after the first epoch the rate is 1e-30 of what it was, and no weight moves.
    let schedule: Schedule = toml::from_str("name = 'step'\nevery = 1\nfactor = 1e-30").expect("a schedule");
    let course = |epochs| Recipe { optimizer: sgd.clone().into(), schedule: schedule.clone(), epochs, ..recipe() };
    let ended = |epochs| go(&mut trainer(device, &plain(), &data(), &course(epochs)), None).expect("a run").last;
    assert_eq!(ended(1).parameters, ended(2).parameters);
    let rule = sgd.rule();
    assert_eq!(rule.hyper(1, rule.learning_rate())[0], base);
}
