//! What an update does beside its rule, run by run: PyTorch's and Keras's own runs, PyTorch's states gone on from, and how all
//! of it is stopped, kept, refused and told. `golden/updates/generate.py` made the files and says how far rounding carries a run.
#![allow(clippy::result_large_err, reason = "the library's error type is what it is, and tests are not hot")]

#[path = "updates/accumulated.rs"]
mod accumulated;
#[path = "training/common.rs"]
#[allow(dead_code, unused_macros, unused_imports, reason = "the tests of training use more of it")]
mod common;
#[path = "updates/kept.rs"]
mod kept;
#[path = "updates/libraries.rs"]
mod libraries;
#[path = "updates/states.rs"]
mod states;
mod support;
#[path = "updates/written.rs"]
mod written;
#[path = "updates/wrong_states.rs"]
mod wrong_states;

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use thalweg::device::gpu::Options;
use thalweg::device::{Device, Precision};

type Check = Arc<dyn Fn(&Device) -> Result<(), Failed> + Send + Sync>;

fn main() {
    let mut trials = Vec::new();
    let mut everywhere = |name: String, check: Check| {
        for precision in [Precision::F32, Precision::F64] {
            let check = check.clone();
            let name = format!("{name} cpu {}", precision.name());
            trials.push(Trial::test(name, move || check(&Device::Cpu(precision))));
        }
        trials.push(support::trial(format!("{name} gpu"), move || {
            check(&Device::Gpu(support::open(Options::default())?))
        }));
    };
    for (name, check) in libraries::checks().into_iter().chain(states::checks()) {
        everywhere(name, check);
    }
    type Plain = fn(&Device) -> Result<(), Failed>;
    let checks: [(&str, Plain); 9] = [
        ("a run stops between two updates", kept::between_two_updates),
        ("all of it is resumed exactly", kept::resumed_exactly),
        ("what was told of steps to be made again is dropped", kept::telemetry_is_rewound),
        ("what another run had is refused", kept::another_runs_is_refused),
        ("the average is judged as its file is", kept::the_average_is_judged_as_its_file_is),
        ("rates and schedules count updates", accumulated::rates_count_updates),
        ("parts are one minibatch", accumulated::parts_are_one_minibatch),
        ("each member is itself alone", accumulated::members_are_themselves_alone),
        ("a wrong state changes nothing", wrong_states::changes_nothing),
    ];
    for (name, check) in checks {
        everywhere(name.into(), Arc::new(check));
    }
    trials.extend(wrong_states::trials());
    trials.extend(written::trials());
    support::main(trials);
}
