//! The golden trajectories of `golden/optim/` through an engine.

use thalweg::device::Device;

use super::case::Case;
use super::given::{WIDTH, call, ready};

/// Parameters and then the states after the case's last step, each as long as the case's.
pub fn trained(device: &Device, case: &Case) -> thalweg::Result<Vec<Vec<f64>>> {
    let (optimizer, count) = (case.optimizer(), case.start.len());
    let mut rows = vec![0.0; case.rates.len() * WIDTH];
    for (row, gradients) in rows.chunks_mut(WIDTH).zip(&case.gradients) {
        row[..count].copy_from_slice(gradients);
    }
    let (mut engine, _, program) = ready(device, &optimizer, 1, &rows)?;
    let mut start = [WIDTH, 1500, 1000, 600, 1].map(|n| vec![0.0; n]);
    start[0][..count].copy_from_slice(&case.start);
    engine.set_parameters(0, &start)?;
    let rule = optimizer.rule();
    let calls = (0..).zip(&case.rates).map(|(t, &rate)| {
        let mut call = call(program, rule, t, 1);
        call.hyper = vec![rule.hyper(u64::from(t) + 1, rate); 2];
        call
    });
    engine.submit(0, 0, &calls.collect::<Vec<_>>())?;
    engine.collect()?;
    let mut found = vec![engine.parameters(0)?.swap_remove(0)];
    found.extend(engine.states(0)?.into_iter().map(|mut state| state.swap_remove(0)));
    found.iter_mut().for_each(|values| values.truncate(count));
    Ok(found)
}

/// What the library had there: parameters, then the states in the rule's order.
pub fn expected(case: &Case) -> Vec<Vec<f64>> {
    let last = case.parameters.last().expect("24 steps");
    let states = case.optimizer().rule().states().iter().map(|&name| case.states[name].clone());
    [last.clone()].into_iter().chain(states).collect()
}
