//! Losses and their gradients against PyTorch, and against values known without a computer.

use std::collections::HashMap;

use serde_json::Value;
use thalweg::Graph;
use thalweg::device::{Feed, Feeds, cpu};
use thalweg::error::GraphError;
use thalweg::graph::{Context, NodeId};
use thalweg::loss::Loss;

/// f64 against f64, two orders of summation of at most 50 terms.
const TOLERANCE: f64 = 1e-13;

fn numbers(case: &Value, key: &str) -> Vec<f64> {
    case[key].as_array().expect("an array").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0)
}

fn build(g: &mut Graph, name: &str, x: NodeId, t: NodeId) -> Result<NodeId, GraphError> {
    if name == "soft_cross_entropy" { g.soft_cross_entropy(x, t) } else { name.parse::<Loss>()?.build(g, x, t) }
}

#[test]
fn values_and_gradients_are_those_of_pytorch() -> thalweg::Result<()> {
    let golden: Value = serde_json::from_str(include_str!("golden/loss/torch.json")).expect("valid JSON");
    let cases = golden["cases"].as_array().expect("cases");
    let mut seen: Vec<&str> = Vec::new();
    for case in cases {
        let name = case["loss"].as_str().expect("a name");
        seen.push(name);
        let shape: Vec<usize> = numbers(case, "shape").iter().map(|&n| n as usize).collect();
        let target = numbers(case, "target");
        let mut g = Graph::new();
        let x = g.input("x", shape.clone())?;
        let (t, fed) = if case["classes"].as_bool().expect("a flag") {
            (g.index_input("t", [shape[0]])?, Feed::Index(target.iter().map(|&t| t as u32).collect()))
        } else {
            (g.input("t", shape.clone())?, Feed::Real(target))
        };
        let y = build(&mut g, name, x, t)?;
        // Mid-graph: the gradient that arrives is not 1.
        let upstream = g.setting("upstream", case["upstream"].as_f64().expect("a number"))?;
        let dx = g.gradients(y, upstream, &[x])?[0].expect("the loss depends on x");
        let feeds: Feeds = HashMap::from([(x, Feed::Real(numbers(case, "x"))), (t, fed)]);
        let found = cpu::evaluate(&g, &feeds, &[y, dx], &Context::default())?;
        let value = case["value"].as_f64().expect("a number");
        assert!(close(found[0][0], value), "{name} {shape:?}: {} is not {value}", found[0][0]);
        let gradient = numbers(case, "gradient");
        assert_eq!(found[1].len(), gradient.len());
        for (i, (found, expected)) in found[1].iter().zip(gradient).enumerate() {
            assert!(close(*found, expected), "{name} {shape:?}: gradient [{i}] {found} is not {expected}");
        }
    }
    for loss in Loss::ALL {
        assert!(seen.contains(&loss.name()), "{loss} has no golden values");
    }
    Ok(())
}

/// S1 of docs/learning-notes.md: a network that knows nothing pays ln C, C − 1, ln 2.
#[test]
fn zero_scores_cost_the_chance_value() -> thalweg::Result<()> {
    for loss in Loss::ALL {
        for classes in [1, 2, 10, 1000] {
            let Some(chance) = loss.chance(classes) else { continue };
            let mut g = Graph::new();
            let x = g.input("x", [3, classes])?;
            let (t, fed) = if loss.takes_classes() {
                (g.index_input("t", [3])?, Feed::Index(vec![0, classes as u32 - 1, 0]))
            } else {
                (g.input("t", [3, classes])?, Feed::Real(vec![0.3; 3 * classes]))
            };
            let y = loss.build(&mut g, x, t)?;
            let feeds: Feeds = HashMap::from([(x, Feed::Real(vec![0.0; 3 * classes])), (t, fed)]);
            let found = cpu::evaluate(&g, &feeds, &[y], &Context::default())?[0][0];
            assert!((found - chance).abs() <= 1e-12 * chance.max(1.0), "{loss} of {classes}: {found} is not {chance}");
        }
    }
    Ok(())
}

#[test]
fn accuracy_counts_the_first_of_equals() -> thalweg::Result<()> {
    let mut g = Graph::new();
    let scores = g.input("scores", [4, 3])?;
    let classes = g.index_input("classes", [4])?;
    let y = g.accuracy(scores, classes)?;
    let rows = vec![0.0, 2.0, 1.0, /**/ 5.0, 5.0, 5.0, /**/ 5.0, 5.0, 5.0, /**/ -3.0, -2.0, -1.0];
    let feeds: Feeds = HashMap::from([(scores, Feed::Real(rows)), (classes, Feed::Index(vec![1, 0, 2, 2]))]);
    assert_eq!(cpu::evaluate(&g, &feeds, &[y], &Context::default())?, [vec![0.75]]);
    Ok(())
}

#[test]
fn what_does_not_suit_is_refused_by_name() -> thalweg::Result<()> {
    let mut g = Graph::new();
    let logits = g.input("logits", [4, 3])?;
    let (short, real) = (g.index_input("short", [3])?, g.input("real", [4, 2])?);
    let shape = |e: Result<NodeId, GraphError>| matches!(e, Err(GraphError::Shape { operand: "target" | "t", .. }));
    assert!(shape(g.cross_entropy(logits, short)));
    assert!(shape(g.soft_cross_entropy(logits, real)));
    assert!(shape(g.mse(logits, real)));
    assert!(matches!(g.hinge(logits, real), Err(GraphError::Dtype { operand: "target", .. })));
    assert!(matches!(g.mse(short, short), Err(GraphError::Dtype { operand: "x", .. })));
    let empty = g.input("empty", [0, 3])?;
    let none = g.index_input("none", [0])?;
    assert!(matches!(g.cross_entropy(empty, none), Err(GraphError::Shape { operand: "scores", .. })));
    let targets = g.input("targets", [4, 3])?;
    let (y, one) = (g.mse(logits, targets)?, g.setting("one", 1.0)?);
    assert!(matches!(g.gradients(y, one, &[targets]), Err(GraphError::NotDifferentiable { op: "mse", input: 1 })));
    assert!(matches!("cross-entropy".parse::<Loss>(), Err(GraphError::Range { op: "loss", .. })));
    assert_eq!("binary_cross_entropy_with_logits".parse::<Loss>()?, Loss::BceWithLogits);
    Ok(())
}
