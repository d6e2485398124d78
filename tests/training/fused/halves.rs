//! States of two bytes.

use thalweg::device::{Device, Update};
use thalweg::optim::{Storage, hyper};

use super::trust::Layerwise;
use super::{Plan, halving, mapped, momentum, same};

const HALVES: [Storage; 2] = [Storage::F16, Storage::Bf16];

fn update(storage: Storage) -> Update {
    Update { storage, ..Update::default() }
}

/// First element of each tensor in a member's flat buffers.
fn offsets(sizes: &[usize]) -> Vec<usize> {
    let mut total = 0;
    let place = |&n: &usize| {
        total += thalweg::kernel::padded(n);
        total - thalweg::kernel::padded(n)
    };
    sizes.iter().map(place).collect()
}

fn words(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// b ← b/2 + g in numbers that f32 does not round but a half does: what is held is [`Storage::hold`] of it, on every device, for a
/// member alone as for one of three; the parameters see what was not rounded yet.
pub fn half_states_are_held_as_they_say(device: &Device) {
    const FIRST: u32 = 6;
    for storage in HALVES {
        let plan = Plan::new(momentum(), update(storage), 3);
        let mut rig = plan.open(device);
        rig.begin(|m| plan.dyadic(m, 6), |m| plan.dyadic(10 + m, 15));
        let calls = vec![rig.call(halving()); 3];
        rig.run(FIRST, &calls);
        let mut rounded = 0;
        for m in 0..3 {
            let (mut p, g) = (plan.dyadic(m, 6), plan.dyadic(10 + m, 15));
            let mut b = mapped(&p, |_| 0.0);
            for step in FIRST..FIRST + 3 {
                for (t, offset) in offsets(&plan.sizes).into_iter().enumerate() {
                    for i in 0..plan.sizes[t] {
                        let next = 0.5 * b[t][i] + g[t][i];
                        p[t][i] -= 0.125 * next;
                        b[t][i] = storage.hold(next, words(plan.seeds[m]), step, 0, offset + i);
                        rounded += usize::from(b[t][i] != next);
                    }
                }
            }
            let held = rig.states(m);
            same(&format!("{storage:?}, states of {m}"), &held[0], &b);
            same(&format!("{storage:?}, parameters of {m}"), &rig.parameters(m), &p);
            let alone = Plan { seeds: vec![plan.seeds[m]], ..plan.clone() };
            let mut alone = alone.open(device);
            alone.begin(|_| plan.dyadic(m, 6), |_| plan.dyadic(10 + m, 15));
            alone.run(FIRST, &calls.iter().map(|_| alone.call(halving())).collect::<Vec<_>>());
            same("alone", &alone.states(0)[0], &b);
        }
        assert!(rounded > 3 * 3 * 10_000, "{storage:?}: only {rounded} states were rounded");
    }
}

/// Ties, numbers too small and too large, and none.
pub fn odd_numbers_are_held(device: &Device) {
    let odd = [
        1e-7,
        2f64.powi(-25),
        3.0 * 2f64.powi(-25),
        5.0 * 2f64.powi(-25),
        2f64.powi(-24),
        6.1e-5,
        2f64.powi(-14),
        2049.0,
        2051.0,
        65_503.0,
        65_519.0,
        65_520.0,
        1e6,
        -1e6,
        -2049.0,
        -1e-7,
        1.0,
        0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        3.4e38,
        -3.4e38,
    ]
    .map(|x| f64::from(x as f32));
    for storage in HALVES {
        let plan = Plan { sizes: vec![odd.len()], groups: vec![0], ..Plan::new(momentum(), update(storage), 1) };
        let mut rig = plan.open(device);
        rig.begin(|_| vec![vec![0.0; odd.len()]], |_| vec![odd.to_vec()]);
        rig.run(3, &[rig.call(halving())]);
        let found = rig.states(0).remove(0).remove(0);
        for (i, (&x, found)) in odd.iter().zip(found).enumerate() {
            let wanted = storage.hold(x, words(plan.seeds[0]), 3, 0, i);
            assert!(
                found == wanted || (found.is_nan() && wanted.is_nan()),
                "{storage:?} of {x}: {found}, not {wanted}"
            );
            assert_eq!(found.is_nan(), x.is_nan(), "{storage:?} of {x}");
        }
    }
    assert_eq!(Storage::F16.nearest(2049.0), 2048.0);
    assert_eq!(Storage::F16.nearest(2051.0), 2052.0);
}

/// What `states` gives goes back in as it is; what is no such number is rounded alike on every device; a run that goes on from what
/// was read has the bits of one that did not stop.
pub fn half_states_go_on_where_they_were(device: &Device) {
    for storage in HALVES {
        let plan = Plan::new(momentum(), update(storage), 3);
        let mut whole = plan.open(device);
        whole.begin(|m| plan.noise(m), |m| plan.noise(10 + m));
        let call = whole.call(hyper([0.9, 0.3, -0.01, 0.0]));
        whole.run(0, &[call.clone(), call.clone()]);
        let mut rest = plan.open(device);
        rest.begin(|m| plan.noise(m), |m| plan.noise(10 + m));
        for m in 0..3 {
            let (parameters, states) = (whole.parameters(m), whole.states(m));
            rest.engine.set_parameters(m, &parameters).expect("parameters");
            rest.engine.set_states(m, &states).expect("states");
            same("a round trip", &rest.states(m)[0], &states[0]);
            same("numbers of the type", &mapped(&states[0], |x| storage.nearest(x)), &states[0]);
        }
        for rig in [&mut whole, &mut rest] {
            rig.run(2, &[call.clone(), call.clone()]);
        }
        for m in 0..3 {
            let (parameters, states) = (whole.parameters(m), whole.states(m));
            same("parameters", &rest.parameters(m), &parameters);
            same("states", &rest.states(m)[0], &states[0]);
        }
        let any = plan.noise(40);
        whole.engine.set_states(1, std::slice::from_ref(&any)).expect("states");
        same("any numbers", &whole.states(1)[0], &mapped(&any, |x| storage.nearest(x)));
        let state = whole.states(2);
        same("another member's", &state[0], &rest.states(2)[0]);
        // A rule's own beginning, too.
        let mut begun = Plan::new(Layerwise(0.1), update(storage), 3).open(device);
        same("the beginning", &begun.states(1)[0], &mapped(&any, |_| storage.nearest(0.1)));
    }
}

/// Rounded at random a number is right on average; and a mean with β = 0.999, whose steps are less than half of a bf16's last bit,
/// reaches its limit, where rounded to the nearest it stands still.
pub fn long_means_move_in_bf16(device: &Device) {
    let size = 13_000;
    let plan = Plan { sizes: vec![size], groups: vec![0], ..Plan::new(momentum(), update(Storage::Bf16), 1) };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / size as f64;
    // One step from 0: 0.1 lies at a share of its unit of 2⁻¹¹.
    let x = f64::from(0.1f32);
    let mut rig = plan.open(device);
    rig.begin(|_| vec![vec![0.0; size]], |_| vec![vec![x; size]]);
    rig.run(0, &[rig.call(halving())]);
    let unit = 2f64.powi(-11);
    let share = (x / unit).fract();
    let sigma = unit * (share * (1.0 - share) / size as f64).sqrt();
    let found = mean(&rig.states(0)[0][0]);
    assert!((found - x).abs() <= 5.0 * sigma, "{found} is more than 5 σ of {sigma:e} from {x}");

    let (beta, rate, steps) = (0.999, 0.001, 1024);
    let start = Storage::Bf16.nearest(0.9);
    let still = Storage::Bf16.nearest(beta * start + rate);
    assert_eq!(still, start, "to the nearest it stands still");
    rig.begin(|_| vec![vec![0.0; size]], |_| vec![vec![1.0; size]]);
    rig.engine.set_states(0, &[vec![vec![start; size]]]).expect("states");
    let calls = vec![rig.call(hyper([beta, rate, 0.0, 0.0])); 32];
    for n in 0..steps / 32 {
        rig.engine.submit(n * 32, 0, &calls).expect("steps");
        rig.engine.collect().expect("records");
    }
    // Each rounding is right on average, so the mean of the means is what it is without; each adds a variance of at most a quarter
    // of its unit's square (2⁻⁷ up to 2), which fades with β².
    let left = (1.0 - start) * beta.powi(steps as i32);
    let limit = f64::from(rate as f32) / (1.0 - f64::from(beta as f32));
    let variance = 2f64.powi(-14) / 4.0 / (1.0 - beta * beta);
    let allowed = 5.0 * (variance / size as f64).sqrt();
    let found = mean(&rig.states(0)[0][0]);
    assert!(allowed < (1.0 - start) / 10.0, "a bound that says something");
    // β and 1 − β in f32 add up to 1 but for their roundings, which 1024 steps make 1024 of.
    let rounding = (limit - 1.0).abs() + 1024.0 * 2f64.powi(-24) * 2.0;
    assert!((found - (1.0 - left)).abs() <= allowed + rounding, "{found} is not {}", 1.0 - left);
}
