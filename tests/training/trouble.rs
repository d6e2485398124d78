//! Numbers that are none, and engines used in ways they cannot be.

use thalweg::data::{Dataset, Split, Targets, Values};
use thalweg::device::{Call, Column, Device, Precision, Tensor};
use thalweg::error::{DeviceError, Error, GraphError, OptimError, TrainError};
use thalweg::graph::NodeId;
use thalweg::loss::Loss;
use thalweg::nn::{Builder, Elu, Layer, LeakyRelu, Linear, Objective, Sequential};
use thalweg::optim::ALL;
use thalweg::train::checkpoint::Checkpoint;
use thalweg::train::{Event, Flow, Recipe, Trainer};

use super::common::{go, noise, optimizer, recipe, trainer};
use super::given::{self, WIDTH, call, ready};

fn regression(scale: f64) -> Split {
    let features = noise(22 * 4, 5).iter().map(|x| scale * (x + 2.0)).collect();
    let targets = Targets::Values { values: Values::F64(noise(22, 6)), shape: [1].into() };
    let train = Dataset::new(Values::F64(features), [4].into(), targets).expect("data");
    Split { train, validation: None, description: String::new() }
}

fn linear() -> Sequential {
    Sequential::new().add(Linear::new(3)).add(Linear::new(1))
}

fn squares(rate: f64, epochs: u32) -> Recipe {
    let optimizer = optimizer(&format!("name = 'sgd'\nlearning_rate = {rate:e}"));
    Recipe { objective: Objective { loss: Loss::Mse, l2: 0.0 }, optimizer: optimizer.into(), epochs, ..recipe() }
}

/// One good epoch, then a rate of 1e30: the step and the tensor are named and the good epoch is kept.
pub fn a_rate_too_high_is_named(device: &Device) {
    let (data, folder) = (regression(1.0), tempfile::tempdir().expect("a folder"));
    let mut good = trainer(device, &linear(), &data, &squares(1e-3, 1));
    good.keep_in(folder.path()).expect("a folder");
    let good = go(&mut good, None).expect("a run").last;
    let mut bad: Trainer = trainer(device, &linear(), &data, &squares(1e30, 9));
    bad.keep_in(folder.path()).expect("a folder");
    bad.resume(folder.path()).expect("a checkpoint");
    // Tried again, it fails again: steps under way at the first failure are no one's.
    for _ in 0..2 {
        match go(&mut bad, None).err() {
            Some(Error::Train(TrainError::NonFiniteLoss { step, loss, first, checkpoint })) => {
                assert!(step > 7 && !loss.is_finite(), "step {step}: {loss}");
                let first = first.expect("a tensor");
                assert!(
                    ["0.weight", "0.bias", "1.weight", "1.bias"].iter().any(|name| first.contains(name)),
                    "{first}"
                );
                assert_eq!(checkpoint.as_deref(), Some(folder.path()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(Checkpoint::load(folder.path()).expect("a checkpoint"), good);
    // Back at the good epoch nothing is non-finite any more.
    bad.resume(folder.path()).expect("a checkpoint");
    assert_eq!(bad.checkpoint().expect("a checkpoint"), good);
}

pub fn data_that_overflow_are_named(device: &Device) {
    let scale = if device.precision() == Precision::F64 { 1e300 } else { 1e38 };
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = trainer(device, &linear(), &regression(scale), &squares(1e-3, 1));
    run.keep_in(folder.path()).expect("a folder");
    match go(&mut run, None).err() {
        Some(Error::Train(TrainError::NonFiniteLoss { step: 1, loss, first, checkpoint: None })) => {
            assert!(!loss.is_finite());
            let first = first.expect("a tensor");
            assert!(first.contains("gradient") && first.contains("step 1"), "{first}");
        }
        other => panic!("{other:?}"),
    }
}

/// A NaN and an infinity in the gradient of one element, at the third step and the fourth.
pub fn every_optimizer_reports_a_gradient_that_is_no_number(device: &Device) {
    for entry in ALL {
        for (bad, at) in [(f64::NAN, 2), (f64::INFINITY, 3)] {
            let optimizer = (entry.defaults)(entry.conventions[0]);
            let mut rows = noise(5 * WIDTH, 9);
            rows[at * WIDTH + 299] = bad;
            let (mut engine, _, program) = ready(device, &optimizer, 2, &rows).expect("an engine");
            let calls: Vec<Call> = (0..5).map(|t| call(program, optimizer.rule(), t, 2)).collect();
            engine.submit(0, 0, &calls[..at]).expect("steps");
            engine.collect().expect("records");
            assert_eq!(engine.first_non_finite(0).expect("flags"), None, "{}", entry.name);
            engine.submit(at as u32, at as u32, &calls[at..]).expect("steps");
            engine.collect().expect("records");
            let found = engine.first_non_finite(0).expect("flags").expect("a tensor");
            assert_eq!((found.what, found.step), ("gradient", at as u32 + 1), "{}", entry.name);
        }
    }
}

#[track_caller]
fn refused<T>(result: Result<T, DeviceError>, wanted: &str) {
    match result.err() {
        Some(DeviceError::Feed { name, .. }) => assert_eq!(name, wanted),
        other => panic!("{wanted}: {other:?}"),
    }
}

pub fn misuse_is_refused(device: &Device) {
    let adam = optimizer("name = 'adam'");
    let (mut engine, data, program) = ready(device, &adam, 2, &noise(3 * WIDTH, 1)).expect("an engine");
    let step = |t| call(program, adam.rule(), t, 2);
    refused(engine.set_order(data, &[0, 1]), "order");
    refused(engine.set_order(data, &[0, 1, 3]), "order");
    refused(engine.submit(0, 2, &[step(0), step(1)]), "minibatch");
    refused(engine.submit(0, 0, &[]), "submission");
    refused(engine.submit(0, 0, &vec![step(0); engine.capacity() + 1]), "submission");
    refused(engine.submit(0, 0, &[call(program, adam.rule(), 0, 1)]), "hyper-parameters");
    refused(engine.parameters(2), "member");
    refused(engine.set_parameters(0, &[]), "parameters");
    let mut values = engine.parameters(0).expect("parameters");
    values[1].pop();
    refused(engine.set_parameters(0, &values), "1.weight");
    let mut states = engine.states(1).expect("states");
    states.pop();
    refused(engine.set_states(1, &states), "states");

    for (at, bad) in [(0, f64::NAN), (7, f64::INFINITY)] {
        let mut infinite = step(0);
        infinite.hyper[1][at] = bad;
        refused(engine.submit(0, 0, &[infinite]), "hyper-parameters");
    }
    let mut wide = step(0);
    wide.hyper[1][0] = 1e39;
    match device.precision() {
        Precision::F32 => refused(engine.submit(0, 0, &[wide]), "hyper-parameters"),
        Precision::F64 => {}
    }

    let (tensors, good) = given::step();
    let mut elsewhere = ready(device, &adam, 1, &noise(3 * WIDTH, 1)).expect("an engine").0;
    let foreign = (0..3).map(|_| elsewhere.add_data(1, Column::F64(&noise(WIDTH, 1)), Column::Index(&[0])));
    let foreign = foreign.last().expect("three").expect("data");
    refused(engine.set_order(foreign, &[0]), "data set");
    refused(engine.compile(good.clone(), foreign), "data set");
    let mut constant = good.clone();
    constant.features = constant.gradients[0].expect("a node");
    refused(engine.compile(constant, data), "features");
    let mut foreign = good.clone();
    let mut other = thalweg::Graph::new();
    foreign.record[1] = (0..99).map(|i| other.input(&i.to_string(), [1]).expect("an input")).last();
    match engine.compile(foreign, data).err() {
        Some(DeviceError::Graph(GraphError::ForeignNode { node: 98, .. })) => {}
        other => panic!("{other:?}"),
    }
    let narrow = engine.add_data(3, Column::F64(&noise(3 * 7, 1)), Column::Index(&[0; 3])).expect("data");
    refused(engine.compile(good.clone(), narrow), "features");
    let wrong = engine.add_data(3, Column::F64(&noise(3 * WIDTH, 1)), Column::F64(&[0.0; 3])).expect("data");
    refused(engine.compile(good.clone(), wrong), "targets");
    let mut silent = good.clone();
    silent.record[0] = None;
    refused(engine.compile(silent, data), "record");
    let mut vector = good.clone();
    vector.record[1] = vector.gradients[0];
    refused(engine.compile(vector, data), "record");
    let mut few = good.clone();
    few.gradients.pop();
    refused(engine.compile(few, data), "gradients");
    let mut crossed = good.clone();
    crossed.gradients.swap(0, 1);
    refused(engine.compile(crossed, data), "gradients");
    let mut strange = good.clone();
    strange.graph.parameter("strange", [2]).expect("a parameter");
    match engine.compile(strange, data).err() {
        Some(DeviceError::Graph(GraphError::UnknownParameter { name, known })) => {
            assert_eq!((name.as_str(), known.len()), ("strange", tensors.len()));
        }
        other => panic!("{other:?}"),
    }
    let longer: Vec<Tensor> = tensors.iter().map(|t| Tensor { shape: [7].into(), ..t.clone() }).collect();
    let setup = thalweg::device::Setup {
        tensors: longer,
        buffers: Vec::new(),
        groups: vec![0; 5],
        rule: adam.clone().into_rule(),
        update: thalweg::device::Update::default(),
        seeds: vec![1],
    };
    let mut other = given::engine(device, setup).expect("an engine");
    let rows = other.add_data(3, Column::F64(&noise(3 * WIDTH, 1)), Column::Index(&[0; 3])).expect("data");
    assert!(other.compile(good, rows).is_err());
    // After all that the engine still works.
    engine.submit(0, 0, &[step(0), step(1), step(2)]).expect("steps");
    assert_eq!(engine.collect().expect("records").len(), 3);
    assert_eq!(engine.first_non_finite(0).expect("flags"), None);
}

/// Numbers that f64 holds and f32 does not: refused before anything is trained, and only where they are rounded.
pub fn numbers_beyond_the_devices_floats_are_refused(device: &Device) {
    let narrow = device.precision() == Precision::F32;
    let data = regression(1.0);
    let started = |recipe: Recipe| Trainer::new(device, &linear(), &data, recipe).map(|_| ());
    let base = || squares(1e-3, 3);
    for (rule, wanted) in [
        ("name = 'sgd'\nlearning_rate = 1e-50", "learning_rate"),
        ("name = 'sgd'\nlearning_rate = 1e39", "learning_rate"),
        ("name = 'adam'\nepsilon = 1e-50", "epsilon"),
        ("name = 'adamw'\nweight_decay = 1e300", "weight_decay"),
    ] {
        let found = started(Recipe { optimizer: optimizer(rule).into(), ..base() });
        match found {
            Err(Error::Optim(OptimError::Range { field, .. })) if narrow => assert_eq!(field, wanted),
            Ok(()) if !narrow => {}
            other => panic!("{rule}: {other:?}"),
        }
    }
    // The first epoch's rate is fine; that of step 7, or of step 13, is infinite or 0.
    for (curve, narrow_only) in [("1e308", false), ("1e30", true), ("1e-30", true), ("1e-300", false)] {
        let schedule = toml::from_str(&format!("name = 'step'\nevery = 1\nfactor = {curve}")).expect("a schedule");
        match started(Recipe { schedule, ..base() }) {
            Err(Error::Optim(OptimError::Rate { schedule: "step", step, epoch, floats, rate })) => {
                assert!(matches!((step, epoch), (7, 2) | (13, 3)), "{curve}: step {step}, epoch {epoch}");
                assert!(narrow || !narrow_only, "{curve}");
                assert_eq!(floats, device.precision().name());
                assert!(!device.precision().holds_positive(rate), "{rate}");
            }
            Ok(()) if narrow_only && !narrow => {}
            other => panic!("{curve}: {other:?}"),
        }
    }
    for l2 in [1e39, 1e300] {
        let objective = Objective { loss: Loss::Mse, l2 };
        assert!(matches!(
            started(Recipe { objective, ..base() }),
            Err(Error::Graph(GraphError::Range { field: "l2", .. }))
        ));
    }
    let bent = Sequential::new().add(Linear::new(3)).add(LeakyRelu { slope: 1e39 }).add(Linear::new(1));
    let curved = Sequential::new().add(Linear::new(3)).add(Elu { alpha: 1e300 }).add(Linear::new(1));
    for (model, wanted) in [(bent, "slope"), (curved, "alpha")] {
        let refused = Trainer::new(device, &model, &data, base()).map(|_| ());
        let said = refused.expect_err("must be refused").to_string();
        assert!(said.contains(&format!("`{wanted}` must be in [0, ∞) and finite in f32")), "{said}");
    }
}

/// A rule with a state more than the kernels bind.
#[derive(Clone, Debug)]
struct Hoarder;

impl thalweg::optim::Rule for Hoarder {
    fn name(&self) -> &'static str {
        "hoarder"
    }
    fn convention(&self) -> thalweg::optim::Convention {
        thalweg::optim::Convention::PyTorch
    }
    fn states(&self) -> &'static [&'static str] {
        &["a", "b", "c", "d"]
    }
    fn validate(&self) -> Result<(), OptimError> {
        Ok(())
    }
    fn learning_rate(&self) -> f64 {
        1.0
    }
    fn hyper(&self, _: u64, _: f64) -> thalweg::optim::Hyper {
        [0.0; 12]
    }
    fn update<T: thalweg::Number>(&self, _: &[T; 12], _: T, p: T, s: [T; 3]) -> (T, [T; 3]) {
        (p, s)
    }
    fn source(&self) -> &'static str {
        ""
    }
}

pub fn setups_that_do_not_hold_together_are_refused(device: &Device) {
    use thalweg::device::Setup;
    let good = || {
        let rule = optimizer("name = 'adam'").into_rule();
        Setup {
            tensors: given::step().0,
            buffers: Vec::new(),
            groups: vec![0, 1, 0, 255, 0],
            rule,
            update: thalweg::device::Update::default(),
            seeds: vec![1],
        }
    };
    given::engine(device, good()).expect("an engine");
    let refused = |setup: Setup, wanted: &str| match given::engine(device, setup).err() {
        Some(Error::Device(DeviceError::Feed { name, .. })) => assert_eq!(name, wanted),
        other => panic!("{wanted}: {other:?}"),
    };
    for groups in [vec![], vec![0; 4], vec![0; 6], vec![0, 0, 256, 0, 0], vec![usize::MAX; 5]] {
        refused(Setup { groups, ..good() }, "parameter groups");
    }
    refused(Setup { seeds: Vec::new(), ..good() }, "seeds");
    refused(Setup { rule: std::sync::Arc::new(Hoarder), ..good() }, "rule");
    let mut twins = good();
    twins.tensors[3].name = twins.tensors[1].name.clone();
    refused(twins, "tensors");
}

/// A model of one's own that asks for an input nobody feeds.
pub fn an_input_of_the_models_own_is_refused(device: &Device) {
    let model = |b: &mut Builder<'_>, x: NodeId| -> Result<NodeId, GraphError> {
        let y = Linear::new(1).build(b, x)?;
        let extra = b.graph().input("extra", [1])?;
        b.graph().add(y, extra)
    };
    match Trainer::new(device, &model, &regression(1.0), squares(1e-3, 1)).err() {
        Some(Error::Device(DeviceError::NotFed { kind: "input", name, .. })) => assert_eq!(name, "extra"),
        other => panic!("{other:?}"),
    }
}

/// An update that overflows on a watcher's last step: its loss was finite, its weights are not, and are not kept.
pub fn a_stop_keeps_no_weights_that_are_none(device: &Device) {
    let (data, folder) = (regression(10.0), tempfile::tempdir().expect("a folder"));
    let squares = |rate, epochs| Recipe { batch_size: 22, ..squares(rate, epochs) };
    let mut good = trainer(device, &linear(), &data, &squares(1e-6, 1));
    good.keep_in(folder.path()).expect("a folder");
    let good = go(&mut good, None).expect("a run").last;
    let rate = if device.precision() == Precision::F64 { 1e308 } else { 1e38 };
    let mut bad = trainer(device, &linear(), &data, &squares(rate, 9));
    bad.resume(folder.path()).expect("a checkpoint");
    bad.keep_in(folder.path()).expect("a folder");
    let mut losses = Vec::new();
    let stopped = bad.run(&mut |event| {
        if let Event::Step(step) = event {
            losses.push(step.loss);
        }
        Flow::Stop
    });
    assert!(losses.len() == 1 && losses[0].is_finite(), "{losses:?}");
    match stopped.err() {
        Some(Error::Train(TrainError::NonFiniteTensor { first, checkpoint })) => {
            assert!(first.contains("at step 2"), "{first}");
            assert_eq!(checkpoint.as_deref(), Some(folder.path()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(Checkpoint::load(folder.path()).expect("a checkpoint"), good);
}
