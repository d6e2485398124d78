//! A few hundred steps in f64, so that gradients are checked where they look as they do in use.

use super::GradientCheck;
use crate::device::Feeds;
use crate::device::cpu::Program;
use crate::error::Result;
use crate::graph::{Context, NodeId};
use crate::nn::Assembled;
use crate::optim::{Adam, DynRule};

/// Trains `parameters` on the whole of what is fed until the loss has halved or [`GradientCheck::burn_in`] steps are done, or it is no
/// longer finite. Gives the steps taken and the loss before and after.
pub(super) fn burn_in(
    a: &Assembled,
    feeds: &Feeds,
    parameters: &mut [Vec<f64>],
    check: &GradientCheck,
) -> Result<(u32, f64, f64)> {
    let rule = Adam { learning_rate: 1e-2, ..Adam::default() };
    let wanted: Vec<NodeId> = a.gradients.iter().copied().flatten().chain([a.loss]).collect();
    let mut program = Program::<f64>::new(a.graph.clone(), &wanted)?;
    program.feed_all(feeds)?;
    let mut states: Vec<Vec<Vec<f64>>> = parameters
        .iter()
        .map(|p| (0..rule.states().len()).map(|s| vec![DynRule::initial_state(&rule, s); p.len()]).collect())
        .collect();
    let mut before = None;
    for step in 0.. {
        program.run(&Context { step, seed: check.seed });
        let loss = program.value(a.loss)[0];
        let first = *before.get_or_insert(loss);
        if step == check.burn_in || !loss.is_finite() || loss <= 0.5 * first {
            return Ok((step, first, loss));
        }
        let hyper = DynRule::hyper(&rule, u64::from(step) + 1, rule.learning_rate);
        for (t, gradient) in a.gradients.iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let mut own: Vec<&mut [f64]> = states[t].iter_mut().map(Vec::as_mut_slice).collect();
            rule.update_f64(&hyper, program.value(*gradient), &mut parameters[t], &mut own);
            program.real_mut(a.parameters[t].node).copy_from_slice(&parameters[t]);
        }
    }
    unreachable!("the loop ends at the last step")
}
