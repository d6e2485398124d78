//! What a model keeps from step to step without learning it.

use thalweg::data::{Dataset, Split, Targets, Values};
use thalweg::device::{Call, Column, Device, Setup, StepGraph, Tensor};
use thalweg::error::{CheckpointError, Error, GraphError, TrainError};
use thalweg::graph::{Graph, NodeId};
use thalweg::nn::{BatchNorm, Builder, Layer, Linear, Mode, Objective, Sequential, TargetKind, assemble};
use thalweg::optim::{DynRule, Sgd};
use thalweg::train::Recipe;
use thalweg::train::checkpoint::{Checkpoint, MODEL};

use super::common::{data, go, noise, recipe, trainer};
use super::given;
use super::resume::stopped_at;

/// A linear model that adds up its minibatches' means, from 0 and from 1, and centres by the first sum where it is used.
pub fn model(b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
    let width = b.shape(x)[1];
    let sums = b.scope("sums", |b| {
        b.counter("steps")?;
        b.buffer("both", &[("from_0", 0.0), ("from_1", 1.0)], [width])
    })?;
    let mut x = x;
    if b.mode() == Mode::Train {
        let mean = b.graph().mean(x, 0, false)?;
        let next = b.graph().add(sums, mean)?;
        b.update(sums, next)?;
    } else {
        let both = b.graph().sum(sums, 0, false)?;
        x = b.graph().sub(x, both)?;
    }
    b.scope("fc", |b| Linear::new(3).build(b, x))
}

/// The sums of the means of the minibatches of 4 of the rows in order, over `epochs`.
fn sums(epochs: usize) -> Vec<f64> {
    let rows = data().train.features().to_f64();
    let mut sums = vec![0.0; 5];
    for _ in 0..epochs {
        for batch in rows.chunks(4 * 5) {
            for (i, x) in batch.iter().enumerate() {
                sums[i % 5] += x / (batch.len() / 5) as f64;
            }
        }
    }
    sums
}

fn in_order() -> Recipe {
    Recipe { shuffle: false, ..recipe() }
}

pub fn is_what_the_steps_make_of_it(device: &Device) {
    let mut trainer = trainer(device, &model, &data(), &in_order());
    let last = go(&mut trainer, None).expect("a run").last;
    let names: Vec<_> = last.buffers.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["sums.from_0", "sums.from_1"]);
    let unit = match device.precision().bytes() {
        4 => f64::from(f32::EPSILON),
        _ => f64::EPSILON,
    };
    for (start, found) in [0.0, 1.0].into_iter().zip(&last.buffers) {
        for (found, sum) in found.data.to_f64().into_iter().zip(sums(4)) {
            // 24 sums of means of 4, each rounded: no value on the way is above 1 + 24.
            let bound = 24.0 * (25.0 + 4.0) * unit;
            assert!((found - (start + sum)).abs() <= bound, "{found} is not {}", start + sum);
        }
    }
    let counted: Vec<_> = last.counters.iter().map(|c| (c.name.as_str(), c.value)).collect();
    assert_eq!(counted, [("sums.steps", 24)]);
}

pub fn is_used_but_not_changed_by_evaluation(device: &Device) {
    let mut trainer = trainer(device, &model, &data(), &in_order());
    let before = trainer.evaluate().expect("an evaluation").expect("validation data");
    let kept = |t: &mut thalweg::train::Trainer| t.checkpoint().expect("a checkpoint").buffers;
    let initial = kept(&mut trainer);
    assert_eq!(initial[1].data.to_f64(), [1.0; 5]);
    go(&mut trainer, Some(1)).expect("a run");
    let trained = kept(&mut trainer);
    assert_ne!(trained, initial);
    let after = trainer.evaluate().expect("an evaluation").expect("validation data");
    assert_ne!(before.0, after.0);
    assert_eq!(kept(&mut trainer), trained);
}

pub fn is_resumed_exactly(device: &Device) {
    for at in [1, 8] {
        stopped_at(device, &model, &recipe(), at);
    }
}

/// Weights from a file bring the buffers and the count along.
pub fn goes_through_a_file(device: &Device) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = trainer(device, &model, &data(), &recipe());
    first.keep_in(folder.path()).expect("a folder");
    let before = go(&mut first, None).expect("a run").last;
    let mut second = trainer(device, &model, &data(), &recipe());
    second.load_weights(&folder.path().join(MODEL)).expect("the same model");
    let after = second.checkpoint().expect("a checkpoint");
    assert_eq!((&after.parameters, &after.buffers), (&before.parameters, &before.buffers));
    assert_eq!(after.counters, before.counters);
    // A count that comes with weights in the middle of a run is that count.
    let mut third = trainer(device, &model, &data(), &recipe());
    go(&mut third, Some(1)).expect("a run");
    assert!(third.step() > 0);
    third.load_weights(&folder.path().join(MODEL)).expect("the same model");
    assert_eq!(third.checkpoint().expect("a checkpoint").counters, before.counters);
    // The count goes on from what the file said.
    let trained = go(&mut second, None).expect("a run").last;
    assert_eq!(trained.counters[0].value, 48);

    let bytes = std::fs::read(folder.path().join(MODEL)).expect("a file");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let steps = file.tensor("sums.steps").expect("the count");
    assert_eq!(
        (steps.dtype(), steps.shape(), steps.data()),
        (safetensors::Dtype::I64, &[][..], &24_i64.to_le_bytes()[..])
    );

    let plain = |b: &mut Builder<'_>, x: NodeId| b.scope("fc", |b| Linear::new(3).build(b, x));
    let mut other = trainer(device, &plain, &data(), &recipe());
    let extra = other.load_weights(&folder.path().join(MODEL)).expect_err("another model");
    let Error::Checkpoint(CheckpointError::Mismatch { extra, missing, .. }) = extra else { panic!("{extra}") };
    let names: Vec<_> = extra.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, missing.len()), (vec!["sums.from_0", "sums.from_1", "sums.steps"], 0));

    let mut other = trainer(device, &plain, &data(), &recipe());
    let refused = other.resume(folder.path()).expect_err("another model");
    let Error::Checkpoint(CheckpointError::Mismatch { extra, .. }) = refused else { panic!("{refused}") };
    assert_eq!(extra.len(), 2);
    assert_eq!(Checkpoint::load(folder.path()).expect("a checkpoint").buffers, before.buffers);
}

/// What becomes of a buffer may be another buffer, a parameter, or a view of either, each as the step had it; and a gradient may
/// be a parameter's own value.
pub fn may_become_what_another_was(device: &Device) {
    let mut g = Graph::new();
    let x = g.input("x", [1, 2]).expect("an input");
    let y = g.index_input("y", [1]).expect("an input");
    let w = g.parameter("w", [2]).expect("a parameter");
    let made = ["count", "before", "shadow", "turned", "same"].map(|name| g.buffer(name, [2]).expect("a buffer"));
    let [count, before, shadow, turned, _] = made;
    let flat = g.reshape(x, [2]).expect("a view");
    let more = g.add(count, flat).expect("a sum");
    let upright = g.reshape(before, [2, 1]).expect("a view");
    let back = g.reshape(upright, [2]).expect("a view");
    let loss = g.sum_all(x).expect("a sum");
    // The last one keeps what it has.
    let updates = vec![Some(more), Some(count), Some(w), Some(back), None];
    let step = StepGraph {
        graph: g,
        features: x,
        targets: y,
        record: [Some(loss), None, None, None],
        gradients: vec![Some(w)],
        updates,
    };
    let tensor = |name: &str| Tensor { name: name.into(), shape: [2].into() };
    let rule = Sgd { learning_rate: 0.5, ..Sgd::default() };
    let setup = Setup {
        tensors: vec![tensor("w")],
        buffers: ["count", "before", "shadow", "turned", "same"].map(tensor).to_vec(),
        groups: vec![0],
        rule: std::sync::Arc::new(rule),
        update: thalweg::device::Update::default(),
        seeds: vec![1],
    };
    assert_ne!(shadow, turned);
    let mut engine = given::engine(device, setup).expect("an engine");
    let id = engine.add_data(3, Column::F64(&[1.0, 2.0, 1.0, 2.0, 1.0, 2.0]), Column::Index(&[0; 3])).expect("data");
    let program = engine.compile(step, id).expect("a step");
    engine.set_parameters(0, &[vec![8.0, 16.0]]).expect("a parameter");
    let start = [[0.0, 0.0], [-1.0, -1.0], [-2.0, -2.0], [-3.0, -3.0], [-4.0, -4.0]];
    engine.set_buffers(0, &start.map(|b| b.to_vec())).expect("buffers");
    // w halves at each step: its gradient is itself, at a rate of a half.
    let expected = [
        [[1.0, 2.0], [0.0, 0.0], [8.0, 16.0], [-1.0, -1.0], [-4.0, -4.0]],
        [[2.0, 4.0], [1.0, 2.0], [4.0, 8.0], [0.0, 0.0], [-4.0, -4.0]],
        [[3.0, 6.0], [2.0, 4.0], [2.0, 4.0], [1.0, 2.0], [-4.0, -4.0]],
    ];
    for (n, expected) in expected.iter().enumerate() {
        let call = Call::new(program, vec![DynRule::hyper(&rule, 1, 0.5)]);
        engine.submit(n as u32, n as u32, &[call]).expect("a step");
        engine.collect().expect("a record");
        assert_eq!(engine.buffers(0).expect("buffers"), expected.map(|b| b.to_vec()), "after step {}", n + 1);
    }
    assert_eq!(engine.parameters(0).expect("a parameter"), [vec![1.0, 2.0]]);
}

/// A running variance that overflows, while the loss does not, ends the run before it is saved; what training does not
/// see but evaluation does ends it as well.
pub fn that_is_no_number_is_refused(device: &Device) {
    // Beyond f32, or f64, when squared, though its rounding is not.
    let large = if device.precision().bytes() == 4 { 1e20 } else { 1e160 };
    let with = |train: f64, held_out: f64| {
        let scaled = |count, salt, scale: f64| {
            let values =
                noise(count * 5, salt).into_iter().enumerate().map(|(i, x)| if i % 5 == 0 { x * scale } else { x });
            let targets = Targets::Classes { labels: vec![0; count], classes: 3 };
            Dataset::new(Values::F64(values.collect()), [5].into(), targets).expect("data")
        };
        Split { train: scaled(22, 1, train), validation: Some(scaled(5, 2, held_out)), description: "noise".into() }
    };
    let norm = Sequential::new().add(BatchNorm::default()).add(Linear::new(3));
    let folder = tempfile::tempdir().expect("a folder");
    let mut bad = trainer(device, &norm, &with(large, 1.0), &recipe());
    bad.keep_in(folder.path()).expect("a folder");
    match go(&mut bad, None).err() {
        Some(Error::Train(TrainError::NonFiniteBuffer { name, found, step: 6, checkpoint: None })) => {
            assert_eq!(name, "0.running_var");
            assert!(!found.is_finite());
        }
        other => panic!("{other:?}"),
    }
    assert!(!folder.path().join(MODEL).exists(), "nothing was saved");

    let square = |b: &mut Builder<'_>, x: NodeId| -> Result<NodeId, GraphError> {
        let x = if b.mode() == Mode::Evaluate { b.graph().square(x)? } else { x };
        Linear::new(3).build(b, x)
    };
    let mut unseen = trainer(device, &square, &with(1.0, large), &recipe());
    unseen.keep_in(folder.path()).expect("a folder");
    match go(&mut unseen, None).err() {
        Some(Error::Train(TrainError::NonFiniteValidation { epoch: 1, checkpoint: Some(_), .. })) => {}
        other => panic!("{other:?}"),
    }
    assert!(folder.path().join(MODEL).exists(), "the weights are finite and were saved");
}

/// Each member of a population keeps its own.
pub fn is_each_members_own(device: &Device) {
    let classes = TargetKind::Classes { classes: 3 };
    let a = assemble(&model, &[5].into(), classes, &Objective::default(), 4, Mode::Train).expect("a model");
    let rule = Sgd { learning_rate: 0.1, ..Sgd::default() };
    let setup = Setup {
        tensors: a.tensors(),
        buffers: a.kept(),
        groups: vec![0; 2],
        rule: std::sync::Arc::new(rule),
        update: thalweg::device::Update::default(),
        seeds: vec![1, 2, 3],
    };
    let mut engine = given::engine(device, setup).expect("an engine");
    let rows = data().train.features().to_f64();
    let id = engine.add_data(22, Column::F64(&rows), Column::Index(&[0; 22])).expect("data");
    let program = engine.compile(a.into_step(), id).expect("a step");
    let start = |m: usize| vec![[m as f64; 10].to_vec()];
    for m in 0..3 {
        assert_eq!(engine.buffers(m).expect("buffers"), [[0.0; 10]]);
        engine.set_buffers(m, &start(m)).expect("buffers");
    }
    let call = Call::new(program, vec![DynRule::hyper(&rule, 1, 0.1); 3]);
    engine.submit(0, 0, &[call.clone(), call]).expect("two steps");
    engine.collect().expect("records");
    let rounded = |x: f64| if device.precision().bytes() == 4 { f64::from(x as f32) } else { x };
    let first = engine.buffers(0).expect("buffers").remove(0);
    assert!(first.iter().all(|x| *x != 0.0));
    for m in 0..3 {
        let found = engine.buffers(m).expect("buffers").remove(0);
        for (x, own) in first.iter().zip(&found) {
            // Beginning at m rounds the two sums otherwise than beginning at 0.
            assert!((own - rounded(x + m as f64)).abs() <= 4.0 * 4.0 * f64::from(f32::EPSILON), "{own} {x} {m}");
        }
    }
    assert!(engine.set_buffers(0, &[vec![0.0; 9]]).is_err());
    assert!(engine.set_buffers(3, &start(0)).is_err());
    assert!(engine.buffers(3).is_err());
}
