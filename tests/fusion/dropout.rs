//! Dropout between dense layers: with the layer before it, and on the way back with the product before it.

use libtest_mimic::{Failed, Trial};
use thalweg::Graph;
use thalweg::device::gpu::Gpu;
use thalweg::graph::{Meta, NodeId};
use thalweg::op::unary::Activation;

use crate::{each_way, everywhere, expect, held, names};

/// A dense layer, dropout, another: the graph, the activation's output, the dropout's, and the gradients of the parameters.
struct Net {
    graph: Graph,
    hidden: NodeId,
    dropped: NodeId,
    wanted: Vec<NodeId>,
}

fn net(activation: Activation, p: f64, rows: &[usize], widths: [usize; 3]) -> Result<Net, Failed> {
    let mut g = Graph::new();
    let x = g.input("x", [rows, &[widths[0]]].concat())?;
    let (w, b) = (g.parameter("w", [widths[1], widths[0]])?, g.parameter("b", [widths[1]])?);
    let (v, c) = (g.parameter("v", [widths[2], widths[1]])?, g.parameter("c", [widths[2]])?);
    let hidden = g.affine(x, w, Some(b), activation)?;
    let dropped = g.dropout(hidden, "p", p)?;
    let y = g.affine(dropped, v, Some(c), Activation::Identity)?;
    let upstream = g.member_input("upstream", Meta::real(g.shape(y).clone()))?;
    let gradients = g.gradients(y, upstream, &[w, b, v, c])?;
    Ok(Net { graph: g, hidden, dropped, wanted: gradients.into_iter().flatten().collect() })
}

const SUMS: [&str; 2] = ["matmul with sums"; 2];

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for activation in Activation::ALL {
        let run = move |gpu: &Gpu| {
            for (rows, widths, p) in [
                (vec![1], [1, 1, 1], 0.5),
                (vec![19], [7, 33, 5], 0.3),
                (vec![34], [18, 22, 14], 0.3),
                (vec![2, 3], [5, 65, 3], 0.0),
                (vec![9], [3, 17, 4], 1.0),
            ] {
                let net = net(activation, p, &rows, widths)?;
                held(gpu, &net.graph, &net.wanted)?;
                let expected = match activation {
                    // What was kept says what the slope was, or there is none.
                    Activation::Relu => vec!["affine with dropout", "matmul with dropout and slope"],
                    Activation::Identity => vec!["affine with dropout", "matmul with dropout"],
                    _ if activation.fuses() => vec!["affine", "dropout", "matmul with dropout and slope"],
                    _ => vec!["affine", activation.name(), "dropout", "matmul with dropout and slope"],
                };
                expect(&names(gpu, &net.graph, &net.wanted)?, &[&expected[..], &SUMS].concat())?;
            }
            Ok(())
        };
        let name = format!("dropout behind a layer, {activation}");
        let every = matches!(activation, Activation::Relu | Activation::Identity | Activation::Tanh);
        trials.extend(if every { each_way(&name, run) } else { everywhere(&name, run) });
    }
    trials.extend(each_way("dropout over many tiles", move |gpu| {
        let net = net(Activation::Relu, 0.4, &[130], [67, 150, 70])?;
        held(gpu, &net.graph, &net.wanted)
    }));
    trials.extend(everywhere("a layer that somebody else reads is stored", |gpu| {
        let net = net(Activation::Relu, 0.5, &[6], [5, 9, 4])?;
        let wanted = [&net.wanted[..], &[net.hidden]].concat();
        expect(
            &names(gpu, &net.graph, &wanted)?,
            &[&["affine", "dropout", "matmul with dropout and slope"], &SUMS[..]].concat(),
        )?;
        held(gpu, &net.graph, &wanted)?;
        // The dropout itself is stored anyway.
        let wanted = [&net.wanted[..], &[net.dropped]].concat();
        expect(
            &names(gpu, &net.graph, &wanted)?,
            &[&["affine with dropout", "matmul with dropout and slope"], &SUMS[..]].concat(),
        )?;
        held(gpu, &net.graph, &wanted)
    }));
    trials.extend(everywhere("a gradient between dropout and layer that is asked for is stored", |gpu| {
        for behind in [false, true] {
            let mut g = Graph::new();
            let (x, w, v) = (g.input("x", [5, 4])?, g.parameter("w", [3, 4])?, g.parameter("v", [2, 3])?);
            let hidden = g.affine(x, w, None, Activation::Relu)?;
            let dropped = g.dropout(hidden, "p", 0.5)?;
            let y = g.affine(dropped, v, None, Activation::Identity)?;
            let upstream = g.input("upstream", [5, 2])?;
            let at = if behind { dropped } else { hidden };
            let wanted: Vec<NodeId> = g.gradients(y, upstream, &[w, at])?.into_iter().flatten().collect();
            let back = if behind { &["matmul", "dropout"][..] } else { &["matmul with dropout"] };
            expect(&names(gpu, &g, &wanted)?, &[&["affine", "unary_gradient", "matmul"], back].concat())?;
            held(gpu, &g, &wanted)?;
        }
        Ok(())
    }));
    trials.extend(everywhere("another dropout's mask is not taken for this one's", |gpu| {
        let mut g = Graph::new();
        let (x, w, v) = (g.input("x", [50, 4])?, g.parameter("w", [30, 4])?, g.parameter("v", [2, 30])?);
        let hidden = g.affine(x, w, None, Activation::Relu)?;
        let (one, two) = (g.dropout(hidden, "p", 0.5)?, g.dropout(hidden, "q", 0.25)?);
        let (y, z) = (g.affine(one, v, None, Activation::Identity)?, g.affine(two, v, None, Activation::Identity)?);
        let (product, upstream) = (g.mul(y, z)?, g.input("upstream", [50, 2])?);
        let wanted: Vec<NodeId> = g.gradients(product, upstream, &[w, v])?.into_iter().flatten().collect();
        held(gpu, &g, &wanted)
    }));
    trials
}
