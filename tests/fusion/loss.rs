//! A loss with its gradient and the accuracy.

use libtest_mimic::{Failed, Trial};
use thalweg::Graph;
use thalweg::graph::NodeId;
use thalweg::kernel::Tiling;
use thalweg::loss::Loss;
use thalweg::op::Fill;

use crate::{everywhere, expect, hold, names};

/// Rows of scores for each member behind a parameter, so that members differ, and what of it is wanted.
struct Head {
    graph: Graph,
    loss: NodeId,
    accuracy: Option<NodeId>,
    gradient: NodeId,
    classes: Option<(NodeId, u32)>,
}

fn head(loss: Loss, [rows, width]: [usize; 2]) -> Result<Head, Failed> {
    let mut g = Graph::new();
    let (x, offset) = (g.input("x", [rows, width])?, g.parameter("offset", [width])?);
    let scores = g.add(x, offset)?;
    let targets = if loss.takes_classes() { g.index_input("t", [rows])? } else { g.input("t", [rows, width])? };
    let value = loss.build(&mut g, scores, targets)?;
    let accuracy = if loss.takes_classes() { Some(g.accuracy(scores, targets)?) } else { None };
    let scale = g.setting("loss_scale", 1.0)?;
    let gradient = g.gradients(value, scale, &[scores])?[0].ok_or("no gradient")?;
    // Beyond the last class too, which counts as the last.
    let classes = loss.takes_classes().then_some((targets, width as u32 + 2));
    Ok(Head { graph: g, loss: value, accuracy, gradient, classes })
}

impl Head {
    fn wanted(&self) -> Vec<NodeId> {
        [self.loss, self.gradient].into_iter().chain(self.accuracy).collect()
    }

    fn fill(&self, id: NodeId) -> Fill {
        match self.classes {
            Some((targets, count)) if targets == id => Fill::Index(count),
            _ => Fill::Uniform(-2.0, 2.0),
        }
    }
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for loss in Loss::ALL {
        // One workgroup, several rows a lane, rows by workgroup, two launches, the longest that one workgroup takes.
        for shape in
            [[1, 1], [3, 7], [64, 10], [65, 10], [200, 3], [5, 131], [8193, 1], [2048, 4], [1009, 10], [300, 130]]
        {
            let run = move |gpu: &thalweg::device::gpu::Gpu| {
                let head = head(loss, shape)?;
                for members in [1, 3] {
                    hold(gpu, &head.graph, &head.wanted(), &|id| head.fill(id), members)?;
                }
                let found = names(gpu, &head.graph, &head.wanted())?;
                let by_workgroup = gpu.tiling() == Tiling::Workgroup && loss.takes_classes() && shape[1] >= 128;
                let whole = shape[0] * shape[1] <= 8192 && !by_workgroup;
                let (name, all) = (loss.name(), found.len());
                if !found.iter().any(|n| n.starts_with(&format!("{name}: head"))) {
                    return Err(format!("not computed together: {found:?}").into());
                }
                // Beside the head's one or two launches there is the sum before it.
                if all != if whole { 2 } else { 3 } {
                    return Err(format!("{all} launches: {found:?}").into());
                }
                Ok(())
            };
            trials.extend(everywhere(&format!("{} {shape:?}", loss.name()), run));
        }
    }
    trials.extend(everywhere("what is wanted alone is launched alone", |gpu| {
        let head = head(Loss::CrossEntropy, [64, 10])?;
        let accuracy = head.accuracy.ok_or("no accuracy")?;
        let found = names(gpu, &head.graph, &[head.loss, accuracy])?;
        expect(&found, &["add", "cross_entropy", "cross_entropy: reduce", "accuracy", "accuracy: reduce"])?;
        expect(&names(gpu, &head.graph, &[head.gradient])?, &["add", "cross_entropy_gradient"])?;
        expect(&names(gpu, &head.graph, &[head.gradient, head.loss])?, &["add", "cross_entropy: head"])
    }));
    trials
}
