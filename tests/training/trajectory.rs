//! Whole steps on a GPU, each held to f64 from where the GPU itself stood.
//!
//! Two runs in different precision part ways as fast as the model lets errors grow, so no fixed tolerance between them means
//! anything. Here nothing grows: before each step the GPU's parameters and states are read, exactly; from them f64 gives the
//! loss, the gradients and, by the bounds of each op, how far a correct f32 computation may be from them; the rule's formula
//! carries those errors to the new parameters and states. Every number that the step leaves must lie within.

use std::collections::HashMap;

use thalweg::check::bounds;
use thalweg::data::{Dataset, Targets};
use thalweg::device::gpu::{Gpu, GpuEngine};
use thalweg::device::{Call, Column, Engine, Feed, Setup, Tensor};
use thalweg::graph::Context;
use thalweg::nn::{Mode, Model, Objective, TargetKind, assemble, initial_parameters};
use thalweg::optim::Optimizer;

use super::bounds::{Near, update};

/// How much the bounds of a run could see: shares of the numbers compared.
pub struct Seen {
    /// Parameters whose bound is below a tenth of their step.
    pub sharp: f64,
    /// The widest bound of a loss, relative where it is above 1.
    pub loss: f64,
}

/// Trains `steps` steps of `batch` rows and holds each to f64.
pub fn anchored(
    gpu: &Gpu,
    model: &dyn Model,
    data: &Dataset,
    batch: usize,
    optimizer: &Optimizer,
    steps: u32,
) -> thalweg::Result<Seen> {
    let Targets::Classes { labels, classes } = data.targets() else { panic!("classes") };
    let objective = Objective { l2: 0.01, ..Objective::default() };
    let a = assemble(model, data.shape(), TargetKind::Classes { classes: *classes }, &objective, batch, Mode::Train)?;
    let tensors: Vec<Tensor> =
        a.parameters.iter().map(|p| Tensor { name: p.name.clone(), shape: p.shape.clone() }).collect();
    let rule = optimizer.rule();
    let groups = vec![0; tensors.len()];
    let setup = Setup {
        tensors,
        buffers: Vec::new(),
        groups,
        rule: optimizer.clone().into_rule(),
        update: thalweg::device::Update::default(),
        seeds: vec![3],
    };
    let mut engine = GpuEngine::new(gpu, setup)?;
    let features = data.features().to_f64();
    let id = engine.add_data(data.rows(), Column::F64(&features), Column::Index(labels))?;
    let program = engine.compile(a.clone().into_step(), id)?;
    engine.set_parameters(0, &initial_parameters(&a.parameters, 3))?;

    let mut wanted = vec![a.loss, a.data_loss, a.penalty.expect("a penalty")];
    wanted.extend(a.gradients.iter().flatten());
    let (mut sharp, mut all, mut widest) = (0usize, 0usize, 0.0f64);
    for t in 0..steps {
        let (before, states) = (engine.parameters(0)?, engine.states(0)?);
        let first = t as usize * batch % (data.rows() / batch * batch);
        let rows: Vec<u32> = (first as u32..(first + batch) as u32).collect();
        let part = data.select(&rows);
        let Targets::Classes { labels, .. } = part.targets() else { panic!("classes") };
        let mut feeds: HashMap<_, Feed> =
            a.parameters.iter().map(|p| p.node).zip(before.iter().cloned().map(Feed::from)).collect();
        feeds.insert(a.features, part.features().to_f64().into());
        feeds.insert(a.targets, labels.clone().into());
        let expected = bounds(&a.graph, &feeds, &wanted, &Context { step: t, seed: 3 })?;

        let hyper = rule.hyper(u64::from(t) + 1, rule.learning_rate());
        engine.submit(t, first as u32, &[Call::new(program, vec![hyper])])?;
        let record = engine.collect()?.remove(0).scalars.remove(0);
        for (what, (found, expected)) in record.iter().zip(&expected[..3]).enumerate() {
            let error = (found - expected.value[0]).abs();
            assert!(
                error <= expected.error[0],
                "step {t}, scalar {what}: {error:e} off, allowed {:e}",
                expected.error[0]
            );
            widest = widest.max(expected.error[0] / expected.value[0].abs().max(1.0));
        }
        let (after, next) = (engine.parameters(0)?, engine.states(0)?);
        for (tensor, gradient) in expected[3..].iter().enumerate() {
            for i in 0..before[tensor].len() {
                let g = Near { value: gradient.value[i], error: gradient.error[i] };
                let mut state = [Near::ZERO; 3];
                states.iter().zip(&mut state).for_each(|(from, to)| *to = Near::exact(from[tensor][i]));
                let (p, state) = update(optimizer, &hyper, g, Near::exact(before[tensor][i]), state);
                let found = [&after].into_iter().chain(&next).map(|values| values[tensor][i]);
                for (what, (found, near)) in found.zip([p].into_iter().chain(state)).enumerate() {
                    let error = (found - near.value).abs();
                    assert!(
                        error <= near.error,
                        "step {t}, tensor {tensor}, element {i}, value {what}: {error:e} off, allowed {:e}",
                        near.error
                    );
                }
                all += 1;
                sharp += usize::from(p.error <= 0.1 * (p.value - before[tensor][i]).abs() + 1e-7 * p.value.abs());
            }
        }
    }
    Ok(Seen { sharp: sharp as f64 / all as f64, loss: widest })
}
