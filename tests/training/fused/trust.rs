//! Steps scaled tensor by tensor, and tensors without states.

use thalweg::device::{Call, Device, Precision, Update};
use thalweg::error::OptimError;
use thalweg::optim::{Clip, Convention, Hyper, Rule, Storage, hyper};
use thalweg::{Number, device::Telemetry};

use super::{Plan, all_within, clipped, mapped, momentum, near, same, squares};
use crate::bounds::Near;

/// u = m + h₃p with m ← h₁m + h₂g, from that m on.
#[derive(Clone, Debug)]
pub struct Layerwise(pub f64);

impl Rule for Layerwise {
    fn name(&self) -> &'static str {
        "layerwise"
    }
    fn convention(&self) -> Convention {
        Convention::PyTorch
    }
    fn states(&self) -> &'static [&'static str] {
        &["mean"]
    }
    fn initial_state(&self, _: usize) -> f64 {
        self.0
    }
    fn validate(&self) -> Result<(), OptimError> {
        Ok(())
    }
    fn learning_rate(&self) -> f64 {
        0.1
    }
    fn hyper(&self, _: u64, rate: f64) -> Hyper {
        numbers(rate)
    }
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [m, b, c]: [T; 3]) -> (T, [T; 3]) {
        let m = h[1] * m + h[2] * g;
        (m + h[3] * p, [m, b, c])
    }
    fn trust_ratio(&self) -> bool {
        true
    }
    fn source(&self) -> &'static str {
        "fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
            let m = h[1] * s.a + h[2] * g;
            return Updated(m + h[3] * p, State(m, s.b, s.c));
        }"
    }
}

/// Bare tensors read the first two.
pub fn numbers(rate: f64) -> Hyper {
    let mut all = hyper([0.03, 0.9, 0.1, 0.02]);
    (all[10], all[11]) = (rate, 0.01);
    all
}

/// One step of a member, with its errors.
pub fn step(h: &Hyper, clip: Option<Clip>, plan: &Plan, g: &[Vec<Near>], p: &mut [Vec<Near>], m: &mut [Vec<Near>]) {
    let h = h.map(Near::rounded);
    let mut g = g.to_vec();
    plan.silent.iter().for_each(|&t| g[t].fill(Near::ZERO));
    let g = clipped(clip, &g, &plan.groups);
    for t in 0..p.len() {
        if plan.update.bare.contains(&t) {
            for (p, &g) in p[t].iter_mut().zip(&g[t]) {
                *p = *p - h[1] * *p - h[0] * g;
            }
            continue;
        }
        let mut u = Vec::new();
        for ((&p, &g), m) in p[t].iter().zip(&g[t]).zip(&mut m[t]) {
            let (direction, [next, ..]) = Layerwise(0.0).update(&h, g, p, [*m, Near::ZERO, Near::ZERO]);
            *m = next;
            u.push(direction);
        }
        let shrunk: Vec<Near> = p[t].iter().map(|&p| p - h[11] * p).collect();
        let (w, size) = (squares(&shrunk), squares(&u));
        let ratio = if w.value > 0.0 && size.value > 0.0 { w.sqrt() / size.sqrt() } else { Near::exact(1.0) };
        let rate = h[10] * ratio;
        for (p, u) in p[t].iter_mut().zip(u) {
            *p = *p - h[11] * *p - rate * u;
        }
    }
}

/// With gradients cut, an average, tensors of zeros, one without a gradient that only decays, and one without states.
pub fn trust_ratios_follow_the_formula(device: &Device) {
    for (members, bare, clip) in [
        (1, vec![], None),
        (3, vec![3], Some(Clip::TensorNorm { maximum: 2.0, epsilon: 1e-6 })),
        (3, vec![0, 5], Some(Clip::Norm { maximum: 3.0, epsilon: 0.0 })),
    ] {
        let update = Update { clip, average: true, telemetry: true, bare: bare.clone(), ..Update::default() };
        let plan = Plan { silent: vec![2], ..Plan::new(Layerwise(0.0), update, members) };
        let start = |m: usize| {
            let mut all = plan.noise(m);
            all[1].fill(0.0);
            all
        };
        let mut rig = plan.open(device);
        rig.begin(start, |m| plan.noise(10 + m));
        let call = Call { average: 1.0, ..rig.call(numbers(0.1)) };
        let told = Call { telemetry: true, ..call.clone() };
        rig.run(0, &[call.clone(), told]);
        rig.run(2, std::slice::from_ref(&call));
        for m in 0..members {
            let mut p = near(&start(m));
            let mut mean = near(&mapped(&start(m), |_| 0.0));
            for _ in 0..3 {
                step(&numbers(0.1), clip, &plan, &near(&plan.noise(10 + m)), &mut p, &mut mean);
            }
            let what = format!("{clip:?}, bare {bare:?}, member {m} of {members}");
            let found = rig.parameters(m);
            all_within(device, &what, &found, &p);
            same("averages", &rig.averages(m), &found);
            let states = rig.states(m);
            for t in 0..p.len() {
                if bare.contains(&t) {
                    assert!(states[0][t].is_empty(), "{what}: tensor {t} has no states");
                } else {
                    all_within(device, &what, &[states[0][t].clone()], &[mean[t].clone()]);
                }
            }
            assert_ne!(found[2], start(m)[2], "a tensor without a gradient decays");
            assert_eq!(rig.engine.first_non_finite(m).expect("flags"), None);
        }
    }
    // Nothing at all: no direction, no step, no NaN.
    let plan = Plan::new(Layerwise(0.0), Update::default(), 1);
    let mut rig = plan.open(device);
    let zeros = mapped(&plan.noise(0), |_| 0.0);
    rig.begin(|_| zeros.clone(), |_| zeros.clone());
    rig.run(0, &[rig.call(numbers(0.1)), rig.call(numbers(0.1))]);
    same("zeros", &rig.parameters(0), &zeros);
}

/// A direction whose norm the device's floats do not hold is no step of 0 that nobody hears of.
pub fn trust_ratios_beyond_the_floats_are_none(device: &Device) {
    let huge = if device.precision() == Precision::F64 { 1e200 } else { 2f64.powi(80) };
    let plan = Plan::new(Layerwise(0.0), Update::default(), 1);
    let mut rig = plan.open(device);
    let gradients = mapped(&plan.noise(10), |x| huge * x);
    rig.begin(|m| plan.noise(m), |_| gradients.clone());
    rig.run(0, &[rig.call(numbers(0.1))]);
    let found = rig.parameters(0);
    if matches!(device, Device::Cpu(Precision::F32)) {
        let mut p = near(&plan.noise(0));
        let mut mean = near(&mapped(&plan.noise(0), |_| 0.0));
        step(&numbers(0.1), None, &plan, &near(&gradients), &mut p, &mut mean);
        all_within(device, "f32 with sums in f64", &found, &p);
    } else {
        assert!(found.iter().flatten().all(|p| p.is_nan()));
        let flag = rig.engine.first_non_finite(0).expect("flags").expect("a tensor");
        assert_eq!((flag.what, flag.step), ("parameter", 1));
    }
}

/// p ← (1 − h₁)p − h₀g beside tensors with states, at the end where nothing is left of these to bind, and alone.
pub fn bare_tensors_take_their_gradient(device: &Device) {
    for storage in [Storage::F32, Storage::F16] {
        for bare in [vec![0, 3], vec![4, 5], vec![0, 1, 2, 3, 4, 5]] {
            for members in [1, 3] {
                let update = Update { storage, bare: bare.clone(), telemetry: true, ..Update::default() };
                let plan = Plan::new(momentum(), update, members);
                let mut with =
                    Plan { update: Update { bare: Vec::new(), ..plan.update.clone() }, ..plan.clone() }.open(device);
                let mut rig = plan.open(device);
                let h = hyper([0.25, 0.0625, -0.125, 0.0]);
                for rig in [&mut rig, &mut with] {
                    rig.begin(|m| plan.dyadic(m, 6), |m| plan.dyadic(10 + m, 6));
                    let calls = [Call { telemetry: true, ..rig.call(h) }, rig.call(h)];
                    let records = rig.run(0, &calls);
                    assert!(records[0].telemetry.iter().flatten().all(|t: &Telemetry| t.update > 0.0));
                }
                for m in 0..members {
                    let (found, others) = (rig.parameters(m), with.parameters(m));
                    let (mut p, g) = (plan.dyadic(m, 6), plan.dyadic(10 + m, 6));
                    let states = (rig.states(m), with.states(m));
                    for t in 0..p.len() {
                        let what = format!("{storage:?}, bare {bare:?}, member {m} of {members}, tensor {t}");
                        if bare.contains(&t) {
                            for (p, g) in p[t].iter_mut().zip(&g[t]) {
                                for _ in 0..2 {
                                    *p = *p - 0.0625 * *p - 0.25 * g;
                                }
                            }
                            same(&what, &[found[t].clone()], &[p[t].clone()]);
                            assert!(states.0[0][t].is_empty(), "{what}");
                        } else {
                            same(&what, &[found[t].clone()], &[others[t].clone()]);
                            same(&what, &[states.0[0][t].clone()], &[states.1[0][t].clone()]);
                        }
                    }
                    rig.engine.set_states(m, &states.0).expect("states of those that have some");
                    let again = rig.states(m);
                    same("a round trip", &again[0], &states.0[0]);
                }
            }
        }
    }
}
