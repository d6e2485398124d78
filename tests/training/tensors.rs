//! The graphs of rules for whole tensors on a GPU, against f64 within the bounds of their ops.

use std::collections::HashMap;

use thalweg::Shape;
use thalweg::check::bounds;
use thalweg::device::Feed;
use thalweg::device::gpu::{Evaluation, Gpu, evaluate};
use thalweg::graph::{Context, Graph};
use thalweg::optim::{ALL, Operands};

use super::common::noise;

/// Eight steps of each rule and convention over matrices, kernels of a convolution and vectors, each step from the states that
/// the GPU left.
pub fn graphs_follow_their_twins(gpu: &Gpu) -> thalweg::Result<()> {
    let (mut rules, mut sharp, mut all) = (0, 0, 0);
    let shapes: [Shape; 5] = [[33, 65].into(), [64, 20].into(), [1, 7].into(), [8, 5, 3, 3].into(), [130].into()];
    for entry in ALL {
        for &convention in entry.conventions {
            let optimizer = (entry.defaults)(convention);
            let Some(rule) = optimizer.rule().tensor_rule() else { continue };
            rules += 1;
            for shape in shapes.iter().filter(|shape| rule.takes(shape)) {
                let mut graph = Graph::new();
                let operands = Operands::sources(&mut graph, rule, shape)?;
                let made = rule.transform(&mut graph, &operands)?;
                let wanted = [vec![made.direction], made.states.clone()].concat();
                let (n, rate) = (shape.elements(), optimizer.rule().learning_rate());
                let parameter = noise(n, 1);
                let mut states: Vec<_> =
                    operands.states.iter().map(|&s| vec![0.0; graph.shape(s).elements()]).collect();
                for step in 1..=8 {
                    let mut feeds = HashMap::from([
                        (operands.gradient, Feed::Real(noise(n, 10 + step as u32))),
                        (operands.parameter, Feed::Real(parameter.clone())),
                    ]);
                    feeds.extend(operands.states.iter().copied().zip(states.iter().cloned().map(Feed::Real)));
                    let numbers = rule.numbers(step, rate).into_iter().map(|x| Feed::Real(vec![x]));
                    feeds.extend(operands.numbers.iter().copied().zip(numbers));
                    let expected = bounds(&graph, &feeds, &wanted, &Context::default())?;
                    let mut found = evaluate(gpu, &graph, &feeds, &wanted, &Evaluation::default())?;
                    for (what, (found, expected)) in found.iter().zip(&expected).enumerate() {
                        assert_eq!(found.len(), expected.value.len());
                        for (i, x) in found.iter().enumerate() {
                            let (value, bound) = (expected.value[i], expected.error[i]);
                            let error = (x - value).abs();
                            assert!(
                                error <= bound,
                                "{} {convention}, {shape}, step {step}, value {what}, element {i}: {x} is {error:e} from \
                                 {value}, allowed {bound:e}",
                                entry.name
                            );
                            all += 1;
                            sharp += usize::from(bound <= 0.1 * value.abs());
                        }
                    }
                    states = found.split_off(1);
                }
            }
        }
    }
    assert_eq!(rules, 7);
    assert!(sharp * 2 >= all, "only {sharp} of {all} bounds say something");
    Ok(())
}
