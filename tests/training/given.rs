//! Steps whose gradients are the data's rows themselves, so that what an update makes of them is known.

use thalweg::device::{Call, Column, DataId, Device, Engine, Precision, ProgramId, Setup, StepGraph, Tensor};
use thalweg::device::{cpu::CpuEngine, gpu::GpuEngine};
use thalweg::graph::Graph;
use thalweg::optim::{DynRule, Optimizer};

/// Numbers of one row.
pub const WIDTH: usize = 3000;

/// A step of one row over five tensors of 3000, 1500, 1000, 600 and 1 elements. The gradient of the first is the row; of the others
/// the maxima of its parts, which no arithmetic rounds.
pub fn step() -> (Vec<Tensor>, StepGraph) {
    let mut g = Graph::new();
    let features = g.input("x", [1, WIDTH]).expect("an input");
    let targets = g.index_input("y", [1]).expect("an input");
    let mut gradients = vec![g.reshape(features, [WIDTH]).expect("a view")];
    for (shape, axis) in [([2, 1500], 0), ([3, 1000], 0), ([600, 5], 1)] {
        let parts = g.reshape(features, shape).expect("a view");
        gradients.push(g.max(parts, axis, false).expect("maxima"));
    }
    gradients.push(g.max_all(features).expect("a maximum"));
    let name = |i: usize| format!("{i}.weight");
    let tensors: Vec<Tensor> =
        gradients.iter().enumerate().map(|(i, &id)| Tensor { name: name(i), shape: g.shape(id).clone() }).collect();
    for tensor in &tensors {
        g.parameter(&tensor.name, tensor.shape.clone()).expect("a parameter");
    }
    let loss = gradients[4];
    let gradients = gradients.into_iter().map(Some).collect();
    (
        tensors,
        StepGraph {
            graph: g,
            features,
            targets,
            record: [Some(loss), None, None, None],
            gradients,
            updates: Vec::new(),
        },
    )
}

pub fn engine(device: &Device, setup: Setup) -> thalweg::Result<Box<dyn Engine>> {
    Ok(match device {
        Device::Cpu(Precision::F32) => Box::new(CpuEngine::<f32>::new(setup)?),
        Device::Cpu(Precision::F64) => Box::new(CpuEngine::<f64>::new(setup)?),
        Device::Gpu(gpu) => Box::new(GpuEngine::new(gpu, setup)?),
    })
}

/// An engine of `members` with that step compiled over `rows`.
pub fn ready(
    device: &Device,
    optimizer: &Optimizer,
    members: usize,
    rows: &[f64],
) -> thalweg::Result<(Box<dyn Engine>, DataId, ProgramId)> {
    let (tensors, step) = step();
    let rule = optimizer.clone().into_rule();
    let seeds = (0..members as u64).collect();
    let setup = Setup {
        groups: vec![0, 1, 0, 1, 0],
        tensors,
        buffers: Vec::new(),
        rule,
        update: thalweg::device::Update::default(),
        seeds,
    };
    let mut engine = engine(device, setup)?;
    let count = rows.len() / WIDTH;
    let data = engine.add_data(count, Column::F64(rows), Column::Index(&vec![0; count]))?;
    let program = engine.compile(step, data)?;
    Ok((engine, data, program))
}

/// Step `t`, counted from 0. Members and groups have rates of their own.
pub fn call(program: ProgramId, rule: &dyn DynRule, t: u32, members: usize) -> Call {
    let rate = |member: usize, group: usize| rule.learning_rate() * (1.0 + member as f64) / (1.0 + group as f64);
    let hyper = |m| [0, 1].map(|g| rule.hyper(u64::from(t) + 1, rate(m, g)));
    Call::new(program, (0..members).flat_map(hyper).collect())
}
