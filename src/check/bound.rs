//! How far a GPU's f32 values may lie from the f64 ones: the bound of each op, carried through the graph.

use crate::device::Feeds;
use crate::device::cpu::Program;
use crate::error::DeviceError;
use crate::graph::{Arg, BoundArg, Context, Graph, Kind, NodeId};

/// A value in f64, and for each element the most by which a correct f32 computation may differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounded {
    /// The f64 values.
    pub value: Vec<f64>,
    /// The bound of each.
    pub error: Vec<f64>,
}

/// Evaluates `wanted` in f64 and carries each op's [`bound`](crate::graph::Op::bound) from the rounding of what is fed to the results.
///
/// What has no bound has an infinite one, and so has all that depends on it. The bound is a worst case from the formulas (for a sum of K products `K·ε·Σ|a||b|` plus what its operands bring along); it
/// grows with depth as rounding does, and owes nothing to what a GPU was seen to do.
///
/// # Errors
///
/// As [`cpu::evaluate`](crate::device::cpu::evaluate).
pub fn bounds(graph: &Graph, feeds: &Feeds, wanted: &[NodeId], cx: &Context) -> Result<Vec<Bounded>, DeviceError> {
    // Views are not run: their bound is that of what they view, so errors are kept by root.
    let mut program = Program::<f64>::new(graph.clone(), wanted)?;
    program.feed_all(feeds)?;
    let count = graph.nodes().len();
    let mut errors: Vec<Vec<f64>> = vec![Vec::new(); count];
    for (i, node) in graph.nodes().iter().enumerate() {
        if !matches!(node.kind, Kind::Op { .. }) && node.meta.dtype == crate::graph::Dtype::Real {
            let rounding = |&v: &f64| (f64::from(v as f32) - v).abs();
            errors[i] = program.value(NodeId(i)).iter().map(rounding).collect();
        }
    }
    let root = |id: NodeId| program_root(graph, id);
    program.run_each(cx, |id, args, y| {
        let Kind::Op { op, inputs } = &graph.node(id).kind else { return };
        let mut error = vec![0.0; y.len()];
        let bound_args: Vec<BoundArg<'_>> = args
            .iter()
            .zip(inputs)
            .map(|(value, &input)| BoundArg {
                value: *value,
                error: if let Arg::Real(..) = value { &errors[root(input).0] } else { &[] },
            })
            .collect();
        op.bound(&bound_args, y, &mut error);
        // Infinity times 0 bounds nothing either, and the ops' maxima would pass over a NaN.
        error.iter_mut().filter(|e| e.is_nan()).for_each(|e| *e = f64::INFINITY);
        errors[id.0] = error;
    });
    Ok(wanted
        .iter()
        .map(|&id| Bounded { value: program.value(id).to_vec(), error: errors[root(id).0].clone() })
        .collect())
}

fn program_root(graph: &Graph, mut id: NodeId) -> NodeId {
    while let Kind::Op { op, inputs } = &graph.node(id).kind {
        if !op.is_view() {
            break;
        }
        id = inputs[0];
    }
    id
}
