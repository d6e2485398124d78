//! Runs under rules for whole tensors.

use thalweg::data::Split;
use thalweg::device::{Device, Precision};
use thalweg::error::{CheckpointError, Error, GraphError, OptimError, PopulationError};
use thalweg::graph::NodeId;
use thalweg::nn::{Builder, Conv2d, Flatten, Layer, Linear, Model, Sequential, Tanh};
use thalweg::optim::{Clip, Optimizer, Storage};
use thalweg::train::{Group, Member, Recipe, Trainer, UpdateOptions};

use super::common::{data, dropping, go, optimizer, plain, recipe, rows, trainer};
use super::resume::stopped_at;

const RULES: [&str; 5] = [
    "name = 'muon'\nlearning_rate = 0.02",
    "name = 'muon'\nconvention = 'keras'\nlearning_rate = 0.02",
    "name = 'muon'\nconvention = 'optax'\nlearning_rate = 0.02\nadam_weight_decay = 0.1",
    "name = 'adafactor'\nlearning_rate = 0.1",
    "name = 'adafactor'\nconvention = 'optax'\nlearning_rate = 0.05\nmin_dim_size_to_factor = 2",
];

/// A row of five numbers as an image of one channel.
#[derive(Debug)]
struct Image;

impl Layer for Image {
    fn name(&self) -> &'static str {
        "image"
    }

    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        let rows = b.graph().shape(x)[0];
        b.graph().reshape(x, [rows, 1, 1, 5])
    }
}

/// Biases, matrices and a kernel of a convolution.
fn mixed() -> Sequential {
    let model = Sequential::new().add(Image).add(Conv2d::new(4, [1, 3])).add(Tanh).add(Flatten);
    model.add(Linear::new(6)).add(Tanh).add(Linear::new(3))
}

fn everything(clip: Clip) -> UpdateOptions {
    UpdateOptions { storage: Storage::Bf16, clip: Some(clip), accumulate: 2, average: Some(0.9), telemetry: 0 }
}

fn clips() -> [Clip; 3] {
    [Clip::Value(0.05), Clip::Norm { maximum: 0.1, epsilon: 1e-6 }, Clip::TensorNorm { maximum: 0.1, epsilon: 1e-6 }]
}

/// In the middle of an epoch, clipped, accumulated, averaged, with half states of the element's rule, groups and a frozen matrix.
pub fn all_that_an_update_does_is_resumed_exactly(device: &Device) {
    for (rule, clip) in RULES.iter().zip(clips().into_iter().cycle()) {
        let groups = vec![
            Group { frozen: true, ..Group::new("6.weight") },
            Group { learning_rate_factor: 0.5, weight_decay: None, ..Group::new("4.*") },
        ];
        let own = Recipe { optimizer: optimizer(rule).into(), groups, update: everything(clip), epochs: 3, ..recipe() };
        stopped_at(device, &mixed(), &own, 2);
        let same = Recipe { update: UpdateOptions::default(), groups: Vec::new(), ..own };
        stopped_at(device, &dropping(), &same, 3);
    }
}

/// Three members with rates, decays and momenta of their own, each the run of it alone.
pub fn members_are_runs_of_their_own(device: &Device) {
    for (rule, clip) in RULES.iter().zip(clips().into_iter().cycle()) {
        let mut fields = vec![("learning_rate", [0.01, 0.03, 0.002]), ("weight_decay", [0.1, 0.0, 0.3])];
        if rule.contains("muon") {
            fields.push(("momentum", [0.9, 0.5, 0.99]));
        } else {
            fields.push(("clip_threshold", [1.0, 0.5, 2.0]));
        }
        let member = |m: usize| {
            let own = Member { seed: Some(30 + m as u64), ..Member::default() };
            fields.iter().fold(own, |own, (field, values)| own.with(field, values[m]))
        };
        let update = UpdateOptions { telemetry: 0, ..everything(clip) };
        let course = Recipe { optimizer: optimizer(rule).into(), update, epochs: 2, ..recipe() };
        let together = Recipe { members: (0..3).map(member).collect(), ..course.clone() };
        let mut all = trainer(device, &mixed(), &data(), &together);
        all.run(&mut |_| thalweg::train::Flow::Continue).expect("a run");
        for m in 0..3 {
            let alone = Recipe { members: vec![member(m)], ..course.clone() };
            let mut alone = trainer(device, &mixed(), &data(), &alone);
            alone.run(&mut |_| thalweg::train::Flow::Continue).expect("a run");
            let (found, wanted) = (all.checkpoint_of(m).expect("a member"), alone.checkpoint().expect("it alone"));
            assert_eq!(found.parameters, wanted.parameters, "{rule}, member {m}");
            assert_eq!(found.kept, wanted.kept, "{rule}, member {m}");
            assert_eq!(found.averages, wanted.averages, "{rule}, member {m}");
            assert!(!found.kept.is_empty());
        }
        let first = |m| all.parameters_of(m).expect("parameters");
        let [a, b, c] = [0, 1, 2].map(first);
        assert!(a != b && b != c && a != c, "{rule}");
    }
}

/// A factor is a rate, a group's decay is that of all its tensors, and what is frozen stays.
pub fn groups_are_followed(device: &Device) {
    let ended = |optimizer: Optimizer, groups: Vec<Group>| {
        let course = Recipe { optimizer: optimizer.into(), groups, epochs: 2, ..recipe() };
        go(&mut trainer(device, &plain(), &data(), &course), None).expect("a run").last.parameters
    };
    let with = |rule: &str, rest: &str| optimizer(&format!("{rule}{rest}"));
    for rule in ["name = 'muon'", "name = 'muon'\nconvention = 'keras'", "name = 'adafactor'"] {
        let factor = Group { learning_rate_factor: 0.5, ..Group::new("*") };
        let halved = ended(with(rule, "\nlearning_rate = 0.02"), vec![factor]);
        assert_eq!(halved, ended(with(rule, "\nlearning_rate = 0.01"), Vec::new()), "{rule}: a factor");
        let decayed = Group { weight_decay: Some(0.25), ..Group::new("*") };
        let own = if rule.contains("muon") { "\nadam_weight_decay = 0.25" } else { "" };
        let rate = "\nlearning_rate = 0.02";
        let wanted = ended(with(rule, &format!("{rate}\nweight_decay = 0.25{own}")), Vec::new());
        assert_eq!(ended(with(rule, rate), vec![decayed]), wanted, "{rule}: a decay");
        assert_ne!(ended(with(rule, rate), Vec::new()), wanted, "{rule}: the decay does something");

        let start = trainer(device, &plain(), &data(), &recipe()).checkpoint().expect("a checkpoint").parameters;
        let frozen = ended(with(rule, rate), vec![Group { frozen: true, ..Group::new("0.weight") }]);
        for (frozen, start) in frozen.iter().zip(&start) {
            assert_eq!(frozen == start, frozen.name == "0.weight", "{rule}: {}", frozen.name);
        }
    }
}

/// Four minibatches of 16 rows are one of 64 but for rounding, of which Muon's iteration makes at most 4⁵ times as much a step: in
/// f64 far below 1e-9. In f32 the engines' tests say more, bit for bit.
pub fn minibatches_add_up(device: &Device) {
    let data = Split { train: rows(64, 5, 1), validation: None, description: "noise".into() };
    for rule in RULES {
        let ended = |batch_size, accumulate| {
            let update = UpdateOptions { accumulate, ..UpdateOptions::default() };
            let course = Recipe { optimizer: optimizer(rule).into(), update, batch_size, epochs: 3, ..recipe() };
            let told = go(&mut trainer(device, &plain(), &data, &course), None).expect("a run");
            assert_eq!(told.steps.len(), 3 * 64 / batch_size);
            told.last.parameters
        };
        let (parts, whole) = (ended(16, 4), ended(64, 1));
        for (a, b) in parts.iter().zip(&whole).filter(|_| device.precision() == Precision::F64) {
            for (x, y) in a.data.to_f64().iter().zip(b.data.to_f64()) {
                assert!((x - y).abs() <= 1e-9, "{rule}: {x} and {y} of {}", a.name);
            }
        }
    }
}

/// A schedule's momentum is Muon's, step by step; Adafactor has none.
pub fn momentum_moves(device: &Device) {
    let moved = |toml: &str| toml::from_str(toml).expect("a schedule");
    let ended = |rule: &str, schedule: &str| {
        let course = Recipe { optimizer: optimizer(rule).into(), schedule: moved(schedule), epochs: 2, ..recipe() };
        Trainer::new(device, &plain(), &data(), course).map(|mut t| go(&mut t, None).expect("a run").last.parameters)
    };
    let stays = "name = 'constant'\nmomentum = { from = 0.5, to = 0.5, over = 1 }";
    let moves = "name = 'constant'\nmomentum = { from = 0.5, to = 0.95, over = 1 }";
    for convention in ["keras", "optax", "pytorch"] {
        let rule = format!("name = 'muon'\nconvention = '{convention}'");
        let still = ended(&format!("{rule}\nmomentum = 0.5"), "name = 'constant'").expect("a run");
        assert_eq!(ended(&rule, stays).expect("a run"), still, "{convention}");
        assert_ne!(ended(&rule, moves).expect("a run"), still, "{convention}");
    }
    let refused = ended("name = 'adafactor'", moves).expect_err("no momentum");
    assert!(matches!(refused, Error::Optim(OptimError::Momentum { .. })), "{refused}");
}

pub fn what_does_not_hold_together_is_refused(device: &Device) {
    let start = |course: Recipe| Trainer::new(device, &plain(), &data(), course).map(|_| ());
    // Members whose rules are other graphs; others differ by numbers.
    for (rule, field, value, shared) in [
        ("name = 'muon'", "ns_steps", 3.0, false),
        ("name = 'muon'", "rms_rate", 0.2, false),
        ("name = 'adafactor'\nconvention = 'optax'", "min_dim_size_to_factor", 2.0, false),
        ("name = 'muon'", "momentum", 0.3, true),
        ("name = 'muon'", "epsilon", 1e-3, true),
        ("name = 'adafactor'", "clip_threshold", 0.3, true),
    ] {
        let members = vec![Member::default(), Member::default().with(field, value)];
        let made = start(Recipe { optimizer: optimizer(rule).into(), members, ..recipe() });
        match made {
            Ok(()) => assert!(shared, "{rule}, {field}"),
            Err(Error::Population(PopulationError::Transform { who, .. })) => {
                assert!(!shared && who == "member 1", "{rule}, {field}: {who}");
            }
            Err(other) => panic!("{rule}, {field}: {other}"),
        }
    }
    // Groups of tensors that the rule takes whole count twice.
    let model = (0..130).fold(Sequential::new(), |model, _| model.add(Linear::new(3)));
    let groups: Vec<_> = (0..127).map(|n| Group::new(format!("{n}.weight"))).collect();
    let many = |count: usize| {
        let groups = groups[..count].to_vec();
        let course = Recipe { optimizer: optimizer("name = 'muon'").into(), groups, ..recipe() };
        Trainer::new(&Device::Cpu(Precision::F32), &model, &data(), course).map(|_| ())
    };
    many(126).expect("as many as there may be");
    match many(127) {
        Err(Error::Population(PopulationError::TooManyGroups { found: 127, most: 126 })) => {}
        other => panic!("{other:?}"),
    }
    // Another rule, another convention, other shapes of what is kept.
    let folder = tempfile::tempdir().expect("a folder");
    let course = |rule: &str| Recipe { optimizer: optimizer(rule).into(), ..recipe() };
    let optax = "name = 'adafactor'\nconvention = 'optax'";
    let mut first = trainer(device, &plain(), &data(), &course(optax));
    first.keep_in(folder.path()).expect("a folder");
    go(&mut first, Some(2)).expect("a run");
    let resumed = |rule: &str| {
        let mut other = trainer(device, &plain(), &data(), &course(rule));
        let before = other.checkpoint().expect("a checkpoint");
        let refused = other.resume(folder.path()).map_err(|error| match error {
            Error::Checkpoint(error) => error,
            other => panic!("{other}"),
        });
        if refused.is_err() {
            assert_eq!(other.checkpoint().expect("a checkpoint"), before, "{rule}: as it was");
        }
        refused
    };
    resumed(optax).expect("the same");
    for (rule, wanted) in
        [("name = 'muon'", "optimizer"), ("name = 'adamw'", "optimizer"), ("name = 'adafactor'", "convention")]
    {
        match resumed(rule) {
            Err(CheckpointError::Differs { setting, .. }) => assert_eq!(setting, wanted),
            other => panic!("{rule}: {other:?}"),
        }
    }
    match resumed(&format!("{optax}\nmin_dim_size_to_factor = 2")) {
        Err(CheckpointError::Mismatch { missing, extra, .. }) => assert!(!missing.is_empty() && !extra.is_empty()),
        other => panic!("{other:?}"),
    }
    // ε₁² would be 0 in f32, and 0/0 of a gradient of 0.
    let small = start(course("name = 'adafactor'\nepsilon = 1e-25"));
    match small {
        Ok(()) => assert_eq!(device.precision(), Precision::F64),
        Err(Error::Optim(OptimError::Range { field, .. })) => {
            assert_eq!((field, device.precision()), ("epsilon", Precision::F32));
        }
        Err(other) => panic!("{other}"),
    }
}

/// Biases alone, the matrices frozen: Muon is AdamW there, in its bits and in its checkpoints' names.
pub fn without_a_matrix_it_is_the_elements_rule(device: &Device) {
    let model: &dyn Model = &plain();
    let groups = vec![Group { frozen: true, ..Group::new("*.weight") }];
    let own = Recipe { optimizer: optimizer("name = 'muon'").into(), groups, epochs: 2, ..recipe() };
    let adamw = optimizer("name = 'adamw'");
    let muon = go(&mut trainer(device, model, &data(), &own), None).expect("a run").last;
    let other = Recipe { optimizer: adamw.into(), ..own.clone() };
    let adamw = go(&mut trainer(device, model, &data(), &other), None).expect("a run").last;
    for (a, b) in muon.parameters.iter().zip(&adamw.parameters) {
        for (x, y) in a.data.to_f64().iter().zip(b.data.to_f64()) {
            // The same steps by another order of operations: 12 of some 20 roundings on numbers below 1.
            let unit = if device.precision() == Precision::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
            assert!((x - y).abs() <= 240.0 * unit, "{}: {x} and {y}", a.name);
        }
    }
    assert!(muon.kept.is_empty());
    assert_eq!(muon.states.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["exp_avg", "exp_avg_sq"]);
    stopped_at(device, model, &own, 3);
}
