//! Activations in the stores of convolutions, poolings, normalisations and sums, forward and backward.

use libtest_mimic::{Failed, Trial};
use thalweg::Graph;
use thalweg::device::gpu::Gpu;
use thalweg::graph::NodeId;
use thalweg::kernel::Tiling;
use thalweg::op::Fill;
use thalweg::op::conv2d::Conv2d;
use thalweg::op::max_pool2d::MaxPool2d;
use thalweg::op::moments::Over;
use thalweg::op::unary::{Activation, Function};

use crate::{each_of, everywhere, expect, held, hold, names, usual};

/// The same for each way to launch a convolution.
fn each_way(name: &str, run: impl Fn(&Gpu) -> Result<(), Failed> + Clone + Send + 'static) -> Vec<Trial> {
    each_of(name, &[(Tiling::Register, true, "register"), (Tiling::Register, true, "subgroup-16x16")], run)
}

/// What stands between two convolutions.
type Between = fn(&mut Graph, NodeId) -> Result<NodeId, thalweg::error::GraphError>;

/// Two convolutions with something between, and the gradients of their filters.
fn two(x: [usize; 4], conv: [Conv2d; 2], out: [usize; 2], between: Between) -> Result<(Graph, Vec<NodeId>), Failed> {
    let mut g = Graph::new();
    let images = g.input("x", x)?;
    let (w, b) = (g.parameter("w", [out[0], x[1] / conv[0].groups, 3, 3])?, g.parameter("b", [out[0]])?);
    let z = g.conv2d(images, w, Some(b), conv[0])?;
    let y = between(&mut g, z)?;
    let v = g.parameter("v", [out[1], out[0] / conv[1].groups, 3, 3])?;
    let y = g.conv2d(y, v, None, conv[1])?;
    let upstream = g.input("upstream", g.shape(y).clone())?;
    let gradients = g.gradients(y, upstream, &[w, v])?;
    Ok((g, gradients.into_iter().flatten().collect()))
}

fn same() -> Conv2d {
    Conv2d { padding: [1; 2], ..Conv2d::default() }
}

const TILES: MaxPool2d = MaxPool2d { kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
const OVERLAP: MaxPool2d = MaxPool2d { kernel: [3, 3], stride: [2, 2], padding: [1, 1] };

fn relu(g: &mut Graph, z: NodeId) -> Result<NodeId, thalweg::error::GraphError> {
    g.relu(z)
}

/// Weights' gradients sum over images and places: other kernels than those that are looked at here.
fn looked_at(found: &[String]) -> Vec<String> {
    found.iter().filter(|name| !name.starts_with("conv2d_weight_gradient")).cloned().collect()
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    let between: [(&str, Between, &[&str]); 10] = [
        ("relu", relu, &["conv2d with activation", "conv2d_input_gradient with slope"]),
        ("tanh", |g, z| g.tanh(z), &["conv2d with activation", "conv2d_input_gradient with slope"]),
        ("gelu", |g, z| g.activation(z, Activation::Gelu), &["conv2d", "gelu", "conv2d_input_gradient with slope"]),
        (
            "relu and dropout2d",
            |g, z| {
                let y = g.relu(z)?;
                g.dropout2d(y, "p", 0.5)
            },
            &["conv2d with activation", "dropout_runs", "conv2d_input_gradient with dropout and slope"],
        ),
        ("dropout", |g, z| g.dropout(z, "p", 0.5), &["conv2d", "dropout", "conv2d_input_gradient with dropout"]),
        (
            "tanh and dropout",
            |g, z| {
                let y = g.tanh(z)?;
                g.dropout(y, "p", 0.5)
            },
            &["conv2d with activation", "dropout", "conv2d_input_gradient with dropout and slope"],
        ),
        (
            "leaky relu and largest of squares",
            |g, z| {
                let y = g.leaky_relu(z, 0.1)?;
                g.max_pool2d(y, TILES)
            },
            &["conv2d with activation", "max_pool2d", "conv2d_input_gradient", "max_pool2d_gradient with slope"],
        ),
        (
            "relu and largest of windows that overlap",
            |g, z| {
                let y = g.relu(z)?;
                g.max_pool2d(y, OVERLAP)
            },
            &["conv2d with activation", "max_pool2d", "conv2d_input_gradient", "max_pool2d_gradient with slope"],
        ),
        (
            // What loses is given 0, which times a slope that may be infinite must stay a NaN.
            "exp and largest of squares",
            |g, z| {
                let y = g.exp(z)?;
                g.max_pool2d(y, TILES)
            },
            &["conv2d with activation", "max_pool2d", "conv2d_input_gradient", "max_pool2d_gradient", "unary_gradient"],
        ),
        (
            "a way past a convolution",
            |g, z| {
                let y = g.relu(z)?;
                let u = g.parameter("u", [g.shape(z)[1], g.shape(z)[1], 3, 3])?;
                let around = g.conv2d(y, u, None, same())?;
                let y = g.add(around, y)?;
                g.relu(y)
            },
            &[
                "conv2d with activation",
                "conv2d",
                "add with activation",
                "conv2d_input_gradient with slope",
                "conv2d_input_gradient with sum and slope",
            ],
        ),
    ];
    for (name, between, expected) in between {
        trials.extend(each_way(&format!("{name} between convolutions"), move |gpu| {
            let wide = Conv2d { stride: [2, 1], padding: [2, 1], ..Conv2d::default() };
            for (x, conv, out) in [
                ([1, 1, 5, 7], [same(), same()], [3, 2]),
                ([3, 4, 9, 6], [same(), wide], [10, 18]),
                ([2, 4, 6, 5], [Conv2d { groups: 2, ..same() }, Conv2d { groups: 2, ..same() }], [6, 8]),
            ] {
                let (g, wanted) = two(x, conv, out, between)?;
                expect(&looked_at(&names(gpu, &g, &wanted)?), expected)?;
                held(gpu, &g, &wanted)?;
            }
            Ok(())
        }));
    }
    trials.extend(everywhere("normalised, then an activation", |gpu| {
        // What it is taken over, the shape, the parameters', how many sets.
        for (over, shape, of, sets) in [
            (Over::Batch, vec![5, 3, 4, 2], vec![3], 3),
            (Over::Batch, vec![65, 7], vec![7], 7),
            (Over::Example, vec![6, 33], vec![33], 6),
        ] {
            let mut g = Graph::new();
            let x = g.parameter("x", shape.clone())?;
            let (w, b) = (g.parameter("w", of.clone())?, g.parameter("b", of)?);
            let moments = g.buffer("moments", [2, sets])?;
            let z = g.normalize(x, moments, w, b, over, 1e-5)?;
            let y = g.relu(z)?;
            let upstream = g.input("upstream", shape)?;
            let gradient = g.gradients(y, upstream, &[x])?[0].ok_or("no gradient")?;
            let found = names(gpu, &g, &[y, gradient])?;
            if !found.contains(&"normalize with activation".to_owned()) {
                return Err(format!("apart: {found:?}").into());
            }
            let positive = |id| if id == moments { Fill::Uniform(0.5, 1.5) } else { usual(&g, id) };
            for members in [1, 3] {
                hold(gpu, &g, &[y, gradient], &positive, members)?;
            }
        }
        Ok(())
    }));
    trials.extend(everywhere("what somebody else reads is stored", |gpu| {
        let mut g = Graph::new();
        let (x, w) = (g.input("x", [2, 3, 6, 6])?, g.parameter("w", [4, 3, 3, 3])?);
        let z = g.conv2d(x, w, None, same())?;
        let y = g.relu(z)?;
        let pooled = g.max_pool2d(y, TILES)?;
        expect(&names(gpu, &g, &[pooled, z])?, &["conv2d", "relu", "max_pool2d"])?;
        held(gpu, &g, &[pooled, z])?;
        let upstream = g.input("upstream", [2, 4, 3, 3])?;
        let wanted: Vec<NodeId> = g.gradients(pooled, upstream, &[w, y])?.into_iter().flatten().collect();
        let found = looked_at(&names(gpu, &g, &wanted)?);
        expect(&found, &["conv2d with activation", "max_pool2d_gradient", "unary_gradient"])?;
        held(gpu, &g, &wanted)
    }));
    trials.extend(everywhere("a pooling of something else than the activation", |gpu| {
        let mut g = Graph::new();
        let x = g.parameter("x", [2, 3, 6, 6])?;
        let s = g.input("s", [2, 3, 6, 6])?;
        let pooled = g.max_pool2d(x, TILES)?;
        let upstream = g.input("upstream", [2, 3, 3, 3])?;
        let dx = g.gradients(pooled, upstream, &[x])?[0].ok_or("no gradient")?;
        let dz = g.apply(thalweg::op::unary::UnaryGradient { function: Function::Relu }, &[s, dx])?;
        expect(&names(gpu, &g, &[dz])?, &["max_pool2d_gradient", "unary_gradient"])?;
        held(gpu, &g, &[dz])
    }));
    trials
}
