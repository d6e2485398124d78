//! The two launches of a chain.

use super::MOST;
use super::layout::{self, Layout};
use super::source;
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Place, Plan, Tiling, Word, padded, wgsl};
use crate::op::pass::{link, store};
use crate::op::unary::Function;

/// Columns of a layer, at most: the kernel of the rows has an invocation for each.
const WIDEST: usize = 128;
/// Rows that one invocation adds up for a bias, at most: the bound of [`SumTo`](crate::op::sum_to::SumTo) counts on it.
const ROWS: usize = 512;

/// The kernel of the rows that end in a loss whose head is named.
macro_rules! chain {
    ($($part:literal),* $(,)?) => {
        wgsl!("loss/chain/rows", "loss/chain/stage" $(, $part)*, "lib/row_invocation")
    };
}
pub(in crate::loss) use chain;

const SUMS: &str = wgsl!("loss/chain/sums");

/// The names of the strides of each layer's weight and bias, and of their gradients.
const STRIDES: [[&str; 4]; MOST] = [
    ["w0_stride", "b0_stride", "dw0_stride", "db0_stride"],
    ["w1_stride", "b1_stride", "dw1_stride", "db1_stride"],
    ["w2_stride", "b2_stride", "dw2_stride", "db2_stride"],
    ["w3_stride", "b3_stride", "dw3_stride", "db3_stride"],
];

/// Rows through all layers and back, then everything that is summed over them. Inputs: x, targets, the gradient that arrives, the
/// weight and the bias of each layer. Outputs: their gradients, the loss, perhaps the accuracy. `None` where the chain is too
/// wide, too tall, or of more layers than an adapter binds.
pub(super) fn launches(
    layout: &Layout,
    function: Option<Function>,
    source: &'static str,
    plan: &Plan,
) -> Option<Launches> {
    let places = plan.inputs.iter().chain([&plan.output]).chain(&plan.beside);
    let longest = places.map(Place::elements).max().unwrap_or(0).max(layout.len);
    let narrow = layout.widest() <= WIDEST && layout.layers.iter().all(|l| l.inputs * l.outputs > 0);
    let bound = 4 + 2 * layout.layers.len() <= plan.abilities.storage_buffers as usize;
    // What software adapters would have instead took one of them 17 s to compile: docs/rejected-optimisations.md.
    if plan.tiling != Tiling::Workgroup || longest > plan.max_elements || !narrow || !bound || layout.rows > ROWS {
        return None;
    }
    let chain = Chain { layout, plan };
    let scratch = if layout.accuracy { vec![layout.len] } else { vec![layout.len, 1] };
    let list = vec![chain.rows(function, source), chain.sums()];
    let most = list.iter().map(|launch| launch.groups[0]).max();
    (most <= Some(plan.max_groups)).then_some(Launches { scratch, list })
}

/// The gradients of the layers, the loss, the accuracy.
fn output(n: usize) -> Operand {
    if n == 0 { Operand::Output } else { Operand::Beside(n - 1) }
}

struct Chain<'a> {
    layout: &'a Layout,
    plan: &'a Plan,
}

impl Chain<'_> {
    /// Fields that both kernels have.
    fn fields(&self) -> Vec<(&'static str, Word)> {
        let Layout { rows, filled, len, .. } = *self.layout;
        let factor = (1.0 / rows as f64) as f32;
        vec![
            ("rows", rows.into()),
            ("filled", filled.into()),
            ("factor", factor.into()),
            ("values_stride", padded(len).into()),
        ]
    }

    fn rows(&self, function: Option<Function>, source: &'static str) -> Launch {
        let (layout, inputs) = (self.layout, &self.plan.inputs);
        let read = |n: usize| Binding::read(Operand::Input(n), inputs[n].elements());
        let mut params = self.fields();
        params.extend(
            ["x_stride", "t_stride", "dy_stride"].into_iter().zip(inputs).map(|(name, x)| (name, x.stride.into())),
        );
        let mut bindings = vec![read(0), read(1), read(2), Binding::write(Operand::Scratch(0), layout.len)];
        let names = STRIDES.iter().flat_map(|names| &names[..2]);
        for ((n, place), name) in inputs.iter().enumerate().skip(3).zip(names) {
            params.push((name, place.stride.into()));
            bindings.push(read(n));
        }
        let mut kernel = Kernel::new("dense chain: rows", source, "rows");
        link(&mut kernel, &source::rows(layout, &params));
        // A chain without an activation calls neither `f` nor `df`.
        store(&mut kernel, Some(function.unwrap_or(Function::Relu)));
        let blocks = layout.filled / layout::BLOCK;
        let groups = [blocks as u32, 1, self.plan.members];
        Launch { kernel, params, bindings, groups, flops: layout.flops()[0] }
    }

    fn sums(&self) -> Launch {
        let (layout, plan) = (self.layout, self.plan);
        let outputs: Vec<&Place> = std::iter::once(&plan.output).chain(&plan.beside).collect();
        let loss = 2 * layout.layers.len();
        // Without an accuracy its place is scratch.
        let (right, right_stride) = match outputs.get(loss + 1) {
            Some(place) => (output(loss + 1), place.stride),
            None => (Operand::Scratch(1), padded(1)),
        };
        let mut params = self.fields();
        params.extend([("y_stride", outputs[loss].stride.into()), ("right_stride", right_stride.into())]);
        let values = Binding::read(Operand::Scratch(0), layout.len);
        let mut bindings = vec![values, Binding::write(output(loss), 1), Binding::write(right, 1)];
        let names = STRIDES.iter().flat_map(|names| &names[2..]);
        for ((n, place), name) in outputs[..loss].iter().enumerate().zip(names) {
            params.push((name, place.stride.into()));
            bindings.push(Binding::write(output(n), place.elements()));
        }
        let (text, groups) = source::sums(layout, &params);
        let mut kernel = Kernel::new("dense chain: sums", SUMS, "sums");
        link(&mut kernel, &text);
        let groups = [groups as u32, 1, plan.members];
        Launch { kernel, params, bindings, groups, flops: layout.flops()[1] }
    }
}
