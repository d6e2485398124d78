//! The training step on the CPU, in f32 and f64. `training_gpu.rs` holds a GPU to the same and more.
#![allow(clippy::result_large_err, reason = "the library's error type is what it is, and tests are not hot")]

#[path = "training/common.rs"]
mod common;
#[path = "training/given.rs"]
mod given;
#[path = "training/resume.rs"]
mod resume;
#[path = "training/steps.rs"]
mod steps;
#[path = "training/trouble.rs"]
mod trouble;

use thalweg::device::{Device, Precision};

macro_rules! on_the_cpu {
    ($($module:ident :: $name:ident),* $(,)?) => {$(
        mod $name {
            use super::*;

            #[test]
            fn f32() {
                $module::$name(&Device::Cpu(Precision::F32));
            }

            #[test]
            fn f64() {
                $module::$name(&Device::Cpu(Precision::F64));
            }
        }
    )*};
}

on_the_cpu!(
    resume::same_seed_same_bits,
    resume::in_the_middle_of_an_epoch,
    resume::at_an_epochs_last_step,
    resume::with_every_optimizer,
    resume::more_epochs,
    resume::of_another_run_is_refused,
    resume::of_other_states_is_refused,
    resume::from_where_no_run_can_be_is_refused,
    resume::no_epochs_line_is_lost,
    steps::rows_in_order_and_a_short_last_minibatch,
    steps::losses_are_those_before_the_update,
    steps::rates_follow_the_schedule,
    trouble::a_rate_too_high_is_named,
    trouble::data_that_overflow_are_named,
    trouble::a_stop_keeps_no_weights_that_are_none,
    trouble::every_optimizer_reports_a_gradient_that_is_no_number,
    trouble::misuse_is_refused,
    trouble::an_input_of_the_models_own_is_refused,
);
