//! A population: each member has the bits it has alone, on both devices; one that diverges stays, the others go on; what is kept
//! is resumed exactly.
#![allow(clippy::result_large_err, reason = "the library's error type is what it is, and tests are not hot")]

#[path = "population/alone.rs"]
mod alone;
#[path = "training/common.rs"]
#[allow(dead_code, unused_macros, unused_imports, reason = "the tests of training use more of it")]
mod common;
#[path = "population/diverged.rs"]
mod diverged;
#[path = "population/kept.rs"]
mod kept;
#[path = "population/refused.rs"]
mod refused;
mod support;

use libtest_mimic::Trial;
use thalweg::device::gpu::Options;
use thalweg::device::{Device, Precision};

fn main() {
    let mut trials: Vec<Trial> = Vec::new();
    type Check = fn(&Device);
    let everywhere: [(&str, Check); 17] = [
        ("a member is a run of its own", alone::a_member_is_a_run_of_its_own),
        ("with all that an update does", alone::with_all_that_an_update_does),
        ("under every rule", alone::under_every_rule),
        ("a setting has a constant's bits", alone::a_setting_has_a_constants_bits),
        ("one dropout by its name", alone::one_dropout_by_its_name),
        ("images change for each member", alone::images_change_for_each_member),
        ("a member alone in its population", alone::a_member_alone_in_its_population),
        ("engines take settings at any time", alone::engines_take_settings_at_any_time),
        ("one diverges and the others go on", diverged::one_diverges_and_the_others_go_on),
        ("a tensor that is no number", diverged::a_tensor_that_is_no_number),
        ("all diverge", diverged::all_diverge),
        ("stopped and gone on", kept::stopped_and_gone_on),
        ("stopped and gone on with everything", kept::stopped_and_gone_on_with_everything),
        ("gone on after one diverged", kept::gone_on_after_one_diverged),
        ("a crash between the members' files", kept::a_crash_between_the_members_files),
        ("a member goes on alone", kept::a_member_goes_on_alone),
        ("what is refused", refused::what_does_not_hold_together),
    ];
    for (name, check) in everywhere {
        for precision in [Precision::F32, Precision::F64] {
            trials.push(Trial::test(format!("{name} cpu {}", precision.name()), move || {
                check(&Device::Cpu(precision));
                Ok(())
            }));
        }
        trials.push(support::trial(format!("{name} gpu"), move || {
            check(&Device::Gpu(support::open(Options::default())?));
            Ok(())
        }));
    }
    trials.push(Trial::test("folders of another kind are refused", || {
        refused::folders_of_another_kind();
        Ok(())
    }));
    support::main(trials);
}
