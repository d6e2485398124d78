//! thalweg, through its public API as its own benches use it.

use std::sync::Arc;

use thalweg::device::cpu::CpuEngine;
use thalweg::device::gpu::{Gpu, GpuEngine};
use thalweg::device::{Call, Column, Engine, ProgramId, Setup, Update};
use thalweg::graph::{Arg, Context, DynOp, Kind};
use thalweg::kernel::{Operand, Place, Plan};
use thalweg::nn::{
    Assembled, Conv2d, Flatten, Linear, MaxPool2d, Mode, Objective, Relu, Sequential, TargetKind, assemble,
    initial_parameters,
};
use thalweg::optim::{Adam, DynRule, Storage};
use thalweg::{Graph, Shape};

use crate::Fallible;
use crate::support::{Contender, Inside};
use crate::update::Case;
use crate::workload::{self, BATCHES, CLASSES, Network, PARAMETERS, RATE, Task};

const SEED: u64 = 1;
/// Submissions under way at once, as the trainer has them.
const IN_FLIGHT: usize = 2;

fn model(network: Network) -> Sequential {
    let conv = |out| Conv2d { padding: [1; 2], ..Conv2d::new(out, [3, 3]) };
    let pool = || MaxPool2d::new([2, 2]);
    match network {
        Network::Linear([a, b]) => {
            let hidden = Sequential::new().add(Linear::new(a)).add(Relu).add(Linear::new(b)).add(Relu);
            hidden.add(Linear::new(CLASSES))
        }
        Network::Convolutional => {
            let first = Sequential::new().add(conv(32)).add(Relu).add(pool());
            let second = first.add(conv(64)).add(Relu).add(pool()).add(Flatten);
            second.add(Linear::new(128)).add(Relu).add(Linear::new(CLASSES))
        }
    }
}

fn assembled(task: &Task) -> Fallible<Assembled> {
    let (shape, classes) = (Shape::from(&task.shape[..]), TargetKind::Classes { classes: CLASSES });
    Ok(assemble(&model(task.network), &shape, classes, &Objective::default(), task.batch, Mode::Train)?)
}

/// Shape and values of each parameter at the start, in the order of the layers: others start there too.
pub fn initial(task: &Task) -> Fallible<Vec<(Vec<usize>, Vec<f32>)>> {
    let parameters = assembled(task)?.parameters;
    let values = initial_parameters(&parameters, SEED);
    let narrow = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect();
    Ok(parameters.iter().zip(values).map(|(p, values)| (p.shape.to_vec(), narrow(values))).collect())
}

/// Steps on the GPU, or on the CPU in f32.
pub fn training(task: &Task, gpu: Option<&Gpu>) -> Fallible<Box<dyn Contender>> {
    let a = assembled(task)?;
    let rule = Adam::default();
    let setup = Setup {
        tensors: a.tensors(),
        buffers: a.kept(),
        groups: vec![0; a.parameters.len()],
        rule: Arc::new(rule),
        update: Update::default(),
        seeds: vec![SEED],
    };
    let mut engine: Box<dyn Engine> = match gpu {
        Some(gpu) => Box::new(GpuEngine::new(gpu, setup)?),
        None => Box::new(CpuEngine::<f32>::new(setup)?),
    };
    let id = engine.add_data(task.labels.len(), Column::F32(&task.features), Column::Index(&task.labels))?;
    let initial = initial_parameters(&a.parameters, SEED);
    let program = engine.compile(a.into_step(), id)?;
    engine.set_parameters(0, &initial)?;
    let (mut step, batch) = (0, task.batch as u32);
    Ok(Inside::new(move |count| steps(&mut *engine, program, &rule, batch, &mut step, count)))
}

/// `count` steps, in submissions as long as the engine takes and up to the end of the data.
fn steps(
    engine: &mut dyn Engine,
    program: ProgramId,
    rule: &Adam,
    batch: u32,
    step: &mut u64,
    count: usize,
) -> Fallible<f64> {
    let (end, mut loss) = (*step + count as u64, f64::NAN);
    loop {
        while *step < end && engine.pending() < IN_FLIGHT {
            let row = *step % BATCHES as u64;
            let most = (engine.capacity() as u64).min(BATCHES as u64 - row).min(end - *step);
            let calls: Vec<Call> = (1..=most).map(|k| Call::new(program, vec![rule.hyper(*step + k, RATE)])).collect();
            engine.submit(*step as u32, row as u32 * batch, &calls)?;
            *step += most;
        }
        match engine.collect()?.last() {
            Some(record) => loss = record[0][0],
            None => return Ok(loss),
        }
    }
}

/// Adam's update of [`PARAMETERS`] on the GPU, proved as the optimizers' bench proves it; waits for each.
pub fn update(gpu: &Gpu) -> Fallible<Box<dyn Contender>> {
    let rule = Adam::default();
    let case = Case { rule: &rule, storage: Storage::F32, size: PARAMETERS, tensors: 1, telemetry: false };
    let prepared = case.prepare(gpu);
    Ok(Inside::new(move |count| {
        for _ in 0..count {
            prepared.run(1)?;
        }
        Ok(f64::NAN)
    }))
}

/// x·wᵀ, as a linear layer multiplies.
fn product_op([rows, inner, columns]: [usize; 3]) -> Fallible<Arc<dyn DynOp>> {
    let mut g = Graph::new();
    let x = g.input("x", [rows, inner])?;
    let w = g.input("w", [columns, inner])?;
    let y = g.matmul_nt(x, w)?;
    let Kind::Op { op, .. } = &g.node(y).kind else { return Err("a product is no op".into()) };
    Ok(op.clone())
}

/// The operands as a linear layer has them: `[rows, inner]` and `[columns, inner]`.
fn operands(sides: [usize; 3]) -> (Vec<f32>, Vec<f32>) {
    let [_, inner, columns] = sides;
    let (x, w) = workload::operands(sides);
    let turned = (0..columns * inner).map(|i| w[i % inner * columns + i / inner]).collect();
    (x, turned)
}

fn hold(whose: &str, sides: [usize; 3], found: &[f32]) -> Fallible<()> {
    let error = workload::product_error(sides, found);
    if !(error <= 1.0) {
        return Err(format!("{whose}: the product is {error:.1} times as far off as f32 can account for").into());
    }
    Ok(())
}

/// A product on the GPU, many in one submission.
pub fn product_on_gpu(gpu: &Gpu, sides: [usize; 3]) -> Fallible<Box<dyn Contender>> {
    let [rows, inner, columns] = sides;
    let op = product_op(sides)?;
    let place = |shape: [usize; 2]| Place { shape: shape.into(), stride: 0 };
    let mut plan = Plan::new(vec![place([rows, inner]), place([columns, inner])], place([rows, columns]), 1);
    plan.tiling = gpu.tiling();
    plan.abilities = gpu.abilities();
    let (x, w) = operands(sides);
    let launches = op.launches(&plan)?;
    let prepared = gpu.prepare(launches, &[Column::F32(&x), Column::F32(&w)], rows * columns)?;
    prepared.run(1)?;
    let found: Vec<f32> = prepared.read(Operand::Output)?.into_iter().map(f32::from_bits).collect();
    hold("thalweg", sides, &found[..rows * columns])?;
    Ok(Inside::new(move |count| {
        prepared.run(count as u32)?;
        Ok(f64::NAN)
    }))
}

/// A product on the CPU: the twin in f32, which is what the CPU device runs.
pub fn product_on_cpu(sides: [usize; 3]) -> Fallible<Box<dyn Contender>> {
    let [rows, inner, columns] = sides;
    let op = product_op(sides)?;
    let (x, w) = operands(sides);
    let shapes = [Shape::from([rows, inner]), Shape::from([columns, inner])];
    let mut y = vec![0.0; rows * columns];
    let mut run = move |count: usize| {
        for _ in 0..count {
            let args = [Arg::Real(&shapes[0], &x[..]), Arg::Real(&shapes[1], &w[..])];
            op.twin_f32(&args, std::hint::black_box(&mut y), &Context::default());
        }
        y[..].to_vec()
    };
    hold("thalweg on the CPU", sides, &run(1))?;
    Ok(Inside::new(move |count| {
        std::hint::black_box(run(count));
        Ok(f64::NAN)
    }))
}
