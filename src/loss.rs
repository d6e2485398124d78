//! Losses: what training makes small, and the accuracy beside it.
//!
//! A loss is an op that ends in a scalar: the same twin, derivative, kernel and cases, one file each. It is never assumed to
//! be the end of a graph: its derivative multiplies by the gradient that arrives, so losses can be weighted and added.
//! [`Loss`] names those that a model can ask for.

mod chain;
mod choice;
mod head;
pub mod pointwise;
pub mod rows;
mod terms;

pub use choice::Loss;

use crate::graph::Fusion;
use crate::op::{Case, Entry, Fill};

macro_rules! losses {
    ($($name:ident),* $(,)?) => {
        $(pub mod $name;)*
        /// Every loss and metric: what the suite, the benches and the docs go through beside [`op::ALL`](crate::op::ALL).
        pub const ALL: &[Entry] = &[$(Entry { name: stringify!($name), cases: $name::cases },)*];
    };
}

losses!(accuracy, bce_with_logits, cross_entropy, hinge, huber, mse, soft_cross_entropy);

/// What of the losses is computed together with what.
pub const FUSIONS: &[Fusion] = &[
    chain::FUSIONS[0],
    chain::FUSIONS[1],
    chain::FUSIONS[2],
    Fusion { name: "cross_entropy", find: head::rows::<cross_entropy::CrossEntropy> },
    Fusion { name: "soft_cross_entropy", find: head::rows::<soft_cross_entropy::SoftCrossEntropy> },
    Fusion { name: "hinge", find: head::rows::<hinge::Hinge> },
    Fusion { name: "mse", find: head::pointwise::<mse::Mse> },
    Fusion { name: "bce_with_logits", find: head::pointwise::<bce_with_logits::BceWithLogits> },
    Fusion { name: "huber", find: head::pointwise::<huber::Huber> },
];

/// Cases of a loss of scores and classes: sizes that go wrong, one class, one row, edge values, classes beyond the last.
fn class_cases(op: impl crate::graph::Op + Copy) -> Vec<Case> {
    let scores = Fill::Uniform(-4.0, 4.0);
    let of = |label: String, [rows, width]: [usize; 2], fill: Fill, classes: u32| {
        Case::new(label, op).real([rows, width], fill).fixed([rows], Fill::Index(classes))
    };
    let shapes = [[1, 1], [1, 10], [63, 10], [64, 3], [65, 7], [64, 1], [3, 1009], [5, 127], [1009, 2]];
    let mut cases: Vec<Case> =
        shapes.iter().map(|&shape| of(format!("{shape:?}"), shape, scores, shape[1] as u32)).collect();
    cases.push(of("classes beyond the last".into(), [63, 5], scores, 9));
    for width in [10usize, 200] {
        let edge =
            |label: &str, fill: Fill| of(format!("{label}, width {width}"), [9, width], fill, width as u32).edge();
        cases.push(edge("scores to ±1000", Fill::Uniform(-1000.0, 1000.0)));
        cases.push(edge("all 1000", Fill::Constant(1000.0)));
        cases.push(edge("all −1000", Fill::Constant(-1000.0)));
        cases.push(edge("all equal", Fill::Constant(0.25)));
    }
    cases.push(of("bench".into(), [4096, 1000], scores, 1000).edge().benched());
    cases
}
