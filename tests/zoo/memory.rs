//! What the networks' steps take of a device's memory: planned before the first step, near the least there is, and not a byte more
//! afterwards.

use libtest_mimic::Failed;
use thalweg::Shape;
use thalweg::device::cpu::CpuEngine;
use thalweg::device::gpu::{GpuEngine, Options};
use thalweg::device::{Call, Column, Engine, Footprint, Setup, Update};
use thalweg::graph::{Kind, NodeId};
use thalweg::nn::{Assembled, Mode, TargetKind, assemble, initial_parameters};
use thalweg::optim::{Adam, DynRule};
use thalweg::train::config::RunConfig;

use super::{Model, support};

/// Planned bytes of parameters, gradients, states and values over the least that they can do with, at most.
const EXCESS: f64 = 0.1;

pub fn is_planned(model: &Model, device: &str) -> Result<(), Failed> {
    let config = RunConfig::load(&model.file(), &[])?;
    let (input, classes) = (Shape::from(model.input), TargetKind::Classes { classes: 10 });
    let batch = config.train.batch_size.min(32);
    let sequential = config.model()?;
    let build = |batch, mode| assemble(&sequential, &input, classes.clone(), &config.objective(), batch, mode);
    let a = build(batch, Mode::Train)?;
    let rule = Adam::default();
    let tensors = a.tensors();
    let setup = Setup {
        groups: vec![0; tensors.len()],
        buffers: a.kept(),
        rule: std::sync::Arc::new(rule),
        update: Update::default(),
        seeds: vec![1],
        tensors,
    };
    let states = 2 * setup.tensors.iter().map(|t| 4 * t.shape.elements() as u64).sum::<u64>();
    let (mut engine, on_cpu): (Box<dyn Engine>, bool) = match device {
        "cpu" => (Box::new(CpuEngine::<f32>::new(setup)?), true),
        _ => (Box::new(GpuEngine::new(&support::open(Options::default()).expect("an adapter"), setup)?), false),
    };
    let rows = batch + batch / 2;
    let pixels = vec![0.5_f32; rows * input.elements()];
    let labels: Vec<u32> = (0..rows as u32).map(|row| row % 10).collect();
    let data = engine.add_data(rows, Column::F32(&pixels), Column::Index(&labels))?;
    let (initial, least) = (initial_parameters(&a.parameters, 1), largest_cut(&a));
    let program = engine.compile(a.into_step(), data)?;
    let alone = engine.footprint();
    assert!(alone.excess() <= EXCESS, "{:.1} % above the least: {alone:?}", 100.0 * alone.excess());
    assert!(alone.states >= states && alone.parameters >= states / 2, "{alone:?}");
    if on_cpu {
        // Here gradients are values too, and nothing is padded.
        assert_eq!(alone.cut + alone.gradients, 4 * least as u64, "{alone:?}");
    }

    // The last, short minibatch, and the evaluation, take turns in the same places.
    engine.compile(build(batch / 2, Mode::Train)?.into_step(), data)?;
    engine.compile(build(batch, Mode::Evaluate)?.into_step(), data)?;
    let all = engine.footprint();
    assert!(all.excess() <= EXCESS, "{:.1} % above the least, with all three: {all:?}", 100.0 * all.excess());

    engine.set_parameters(0, &initial)?;
    for step in 0..2 {
        engine.submit(step, 0, &[Call::new(program, vec![rule.hyper(u64::from(step) + 1, 1e-3)])])?;
        engine.collect()?;
    }
    assert_eq!(engine.footprint(), all, "steps allocate");
    let Footprint { parameters, gradients, states, values, data, other, .. } = all;
    assert_eq!(engine.bytes(), parameters + gradients + states + values + data + other);
    Ok(())
}

/// Elements of all values of a step that are needed at one time, at most: by the definition, value by value.
fn largest_cut(a: &Assembled) -> usize {
    let nodes = a.graph.nodes();
    // The value whose bytes a node shares, if an op makes it.
    let value = |mut i: usize| loop {
        match &nodes[i].kind {
            Kind::Op { op, inputs } if op.is_view() => i = inputs[0].index(),
            kind => return matches!(kind, Kind::Op { .. }).then_some(i),
        }
    };
    let recorded = [a.loss, a.data_loss].into_iter().chain(a.penalty).chain(a.accuracy);
    let kept = a.buffers.iter().filter_map(|b| b.next);
    let wanted: Vec<NodeId> = a.gradients.iter().flatten().copied().chain(recorded).chain(kept).collect();
    let live = a.graph.live(&wanted);
    let mut last = vec![0; nodes.len()];
    for i in (0..nodes.len()).filter(|&i| live[i]) {
        for read in nodes[i].inputs().iter().filter_map(|input| value(input.index())).chain(value(i)) {
            last[read] = i;
        }
    }
    wanted.iter().filter_map(|id| value(id.index())).for_each(|i| last[i] = usize::MAX);
    let held = |at: usize| -> usize {
        let there = (0..=at).filter(|&i| live[i] && value(i) == Some(i) && last[i] >= at);
        there.map(|i| nodes[i].meta.shape.elements()).sum()
    };
    (0..nodes.len()).map(held).max().unwrap_or(0)
}
