//! Gradients that are cut.

use thalweg::device::{Device, Precision, Update};
use thalweg::optim::{Clip, FROZEN};

use super::{Plan, all_within, clipped, descended, eighth, mapped, near, same, sgd};

fn update(clip: Clip) -> Update {
    Update { clip: Some(clip), ..Update::default() }
}

fn norms(maximum: f64) -> impl Iterator<Item = Clip> {
    [0.0, 1e-6]
        .into_iter()
        .flat_map(move |epsilon| [Clip::Norm { maximum, epsilon }, Clip::TensorNorm { maximum, epsilon }])
}

/// Below the bound and above it; members have gradients of sizes of their own.
pub fn clipping_follows_the_formula(device: &Device) {
    let clips = [0.25, 4.0].map(Clip::Value).into_iter().chain(norms(3.0)).chain(norms(1e4)).chain(norms(1e-3));
    for clip in clips {
        for members in [1, 3] {
            let plan = Plan::new(sgd(), update(clip), members);
            let mut rig = plan.open(device);
            let gradients = |m: usize| mapped(&plan.noise(10 + m), |x| x * 0.25f64.powi(m as i32));
            rig.begin(|m| plan.noise(m), gradients);
            rig.run(0, &[rig.call(eighth())]);
            for m in 0..members {
                let cut = clipped(Some(clip), &near(&gradients(m)), &plan.groups);
                let wanted = descended(&near(&plan.noise(m)), &cut, 0.125);
                all_within(device, &format!("{clip:?}, member {m} of {members}"), &rig.parameters(m), &wanted);
                assert_eq!(rig.engine.first_non_finite(m).expect("flags"), None);
            }
        }
        // Nothing to do leaves everything as it was.
        let plan = Plan::new(sgd(), update(clip), 1);
        let mut rig = plan.open(device);
        rig.begin(|m| plan.noise(m), |_| mapped(&plan.noise(0), |_| 0.0));
        rig.run(0, &[rig.call(eighth())]);
        same("a gradient of zero", &rig.parameters(0), &plan.noise(0));
    }
}

/// A NaN and infinities in one tensor of the second member; and norms that the device's floats do not hold.
pub fn clipping_hides_no_bad_number(device: &Device) {
    const TENSOR: usize = 4;
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for clip in [Clip::Value(0.25)].into_iter().chain(norms(3.0)) {
            let plan = Plan::new(sgd(), update(clip), 3);
            let mut rig = plan.open(device);
            let gradients = |m: usize| {
                let mut all = plan.noise(10 + m);
                all[TENSOR][4096] = if m == 1 { bad } else { 0.5 };
                all
            };
            rig.begin(|m| plan.noise(m), gradients);
            rig.run(6, &[rig.call(eighth())]);
            for m in [0, 2] {
                let cut = clipped(Some(clip), &near(&gradients(m)), &plan.groups);
                let wanted = descended(&near(&plan.noise(m)), &cut, 0.125);
                all_within(device, &format!("{clip:?}, member {m}"), &rig.parameters(m), &wanted);
                assert_eq!(rig.engine.first_non_finite(m).expect("flags"), None);
            }
            let flag = rig.engine.first_non_finite(1).expect("flags").expect("a tensor");
            assert_eq!((flag.tensor.as_str(), flag.what, flag.step), ("w4", "gradient", 7), "{clip:?} {bad}");
            let (found, start) = (rig.parameters(1), plan.noise(1));
            for (t, tensor) in found.iter().enumerate() {
                for (i, &p) in tensor.iter().enumerate() {
                    let own = t == TENSOR && i == 4096;
                    match clip {
                        Clip::Value(c) if own && bad.is_infinite() => {
                            let wanted = start[t][i] - 0.125 * c * bad.signum();
                            assert!((p - wanted).abs() <= 1.2e-7 * (start[t][i].abs() + 0.1), "{p} is not {wanted}");
                        }
                        Clip::Norm { .. } => assert!(p.is_nan(), "{clip:?} {bad}: tensor {t}, element {i} is {p}"),
                        Clip::TensorNorm { .. } => assert_eq!(p.is_nan(), t == TENSOR, "{bad}: tensor {t}, {i}: {p}"),
                        Clip::Value(_) => assert_eq!(p.is_nan(), own, "{bad}: tensor {t}, element {i}: {p}"),
                    }
                }
            }
        }
    }
    let huge = if device.precision() == Precision::F64 { 1e200 } else { 2f64.powi(66) };
    for clip in norms(3.0) {
        let plan = Plan::new(sgd(), update(clip), 1);
        let mut rig = plan.open(device);
        let gradients = || mapped(&plan.noise(10), |x| huge * x);
        rig.begin(|m| plan.noise(m), |_| gradients());
        rig.run(0, &[rig.call(eighth())]);
        let found = rig.parameters(0);
        if matches!(device, Device::Cpu(Precision::F32)) {
            // Its sums are f64's, which holds the square.
            let wanted =
                descended(&near(&plan.noise(0)), &clipped(Some(clip), &near(&gradients()), &plan.groups), 0.125);
            all_within(device, "f32 with sums in f64", &found, &wanted);
            continue;
        }
        // The first tensor of one element may have a square that f32 holds.
        assert!(found[1..].iter().flatten().all(|p| p.is_nan()), "{clip:?}");
        let flag = rig.engine.first_non_finite(0).expect("flags").expect("a tensor");
        assert_eq!((flag.what, flag.step), ("parameter", 1));
    }
}

/// The common norm is that of what moves.
pub fn frozen_gradients_count_for_nothing(device: &Device) {
    let clip = Clip::Norm { maximum: 3.0, epsilon: 0.0 };
    let groups = vec![0, FROZEN, 0, FROZEN, 0, 0];
    let plan = Plan { groups, ..Plan::new(sgd(), update(clip), 1) };
    let mut found = Vec::new();
    for others in [0.0, 1e6] {
        let mut rig = plan.open(device);
        let mut gradients = plan.noise(10);
        for t in [1, 3] {
            gradients[t].iter_mut().for_each(|g| *g *= others);
        }
        rig.begin(|m| plan.noise(m), |_| gradients.clone());
        rig.run(0, &[rig.call(eighth())]);
        found.push(rig.parameters(0));
    }
    same("with and without", &found[0], &found[1]);
    let mut gradients = near(&plan.noise(10));
    gradients = clipped(Some(clip), &gradients, &plan.groups);
    let mut wanted = descended(&near(&plan.noise(0)), &gradients, 0.125);
    for t in [1, 3] {
        wanted[t] = near(&plan.noise(0)).swap_remove(t);
    }
    all_within(device, "what moves", &found[0], &wanted);
}
