//! Small bindings, small grids, little memory, and a device that goes away.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use thalweg::check::bounds;
use thalweg::data::Split;
use thalweg::device::gpu::{Choices, Evaluation, Gpu, GpuEngine, Options, evaluate};
use thalweg::device::{Call, Column, Device, Feed, Setup, StepGraph, Tensor};
use thalweg::error::{DeviceError, Error, GraphError};
use thalweg::graph::{Context, Graph, Meta, NodeId};
use thalweg::nn::{
    Assembled, Builder, Linear, Mode, Model, Objective, Relu, Sequential, TargetKind, assemble, initial_parameters,
};
use thalweg::train::config::RunConfig;
use thalweg::train::{Predictor, Recipe, Trainer, checkpoint};

use super::common::{data, dropping, go, noise, optimizer, recipe, rows, trainer};
use super::given;
use super::trajectory::anchored;
use crate::support;

fn open(options: Options) -> Gpu {
    support::open(options).expect("the adapter opened before")
}

/// The default run's model, one epoch of digits.
pub fn default_limits_change_no_bit() -> thalweg::Result<()> {
    // WebGPU's defaults have no subgroups: both are told to do without.
    let plain = Options { variant: Some("register-8x4"), ..Options::default() };
    let (gpu, small) = (open(plain), open(Options { default_limits: true, ..plain }));
    let run = RunConfig::default();
    let (model, data) = (run.model()?, run.data.source.load(".".as_ref(), 0.2)?);
    let recipe = Recipe { epochs: 1, optimizer: run.optimizer().into(), ..Recipe::default() };
    let trained = |gpu: &Gpu| go(&mut Trainer::new(&Device::Gpu(gpu.clone()), &model, &data, recipe.clone())?, None);
    let (mut a, mut b) = (trained(&gpu)?, trained(&small)?);
    // Where there is one way to launch an op, none is kept.
    [&mut a, &mut b].into_iter().for_each(|run| run.last.kernels = Choices::default());
    assert_eq!(a.last, b.last);
    assert_eq!((a.steps, a.epochs), (b.steps, b.epochs));
    Ok(())
}

/// Weights, activations, minibatch and data set of several bindings each; each step within f64's bounds.
pub fn many_bindings(max_elements: usize) -> thalweg::Result<()> {
    let gpu = open(Options { max_elements: Some(max_elements), checked: true, ..Options::default() });
    let model = Sequential::new().add(Linear::new(300)).add(Relu).add(Linear::new(70)).add(Relu).add(Linear::new(10));
    let seen = anchored(&gpu, &model, &rows(192, 256, 4), 96, &optimizer("name = 'adam'"), 2)?;
    // A bound above 1 % says little, as in `KernelReport::vacuous`.
    assert!(seen.loss < 1e-2, "the bounds of the losses say something: {}", seen.loss);
    Ok(())
}

/// Sums whose terms, or whose results, lie in several bindings; one member and three.
pub fn sums_of_many_bindings(gpu: &Gpu) -> thalweg::Result<()> {
    let small = open(Options { max_elements: Some(4096), checked: true, ..Options::default() });
    let shapes: [(&[usize], &[usize]); 7] = [
        (&[300, 100], &[100]),
        (&[300, 40], &[300, 1]),
        (&[9, 20, 64], &[9, 1, 64]),
        (&[40, 3, 64], &[3, 1]),
        (&[6, 5, 8, 64], &[1, 5, 1, 64]),
        (&[7000], &[]),
        (&[2, 6400], &[2, 1]),
    ];
    for (whole, part) in shapes {
        let mut g = Graph::new();
        let x = g.member_input("x", Meta::real(whole))?;
        let y = g.sum_to(x, part)?;
        let values = noise(3 * g.shape(x).elements(), 8);
        let members: Vec<Context> = (0..3).map(|seed| Context { step: 0, seed }).collect();
        let feeds = |values: &[f64]| HashMap::from([(x, Feed::from(values))]);
        let run = |gpu: &Gpu| {
            let how = Evaluation { members: members.clone(), sentinels: true };
            evaluate(gpu, &g, &feeds(&values), &[y], &how).map(|mut found| found.remove(0))
        };
        if whole == [2, 6400] {
            // One row is longer than a binding: said, not computed wrongly.
            let refused = run(&small).err();
            assert!(
                matches!(refused, Some(DeviceError::Graph(GraphError::TooLarge { op: "sum_to", .. }))),
                "{refused:?}"
            );
            continue;
        }
        let (found, wide) = (run(&small)?, run(gpu)?);
        for (m, own) in values.chunks(values.len() / 3).enumerate() {
            let expected = bounds(&g, &feeds(own), &[y], &members[m])?.remove(0);
            for (i, (value, bound)) in expected.value.iter().zip(&expected.error).enumerate() {
                for found in [&found, &wide] {
                    let error = (found[m * expected.value.len() + i] - value).abs();
                    assert!(error <= *bound, "{whole:?} to {part:?}, member {m}, element {i}: {error:e} off");
                }
            }
        }
        let alone = Evaluation { members: vec![members[1]], sentinels: true };
        let own = &values[values.len() / 3..2 * values.len() / 3];
        let alone = evaluate(&small, &g, &feeds(own), &[y], &alone)?.remove(0);
        assert_eq!(alone, found[alone.len()..2 * alone.len()], "{whole:?} to {part:?}");
    }
    Ok(())
}

/// Grids of at most three workgroups along an axis: everything is folded.
pub fn folded_grids(gpu: &Gpu) -> thalweg::Result<()> {
    let narrow = Device::Gpu(open(Options { max_groups: Some(3), ..Options::default() }));
    let model = Sequential::new().add(Linear::new(130)).add(Relu).add(Linear::new(3));
    let run = |device: &Device| go(&mut trainer(device, &model, &data(), &recipe()), None);
    let (a, b) = (run(&Device::Gpu(gpu.clone()))?, run(&narrow)?);
    assert_eq!(a.last, b.last);
    Ok(())
}

fn population(device: &Device, a: &Assembled, seeds: &[u64]) -> thalweg::Result<Vec<Vec<Vec<f64>>>> {
    let tensors: Vec<Tensor> =
        a.parameters.iter().map(|p| Tensor { name: p.name.clone(), shape: p.shape.clone() }).collect();
    let adam = optimizer("name = 'adam'");
    let setup = Setup {
        groups: vec![0; tensors.len()],
        tensors,
        buffers: Vec::new(),
        rule: adam.clone().into_rule(),
        update: thalweg::device::Update::default(),
        seeds: seeds.to_vec(),
    };
    let mut engine = given::engine(device, setup)?;
    let set = data().train;
    let features = set.features().to_f64();
    let thalweg::data::Targets::Classes { labels, .. } = set.targets() else { panic!("classes") };
    let id = engine.add_data(set.rows(), Column::F64(&features), Column::Index(labels))?;
    let record = [Some(a.loss), Some(a.data_loss), None, None];
    let (features, targets, gradients) = (a.features, a.targets, a.gradients.clone());
    let program = engine
        .compile(StepGraph { graph: a.graph.clone(), features, targets, record, gradients, updates: Vec::new() }, id)?;
    for (member, &seed) in seeds.iter().enumerate() {
        engine.set_parameters(member, &initial_parameters(&a.parameters, seed))?;
    }
    let calls: Vec<Call> = (1..=5).map(|t| Call::new(program, vec![adam.rule().hyper(t, 0.01); seeds.len()])).collect();
    engine.submit(0, 0, &calls)?;
    let records = engine.collect()?;
    (0..seeds.len())
        .map(|m| {
            let mut found = engine.parameters(m)?;
            found.push(records.iter().map(|record| record[m][1]).collect());
            Ok(found)
        })
        .collect()
}

/// Three members with weights and dropout of their own are three runs.
pub fn a_population_is_its_members(device: &Device) {
    let objective = Objective::default();
    let a = assemble(&dropping(), &[5].into(), TargetKind::Classes { classes: 3 }, &objective, 4, Mode::Train);
    let a = a.expect("a model");
    let together = population(device, &a, &[11, 12, 13]).expect("a run");
    for (member, seed) in [11, 12, 13].into_iter().enumerate() {
        assert_eq!(population(device, &a, &[seed]).expect("a run")[0], together[member], "member {member}");
    }
}

pub fn a_population_in_small_bindings_is_its_members(gpu: &Gpu) {
    let small = open(Options { max_elements: Some(1792), ..Options::default() });
    // With settings, λ and the dropout's rate, that kernels over split members read.
    let objective = Objective { l2: 0.01, ..Objective::default() };
    let model = Sequential::new().add(Linear::new(200)).add(thalweg::nn::Dropout { p: 0.5 }).add(Linear::new(3));
    let a = assemble(&model, &[5].into(), TargetKind::Classes { classes: 3 }, &objective, 4, Mode::Train);
    let a = a.expect("a model");
    let whole = population(&Device::Gpu(gpu.clone()), &a, &[11, 12, 13]).expect("a run");
    // Weights and data losses; a penalty's sum is cut where a binding ends, and its last bit with it.
    let split = population(&Device::Gpu(small), &a, &[11, 12, 13]).expect("a run");
    for (member, (split, whole)) in split.iter().zip(&whole).enumerate() {
        for (i, (split, whole)) in split.iter().zip(whole).enumerate() {
            let off = split.iter().zip(whole).filter(|(a, b)| a != b).count();
            assert_eq!(off, 0, "member {member}, value {i}: {off} of {} differ", whole.len());
        }
    }
}

/// The empty text is in every name; no adapter is meant by it.
pub fn an_adapter_without_a_name_is_refused() {
    match Gpu::named("", Options::default()).err() {
        Some(DeviceError::UnknownAdapter { wanted, known }) => assert!(wanted.is_empty() && !known.is_empty()),
        other => panic!("{other:?}"),
    }
    let yes = |value: &str| support::says_yes(Some(value.as_ref()));
    assert_eq!((support::says_yes(None), yes(""), yes("0"), yes("1"), yes("true")), (false, false, false, true, true));
}

pub fn memory_is_limited_counted_and_given_back() -> thalweg::Result<()> {
    let most = 200_000;
    let gpu = open(Options { memory_limit: Some(most), ..Options::default() });
    let wide = Sequential::new().add(Linear::new(4000)).add(Relu).add(Linear::new(3));
    match Trainer::new(&Device::Gpu(gpu.clone()), &wide, &data(), recipe()).err() {
        Some(Error::Device(DeviceError::OutOfMemory { needed, allocated, limit, what, .. })) => {
            assert!(needed + allocated > most && allocated <= most, "{needed} and {allocated}");
            assert!(limit.contains(&most.to_string()) && !what.is_empty(), "{limit}");
        }
        other => panic!("{:?}", other.map(|e| e.to_string())),
    }
    assert_eq!(gpu.allocated(), 0, "what was allocated before the refusal");
    let mut small = trainer(&Device::Gpu(gpu.clone()), &dropping(), &data(), &recipe());
    assert!(small.bytes() > 0 && small.bytes() == gpu.allocated());
    let before = small.bytes();
    go(&mut small, None)?;
    let one = small.bytes();
    small.evaluate()?;
    small.checkpoint()?;
    assert_eq!(small.bytes(), one, "readings leave nothing behind: {before} bytes at the start");
    drop(small);
    assert_eq!(gpu.allocated(), 0, "what a trainer held");
    Ok(())
}

/// Data of more bytes than the whole device may allocate are trained on with the bits of data that lie on the device: minibatches
/// shuffled, a last short one, validation, and a run resumed in the middle of an epoch.
pub fn data_beyond_the_memory_are_streamed() -> thalweg::Result<()> {
    let limit = 300_000;
    let data = Split { train: rows(2345, 40, 1), validation: Some(rows(777, 40, 2)), description: "noise".into() };
    let recipe = Recipe { epochs: 2, batch_size: 16, ..recipe() };
    let small = || Device::Gpu(open(Options { memory_limit: Some(limit), ..Options::default() }));
    // What the device would hold: f32 features, classes, and the order.
    assert!(2345 * (40 + 2) * 4 > limit, "the training rows alone are too large");
    let whole = go(&mut trainer(&Device::Gpu(open(Options::default())), &dropping(), &data, &recipe), None)?;
    let device = small();
    let mut streamed = trainer(&device, &dropping(), &data, &recipe);
    let chunk = streamed.streamed().expect("streamed");
    assert!((16..2345).contains(&chunk), "{chunk} rows a chunk");
    let all = go(&mut streamed, None)?;
    assert_eq!((&all.last, &all.steps, &all.epochs), (&whole.last, &whole.steps, &whole.epochs));

    let folder = tempfile::tempdir().expect("a folder");
    let mut begun = trainer(&small(), &dropping(), &data, &recipe);
    begun.keep_in(folder.path())?;
    let begun = go(&mut begun, Some(100))?;
    let mut rest = trainer(&small(), &dropping(), &data, &recipe);
    rest.resume(folder.path())?;
    let rest = go(&mut rest, None)?;
    assert_eq!(rest.last, whole.last);
    assert_eq!([begun.steps, rest.steps].concat(), whole.steps);

    // A cut where bindings end, too: what one kernel cannot compute together then is launched apart in both.
    let apart = Options { memory_limit: Some(limit), apart: true, ..Options::default() };
    let alone = Split { validation: None, ..data };
    let on = |options| go(&mut trainer(&Device::Gpu(open(options)), &dropping(), &alone, &recipe), None);
    let (cut, whole) = (on(Options { max_elements: Some(640), ..apart })?, on(apart)?);
    assert_eq!(cut.last, whole.last);
    Ok(())
}

/// What is judged in minibatches of 256 rows is judged in the run's own where the memory does not hold those; a predictor under
/// whatever limit does as the run did, and says the same bits.
pub fn validation_takes_the_runs_minibatch_where_memory_is_short() -> thalweg::Result<()> {
    let text = "[model]\nlayers = [{ type = 'linear', out = 1000 }, { type = 'tanh' }, { type = 'linear', out = 3 }]\n\
                [data]\nsource = 'npz:absent.npz'";
    let config = RunConfig::parse(text, &[("train.batch_size".into(), "8".into())])?;
    let model = config.model()?;
    let data = Split { train: rows(60, 5, 1), validation: Some(rows(300, 5, 2)), description: "noise".into() };
    let recipe = Recipe { epochs: 2, batch_size: 8, ..recipe() };
    let on = |limit: Option<u64>| Device::Gpu(open(Options { memory_limit: limit, ..Options::default() }));
    let judged = |trainer: &mut Trainer| -> thalweg::Result<(Option<f64>, Option<f64>)> {
        let all = go(trainer, None)?;
        let last = all.epochs.last().expect("an epoch");
        Ok((last.val_loss, last.val_accuracy))
    };
    // One activation of 256 rows by 1000 units is 1 MB, and there are two of them.
    let small = on(Some(1_000_000));
    let folder = tempfile::tempdir().expect("a folder");
    let mut trainer = Trainer::new(&small, &model, &data, recipe.clone())?;
    // What the wide evaluation had asked for was given back, and the run's own places are still counted.
    let held = trainer.footprint();
    assert!(held.values >= held.cut && held.total() <= 1_000_000, "{held:?}");
    trainer.keep_in(folder.path())?;
    let told = judged(&mut trainer)?;
    let narrow = trainer.parameters()?;
    drop(trainer);
    std::fs::write(folder.path().join(checkpoint::RUN), config.to_toml()).expect("a file");
    let held = data.validation.as_ref().expect("validation data");
    for limit in [Some(1_000_000), None] {
        let found = Predictor::load(folder.path(), &on(limit))?.evaluate(held)?;
        assert_eq!((Some(found.loss), found.accuracy), told, "{limit:?}");
    }
    // It learns the same, and with room for 256 rows it says the same but for the order of the sums.
    let mut whole = Trainer::new(&on(None), &model, &data, recipe.clone())?;
    let wide_folder = tempfile::tempdir().expect("a folder");
    whole.keep_in(wide_folder.path())?;
    let wide = judged(&mut whole)?;
    assert_eq!(whole.parameters()?, narrow);
    assert_eq!(told.1.map(|share| (share * 300.0).round()), wide.1.map(|share| (share * 300.0).round()));
    // A predictor takes smaller minibatches by itself where a run of more memory did not say so.
    std::fs::write(wide_folder.path().join(checkpoint::RUN), config.to_toml()).expect("a file");
    let mut tight = Predictor::load(wide_folder.path(), &on(Some(300_000)))?;
    let found = tight.evaluate(held)?;
    assert_eq!((Some(found.loss), found.accuracy), told);
    assert_eq!(tight.outputs(held)?.rows, 300);
    // Where the run's own is too large too, the error says whose it is.
    let tight = on(Some(300_000));
    drop(Trainer::new(&tight, &model, &Split { validation: None, ..data.clone() }, recipe.clone())?);
    match Trainer::new(&tight, &WideToJudge(model), &data, recipe).err() {
        Some(Error::Device(DeviceError::OutOfMemory { what, .. })) => {
            assert!(what.contains("validation in minibatches of 8 rows"), "{what}");
        }
        other => panic!("{:?}", other.map(|e| e.to_string())),
    }
    Ok(())
}

/// What is judged passes through 4000 copies: 384 kB for 8 rows of 3.
struct WideToJudge(Sequential);

impl Model for WideToJudge {
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        let y = self.0.build(b, x)?;
        if b.mode() == Mode::Train {
            return Ok(y);
        }
        let shape = b.shape(y).clone();
        let copies = b.graph().expand(y, [&[4000], shape.axes()].concat())?;
        b.graph().sum_to(copies, shape)
    }
}

/// 280 MB in one buffer at limits of 256 MiB: refused before anything is allocated.
pub fn a_model_beyond_the_largest_buffer_is_refused() {
    let gpu = open(Options { default_limits: true, ..Options::default() });
    let tensors = vec![Tensor { name: "w".into(), shape: [70_000_000].into() }];
    let rule = optimizer("name = 'sgd'\nlearning_rate = 1.0").into_rule();
    match GpuEngine::new(
        &gpu,
        Setup {
            tensors,
            buffers: Vec::new(),
            groups: vec![0],
            rule,
            update: thalweg::device::Update::default(),
            seeds: vec![1],
        },
    )
    .err()
    {
        Some(DeviceError::OutOfMemory { needed: 280_000_000.., allocated: 0, limit, .. }) => {
            assert!(limit.contains("largest buffer"), "{limit}");
        }
        other => panic!("{other:?}"),
    }
}

/// Lost in the third epoch: a typed error, soon; the checkpoint of the second is whole and another device goes on from it.
pub fn a_lost_device_loses_no_checkpoint(gpu: &Gpu) -> thalweg::Result<()> {
    let (doomed, folder) = (open(Options::default()), tempfile::tempdir().expect("a folder"));
    let mut run = trainer(&Device::Gpu(doomed.clone()), &dropping(), &data(), &recipe());
    run.keep_in(folder.path())?;
    let began = Instant::now();
    let lost = |result: Option<Error>| match result {
        Some(Error::Device(DeviceError::Lost { adapter, reason })) => {
            assert!(!adapter.is_empty() && !reason.is_empty())
        }
        other => panic!("{other:?}"),
    };
    let mut seen = 0;
    lost(
        run.run(&mut |event| {
            if let thalweg::train::Event::Step(step) = event {
                seen = step.step;
                if step.step == 14 {
                    doomed.lose();
                }
            }
            thalweg::train::Flow::Continue
        })
        .err(),
    );
    assert!(seen >= 14);
    // Whatever is tried on it says the same.
    lost(run.run(&mut |_| thalweg::train::Flow::Continue).err());
    lost(run.parameters().err());
    lost(run.checkpoint().err());
    lost(Trainer::new(&Device::Gpu(doomed.clone()), &dropping(), &data(), recipe()).err());
    drop(run);
    assert!(began.elapsed() < Duration::from_secs(20), "no wait for what never comes");

    let device = Device::Gpu(gpu.clone());
    let mut rest = trainer(&device, &dropping(), &data(), &recipe());
    rest.resume(folder.path())?;
    assert_eq!((rest.epoch(), rest.step()), (2, 12));
    let rest = go(&mut rest, None)?;
    assert_eq!(rest.last, go(&mut trainer(&device, &dropping(), &data(), &recipe()), None)?.last);
    Ok(())
}
