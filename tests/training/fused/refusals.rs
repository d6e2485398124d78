//! Setups and calls that ask for what is not there.

use thalweg::device::{Call, Device, Part, Precision, Setup, Update};
use thalweg::error::DeviceError;
use thalweg::optim::{Clip, MAX_GROUPS};

use super::{Plan, eighth, sgd};
use crate::given;

#[track_caller]
fn refused<T>(result: Result<T, DeviceError>, wanted: &str) {
    match result.err() {
        Some(DeviceError::Feed { name, expected, found }) => {
            assert_eq!(name, wanted);
            assert!(!expected.is_empty() && !found.is_empty());
        }
        other => panic!("{wanted}: {other:?}"),
    }
}

pub fn setups_that_do_not_fit_are_refused(device: &Device) {
    let plan = Plan::new(sgd(), Update::default(), 2);
    let refused = |change: fn(&mut Setup), wanted: &str| {
        let mut setup = plan.setup();
        change(&mut setup);
        match given::engine(device, setup).err() {
            Some(thalweg::Error::Device(error)) => refused::<()>(Err(error), wanted),
            other => panic!("{wanted}: {other:?}"),
        }
    };
    refused(|setup| setup.update.clip = Some(Clip::Value(0.0)), "clip");
    refused(|setup| setup.update.clip = Some(Clip::Value(f64::NAN)), "clip");
    refused(|setup| setup.update.clip = Some(Clip::Norm { maximum: f64::INFINITY, epsilon: 0.0 }), "clip");
    refused(|setup| setup.update.clip = Some(Clip::TensorNorm { maximum: 1.0, epsilon: -1.0 }), "clip");
    refused(|setup| setup.update.bare = vec![1, 6], "tensors without states");
    refused(|setup| setup.groups[2] = MAX_GROUPS + 1, "parameter groups");
    refused(|setup| setup.groups.truncate(5), "parameter groups");
    refused(|setup| setup.buffers[0].name = "w0".into(), "tensors");
    refused(|setup| setup.seeds.clear(), "seeds");
}

pub fn calls_that_do_not_fit_are_refused(device: &Device) {
    let mut rig = Plan::new(sgd(), Update::default(), 2).open(device);
    let good = rig.call(eighth());
    let mut submit = |call: Call| rig.engine.submit(0, 0, &[call]);
    for part in [Part::First, Part::Next, Part::Last] {
        refused(submit(Call { part, ..good.clone() }), "part of a minibatch");
    }
    refused(submit(Call { telemetry: true, ..good.clone() }), "telemetry");
    refused(submit(Call { active: vec![true], ..good.clone() }), "active members");
    refused(submit(Call { active: vec![true; 3], ..good.clone() }), "active members");
    refused(submit(Call { share: f64::NAN, ..good.clone() }), "step");
    refused(submit(Call { average: f64::INFINITY, ..good.clone() }), "step");
    let wide = submit(Call { share: 1e39, ..good.clone() });
    match device.precision() {
        Precision::F32 => refused(wide, "step"),
        Precision::F64 => wide.expect("a share that f64 holds"),
    }
    refused(submit(Call { hyper: good.hyper[1..].to_vec(), ..good.clone() }), "hyper-parameters");
    refused(submit(Call { hyper: Vec::new(), ..good.clone() }), "hyper-parameters");
    submit(good.clone()).expect("a step");

    let update = Update { accumulate: true, ..Update::default() };
    let mut rig = Plan::new(sgd(), update, 2).open(device);
    let good = rig.call(eighth());
    // A part without an update has no numbers of one.
    refused(rig.engine.submit(0, 0, &[Call { part: Part::First, ..good.clone() }]), "hyper-parameters");
    refused(rig.engine.submit(0, 0, &[Call { part: Part::Last, hyper: Vec::new(), ..good }]), "hyper-parameters");
}
