//! The two launches of a chain.

use super::MOST;
use super::layout::Layout;
use super::source;
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Tiling, Word, padded, wgsl};
use crate::op::unary::Function;

/// Columns of a layer, at most: the workgroup kernel has an invocation for each.
const WIDEST: usize = 128;
/// Rows that one invocation adds up for a bias, at most: the bound of [`SumTo`](crate::op::sum_to::SumTo) counts on it.
const ROWS: usize = 512;

/// The kernels of the rows that end in a loss whose head is named: by subgroups and by workgroups.
macro_rules! chain {
    ($($part:literal),* $(,)?) => {
        [
            wgsl!("loss/chain/rows_subgroup", "loss/chain/stage", "lib/eight" $(, $part)*, "lib/row_invocation"),
            wgsl!("loss/chain/rows_workgroup", "loss/chain/stage" $(, $part)*, "lib/row_invocation"),
        ]
    };
}
pub(in crate::loss) use chain;

const SUMS: [&str; 2] = [
    wgsl!("loss/chain/sums_subgroup", "loss/chain/sums", "lib/eight"),
    wgsl!("loss/chain/sums_workgroup", "loss/chain/sums"),
];

/// `f` and `df`; a chain without an activation never calls them.
fn bend(function: Option<Function>) -> Option<&'static str> {
    Some(match function {
        None => wgsl!("op/relu"),
        Some(Function::Relu) => wgsl!("op/relu"),
        Some(Function::LeakyRelu { .. }) => wgsl!("op/leaky_relu"),
        Some(Function::Elu { .. }) => wgsl!("op/elu", "lib/expm1"),
        Some(Function::Tanh) => wgsl!("op/tanh", "lib/expm1"),
        Some(Function::Sigmoid) => wgsl!("op/sigmoid", "lib/sigmoid"),
        Some(Function::Softplus) => wgsl!("op/softplus", "lib/expm1"),
        Some(_) => return None,
    })
}

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
    sources: &[&str; 2],
    plan: &Plan,
) -> Option<Launches> {
    let by_subgroup = match plan.tiling {
        Tiling::Register if plan.abilities.subgroup == Some(8) => true,
        Tiling::Register => return None,
        Tiling::Workgroup => false,
    };
    let count = layout.layers.len();
    let outputs: Vec<_> = std::iter::once(&plan.output).chain(&plan.beside).collect();
    let large = plan.inputs.iter().chain(outputs.iter().copied()).any(|place| place.elements() > plan.max_elements);
    let narrow = layout.widest() <= WIDEST && layout.layers.iter().all(|l| l.inputs * l.outputs > 0);
    let bound = 4 + 2 * count <= plan.abilities.storage_buffers as usize;
    if large || layout.len > plan.max_elements || !narrow || !bound || layout.rows > ROWS {
        return None;
    }
    let at = usize::from(!by_subgroup);
    let kernel = |name: &'static str, entry: &'static str, text: &str, more: &str| {
        let bend = if entry == "rows" { bend(function)? } else { "" };
        Some(Kernel {
            name: name.into(),
            source: [text, "\n", bend, more].concat().into(),
            entry,
            constants: Vec::new(),
        })
    };
    let mut all = Launches { scratch: vec![layout.len], list: Vec::new() };
    let operand = |n: usize| if n == 0 { Operand::Output } else { Operand::Beside(n - 1) };
    let factor = || ("factor", ((1.0 / layout.rows as f64) as f32).into());
    let values_stride = || ("values_stride", padded(layout.len).into());

    let mut params: Vec<(&'static str, Word)> = vec![
        ("rows", layout.rows.into()),
        factor(),
        ("x_stride", plan.inputs[0].stride.into()),
        ("t_stride", plan.inputs[1].stride.into()),
        ("dy_stride", plan.inputs[2].stride.into()),
        values_stride(),
    ];
    let read = |n: usize| Binding::read(Operand::Input(n), plan.inputs[n].elements());
    let mut bindings = vec![read(0), read(1), read(2), Binding::write(Operand::Scratch(0), layout.len)];
    for l in 0..count {
        for part in 0..2 {
            let n = 3 + 2 * l + part;
            params.push((STRIDES[l][part], plan.inputs[n].stride.into()));
            bindings.push(read(n));
        }
    }
    let names: Vec<&str> = params.iter().map(|p| p.0).collect();
    let [there_and_back, gradients] = layout.flops();
    let mut rows = kernel("dense chain: rows", "rows", sources[at], &source::rows(layout, &names))?;
    rows.constants = function.map_or_else(Vec::new, Function::constants);
    let groups = [(layout.padded / if by_subgroup { 16 } else { 4 }) as u32, 1, plan.members];
    all.list.push(Launch { kernel: rows, params, bindings, groups, flops: there_and_back });

    let accuracy = outputs.get(2 * count + 1);
    let right = match accuracy {
        Some(_) => operand(2 * count + 1),
        None => {
            all.scratch.push(1);
            Operand::Scratch(1)
        }
    };
    let mut params: Vec<(&'static str, Word)> = vec![
        ("rows", layout.rows.into()),
        factor(),
        values_stride(),
        ("y_stride", outputs[2 * count].stride.into()),
        ("share_stride", accuracy.map_or(padded(1), |place| place.stride).into()),
    ];
    let mut bindings = vec![
        Binding::read(Operand::Scratch(0), layout.len),
        Binding::write(operand(2 * count), 1),
        Binding::write(right, 1),
    ];
    for l in 0..count {
        for part in 0..2 {
            let n = 2 * l + part;
            params.push((STRIDES[l][2 + part], outputs[n].stride.into()));
            bindings.push(Binding::write(operand(n), outputs[n].elements()));
        }
    }
    let names: Vec<&str> = params.iter().map(|p| p.0).collect();
    let (text, groups) = source::sums(layout, &names, if by_subgroup { 8 } else { 64 });
    if groups > plan.max_groups as usize || layout.padded > plan.max_groups as usize {
        return None;
    }
    let sums = kernel("dense chain: sums", "sums", SUMS[at], &text)?;
    all.list.push(Launch {
        kernel: sums,
        params,
        bindings,
        groups: [groups as u32, 1, plan.members],
        flops: gradients,
    });
    Some(all)
}
