//! Tensors and members that are not updated.

use thalweg::device::{Call, Device, Telemetry, Update};
use thalweg::optim::{Clip, FROZEN, Storage};

use super::{Plan, momentum, quarter, same};

/// Frozen tensors of all members and all tensors of a member that is not active keep every bit, and the others have theirs.
pub fn what_stands_keeps_every_bit(device: &Device) {
    for storage in [Storage::F32, Storage::Bf16] {
        let clip = Some(Clip::TensorNorm { maximum: 2.0, epsilon: 0.0 });
        let update =
            Update { storage, clip, average: true, accumulate: true, telemetry: true, bare: vec![5], transform: None };
        let groups = vec![0, FROZEN, 1, FROZEN, 0, 0];
        let plan = Plan { groups, ..Plan::new(momentum(), update, 3) };
        let open = || {
            let mut rig = plan.open(device);
            rig.begin(|m| plan.noise(m), |m| plan.noise(10 + m));
            let call = Call { average: 0.25, telemetry: true, ..rig.call(quarter()) };
            (rig, call)
        };
        let (mut rig, call) = open();
        let (mut all, _) = open();
        let kept: Vec<_> = (0..3).map(|m| (rig.parameters(m), rig.states(m), rig.averages(m))).collect();
        for rig in [&mut rig, &mut all] {
            rig.run(0, std::slice::from_ref(&call));
        }
        let first: Vec<_> = (0..3).map(|m| (rig.parameters(m), rig.states(m), rig.averages(m))).collect();
        let some = Call { active: vec![true, false, true], ..call.clone() };
        let records = rig.run(1, &[some.clone(), some]);
        let others = all.run(1, &[call.clone(), call.clone()]);
        for (m, kept) in kept.iter().enumerate() {
            let found = (rig.parameters(m), rig.states(m), rig.averages(m));
            let wanted = if m == 1 { first[1].clone() } else { (all.parameters(m), all.states(m), all.averages(m)) };
            same(&format!("parameters of {m}"), &found.0, &wanted.0);
            same(&format!("states of {m}"), &found.1[0], &wanted.1[0]);
            same(&format!("averages of {m}"), &found.2, &wanted.2);
            for t in [1, 3] {
                same("frozen", &[found.0[t].clone()], &[kept.0[t].clone()]);
                same("frozen", &[found.1[0][t].clone()], &[kept.1[0][t].clone()]);
                same("frozen", &[found.2[t].clone()], &[kept.2[t].clone()]);
            }
            for (record, other) in records.iter().zip(&others) {
                for (t, told) in record.telemetry[m].iter().enumerate() {
                    if m == 1 || [1, 3].contains(&t) {
                        assert_eq!(*told, Telemetry::default(), "member {m}, tensor {t}");
                    } else {
                        assert_eq!(*told, other.telemetry[m][t], "member {m}, tensor {t}");
                        assert!(told.update > 0.0);
                    }
                }
            }
        }
        assert_ne!(first[0].0, rig.parameters(0));
        // A bad gradient of what stands is nobody's.
        let mut bad = plan.noise(10);
        bad[1][5] = f64::NAN;
        rig.give(0, &bad);
        rig.give(1, &super::mapped(&bad, |_| f64::NAN));
        rig.run(3, &[Call { active: vec![true, false, true], ..call.clone() }]);
        for m in 0..3 {
            assert_eq!(rig.engine.first_non_finite(m).expect("flags"), None);
        }
        same("a member of NaNs", &rig.parameters(1), &first[1].0);
    }
}
