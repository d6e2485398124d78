//! Narrow dense layers, their loss and all gradients in two launches.

use libtest_mimic::{Failed, Trial};
use thalweg::Graph;
use thalweg::device::gpu::Gpu;
use thalweg::graph::NodeId;
use thalweg::kernel::Tiling;
use thalweg::loss::Loss;
use thalweg::op::Fill;
use thalweg::op::unary::Activation;

use crate::{everywhere, hold, names};

/// Dense layers of these widths, and a loss.
struct Network {
    graph: Graph,
    hidden: Vec<NodeId>,
    loss: NodeId,
    accuracy: Option<NodeId>,
    gradients: Vec<NodeId>,
    classes: Option<(NodeId, u32)>,
}

/// A network that ends in this loss; `None`: in a cross-entropy with weights for classes. Hidden layers take the activations in turn.
fn network(loss: Option<Loss>, activations: &[Activation], rows: usize, widths: &[usize]) -> Result<Network, Failed> {
    let mut g = Graph::new();
    let mut at = g.input("x", [rows, widths[0]])?;
    let (mut parameters, mut hidden) = (Vec::new(), Vec::new());
    for (l, pair) in widths.windows(2).enumerate() {
        let last = l + 2 == widths.len();
        let (w, b) = (g.parameter(&format!("{l}.w"), [pair[1], pair[0]])?, g.parameter(&format!("{l}.b"), [pair[1]])?);
        at = g.affine(at, w, Some(b), if last { Activation::Identity } else { activations[l % activations.len()] })?;
        parameters.extend([w, b]);
        hidden.push(at);
    }
    let width = widths[widths.len() - 1];
    let classes = loss.is_some_and(Loss::takes_classes);
    let targets = if classes { g.index_input("t", [rows])? } else { g.input("t", [rows, width])? };
    let value = match loss {
        Some(loss) => loss.build(&mut g, at, targets)?,
        None => g.soft_cross_entropy(at, targets)?,
    };
    let accuracy = if classes { Some(g.accuracy(at, targets)?) } else { None };
    let scale = g.setting("loss_scale", 1.0)?;
    let gradients = g.gradients(value, scale, &parameters)?.into_iter().flatten().collect();
    let classes = classes.then_some((targets, width as u32 + 2));
    Ok(Network { graph: g, hidden, loss: value, accuracy, gradients, classes })
}

impl Network {
    fn wanted(&self) -> Vec<NodeId> {
        self.gradients.iter().copied().chain([self.loss]).chain(self.accuracy).collect()
    }

    fn hold(&self, gpu: &Gpu, wanted: &[NodeId], members: usize) -> Result<(), Failed> {
        let fill = |id: NodeId| match self.classes {
            Some((targets, count)) if targets == id => Fill::Index(count),
            _ => Fill::Uniform(-1.0, 1.0),
        };
        hold(gpu, &self.graph, wanted, &fill, members)
    }
}

const CHAIN: [&str; 2] = ["dense chain: rows", "dense chain: sums"];

/// Whether a GPU has a kernel for chains: by workgroups.
fn chained(gpu: &Gpu, layers: usize) -> bool {
    gpu.tiling() == Tiling::Workgroup && 4 + 2 * layers <= gpu.abilities().storage_buffers as usize
}

/// Fails unless the network is launched as a chain where it can be, and not where it cannot.
fn launched(gpu: &Gpu, network: &Network, wanted: &[NodeId], expected: bool) -> Result<(), Failed> {
    let found = names(gpu, &network.graph, wanted)?;
    if (found == CHAIN) == expected { Ok(()) } else { Err(format!("a chain, {expected}: {found:?}").into()) }
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    // One row, one layer, blocks that are not full, widths off the tiles of 8 and 16, the widest, four layers, the most rows.
    let shapes: [(usize, &[usize]); 6] = [
        (1, &[1, 1]),
        (16, &[8, 16, 8]),
        (19, &[33, 17, 10]),
        (37, &[128, 1, 128]),
        (3, &[9, 8, 7, 6, 5]),
        (512, &[5, 12, 3]),
    ];
    for (rows, widths) in shapes {
        trials.extend(everywhere(&format!("chain of {rows} rows, {widths:?}"), move |gpu| {
            let network = network(Some(Loss::CrossEntropy), &[Activation::Tanh], rows, widths)?;
            launched(gpu, &network, &network.wanted(), chained(gpu, widths.len() - 1))?;
            [1, 3].into_iter().try_for_each(|members| network.hold(gpu, &network.wanted(), members))
        }));
    }
    for (name, loss) in [("hinge", Some(Loss::Hinge)), ("soft_cross_entropy", None)] {
        trials.extend(everywhere(&format!("chain that ends in {name}"), move |gpu| {
            let network = network(loss, &[Activation::Relu], 19, &[7, 33, 5])?;
            launched(gpu, &network, &network.wanted(), chained(gpu, 2))?;
            [1, 3].into_iter().try_for_each(|members| network.hold(gpu, &network.wanted(), members))
        }));
    }
    for activation in Activation::ALL.into_iter().filter(|a| a.fuses()) {
        trials.extend(everywhere(&format!("chain of {activation}"), move |gpu| {
            let network = network(Some(Loss::CrossEntropy), &[activation], 19, &[7, 33, 5])?;
            launched(gpu, &network, &network.wanted(), chained(gpu, 2))?;
            [1, 3].into_iter().try_for_each(|members| network.hold(gpu, &network.wanted(), members))
        }));
    }
    trials.extend(everywhere("a chain without its accuracy", |gpu| {
        let network = network(Some(Loss::CrossEntropy), &[Activation::Relu], 19, &[7, 33, 5])?;
        let wanted: Vec<NodeId> = network.gradients.iter().copied().chain([network.loss]).collect();
        launched(gpu, &network, &wanted, chained(gpu, 2))?;
        [1, 3].into_iter().try_for_each(|members| network.hold(gpu, &wanted, members))
    }));
    // What is too wide or too tall, and what somebody else reads or asks for, goes layer by layer.
    for (rows, widths) in [(513, &[3, 5, 4][..]), (9, &[129, 5, 4]), (9, &[3, 129, 4]), (2, &[2, 2, 2, 2, 2, 2])] {
        trials.extend(everywhere(&format!("no chain of {rows} rows, {widths:?}"), move |gpu| {
            let network = network(Some(Loss::CrossEntropy), &[Activation::Relu], rows, widths)?;
            launched(gpu, &network, &network.wanted(), false)?;
            network.hold(gpu, &network.wanted(), 1)
        }));
    }
    trials.extend(everywhere("a chain whose inner value is wanted goes layer by layer", |gpu| {
        let network = network(Some(Loss::CrossEntropy), &[Activation::Relu], 19, &[7, 33, 5])?;
        for &inner in &network.hidden {
            let wanted: Vec<NodeId> = network.wanted().into_iter().chain([inner]).collect();
            launched(gpu, &network, &wanted, false)?;
            [1, 3].into_iter().try_for_each(|members| network.hold(gpu, &wanted, members))?;
        }
        Ok(())
    }));
    trials.extend(everywhere("a chain of which one gradient is not wanted goes layer by layer", |gpu| {
        let network = network(Some(Loss::CrossEntropy), &[Activation::Relu], 19, &[7, 33, 5])?;
        let wanted: Vec<NodeId> = network.wanted()[1..].to_vec();
        launched(gpu, &network, &wanted, false)?;
        network.hold(gpu, &wanted, 1)
    }));
    let leaky = |slope| Activation::LeakyRelu { slope };
    let mixed: [(&str, Vec<Activation>, bool); 3] = [
        ("with a layer without an activation", vec![Activation::Tanh, Activation::Identity], true),
        ("with two activations", vec![Activation::Tanh, Activation::Relu], false),
        ("with two slopes of leaky_relu", vec![leaky(0.1), leaky(0.2)], false),
    ];
    for (name, activations, expected) in mixed {
        trials.extend(everywhere(&format!("a chain {name}"), move |gpu| {
            let network = network(Some(Loss::CrossEntropy), &activations, 19, &[7, 9, 33, 5])?;
            launched(gpu, &network, &network.wanted(), expected && chained(gpu, 3))?;
            [1, 3].into_iter().try_for_each(|members| network.hold(gpu, &network.wanted(), members))
        }));
    }
    trials.extend(everywhere("a chain whose layers share weight and bias, or whose weights have a penalty", |gpu| {
        for shared in [true, false] {
            let mut g = Graph::new();
            let x = g.input("x", [19, 6])?;
            let (w, b) = (g.parameter("w", [6, 6])?, g.parameter("b", [6])?);
            let (v, c) = if shared { (w, b) } else { (g.parameter("v", [5, 6])?, g.parameter("c", [5])?) };
            let y = g.affine(x, w, Some(b), Activation::Sigmoid)?;
            let scores = g.affine(y, v, Some(c), Activation::Identity)?;
            let targets = g.index_input("t", [19])?;
            let mut loss = Loss::CrossEntropy.build(&mut g, scores, targets)?;
            if !shared {
                let lambda = g.setting("l2", 0.1)?;
                let penalty = g.l2(w, lambda)?;
                loss = g.add(loss, penalty)?;
            }
            let scale = g.setting("loss_scale", 1.0)?;
            let wanted: Vec<NodeId> =
                g.gradients(loss, scale, &[w, b, v, c])?.into_iter().flatten().chain([loss]).collect();
            let found = names(gpu, &g, &wanted)?;
            if chained(gpu, 2) != CHAIN.iter().all(|name| found.iter().any(|own| own == name)) {
                return Err(format!("a chain, shared {shared}: {found:?}").into());
            }
            let fill = |id: NodeId| if id == targets { Fill::Index(6) } else { Fill::Uniform(-1.0, 1.0) };
            [1, 3].into_iter().try_for_each(|members| hold(gpu, &g, &wanted, &fill, members))?;
        }
        Ok(())
    }));
    trials.extend(everywhere("a chain whose input's gradient is wanted goes layer by layer", |gpu| {
        let mut g = Graph::new();
        let x = g.parameter("x", [19, 7])?;
        let (w, b) = (g.parameter("w", [5, 7])?, g.parameter("b", [5])?);
        let scores = g.affine(x, w, Some(b), Activation::Identity)?;
        let targets = g.index_input("t", [19])?;
        let loss = Loss::CrossEntropy.build(&mut g, scores, targets)?;
        let scale = g.setting("loss_scale", 1.0)?;
        let wanted: Vec<NodeId> = g.gradients(loss, scale, &[x, w, b])?.into_iter().flatten().chain([loss]).collect();
        let found = names(gpu, &g, &wanted)?;
        if found.iter().any(|name| CHAIN.contains(&name.as_str())) {
            return Err(format!("a chain: {found:?}").into());
        }
        let fill = |id: NodeId| if id == targets { Fill::Index(7) } else { Fill::Uniform(-1.0, 1.0) };
        hold(gpu, &g, &wanted, &fill, 3)
    }));
    trials
}
