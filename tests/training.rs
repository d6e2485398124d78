//! The training step on the CPU, in f32 and f64. `training_gpu.rs` holds a GPU to the same and more.
#![allow(clippy::result_large_err, reason = "the library's error type is what it is, and tests are not hot")]

#[path = "training/augment.rs"]
mod augment;
#[path = "training/bounds.rs"]
#[expect(dead_code, reason = "all rules' forms are for a GPU")]
mod bounds;
#[path = "optimizers/case.rs"]
mod case;
#[path = "training/common.rs"]
mod common;
#[path = "training/embedding.rs"]
mod embedding;
#[path = "training/fused.rs"]
mod fused;
#[path = "training/given.rs"]
mod given;
#[path = "training/golden.rs"]
mod golden;
#[path = "training/kept.rs"]
mod kept;
#[path = "training/resume.rs"]
mod resume;
#[path = "training/schedules.rs"]
mod schedules;
#[path = "training/second.rs"]
mod second;
#[path = "training/steps.rs"]
mod steps;
#[path = "training/trouble.rs"]
mod trouble;
#[path = "training/whole.rs"]
mod whole;
#[path = "training/whole_runs.rs"]
mod whole_runs;

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

common::on_any_device!(on_the_cpu);

#[test]
fn golden_tensors_in_f64() {
    whole::golden_tensors_in_f64();
}

/// To 1e-9, whatever a library's order of operations; `optimizers.rs` holds the rules themselves to 1e-12.
#[test]
fn golden_trajectories_in_f64() {
    for case in thalweg::optim::ALL.iter().flat_map(|entry| case::of(entry.name)).filter(|case| !case.transformed()) {
        let found = golden::trained(&Device::Cpu(Precision::F64), &case).expect("the engine trains");
        for (found, golden) in found.iter().zip(golden::expected(&case)) {
            assert_eq!(found.len(), golden.len());
            for (x, y) in found.iter().zip(golden) {
                assert!((x - y).abs() <= 1e-9, "{:?}: {x}, golden {y}", case.table());
            }
        }
    }
}
