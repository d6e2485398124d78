//! What is timed: of each family the shapes of layers that are trained, and the cases that the registries mark.

use thalweg::Graph;
use thalweg::graph::Kind as Node;
use thalweg::op::conv2d::{Conv2d, Conv2dInputGradient, Conv2dWeightGradient};
use thalweg::op::{Case, CaseInput, Fill};

use super::{Family, Kind, Subject};
use crate::cli::error::CliError;

/// Rows, inner length and columns of products: a small layer at batch 64, a wide one at batch 256, and two squares.
const PRODUCTS: [[usize; 3]; 4] = [[64, 128, 128], [256; 3], [256, 1024, 1024], [1024; 3]];
/// Rules, and how many parameters they update.
const RULES: [&str; 3] = ["sgd", "momentum", "adam"];
const PARAMETERS: [usize; 2] = [1 << 20, 1 << 22];

/// Everything, family by family; those that take long are last, and left out first.
pub(super) fn all() -> Result<Vec<Subject>, CliError> {
    let mut all = Vec::new();
    for rule in RULES {
        for parameters in PARAMETERS {
            let kind = Kind::Update { rule, parameters };
            let of = format!("2^{} parameters", parameters.ilog2());
            all.push(Subject { family: Family::Updates, name: rule.into(), of, kind });
        }
    }
    for (family, names) in [
        (Family::Elements, &["unary", "binary"][..]),
        (Family::Rows, &["softmax", "cross_entropy"]),
        (Family::Reductions, &["reduce", "sum_to"]),
    ] {
        let entries = thalweg::op::ALL.iter().chain(thalweg::loss::ALL).filter(|entry| names.contains(&entry.name));
        let cases = entries.flat_map(|entry| (entry.cases)()).filter(|case| case.bench);
        all.extend(cases.map(|case| kernel(family, case)));
    }
    for shape in PRODUCTS {
        all.push(product(shape)?);
    }
    all.extend(convolutions().into_iter().map(|case| kernel(Family::Convolutions, case)));
    Ok(all)
}

fn kernel(family: Family, case: Case) -> Subject {
    let shapes: Vec<String> = case.inputs.iter().map(|input| input.shape.to_string()).collect();
    Subject { family, name: case.op.name().into(), of: shapes.join(", "), kind: Kind::Kernel(case) }
}

/// x·wᵀ, as a linear layer multiplies.
fn product([rows, inner, columns]: [usize; 3]) -> Result<Subject, CliError> {
    let mut g = Graph::new();
    let (x, w) = (g.input("x", [rows, inner])?, g.input("w", [columns, inner])?);
    let y = g.matmul_nt(x, w)?;
    let Node::Op { op, .. } = &g.node(y).kind else { unreachable!("a product is an op") };
    let operand =
        |shape: [usize; 2]| CaseInput { shape: shape.into(), fill: Fill::Uniform(-1.0, 1.0), differentiable: true };
    let inputs = vec![operand([rows, inner]), operand([columns, inner])];
    let label = format!("{rows}×{inner}×{columns}");
    let case = Case { op: op.clone(), label, inputs, smooth: true, bench: true, coarse: None };
    Ok(kernel(Family::Products, case))
}

/// 3×3 with padding 1 at batch 64, forward and both gradients: the second layer of a small network on MNIST, and a layer of a
/// ResNet-20 on CIFAR-10.
fn convolutions() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let conv = Conv2d { padding: [1; 2], ..Conv2d::default() };
    let of = |(channels, side, out): (usize, usize, usize)| {
        let (x, w, y) = ([64, channels, side, side], [out, channels, 3, 3], [64, out, side, side]);
        [
            Case::new("forward", conv).fixed(x, any).fixed(w, any).fixed([out], any),
            Case::new("input", Conv2dInputGradient { conv, size: [side; 2] }).fixed(w, any).fixed(y, any),
            Case::new("weight", Conv2dWeightGradient { conv, kernel: [3; 2] }).fixed(x, any).fixed(y, any),
        ]
    };
    [(32, 14, 64), (16, 32, 16)].into_iter().flat_map(of).collect()
}
