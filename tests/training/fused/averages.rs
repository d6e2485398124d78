//! Running averages of the parameters.

use thalweg::device::{Call, Device, Update};
use thalweg::error::DeviceError;

use super::{Plan, eighth, mapped, same, sgd};

fn update() -> Update {
    Update { average: true, ..Update::default() }
}

/// a ← a + share·(p − a) in numbers that no arithmetic rounds.
pub fn a_running_average_follows_its_formula(device: &Device) {
    for members in [1, 3] {
        let plan = Plan::new(sgd(), update(), members);
        let mut rig = plan.open(device);
        let gradients = |m: usize| plan.dyadic(10 + m, 6);
        rig.begin(|m| plan.dyadic(m, 6), gradients);
        let shares = [0.5, 0.25, 0.0, 0.125, 0.5];
        let calls = shares.map(|average| Call { average, ..rig.call(eighth()) });
        rig.run(0, &calls[..2]);
        rig.run(2, &calls[2..]);
        for m in 0..members {
            let (mut p, mut a) = (plan.dyadic(m, 6), plan.dyadic(m, 6));
            for share in shares {
                for ((p, a), g) in p.iter_mut().flatten().zip(a.iter_mut().flatten()).zip(gradients(m).iter().flatten())
                {
                    *p -= 0.125 * g;
                    *a += share * (*p - *a);
                }
            }
            same("parameters", &rig.parameters(m), &p);
            same("averages", &rig.averages(m), &a);
        }
        // A share of 1 takes them as they are, whatever the average was.
        for m in 0..members {
            rig.engine.set_averages(m, &mapped(&plan.noise(30), |x| 1e6 * x)).expect("averages");
            rig.give(m, &plan.noise(20 + m));
        }
        rig.run(5, &[rig.call(eighth())]);
        for m in 0..members {
            let parameters = rig.parameters(m);
            same("a share of 1", &rig.averages(m), &parameters);
        }
    }
}

pub fn averages_are_swapped_and_reset(device: &Device) {
    let plan = Plan::new(sgd(), update(), 3);
    let mut rig = plan.open(device);
    rig.begin(|m| plan.dyadic(m, 6), |m| plan.dyadic(10 + m, 6));
    rig.run(0, &[Call { average: 0.25, ..rig.call(eighth()) }]);
    let read = |rig: &mut super::Rig| (0..3).map(|m| (rig.parameters(m), rig.averages(m))).collect::<Vec<_>>();
    let before = read(&mut rig);
    let judged = |rig: &mut super::Rig| {
        let record = rig.run(0, &[Call::evaluate(rig.evaluation)]).remove(0);
        (0..3).map(|m| record[m][0]).collect::<Vec<_>>()
    };
    let was: Vec<[f64; 2]> = before.iter().map(|(p, a)| [p[0][0], a[0][0]]).collect();
    assert_eq!(judged(&mut rig), was.iter().map(|was| was[0]).collect::<Vec<_>>());
    rig.engine.swap_averages().expect("a swap");
    let swapped = read(&mut rig);
    for ((p, a), (was_p, was_a)) in swapped.iter().zip(&before) {
        same("parameters", p, was_a);
        same("averages", a, was_p);
    }
    assert_ne!(before[0].0, before[0].1);
    assert_eq!(judged(&mut rig), was.iter().map(|was| was[1]).collect::<Vec<_>>());
    rig.engine.swap_averages().expect("a swap");
    assert_eq!(read(&mut rig), before);
    // Of one member alone.
    rig.engine.set_parameters(1, &plan.noise(7)).expect("parameters");
    let mut reset = before.clone();
    reset[1] = (plan.noise(7), plan.noise(7));
    assert_eq!(read(&mut rig), reset);
    rig.engine.set_averages(2, &plan.noise(8)).expect("averages");
    reset[2].1 = plan.noise(8);
    assert_eq!(read(&mut rig), reset);

    let mut without = Plan::new(sgd(), Update::default(), 1).open(device);
    assert!(without.averages(0).is_empty());
    for refused in [without.engine.swap_averages(), without.engine.set_averages(0, &plan.noise(1))] {
        assert!(matches!(&refused, Err(DeviceError::Feed { name, .. }) if name == "averages"), "{refused:?}");
    }
    let mut short = plan.noise(1);
    short[1].pop();
    let refused = rig.engine.set_averages(0, &short);
    assert!(matches!(&refused, Err(DeviceError::Feed { name, .. }) if name == "w1"), "{refused:?}");
    let refused = rig.engine.averages(3);
    assert!(matches!(&refused, Err(DeviceError::Feed { name, .. }) if name == "member"), "{refused:?}");
}
