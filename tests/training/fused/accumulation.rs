//! Minibatches in parts.

use thalweg::device::{Call, Device, Part, Update};
use thalweg::optim::Clip;

use super::{Plan, halving, mapped, momentum, same};

/// ½·g + ¼·2g − ¼·g, which no arithmetic rounds, is one step with ¾·g: the same bits, in one submission and in several.
pub fn parts_are_a_whole(device: &Device) {
    for clip in [None, Some(Clip::Norm { maximum: 2.0, epsilon: 0.0 })] {
        for (members, cuts) in [(1, vec![5]), (3, vec![1, 4]), (3, vec![2, 3, 4])] {
            let update = Update { clip, accumulate: true, telemetry: true, ..Update::default() };
            let mut rows = vec![1.0; 80];
            // Three parts, a whole step, and another minibatch whose first part must forget the sums before.
            rows[..6].copy_from_slice(&[1.0, 2.0, -1.0, 0.5, 4.0, 1.0]);
            let plan = Plan { rows, silent: vec![2], ..Plan::new(momentum(), update, members) };
            let gradients = |m: usize| plan.dyadic(10 + m, 6);
            let mut rig = plan.open(device);
            rig.begin(|m| plan.dyadic(m, 6), gradients);
            let part = |part: Part, share| {
                let call = if part.updates() { rig.call(halving()) } else { Call::evaluate(rig.step) };
                Call { part, share, telemetry: true, ..call }
            };
            let calls = [
                part(Part::First, 0.5),
                part(Part::Next, 0.25),
                part(Part::Last, 0.25),
                part(Part::Whole, 0.75),
                part(Part::First, 0.125),
                part(Part::Last, 0.5),
            ];
            // The same steps with gradients added up beforehand; a whole step has no share.
            let mut whole = Plan { update: Update { clip, ..Update::default() }, ..plan.clone() }.open(device);
            whole.begin(|m| plan.dyadic(m, 6), gradients);
            let mut expected = Vec::new();
            for (n, factor) in [0.75, 0.5, 1.0].into_iter().enumerate() {
                for m in 0..members {
                    // The row's own number is taken out again.
                    let own = factor / plan.rows[n];
                    whole.give(m, &mapped(&gradients(m), |g| own * g));
                }
                whole.run(n as u32, &[whole.call(halving())]);
                expected.push((0..members).map(|m| (whole.parameters(m), whole.states(m))).collect::<Vec<_>>());
            }
            let start: Vec<_> =
                (0..members).map(|m| (plan.dyadic(m, 6), vec![mapped(&plan.dyadic(m, 6), |_| 0.0)])).collect();
            let after = [&start, &start, &expected[0], &expected[1], &expected[1], &expected[2]];
            let mut first = 0;
            for end in cuts.iter().copied().chain([6]) {
                let before: Vec<f64> = (0..members).map(|m| rig.parameters(m)[0][0]).collect();
                let records = rig.run(first as u32, &calls[first..end]);
                for (n, record) in (first..).zip(&records) {
                    assert_eq!(record.telemetry.len(), if calls[n].part.updates() { members } else { 0 }, "step {n}");
                }
                for m in 0..members {
                    assert_eq!(records[0][m][0], before[m]);
                    let what = format!("{clip:?}, member {m} of {members} after {end}");
                    let (parameters, states) = &after[end - 1][m];
                    same(&what, &rig.parameters(m), parameters);
                    same(&what, &rig.states(m)[0], &states[0]);
                    assert_eq!(rig.count(m), end as f64, "running buffers advance with each part");
                }
                first = end;
            }
        }
    }
}
