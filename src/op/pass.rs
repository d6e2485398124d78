//! What becomes of a gradient on its way into memory: the element-wise nodes behind a kernel, in the kernel's store.
//!
//! A kernel that links a part of `shaders/op/pass/` calls `begin` once, and `pass_on` for each value that it stores or `pass_two` for
//! two; the parts read their own operands, at the bindings after the three of the kernel.

use std::sync::Arc;

use super::dropout::Dropout;
use super::unary::{Function, UnaryGradient};
use crate::error::GraphError;
use crate::graph::{Accumulate, Fused, NodeId, Op, Scene};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Word, wgsl};

/// The part of a kernel whose values are stored as they are.
pub(crate) const PLAIN: &str = wgsl!("op/pass/plain");

/// What a kernel links that draws a dropout's words.
pub(crate) const DRAWN: &str = wgsl!("lib/fate", "lib/threefry", "lib/control");

/// What is done to a value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pass {
    /// `f′(s) v`
    Slope(Function),
    /// Through a dropout and a relu before it, by what the dropout left.
    Kept,
    /// Through a dropout, drawn again.
    Dropped(Dropout),
    /// Through a dropout, drawn again, and an activation before it.
    DroppedSlope(Dropout, Function),
    /// `v + other`
    Joined,
    /// `f′(s) (v + other)`
    JoinedSlope(Function),
}

/// Nodes that a kernel's store computes, one after the other: nothing but the next reads any but the last.
#[derive(Clone, Debug)]
struct Chain {
    /// The last of them, which is what is stored.
    end: NodeId,
    /// What they read beside the value.
    inputs: Vec<NodeId>,
    pass: Pass,
}

/// How a kernel reads and writes what lies as its result does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loads {
    Singles,
    /// Two neighbours at once, by `lib/operands_wide.wgsl`, which it links.
    Pairs,
}

/// The node that alone reads a value which nobody else asks for.
fn only(scene: &Scene<'_>, id: NodeId) -> Option<NodeId> {
    match scene.readers(id) {
        &[reader] if !scene.wanted(id) && scene.free(id) && scene.free(reader) => Some(reader),
        _ => None,
    }
}

impl Chain {
    /// The longest chain behind a value.
    fn behind(scene: &Scene<'_>, value: NodeId) -> Option<Self> {
        let inputs = |id: NodeId| scene.graph().node(id).inputs();
        // The slope of an activation through which a gradient goes next.
        let slope = |dy: NodeId| {
            let dz = only(scene, dy)?;
            let gradient = scene.as_op::<UnaryGradient>(dz).filter(|_| inputs(dz)[1] == dy && inputs(dz)[0] != dy)?;
            Some((dz, inputs(dz)[0], gradient.function))
        };
        if let Some((end, s, function)) = slope(value) {
            return Some(Self { end, inputs: vec![s], pass: Pass::Slope(function) });
        }
        let next = only(scene, value)?;
        if scene.as_op::<Accumulate>(next).is_some() {
            let other = *inputs(next).iter().find(|&&id| id != value)?;
            let joined = Self { end: next, inputs: vec![other], pass: Pass::Joined };
            let further = |(end, s, function)| Self { end, inputs: vec![other, s], pass: Pass::JoinedSlope(function) };
            return Some(slope(next).map_or(joined, further));
        }
        let dropout = *scene.as_op::<Dropout>(next).filter(|_| inputs(next)[0] == value)?;
        let rate = inputs(next)[1];
        let drawn = dropout.run == 1;
        match slope(next) {
            Some((end, s, function)) => {
                let over = [s, rate];
                let forward = |id: &&NodeId| scene.as_op::<Dropout>(**id) == Some(&dropout) && inputs(**id) == over;
                match scene.readers(s).iter().find(forward) {
                    Some(&left) if function == Function::Relu => {
                        Some(Self { end, inputs: vec![left, rate], pass: Pass::Kept })
                    }
                    _ if drawn => {
                        Some(Self { end, inputs: vec![rate, s], pass: Pass::DroppedSlope(dropout, function) })
                    }
                    _ => None,
                }
            }
            None if drawn => Some(Self { end: next, inputs: vec![rate], pass: Pass::Dropped(dropout) }),
            None => None,
        }
    }

    /// Whether what a value needs beyond itself lies where it does: `first` is the place of the chain's inputs in the plan's.
    fn fits(&self, plan: &Plan, first: usize) -> bool {
        let alike = |n: &usize| plan.inputs[first + n].stride == plan.output.stride;
        match self.pass {
            Pass::Slope(_) | Pass::Kept | Pass::Joined => alike(&0),
            Pass::Dropped(_) => true,
            Pass::DroppedSlope(..) => alike(&1),
            Pass::JoinedSlope(_) => [0, 1].iter().all(alike),
        }
    }

    /// Completes a launch over all of the output, whose kernel links no part yet.
    fn complete(&self, launch: &mut Launch, plan: &Plan, first: usize, loads: Loads) {
        let (part, function, rate, drawn) = match self.pass {
            Pass::Slope(function) => (wgsl!("op/pass/slope"), Some(function), None, None),
            Pass::Kept => (wgsl!("op/pass/kept_slope"), Some(Function::Relu), Some(1), None),
            Pass::Dropped(dropout) => (wgsl!("op/pass/dropped"), None, Some(0), Some(dropout)),
            Pass::DroppedSlope(dropout, function) => {
                (wgsl!("op/pass/dropped_slope"), Some(function), Some(0), Some(dropout))
            }
            Pass::Joined => (wgsl!("op/pass/joined"), None, None, None),
            Pass::JoinedSlope(function) => (wgsl!("op/pass/joined_slope"), Some(function), None, None),
        };
        let mut set = |name: &str, value: Word| {
            let word = launch.params.iter_mut().find(|(own, _)| *own == name);
            word.expect("kernels have the words of what they can do").1 = value;
        };
        if let Some(n) = rate {
            set("rate_stride", plan.inputs[first + n].stride.into());
        }
        if let Some(dropout) = drawn {
            set("stream", dropout.stream.into());
            link(&mut launch.kernel, DRAWN);
        }
        link(&mut launch.kernel, part);
        if matches!(self.pass, Pass::Slope(_) | Pass::Kept) {
            let singles = loads == Loads::Singles;
            link(&mut launch.kernel, if singles { wgsl!("op/pass/s") } else { wgsl!("op/pass/s_wide") });
        }
        if let Some(function) = function {
            store(&mut launch.kernel, Some(function));
        }
        for n in 0..self.inputs.len() {
            launch.bindings.push(Binding::read(Operand::Input(first + n), plan.inputs[first + n].elements()));
            if drawn.is_some() && rate == Some(n) {
                launch.bindings.push(Binding::Control);
            }
        }
    }

    /// What a profile calls a kernel with it.
    fn name(&self) -> &'static str {
        match self.pass {
            Pass::Slope(_) => "with slope",
            Pass::Kept | Pass::DroppedSlope(..) => "with dropout and slope",
            Pass::Dropped(_) => "with dropout",
            Pass::Joined => "with sum",
            Pass::JoinedSlope(_) => "with sum and slope",
        }
    }
}

/// How an op is launched with kernels that want a part of `shaders/op/pass/`, if it is; and how they read what lies as the result does.
type Incomplete<O> = fn(&O, &Plan) -> Result<Option<(Launches, Loads)>, GraphError>;

/// Gradients that an op of this type computes and that nothing reads but element-wise nodes of the backward pass, in one launch with
/// them.
pub(crate) fn gradients<O: Op + Copy>(scene: &Scene<'_>, name: &'static str, incomplete: Incomplete<O>) -> Vec<Fused> {
    let group = |(value, op): (NodeId, &O)| {
        let (op, chain) = (*op, Chain::behind(scene, value)?);
        let own = scene.graph().node(value).inputs();
        let (inputs, outputs, first) = ([own, &chain.inputs].concat(), vec![chain.end], own.len());
        let launches = move |plan: &Plan| -> Result<Option<Launches>, GraphError> {
            // A place in the result is one in what the chain reads.
            if !chain.fits(plan, first) {
                return Ok(None);
            }
            let Some((mut all, loads)) = incomplete(&op, plan)? else { return Ok(None) };
            // Parts would read parts of what the chain reads.
            let [launch] = &mut all.list[..] else { return Ok(None) };
            launch.kernel.name = format!("{name} {}", chain.name()).into();
            chain.complete(launch, plan, first, loads);
            Ok(Some(all))
        };
        Some(Fused { name, inputs, outputs, like: Some(value), launches: Arc::new(launches) })
    };
    scene.all::<O>().filter_map(group).collect()
}

/// Links the function in a kernel's store, `f` or `df`; none is the identity.
pub(crate) fn store(kernel: &mut Kernel, function: Option<Function>) {
    link(kernel, function.map_or(wgsl!("op/identity"), Function::part));
    kernel.constants.extend(function.map_or_else(Vec::new, Function::constants));
}

/// Links a further part behind a kernel.
pub(crate) fn link(kernel: &mut Kernel, part: &str) {
    let source = kernel.source.to_mut();
    source.push('\n');
    source.push_str(part);
}
