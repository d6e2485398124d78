//! Whole steps: losses, accuracy and gradients of networks as they are trained.

use libtest_mimic::Trial;
use thalweg::Shape;
use thalweg::graph::{Kind, NodeId};
use thalweg::nn::{
    Assembled, Conv2d, Flatten, Linear, MaxPool2d, Mode, Objective, Relu, Sequential, Tanh, TargetKind, assemble,
};
use thalweg::op::Fill;

use crate::{everywhere, hold, names};

fn step(model: &Sequential, input: &[usize], l2: f64) -> Result<Assembled, libtest_mimic::Failed> {
    let objective = Objective { l2, ..Objective::default() };
    Ok(assemble(model, &Shape::from(input), TargetKind::Classes { classes: 10 }, &objective, 19, Mode::Train)?)
}

fn wanted(a: &Assembled) -> Vec<NodeId> {
    let scalars = [Some(a.loss), Some(a.data_loss), a.penalty, a.accuracy];
    scalars.into_iter().chain(a.gradients.iter().copied()).flatten().collect()
}

fn dense() -> (Sequential, Vec<usize>) {
    let hidden = Sequential::new().add(Linear::new(33)).add(Relu).add(Linear::new(65)).add(Tanh);
    (hidden.add(Linear::new(10)), vec![17])
}

fn convolutional() -> (Sequential, Vec<usize>) {
    let conv = Sequential::new().add(Conv2d::new(5, [3, 3])).add(Relu).add(MaxPool2d::new([2, 2])).add(Flatten);
    (conv.add(Linear::new(10)), vec![1, 9, 7])
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, model) in [("dense", dense as fn() -> (Sequential, Vec<usize>)), ("convolutional", convolutional)] {
        for l2 in [0.0, 0.25] {
            trials.extend(everywhere(&format!("{name} network, l2 = {l2}"), move |gpu| {
                let (model, input) = model();
                let a = step(&model, &input, l2)?;
                let fill = |id: NodeId| match &a.graph.node(id).kind {
                    _ if id == a.targets => Fill::Index(10),
                    Kind::Parameter { .. } => Fill::Uniform(-0.25, 0.25),
                    Kind::Setting { value, .. } => Fill::Constant(*value),
                    _ => Fill::Uniform(0.0, 1.0),
                };
                let found = names(gpu, &a.graph, &wanted(&a))?;
                if !found.contains(&"cross_entropy: head".to_owned()) {
                    return Err(format!("the loss is not computed with its gradient: {found:?}").into());
                }
                [1, 3].into_iter().try_for_each(|members| hold(gpu, &a.graph, &wanted(&a), &fill, members))
            }));
        }
    }
    trials
}
