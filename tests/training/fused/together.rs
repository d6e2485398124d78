//! All that an update can do, at once.

use thalweg::Number;
use thalweg::device::{Call, Device, Part, Precision, Update};
use thalweg::optim::{Clip, Storage};

use super::trust::{Layerwise, numbers, step};
use super::{Plan, SIZES, all_within, mapped, momentum, near, same};
use crate::bounds::Near;

/// Half states, parts, a common norm, an average and telemetry, with a rule of its own and with trust ratios: against the formula
/// with its errors, in which a state that f16 rounds may fall to the next.
pub fn everything_at_once(device: &Device) {
    const STEPS: u32 = 3;
    let clip = Some(Clip::Norm { maximum: 3.0, epsilon: 1e-6 });
    for trust in [false, true] {
        let update = Update {
            storage: Storage::F16,
            clip,
            average: true,
            accumulate: true,
            telemetry: true,
            bare: vec![3],
            transform: None,
        };
        let plan = if trust { Plan::new(Layerwise(0.0), update, 3) } else { Plan::new(momentum(), update, 3) };
        let mut h = numbers(0.1);
        if !trust {
            // Bare tensors read the rate and the decay where momentum has μ and a.
            h = thalweg::optim::hyper([0.5, 0.25, -0.125, 0.01]);
        }
        let mut rig = plan.open(device);
        rig.begin(|m| plan.noise(m), |m| plan.noise(10 + m));
        let mut calls = Vec::new();
        for _ in 0..STEPS {
            let part = |part: Part, share, call| Call { part, share, telemetry: true, average: 0.25, ..call };
            calls.push(part(Part::First, 0.375, Call::evaluate(rig.step)));
            calls.push(part(Part::Next, 0.125, Call::evaluate(rig.step)));
            calls.push(part(Part::Last, 0.5, rig.call(h)));
        }
        let mut records = rig.run(0, &calls[..4]);
        records.extend(rig.run(4, &calls[4..]));
        assert!(records.iter().enumerate().all(|(n, r)| r.telemetry.len() == if n % 3 == 2 { 3 } else { 0 }));
        for m in 0..3 {
            let (mut p, mut state) = (near(&plan.noise(m)), near(&mapped(&plan.noise(m), |_| 0.0)));
            let mut average = p.clone();
            let share = |x: f64| Near::exact(x);
            for _ in 0..STEPS {
                // The parts of one g add up to g but for their roundings.
                let part = |g: f64| {
                    share(0.375) * Near::exact(g) + share(0.125) * Near::exact(g) + share(0.5) * Near::exact(g)
                };
                let g: Vec<Vec<Near>> =
                    plan.noise(10 + m).iter().map(|t| t.iter().map(|&g| part(g)).collect()).collect();
                step_of(trust, &h, clip, &plan, &g, &mut p, &mut state);
                for state in state.iter_mut().flatten() {
                    let size = state.value.abs() + state.error;
                    let unit = 2f64.powi(-10) * size + 2f64.powi(-24);
                    *state = Near { value: Storage::F16.nearest(state.value), error: state.error + unit };
                }
                for (a, &p) in average.iter_mut().flatten().zip(p.iter().flatten()) {
                    *a = *a + share(0.25) * (p - *a);
                }
            }
            // In f64 a state falls to the same number, or, at a tie, to the next: the bound is f16's on every device.
            let what = format!("trust {trust}, member {m}");
            let loose = Device::Cpu(Precision::F32);
            all_within(&loose, &what, &rig.parameters(m), &p);
            all_within(&loose, &what, &rig.averages(m), &average);
            let states = rig.states(m);
            for t in (0..SIZES.len()).filter(|&t| t != 3) {
                all_within(&loose, &what, &[states[0][t].clone()], &[state[t].clone()]);
            }
            same("f16", &mapped(&states[0], |x| Storage::F16.nearest(x)), &states[0]);
            assert!(records[8].telemetry[m].iter().all(|t| t.update > 0.0 && t.update.is_finite()));
            // The bounds are those of f16, and say something.
            let tight = p[5].iter().filter(|p| p.error <= 2f64.powi(-8)).count();
            assert!(tight * 10 >= 9 * p[5].len(), "{what}: {tight} of {}", p[5].len());
        }
    }
}

fn step_of(
    trust: bool,
    h: &thalweg::optim::Hyper,
    clip: Option<Clip>,
    plan: &Plan,
    g: &[Vec<Near>],
    p: &mut [Vec<Near>],
    state: &mut [Vec<Near>],
) {
    if trust {
        return step(h, clip, plan, g, p, state);
    }
    let g = super::clipped(clip, g, &plan.groups);
    let h = h.map(Near::of);
    for t in 0..p.len() {
        for ((p, &g), b) in p[t].iter_mut().zip(&g[t]).zip(&mut state[t]) {
            if t == 3 {
                *p = *p - h[1] * *p - h[0] * g;
            } else {
                (*p, [*b, ..]) = thalweg::optim::Rule::update(&momentum(), &h, g, *p, [*b, Near::ZERO, Near::ZERO]);
            }
        }
    }
}
