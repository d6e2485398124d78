//! What updates say of themselves.

use thalweg::device::{Call, Device, Precision, Record, Telemetry, Update};
use thalweg::optim::{Clip, FROZEN, Hyper, Storage};

use super::trust::{Layerwise, numbers};
use super::{Plan, momentum, quarter, same, squares, within};
use crate::bounds::Near;

/// ‖v‖ of numbers known to within their errors; what is told is the root of a sum of f32, taken in f64.
fn norm(values: &[Near]) -> Near {
    let sum = squares(values);
    let [low, high] = [sum.value - sum.error, sum.value + sum.error].map(|s| s.max(0.0).sqrt());
    let value = sum.value.sqrt();
    Near { value, error: (high - value).max(value - low) * (1.0 + 1e-9) }
}

#[track_caller]
fn is_what_happened(device: &Device, told: &Telemetry, [before, after, gradient]: [&[f64]; 3]) {
    let exact = |values: &[f64]| values.iter().map(|&x| Near::exact(x)).collect::<Vec<_>>();
    within(device, "‖w‖", told.parameters, norm(&exact(before)));
    within(device, "‖g‖", told.gradients, norm(&exact(gradient)));
    let change = before.iter().zip(after).map(|(&b, &a)| thalweg::Number::abs(Near::exact(a) - Near::exact(b)));
    within(device, "‖Δw‖", told.update, norm(&change.collect::<Vec<_>>()));
    let largest = gradient.iter().fold(0.0f64, |most, g| most.max(g.abs()));
    assert_eq!((told.largest_gradient, told.non_finite), (largest, 0));
}

struct Form {
    name: &'static str,
    plan: Plan,
    numbers: Hyper,
}

/// Plain; cut by each norm and by value; with tensors that stand and tensors without states; halves; trust ratios.
fn forms(members: usize) -> Vec<Form> {
    let update = |clip, storage, bare: &[usize]| Update {
        storage,
        clip,
        telemetry: true,
        bare: bare.to_vec(),
        ..Update::default()
    };
    let of = |name, clip, storage, bare: &[usize], groups: [usize; 6]| Form {
        name,
        plan: Plan { groups: groups.to_vec(), ..Plan::new(momentum(), update(clip, storage, bare), members) },
        numbers: quarter(),
    };
    let common = Some(Clip::Norm { maximum: 3.0, epsilon: 1e-6 });
    let own = Some(Clip::TensorNorm { maximum: 1.0, epsilon: 0.0 });
    let some = [0, FROZEN, 0, 0, FROZEN, 1];
    let trust = |name, clip, bare: &[usize]| Form {
        name,
        plan: Plan {
            groups: some.to_vec(),
            silent: vec![2],
            ..Plan::new(Layerwise(0.0), update(clip, Storage::F32, bare), members)
        },
        numbers: numbers(0.1),
    };
    vec![
        of("plain", None, Storage::F32, &[], [0; 6]),
        of("by value, bare, frozen", Some(Clip::Value(0.25)), Storage::F32, &[0, 5], some),
        of("by the common norm, bf16, frozen", common, Storage::Bf16, &[], some),
        of("by their own norms, f16, bare", own, Storage::F16, &[2, 3], [0; 6]),
        trust("trust", None, &[]),
        trust("trust by the common norm, bare", common, &[0, 3]),
    ]
}

/// Against what was read before and after, in f64; the parameters have the bits of a run without telemetry.
pub fn telemetry_is_what_happened(device: &Device) {
    for members in [1, 3] {
        for Form { name, plan, numbers } in forms(members) {
            let mut rig = plan.open(device);
            let quiet = Plan { update: Update { telemetry: false, ..plan.update.clone() }, ..plan.clone() };
            let mut quiet = quiet.open(device);
            for rig in [&mut rig, &mut quiet] {
                rig.begin(|m| plan.noise(m), |m| plan.noise(10 + m));
            }
            for n in 0..2 {
                let before: Vec<_> = (0..members).map(|m| rig.parameters(m)).collect();
                let record = rig.run(n, &[Call { telemetry: true, ..rig.call(numbers) }]).remove(0);
                quiet.run(n, &[quiet.call(numbers)]);
                assert_eq!(record.telemetry.len(), members);
                for (m, before) in before.iter().enumerate() {
                    let (after, mut gradients) = (rig.parameters(m), plan.noise(10 + m));
                    plan.silent.iter().for_each(|&t| gradients[t].fill(0.0));
                    same(name, &after, &quiet.parameters(m));
                    assert_eq!(record.telemetry[m].len(), after.len());
                    for (t, told) in record.telemetry[m].iter().enumerate() {
                        if plan.groups[t] == FROZEN {
                            assert_eq!(*told, Telemetry::default(), "{name}");
                        } else {
                            assert!(told.update > 0.0, "{name}, tensor {t}");
                            is_what_happened(device, told, [&before[t], &after[t], &gradients[t]]);
                        }
                    }
                }
            }
        }
    }
    vanishing(device);
    counts(device);
}

/// ‖Δw‖ is of what the parameters became: steps below their last bit are none.
fn vanishing(device: &Device) {
    let update = |bare: &[usize]| Update { telemetry: true, bare: bare.to_vec(), ..Update::default() };
    let plans = [Plan::new(momentum(), update(&[]), 3), Plan::new(Layerwise(0.0), update(&[2]), 3)];
    let mut slow = numbers(2f64.powi(-40));
    (slow[1], slow[11]) = (0.0, 0.0);
    for (plan, h) in plans.into_iter().zip([quarter(), slow]) {
        let mut rig = plan.open(device);
        let ones = super::mapped(&plan.noise(0), |_| 1.0);
        rig.begin(|_| ones.clone(), |_| super::mapped(&ones, |_| 2f64.powi(-40)));
        let record = rig.run(0, &[Call { telemetry: true, ..rig.call(h) }]).remove(0);
        for (m, told) in record.telemetry.iter().enumerate() {
            let unchanged = rig.parameters(m) == ones;
            assert_eq!(unchanged, device.precision() == Precision::F32);
            assert!(told.iter().all(|t| (t.update == 0.0) == unchanged), "{told:?}");
        }
    }
}

/// Elements that are no numbers are counted, where they are; a sum of squares that f32 does not hold is infinite.
fn counts(device: &Device) {
    for clip in [None, Some(Clip::Value(0.5)), Some(Clip::TensorNorm { maximum: 1.0, epsilon: 0.0 })] {
        for bare in [vec![], vec![5]] {
            let update = Update { clip, telemetry: true, bare, ..Update::default() };
            let plan = Plan::new(momentum(), update, 3);
            let mut rig = plan.open(device);
            rig.begin(|m| plan.noise(m), |m| plan.noise(10 + m));
            let mut bad = plan.noise(11);
            for i in [0, 4095, 4096, 12_999] {
                bad[5][i] = f64::NAN;
            }
            bad[5][8200] = f64::NEG_INFINITY;
            bad[3][77] = f64::INFINITY;
            rig.give(1, &bad);
            let record = rig.run(0, &[Call { telemetry: true, ..rig.call(quarter()) }]).remove(0);
            for (m, told) in record.telemetry.iter().enumerate() {
                let counts: Vec<_> = told.iter().map(|t| t.non_finite).collect();
                assert_eq!(counts, if m == 1 { [0, 0, 0, 1, 0, 5] } else { [0; 6] }, "{clip:?}");
                assert_eq!(told[5].largest_gradient.is_nan(), m == 1);
                assert_eq!(told[5].gradients.is_nan(), m == 1);
                assert_eq!(told[3].largest_gradient == f64::INFINITY, m == 1);
                assert_eq!(told[3].gradients == f64::INFINITY, m == 1);
                assert!(told[4].gradients.is_finite() && told[4].update > 0.0);
            }
        }
    }
}

/// In the steps that ask for it, wherever they stand in a submission, and in no other; an evaluation has none to give.
pub fn telemetry_comes_when_asked(device: &Device) {
    let update = Update { telemetry: true, ..Update::default() };
    let mut rows = vec![1.0; 80];
    rows.iter_mut().enumerate().for_each(|(i, x)| *x = 2f64.powi(i as i32 % 3));
    let plan = Plan { rows: rows.clone(), ..Plan::new(momentum(), update, 3) };
    let gradients = |m: usize| plan.noise(10 + m);
    let run = |cuts: &[usize]| -> Vec<Record> {
        let mut rig = plan.open(device);
        rig.begin(|m| plan.noise(m), gradients);
        let training = rig.call(quarter());
        // An evaluation that asks, with numbers of an update or without.
        let calls: Vec<Call> = (0..12)
            .map(|n| match n {
                3 => Call { telemetry: true, ..Call::evaluate(rig.evaluation) },
                7 => Call { telemetry: true, program: rig.evaluation, ..training.clone() },
                _ => Call { telemetry: n % 2 == 0, ..training.clone() },
            })
            .collect();
        let (mut records, mut first) = (Vec::new(), 0);
        for end in cuts.iter().copied().chain([12]) {
            let evaluations = [3, 7].iter().filter(|&&n| n < first).count();
            rig.engine.submit((first - evaluations) as u32, first as u32, &calls[first..end]).expect("steps");
            first = end;
        }
        while rig.engine.pending() > 0 {
            records.extend(rig.engine.collect().expect("records"));
        }
        records
    };
    let all = run(&[]);
    let told = |all: &[Record]| all.iter().map(|r| (r[0][0], r[2][0], r.telemetry.clone())).collect::<Vec<_>>();
    assert_eq!(told(&all), told(&run(&[1, 4, 5, 9])), "in one submission and in several");
    for (n, record) in all.iter().enumerate() {
        assert_eq!(record.scalars.len(), 3);
        assert_eq!(record.telemetry.len(), if n % 2 == 0 { 3 } else { 0 }, "step {n}");
        for (m, told) in record.telemetry.iter().enumerate() {
            for (t, told) in told.iter().enumerate() {
                let gradient: Vec<f64> = gradients(m)[t].iter().map(|g| g * rows[n]).collect();
                let exact: Vec<Near> = gradient.iter().map(|&g| Near::exact(g)).collect();
                within(device, &format!("‖g‖ of step {n}"), told.gradients, norm(&exact));
            }
        }
    }
    let ratio = all[0].telemetry[0][0].ratio().expect("a tensor that is not 0");
    assert_eq!(ratio, all[0].telemetry[0][0].update / all[0].telemetry[0][0].parameters);
    assert_eq!(Telemetry::default().ratio(), None);
    if device.precision() == Precision::F64 {
        assert!(all[0].telemetry[0][5].gradients.to_bits() & 0xff != 0, "f64 is told in f64");
    }
}
