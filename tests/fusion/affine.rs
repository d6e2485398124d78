//! A dense layer's backward pass: two launches, or one where nobody asks for the gradient of its input.

use libtest_mimic::{Failed, Trial};
use thalweg::Graph;
use thalweg::graph::{Meta, NodeId};
use thalweg::kernel::Tiling;
use thalweg::op::Fill;
use thalweg::op::unary::Activation;

use crate::{GPUS, each_way, everywhere, expect, hold, names, support};

/// Two layers, the first with an activation, and the gradients of their parameters.
fn layers(activation: Activation, rows: &[usize], widths: [usize; 3]) -> Result<(Graph, Vec<NodeId>), Failed> {
    let mut g = Graph::new();
    let x = g.input("x", [rows, &[widths[0]]].concat())?;
    let (w, b) = (g.parameter("w", [widths[1], widths[0]])?, g.parameter("b", [widths[1]])?);
    let (v, c) = (g.parameter("v", [widths[2], widths[1]])?, g.parameter("c", [widths[2]])?);
    let hidden = g.affine(x, w, Some(b), activation)?;
    let y = g.affine(hidden, v, Some(c), Activation::Identity)?;
    let upstream = g.member_input("upstream", Meta::real(g.shape(y).clone()))?;
    let gradients = g.gradients(y, upstream, &[w, b, v, c])?;
    Ok((g, gradients.into_iter().flatten().collect()))
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    let any = |_| Fill::Uniform(-1.0, 1.0);
    for activation in Activation::ALL.into_iter().filter(|a| a.fuses()) {
        let run = move |gpu: &thalweg::device::gpu::Gpu| {
            for (rows, widths) in [(vec![1], [1, 1, 1]), (vec![19], [7, 33, 5]), (vec![2, 3], [5, 65, 3])] {
                let (g, wanted) = layers(activation, &rows, widths)?;
                for members in [1, 3] {
                    hold(gpu, &g, &wanted, &any, members)?;
                }
                let slope = ["matmul with slope", "matmul"][usize::from(activation == Activation::Identity)];
                expect(&names(gpu, &g, &wanted)?, &["affine", "matmul with sums", slope, "matmul with sums"])?;
            }
            Ok(())
        };
        let name = format!("two layers, {activation}");
        // The functions are the same in every product.
        trials.extend(if activation == Activation::Relu { each_way(&name, run) } else { everywhere(&name, run) });
    }
    trials.extend(each_way("many tiles and sums", move |gpu| {
        let (g, wanted) = layers(Activation::Relu, &[512], [67, 130, 70])?;
        expect(&names(gpu, &g, &wanted)?, &["affine", "matmul with sums", "matmul with slope", "matmul with sums"])?;
        [1, 3].into_iter().try_for_each(|members| hold(gpu, &g, &wanted, &any, members))
    }));
    // Slopes and sums of products with few rows or columns: few examples, inputs, hidden units, outputs.
    trials.extend(each_way("few rows or columns", move |gpu| {
        for (rows, widths) in [
            (1, [35, 70, 33]),
            (3, [70, 35, 33]),
            (37, [65, 1, 7]),
            (35, [5, 4, 70]),
            (70, [1, 33, 3]),
            (300, [3, 65, 1]),
        ] {
            let (g, wanted) = layers(Activation::Relu, &[rows], widths)?;
            expect(
                &names(gpu, &g, &wanted)?,
                &["affine", "matmul with sums", "matmul with slope", "matmul with sums"],
            )?;
            [1, 3].into_iter().try_for_each(|members| hold(gpu, &g, &wanted, &any, members))?;
        }
        Ok(())
    }));
    trials.extend(each_way("too many examples for one sum", move |gpu| {
        let (g, wanted) = layers(Activation::Relu, &[513], [3, 4, 2])?;
        let found = names(gpu, &g, &wanted)?;
        if found.contains(&"matmul with sums".to_owned()) || !found.contains(&"sum_to".to_owned()) {
            return Err(format!("{found:?}").into());
        }
        hold(gpu, &g, &wanted, &any, 1)
    }));
    // Even widths, whose products go by pairs where an adapter has them, and odd ones.
    trials.extend(each_way("a way past a layer", move |gpu| {
        for activation in [Activation::Relu, Activation::Identity] {
            for (rows, [inputs, width, outputs]) in [(34, [18, 22, 14]), (7, [5, 9, 3])] {
                let mut g = Graph::new();
                let (x, w) = (g.input("x", [rows, inputs])?, g.parameter("w", [width, inputs])?);
                let (u, v) = (g.parameter("u", [width, width])?, g.parameter("v", [outputs, width])?);
                let hidden = g.affine(x, w, None, activation)?;
                let around = g.affine(hidden, u, None, Activation::Identity)?;
                let sum = g.add(around, hidden)?;
                let y = g.affine(sum, v, None, Activation::Identity)?;
                let upstream = g.input("upstream", [rows, outputs])?;
                let wanted: Vec<NodeId> = g.gradients(y, upstream, &[w, u, v])?.into_iter().flatten().collect();
                let joined = if activation == Activation::Relu { "with sum and slope" } else { "with sum" };
                let products = ["affine", "affine", "add", "matmul", "matmul", "matmul", "matmul"];
                expect(&names(gpu, &g, &wanted)?, &[&products[..], &[&format!("matmul {joined}")]].concat())?;
                [1, 3].into_iter().try_for_each(|members| hold(gpu, &g, &wanted, &any, members))?;
            }
        }
        Ok(())
    }));
    // A tall product of few tiles is worth its parts on a card, and a launch for the slope.
    const PARTS: &[&str] = &["matmul", "matmul", "matmul: reduce", "unary_gradient"];
    let cases = [((Tiling::Register, true), &["matmul with slope"][..]), ((Tiling::Workgroup, false), PARTS)];
    for (kind, slope) in cases {
        let run = move || {
            let (gpu, (g, wanted)) = (&GPUS[&kind], layers(Activation::Relu, &[9], [3, 5, 2050])?);
            expect(&names(gpu, &g, &wanted)?, &[&["affine", "matmul with sums", "matmul with sums"], slope].concat())?;
            [1, 3].into_iter().try_for_each(|members| hold(gpu, &g, &wanted, &|_| Fill::Uniform(-0.5, 1.5), members))
        };
        trials.push(support::trial(format!("a slope behind a tall product, {:?}", kind.0), run));
    }
    trials.extend(each_way("what somebody else reads is stored", move |gpu| {
        let mut g = Graph::new();
        let (x, w, v) = (g.input("x", [5, 4])?, g.parameter("w", [3, 4])?, g.parameter("v", [2, 3])?);
        let hidden = g.affine(x, w, None, Activation::Tanh)?;
        let y = g.affine(hidden, v, None, Activation::Identity)?;
        let upstream = g.input("upstream", [5, 2])?;
        let gradients: Vec<NodeId> = g.gradients(y, upstream, &[w, hidden])?.into_iter().flatten().collect();
        // The gradient at the activation's output is asked for: it cannot be skipped.
        expect(&names(gpu, &g, &gradients)?, &["affine", "matmul", "unary_gradient", "matmul"])?;
        [1, 3].into_iter().try_for_each(|members| hold(gpu, &g, &gradients, &any, members))
    }));
    trials
}
