//! Small networks in which several nodes are computed together, with their gradients.

use thalweg::Graph;
use thalweg::error::GraphError;
use thalweg::graph::NodeId;
use thalweg::kernel::{Abilities, Launch, Place, Plan, Tiling};
use thalweg::loss::Loss;
use thalweg::op::conv2d::Conv2d;
use thalweg::op::max_pool2d::MaxPool2d;
use thalweg::op::unary::Activation;

/// A network over parameters alone: its value.
type Network = fn(&mut Graph) -> Result<NodeId, GraphError>;

/// Layers of odd widths, which go number by number, or of even ones, of which some go by pairs.
fn dense(g: &mut Graph, activation: Activation, even: bool) -> Result<NodeId, GraphError> {
    let [rows, width, hidden, out] = if even { [10, 12, 14, 10] } else { [9, 5, 7, 3] };
    let (x, b) = (g.parameter("x", [rows, width])?, g.parameter("b", [hidden])?);
    let (w, v) = (g.parameter("w", [hidden, width])?, g.parameter("v", [out, hidden])?);
    let hidden = g.affine(x, w, Some(b), activation)?;
    let dropped = g.dropout(hidden, "p", 0.5)?;
    g.affine(dropped, v, None, Activation::Identity)
}

/// Layers of even widths, the middle one with a way past it if told.
fn layers(g: &mut Graph, activation: Activation, past: bool) -> Result<NodeId, GraphError> {
    let (x, w) = (g.parameter("x", [10, 12])?, g.parameter("w", [14, 12])?);
    let (u, v) = (g.parameter("u", [14, 14])?, g.parameter("v", [10, 14])?);
    let hidden = g.affine(x, w, None, activation)?;
    let mut y = g.affine(hidden, u, None, Activation::Identity)?;
    if past {
        y = g.add(y, hidden)?;
    }
    g.affine(y, v, None, Activation::Identity)
}

/// A convolution, something behind it, another convolution.
fn between(
    g: &mut Graph,
    something: impl Fn(&mut Graph, NodeId) -> Result<NodeId, GraphError>,
) -> Result<NodeId, GraphError> {
    let conv = Conv2d { padding: [1; 2], ..Conv2d::default() };
    let x = g.parameter("x", [2, 3, 6, 5])?;
    let (w, v) = (g.parameter("w", [3, 3, 3, 3])?, g.parameter("v", [4, 3, 3, 3])?);
    let z = g.conv2d(x, w, None, conv)?;
    let y = something(g, z)?;
    g.conv2d(y, v, None, conv)
}

fn around(g: &mut Graph, x: NodeId) -> Result<NodeId, GraphError> {
    let u = g.parameter("u", [3, 3, 3, 3])?;
    let y = g.conv2d(x, u, None, Conv2d { padding: [1; 2], ..Conv2d::default() })?;
    g.add(y, x)
}

const NETWORKS: [(&str, Network); 16] = [
    ("dropout behind relu", |g| dense(g, Activation::Relu, false)),
    ("dropout behind tanh", |g| dense(g, Activation::Tanh, false)),
    ("dropout behind a layer", |g| dense(g, Activation::Identity, false)),
    ("dropout behind relu, by pairs", |g| dense(g, Activation::Relu, true)),
    ("dropout behind tanh, by pairs", |g| dense(g, Activation::Tanh, true)),
    ("layers, by pairs", |g| layers(g, Activation::Tanh, false)),
    ("a way past a layer, by pairs", |g| layers(g, Activation::Identity, true)),
    ("a way past a layer and an activation, by pairs", |g| layers(g, Activation::Relu, true)),
    ("dropout behind a layer, by pairs", |g| dense(g, Activation::Identity, true)),
    ("dropout between convolutions", |g| between(g, |g, z| g.dropout(z, "p", 0.5))),
    ("relu between convolutions", |g| between(g, |g, z| g.relu(z))),
    ("dropout2d between convolutions", |g| {
        between(g, |g, z| {
            let y = g.relu(z)?;
            g.dropout2d(y, "p", 0.5)
        })
    }),
    ("a pooling of apart windows", |g| {
        between(g, |g, z| {
            let y = g.leaky_relu(z, 0.1)?;
            g.max_pool2d(y, MaxPool2d { kernel: [2; 2], stride: [2; 2], padding: [0; 2] })
        })
    }),
    ("a pooling of windows that overlap", |g| {
        between(g, |g, z| {
            let y = g.tanh(z)?;
            g.max_pool2d(y, MaxPool2d { kernel: [3; 2], stride: [2; 2], padding: [1; 2] })
        })
    }),
    ("a way past a convolution", |g| between(g, around)),
    ("a way past a convolution, and relu", |g| {
        between(g, |g, z| {
            let y = g.relu(z)?;
            let y = around(g, y)?;
            g.relu(y)
        })
    }),
];

/// Narrow dense layers that end in a loss, with what a step wants of them.
fn chain(g: &mut Graph, loss: Option<Loss>, activation: Activation, accuracy: bool) -> Result<Vec<NodeId>, GraphError> {
    let x = g.input("x", [9, 5])?;
    let (w, b, v, c) =
        (g.parameter("w", [7, 5])?, g.parameter("b", [7])?, g.parameter("v", [3, 7])?, g.parameter("c", [3])?);
    let hidden = g.affine(x, w, Some(b), activation)?;
    let scores = g.affine(hidden, v, Some(c), Activation::Identity)?;
    let t = if loss.is_some() { g.index_input("t", [9])? } else { g.input("t", [9, 3])? };
    let value = match loss {
        Some(loss) => loss.build(g, scores, t)?,
        None => g.soft_cross_entropy(scores, t)?,
    };
    let scale = g.setting("scale", 1.0)?;
    let mut wanted: Vec<NodeId> =
        g.gradients(value, scale, &[w, b, v, c])?.into_iter().flatten().chain([value]).collect();
    if accuracy {
        wanted.push(g.accuracy(scores, t)?);
    }
    Ok(wanted)
}

/// The launches of chains.
pub fn chains() -> Vec<(String, Launch)> {
    let place = Place { shape: [1].into(), stride: 0 };
    let abilities = Abilities { subgroup: Some(8), ..Abilities::default() };
    let plan = Plan { tiling: Tiling::Workgroup, abilities, ..Plan::new(Vec::new(), place, 1) };
    let fused = Activation::ALL.into_iter().filter(|a| a.fuses());
    let mut kinds: Vec<_> = fused.map(|a| (Some(Loss::CrossEntropy), a, true)).collect();
    kinds.extend([(Some(Loss::Hinge), Activation::Relu, false), (None, Activation::Tanh, false)]);
    let mut all = Vec::new();
    for (loss, activation, accuracy) in kinds {
        let name = format!("chain of {activation}, {loss:?}");
        let mut g = Graph::new();
        let launches = chain(&mut g, loss, activation, accuracy)
            .and_then(|wanted| thalweg::device::launches(&g, &wanted, &plan, 3))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(launches.len(), 2, "{name}");
        all.extend(launches.into_iter().map(|launch| (name.clone(), launch)));
    }
    all
}

/// Their launches, with which network it is.
pub fn launches(tiling: Tiling, variant: Option<&'static str>) -> Vec<(String, Launch)> {
    let place = Place { shape: [1].into(), stride: 0 };
    let abilities = Abilities { subgroup: Some(8), wide: true, ..Abilities::default() };
    let plan = Plan { tiling, abilities, variant, ..Plan::new(Vec::new(), place, 1) };
    let mut all = Vec::new();
    for (name, network) in NETWORKS {
        let run = || -> Result<Vec<Launch>, GraphError> {
            let mut g = Graph::new();
            let y = network(&mut g)?;
            let upstream = g.parameter("upstream", g.shape(y).clone())?;
            let wrt: Vec<NodeId> = g.parameters().map(|(_, id)| id).filter(|id| *id != upstream).collect();
            let wanted: Vec<NodeId> = g.gradients(y, upstream, &wrt)?.into_iter().flatten().chain([y]).collect();
            thalweg::device::launches(&g, &wanted, &plan, 3)
        };
        let launches = run().unwrap_or_else(|e| panic!("{name}: {e}"));
        all.extend(launches.into_iter().map(|launch| (name.to_owned(), launch)));
    }
    all
}
