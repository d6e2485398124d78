//! What a step says of its launches, that timing them changes nothing, and the roof they are held to.

mod support;

use std::time::Duration;

use libtest_mimic::Trial;
use thalweg::data::{Dataset, Split, Targets, Values};
use thalweg::device::gpu::{Gpu, Options};
use thalweg::device::{Clock, Device, LaunchReport, Phase, Precision};
use thalweg::graph::Op;
use thalweg::nn::{BatchNorm, Linear, Relu, Sequential};
use thalweg::optim::{Clip, Optimizer};
use thalweg::rng::Stream;
use thalweg::train::{Flow, Member, Recipe, Trainer, UpdateOptions};

const ROWS: usize = 50;
const WIDTH: usize = 6;

fn data() -> Split {
    let stream = Stream::new(3, 0, 0);
    let features = (0..ROWS * WIDTH).map(|i| stream.uniform(i as u32) as f32).collect();
    let targets = Targets::Classes { labels: (0..ROWS as u32).map(|row| row % 3).collect(), classes: 3 };
    let train = Dataset::new(Values::F32(features), [WIDTH].into(), targets).expect("6 numbers a row");
    Split { train, validation: None, description: "noise".into() }
}

fn model() -> Sequential {
    Sequential::new().add(Linear::new(20)).add(BatchNorm::default()).add(Relu).add(Linear::new(3))
}

fn trainer(device: &Device, recipe: &Recipe) -> Trainer {
    Trainer::new(device, &model(), &data(), recipe.clone()).expect("a model that fits its data")
}

fn recipe() -> Recipe {
    Recipe { epochs: 2, batch_size: 16, ..Recipe::default() }
}

/// Products count 2·rows·in·out operations and no other op but them more than a handful an element; the update of Adam moves 7 words a parameter.
fn a_step_says_what_it_is_made_of(device: &Device) {
    let told = trainer(device, &recipe()).explain().expect("a step");
    let of = |phase| told.iter().filter(|l| l.phase == phase).collect::<Vec<_>>();
    assert!(Phase::ALL[..4].iter().all(|&phase| !of(phase).is_empty()), "{told:?}");
    let in_order = told.is_sorted_by_key(|launch| launch.phase != Phase::Minibatch)
        && told.iter().position(|l| l.phase == Phase::Update) > told.iter().rposition(|l| l.phase == Phase::Backward);
    assert!(in_order, "{told:?}");
    let flops = |name: &str| -> Vec<u64> {
        of(Phase::Forward).iter().filter(|l| l.of.contains(name)).map(|l| l.flops).filter(|&n| n > 0).collect()
    };
    assert_eq!(flops("0.weight"), [2 * 16 * 6 * 20]);
    assert_eq!(flops("3.weight"), [2 * 16 * 20 * 3]);
    // On a GPU padding is updated, too: tensors of 120, 20, 20, 20, 60 and 3 elements, each up to a multiple of 64.
    let learnt: u64 = if matches!(device, Device::Cpu(_)) { 120 + 3 * 20 + 60 + 3 } else { 128 + 5 * 64 };
    let bytes: u64 = of(Phase::Update).iter().map(|l| l.bytes).sum();
    assert_eq!(bytes, 7 * learnt * device.precision().bytes() as u64, "{:?}", of(Phase::Update));
    let taken: u64 = of(Phase::Minibatch).iter().map(|l| l.bytes).sum();
    assert!((2 * 16 * 4 * 7..=2 * 16 * 8 * 9).contains(&taken), "{taken}");
    // A weight's gradient is said to be one, and is a product over the rows.
    let made: Vec<u64> =
        of(Phase::Backward).iter().filter(|l| l.of.ends_with("for 3.weight")).map(|l| l.flops).collect();
    // On a GPU the bias's sums come with it: an addition for each row and class.
    let sums = if matches!(device, Device::Cpu(_)) { 0 } else { 16 * 3 };
    assert_eq!(made, [2 * 16 * 20 * 3 + sums], "{told:?}");
    if let Device::Gpu(_) = device {
        let head = |l: &&LaunchReport| l.name.starts_with("cross_entropy: head");
        assert_eq!(told.iter().filter(head).map(|l| l.phase).collect::<Vec<_>>(), [Phase::Forward], "{told:?}");
    }
}

/// Three members do thrice the arithmetic of one.
fn members_count(device: &Device) {
    let three = Recipe { members: vec![Member::default(); 3], ..recipe() };
    let sum = |told: &[LaunchReport]| told.iter().map(|l| l.flops).sum::<u64>();
    let (one, three) = (trainer(device, &recipe()).explain(), trainer(device, &three).explain());
    let (one, three) = (one.expect("a step"), three.expect("a step"));
    assert_eq!(sum(&three), 3 * sum(&one));
    let update = |told: &[LaunchReport]| told.iter().filter(|l| l.phase == Phase::Update).map(|l| l.bytes).sum::<u64>();
    assert_eq!(update(&three), 3 * update(&one));
}

/// Parameters, buffers, states, sums and averages: a run that was profiled first, or in its middle, has the bits of one that was not.
fn timing_changes_no_bit(device: &Device) {
    let clip = Some(Clip::Norm { maximum: 0.5, epsilon: 1e-6 });
    let all = UpdateOptions { clip, accumulate: 2, average: Some(0.9), telemetry: 1, ..UpdateOptions::default() };
    for (name, update) in [("adam", all), ("momentum", UpdateOptions::default()), ("muon", UpdateOptions::default())] {
        let table = format!("name = '{name}'\nlearning_rate = 0.01").parse().expect("a table");
        let optimizer = Optimizer::from_table(&table).expect("a rule");
        let recipe = Recipe { optimizer: optimizer.into(), update, ..recipe() };
        let run = |profiled: bool| {
            let folder = tempfile::tempdir().expect("a folder");
            let mut trainer = trainer(device, &recipe);
            trainer.keep_in(folder.path()).expect("a folder");
            let time = |trainer: &mut Trainer| {
                if profiled {
                    let profile = trainer.profile(Duration::from_millis(5)).expect("a step that runs");
                    assert_eq!(profile.launches.len(), trainer.explain().expect("a step").len());
                    assert!(profile.launches.iter().all(|t| t.is_finite() && *t >= 0.0), "{profile:?}");
                    assert!(profile.launches.iter().sum::<f64>() > 0.0 && profile.step > 0.0 && profile.rounds >= 3);
                }
            };
            time(&mut trainer);
            let mut losses = Vec::new();
            let mut watch = |event: &thalweg::Event, stop: u64| {
                let thalweg::Event::Step(step) = event else { return Flow::Continue };
                losses.push(step.loss.to_bits());
                if step.step == stop { Flow::Stop } else { Flow::Continue }
            };
            trainer.run(&mut |event| watch(event, 3)).expect("a run");
            time(&mut trainer);
            trainer.run(&mut |event| watch(event, 0)).expect("a run");
            let files = ["model.safetensors", "optimizer.safetensors"];
            let files = files.map(|file| std::fs::read(folder.path().join(file)).expect("a checkpoint"));
            (losses, files)
        };
        let (plain, timed) = (run(false), run(true));
        assert!(!plain.0.is_empty() && plain.0 == timed.0, "{name}: {plain:?} {timed:?}");
        assert!(plain.1 == timed.1, "{name}: other bits in the checkpoint");
    }
}

/// Whatever the rule does with its gradients: they are read, and parameters are read and written.
fn every_rule_moves_its_parameters(device: &Device) {
    for entry in thalweg::optim::ALL {
        let rule = (entry.defaults)(entry.usual()).into_rule();
        let mut trainer = trainer(device, &Recipe { optimizer: rule, ..recipe() });
        let told = trainer.explain().unwrap_or_else(|e| panic!("{}: {e}", entry.name));
        let bytes: u64 = told.iter().filter(|l| l.phase == Phase::Update).map(|l| l.bytes).sum();
        let least = 3 * (120 + 3 * 20 + 60 + 3) * device.precision().bytes() as u64;
        assert!(bytes >= least, "{}: {bytes} of at least {least}", entry.name);
        let profile = trainer.profile(Duration::from_millis(1)).unwrap_or_else(|e| panic!("{}: {e}", entry.name));
        assert_eq!(profile.launches.len(), told.len(), "{}", entry.name);
    }
}

/// Of a table the rows that are taken must move, of other operands all.
fn tables_are_not_read_whole() {
    let [table, index, rows] = [&[1000, 8][..], &[4], &[4, 8]].map(thalweg::Shape::from);
    let gather = thalweg::op::gather::Gather;
    assert_eq!([gather.touched(0, &table, &rows), gather.touched(1, &index, &rows)], [32, 4]);
    assert_eq!(thalweg::op::select::Select { index: 3 }.touched(0, &table, &[8].into()), 8);
}

/// Rates that a machine can have, at sizes that ascend; a floor is never 0.
fn a_roof_stands(device: &Device) {
    let roof = device.roof().expect("a roof");
    assert!(!roof.copy.is_empty() && roof.copy.is_sorted_by_key(|(size, _)| *size), "{roof:?}");
    let there = |rate: f64| rate > 1e6 && rate < 1e16;
    assert!(there(roof.flops) && roof.copy.iter().all(|&(_, rate)| there(rate)), "{roof:?}");
    let told = trainer(device, &recipe()).explain().expect("a step");
    assert!(told.iter().all(|launch| launch.floor(&roof) > 0.0 && launch.floor(&roof) < 1.0), "{told:?}");
}

/// The adapter's clock where it has one, the host's where it is opened as WebGPU's defaults have it.
fn clocks(gpu: &Gpu) {
    let keeps_time = gpu.adapter().features.contains(&"timestamp-query");
    let plain =
        support::open(Options { default_limits: true, ..Options::default() }).expect("the adapter opened before");
    for (gpu, stamped) in [(gpu, keeps_time), (&plain, false)] {
        let mut trainer = trainer(&Device::Gpu(gpu.clone()), &recipe());
        let before = trainer.parameters().expect("parameters");
        let profile = trainer.profile(Duration::from_millis(20)).expect("a step that runs");
        assert_eq!(profile.clock == Clock::Timestamps, stamped, "{profile:?}");
        // Ten launches of some µs each are no second, and no nanosecond.
        let sum: f64 = profile.launches.iter().sum();
        assert!(sum > 1e-9 && sum < 10.0, "{profile:?}");
        assert_eq!(trainer.parameters().expect("parameters"), before);
    }
}

fn main() {
    let mut trials = Vec::new();
    macro_rules! everywhere {
        ($($name:ident),* $(,)?) => {$(
            for precision in [Precision::F32, Precision::F64] {
                let name = format!("cpu {}::{}", precision.name(), stringify!($name));
                trials.push(Trial::test(name, move || { $name(&Device::Cpu(precision)); Ok(()) }));
            }
            trials.push(support::trial(concat!("gpu::", stringify!($name)), || {
                $name(&Device::Gpu(support::open(Options::default())?));
                Ok(())
            }));
        )*};
    }
    everywhere!(
        a_step_says_what_it_is_made_of,
        members_count,
        timing_changes_no_bit,
        every_rule_moves_its_parameters,
        a_roof_stands,
    );
    trials.push(Trial::test("tables_are_not_read_whole", || {
        tables_are_not_read_whole();
        Ok(())
    }));
    trials.push(support::trial("gpu::clocks", || {
        clocks(&support::open(Options::default())?);
        Ok(())
    }));
    support::main(trials);
}
