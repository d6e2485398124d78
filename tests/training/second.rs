//! Second-order optimizers in training: over all rows, to SciPy's minimiser, resumed exactly, and what they refuse.

use serde_json::Value;
use thalweg::data::{Dataset, Split, Targets, Values};
use thalweg::device::{Device, Engine, Precision, Setup, Tensor, Update, VectorId};
use thalweg::error::{DeviceError, Error, OptimError, TrainError};
use thalweg::nn::{Flatten, Linear, Objective, Sequential, Tanh};
use thalweg::optim::Optimizer;
use thalweg::optim::second::{Ended, Host, Lbfgs, Newton, Pair, Space};
use thalweg::train::{Group, Member, Recipe, Trainer, UpdateOptions};

use super::common::{data, dropping, go, noise, optimizer, plain, recipe, trainer};
use super::given;
use super::resume::stopped_at;

fn by(optimizer: impl Into<Optimizer>) -> Recipe {
    let optimizer: Optimizer = optimizer.into();
    Recipe { optimizer: optimizer.into(), ..recipe() }
}

fn epsilon(device: &Device) -> f64 {
    match device.precision() {
        Precision::F32 => f64::from(f32::EPSILON),
        Precision::F64 => f64::EPSILON,
    }
}

fn is_exact(device: &Device) -> bool {
    matches!(device, Device::Cpu(Precision::F64))
}

/// The regression of tests/golden/second: its rows, its penalty, its minimiser and its least loss by SciPy.
fn regression() -> (Split, f64, Vec<f64>, f64) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/second/logistic.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("the file")).expect("JSON");
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
    };
    let rows: Vec<f64> = file["rows"].as_array().expect("rows").iter().flat_map(numbers).collect();
    let labels = numbers(&file["classes"]).into_iter().map(|k| k as u32).collect();
    let targets = Targets::Classes { labels, classes: 3 };
    let train = Dataset::new(Values::F64(rows), [5].into(), targets).expect("data");
    let number = |key: &str| file[key].as_f64().expect("a number");
    let split = Split { train, validation: None, description: "logistic".into() };
    (split, number("penalty"), numbers(&file["minimiser"]), number("minimum"))
}

/// Trains the regression in minibatches of 7 and compares it with SciPy's, the biases' mean apart: the loss does not know it.
fn solve(device: &Device, optimizer: impl Into<Optimizer>, epochs: u32) -> (Ended, f64, f64) {
    let (split, l2, minimiser, minimum) = regression();
    let model = Sequential::new().add(Linear::new(3));
    let objective = Objective { l2, ..Objective::default() };
    let mut trainer = trainer(device, &model, &split, &Recipe { objective, epochs, batch_size: 7, ..by(optimizer) });
    let told = go(&mut trainer, None).expect("a run");
    let report = told.epochs.last().and_then(|epoch| epoch.second_order).expect("a report");
    let mut x = trainer.parameters().expect("parameters").concat();
    let mean = x[15..].iter().sum::<f64>() / 3.0;
    x[15..].iter_mut().for_each(|bias| *bias -= mean);
    let apart = x.iter().zip(&minimiser).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
    (report.ended, apart, report.loss - minimum)
}

pub fn lbfgs_finds_scipys_minimiser(device: &Device) {
    let thorough = Lbfgs { tolerance_grad: 1e-12, tolerance_change: 0.0, ..Lbfgs::default() };
    let (ended, apart, above) = solve(device, thorough, 8);
    if is_exact(device) {
        assert_eq!(ended, Ended::Gradient);
        assert!(apart <= 1e-10, "{apart:e}");
        assert!(above.abs() <= 1e-14, "{above:e}");
    } else {
        // A fall within eight roundings of the loss, 0.47, is noise; the least curvature is 0.05.
        let noise = 8.0 * epsilon(device) * 0.5;
        assert!(above.abs() <= noise, "{above:e}");
        assert!(apart <= (2.0 * noise / 0.05).sqrt(), "{apart:e}");
    }
}

pub fn newton_finds_scipys_minimiser(device: &Device) {
    let thorough = Newton { tolerance_grad: 1e-12, ..Newton::default() };
    if is_exact(device) {
        let (ended, apart, above) = solve(device, thorough, 1);
        assert_eq!(ended, Ended::Gradient);
        assert!(apart <= 1e-10 && above.abs() <= 1e-14, "{apart:e} {above:e}");
        return;
    }
    let refused = Trainer::new(device, &plain(), &data(), by(thorough)).err();
    let Some(Error::Train(TrainError::Unsuited { optimizer: "newton", instead, .. })) = &refused else {
        panic!("{refused:?}");
    };
    assert!(instead.contains("--precision f64") && instead.contains("lbfgs"), "{instead}");
}

/// A network, whose Hessian is positive definite only near the minimum: the last steps of the exact one converge fast.
pub fn newton_trains_a_network(device: &Device) {
    if !is_exact(device) {
        return newton_finds_scipys_minimiser(device);
    }
    let objective = Objective { l2: 0.02, ..Objective::default() };
    let newton = Newton { max_iter: 60, ..Newton::default() };
    let mut one = trainer(device, &plain(), &data(), &Recipe { objective, epochs: 1, ..by(newton) });
    let report = go(&mut one, None).expect("a run").epochs[0].second_order.expect("a report");
    assert_eq!(report.ended, Ended::Gradient, "{report:?}");
    assert!(report.gradient <= 1e-10 && report.iterations <= 40, "{report:?}");
}

pub fn lbfgs_is_resumed_exactly(device: &Device) {
    let short = Lbfgs { max_iter: 4, history_size: 5, ..Lbfgs::default() };
    for at in [1, 2, 3] {
        stopped_at(device, &plain(), &by(short), at);
        stopped_at(device, &dropping(), &by(short), at);
    }
}

pub fn every_step_takes_all_rows(device: &Device) {
    let losses = |batch_size, shuffle| {
        let recipe = Recipe { batch_size, shuffle, epochs: 1, ..by(Lbfgs::default()) };
        let told = go(&mut trainer(device, &plain(), &data(), &recipe), None).expect("a run");
        assert_eq!((told.steps.len(), told.steps[0].rows, told.steps[0].step), (1, 22, 1));
        assert_eq!(told.steps[0].loss, told.epochs[0].second_order.expect("a report").began);
        (told.steps[0].loss, told.epochs[0], told.last)
    };
    let (whole, epoch, _) = losses(22, true);
    let report = epoch.second_order.expect("a report");
    assert!(report.loss < 0.5 * report.began && report.evaluations <= 25, "{report:?}");
    for batch_size in [4, 7] {
        let (parts, ..) = losses(batch_size, true);
        // Sums of 22 losses in another order, each of a few dozen roundings.
        assert!((parts - whole).abs() <= 100.0 * epsilon(device) * whole, "{parts} {whole}");
    }
    // The rows always come in order: shuffling says nothing of a sum.
    assert_eq!(losses(4, true).2.parameters, losses(4, false).2.parameters);
}

/// Dropout draws the same numbers at each trial of a step: the line search is of one function, and ends.
pub fn a_step_is_of_one_function(device: &Device) {
    let run = || go(&mut trainer(device, &dropping(), &data(), &by(Lbfgs::default())), None).expect("a run");
    let (a, b) = (run(), run());
    assert_eq!((&a.last, &a.steps, &a.epochs), (&b.last, &b.steps, &b.epochs));
    for epoch in &a.epochs {
        let report = epoch.second_order.expect("a report");
        assert!(report.loss < report.began, "{report:?}");
    }
    // Other numbers in another step: where one ended is not where the next begins.
    let ends = a.epochs.iter().map(|epoch| epoch.second_order.expect("a report"));
    assert!(ends.clone().zip(ends.skip(1)).all(|(before, after)| before.loss != after.began));
}

pub fn what_second_order_cannot_train_is_refused(device: &Device) {
    let refused = |recipe: &Recipe, model: &Sequential| {
        Trainer::new(device, model, &data(), recipe.clone()).err().expect("a refusal")
    };
    let usual = by(Lbfgs::default());
    let update = UpdateOptions { accumulate: 2, ..UpdateOptions::default() };
    let members = vec![Member { seed: Some(1), ..Member::default() }, Member::default()];
    let unsuited = [
        (Recipe { drop_last: true, ..usual.clone() }, "drop_last"),
        (Recipe { update, ..usual.clone() }, "accumulation"),
        (Recipe { groups: vec![Group::new("*.bias")], ..usual.clone() }, "groups"),
        (Recipe { members, ..usual.clone() }, "population"),
    ];
    for (recipe, named) in unsuited {
        let found = refused(&recipe, &plain());
        let Error::Train(TrainError::Unsuited { optimizer: "lbfgs", what, .. }) = &found else { panic!("{found}") };
        assert!(what.contains(named), "{what}");
    }
    if is_exact(device) {
        let small = refused(&by(Newton { max_parameters: 83, ..Newton::default() }), &plain());
        // 5·9 + 9 and 9·3 + 3
        assert!(matches!(small, Error::Optim(OptimError::TooLarge { parameters: 84, limit: 83, .. })), "{small}");
        let bent = Sequential::new().add(Linear::new(8)).add(thalweg::nn::Maxout { pieces: 2 }).add(Linear::new(3));
        let bent = refused(&by(Newton::default()), &bent);
        let Error::Train(TrainError::Unsuited { optimizer: "newton", what, .. }) = &bent else { panic!("{bent}") };
        assert!(what.contains("maxout_gradient"), "{what}");
    }
}

pub fn what_is_no_number_moves_nothing(device: &Device) {
    let huge = vec![if device.precision() == Precision::F32 { 3e38 } else { 1e308 }; 4 * 5];
    let targets = Targets::Values { values: Values::F64(vec![-1.0; 4]), shape: [1].into() };
    let train = Dataset::new(Values::F64(huge), [5].into(), targets).expect("data");
    let split = Split { train, validation: None, description: "huge".into() };
    let loss: thalweg::loss::Loss = "mse".parse().expect("a loss");
    let recipe = Recipe { objective: Objective { loss, l2: 0.0 }, ..by(Lbfgs::default()) };
    let mut trainer = trainer(device, &Sequential::new().add(Flatten).add(Linear::new(1)), &split, &recipe);
    let before = trainer.parameters().expect("parameters");
    let failed = go(&mut trainer, None).err().expect("an error");
    assert!(matches!(failed, Error::Train(TrainError::NonFiniteLoss { step: 1, .. })), "{failed}");
    assert_eq!(trainer.parameters().expect("parameters"), before);
}

/// An engine with tensors of 1, 300 and 1000 elements, padding between them.
fn engine(device: &Device) -> Box<dyn Engine> {
    let tensor = |(i, n): (usize, usize)| Tensor { name: format!("w{i}"), shape: [n].into() };
    let tensors: Vec<Tensor> = [1, 300, 1000].into_iter().enumerate().map(tensor).collect();
    let groups = vec![0; tensors.len()];
    let rule = optimizer("name = 'lbfgs'").into();
    let setup = Setup { tensors, buffers: Vec::new(), groups, rule, update: Update::default(), seeds: vec![1] };
    given::engine(device, setup).expect("an engine")
}

fn cut(values: &[f64]) -> Vec<Vec<f64>> {
    vec![values[..1].to_vec(), values[1..301].to_vec(), values[301..].to_vec()]
}

/// The arithmetic of a device's vectors against that in memory.
pub fn vectors_are_those_in_memory(device: &Device) {
    let mut engine = engine(device);
    let (unit, n) = (epsilon(device), 1301);
    let vectors = engine.vectors();
    let mut put = |salt| {
        let values = noise(n, salt);
        let id = vectors.vector().expect("memory");
        vectors.set_vector(id, &cut(&values)).expect("room");
        assert_eq!(vectors.vector_values(id).expect("values"), cut(&values));
        (id, values)
    };
    let ((a, a_values), (b, b_values), (c, c_values)) = (put(1), put(2), put(3));
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let found = vectors.dots(&[(a, b), (c, c), (VectorId::Parameters, a)]).expect("dots");
    for (found, expected) in found.iter().zip([dot(&a_values, &b_values), dot(&c_values, &c_values), 0.0]) {
        // No lane adds more than 22 products, each below 1; the host adds the lanes in f64.
        assert!((found - expected).abs() <= 23.0 * unit * n as f64, "{found} {expected}");
    }
    let sizes = vectors.norms(a).expect("norms");
    let largest = a_values.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    assert_eq!((sizes.largest, sizes.finite), (largest, true));
    let sum: f64 = a_values.iter().map(|x| x.abs()).sum();
    assert!((sizes.sum - sum).abs() <= 23.0 * unit * sum, "{sizes:?} {sum}");

    // c ← 0.5 c − 2 a, exact but for one rounding.
    vectors.blend(0.5, c, -2.0, a).expect("a blend");
    let blended = vectors.vector_values(c).expect("values").concat();
    for ((found, c), a) in blended.iter().zip(&c_values).zip(&a_values) {
        assert!((found - (0.5 * c - 2.0 * a)).abs() <= 3.0 * unit, "{found}");
    }
    // What is not finite is counted, and forgotten by a blend that keeps nothing.
    let mut broken = b_values.clone();
    (broken[1300], broken[7]) = (f64::NAN, f64::INFINITY);
    vectors.set_vector(c, &cut(&broken)).expect("room");
    assert!(!vectors.norms(c).expect("norms").finite);
    vectors.blend(0.0, c, 1.0, b).expect("a blend");
    assert_eq!(vectors.vector_values(c).expect("values").concat(), b_values);

    let pair = |(s, y): (&[f64], &[f64])| Pair { s: s.to_vec(), y: y.to_vec(), rho: 1.0 / dot(s, y).abs() };
    let steps = [pair((&a_values, &b_values)), pair((&b_values, &a_values)), pair((&a_values, &a_values))];
    let (mut host, mut expected) = (Host::new(n, |_: &[f64], _: &mut [f64]| 0.0), vec![0.0; n]);
    let Ok(()) = host.direction(&steps, 0.75, &c_values, &mut expected);
    let rho = |i: usize| steps[i].rho;
    let g = vectors.vector().expect("memory");
    vectors.set_vector(g, &cut(&c_values)).expect("room");
    vectors.direction(&[(a, b, rho(0)), (b, a, rho(1)), (a, a, rho(2))], 0.75, g, c).expect("a direction");
    let found = vectors.vector_values(c).expect("values").concat();
    let size = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        // Six dots, each off by at most 23 roundings of sums of 1301 terms below 1, times coefficients of size below `size`.
        let most = rho(0).max(rho(1)).max(rho(2));
        let bound = 6.0 * 64.0 * unit * n as f64 * most * size.max(1.0);
        assert!((found - expected).abs() <= bound, "{found} {expected} {bound:e}");
    }

    for refused in [vectors.blend(1.0, a, 1.0, a), vectors.blend(1.0, VectorId::Own(99), 1.0, a)] {
        assert!(matches!(refused, Err(DeviceError::Feed { .. })), "{refused:?}");
    }
    assert!(vectors.set_vector(a, &cut(&a_values)[..2]).is_err());
    assert!(vectors.vector_values(VectorId::State(1)).is_err());
}

/// Two layers and a batch of one row: the second form of a network that the others do not have.
pub fn a_hidden_layer_is_trained(device: &Device) {
    let model = Sequential::new().add(Linear::new(6)).add(Tanh).add(Linear::new(3));
    let recipe = Recipe { batch_size: 1, epochs: 3, ..by(Lbfgs::default()) };
    let told = go(&mut trainer(device, &model, &data(), &recipe), None).expect("a run");
    let last = told.epochs.last().expect("an epoch");
    assert!(last.train_loss < 0.1 && last.train_accuracy == Some(1.0), "{last:?}");
}
