//! The training step on a GPU: what `training.rs` asks of the CPU, the fused update, and the adapter's limits.
#![allow(clippy::result_large_err, reason = "the library's error type is what it is, and tests are not hot")]

#[path = "training/augment.rs"]
mod augment;
#[path = "training/bounds.rs"]
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
#[path = "training/limits.rs"]
mod limits;
#[path = "training/resume.rs"]
mod resume;
#[path = "training/schedules.rs"]
mod schedules;
#[path = "training/second.rs"]
mod second;
#[path = "training/steps.rs"]
mod steps;
mod support;
#[path = "training/tensors.rs"]
mod tensors;
#[path = "training/trajectory.rs"]
mod trajectory;
#[path = "training/trouble.rs"]
mod trouble;
#[path = "training/updates.rs"]
mod updates;
#[path = "training/whole.rs"]
#[expect(dead_code, reason = "golden trajectories are held in f64")]
mod whole;
#[path = "training/whole_runs.rs"]
mod whole_runs;
#[path = "training/whole_split.rs"]
mod whole_split;

use std::path::Path;
use std::sync::LazyLock;

use libtest_mimic::{Failed, Trial};
use thalweg::device::Device;
use thalweg::device::gpu::{Gpu, Options};
use thalweg::train::Trainer;
use thalweg::train::config::RunConfig;

static GPU: LazyLock<Gpu> = LazyLock::new(|| support::open(Options::default()).expect("the adapter opened before"));

/// The default run, as `thalweg` without arguments makes it: what README.md promises, on the adapter.
fn headline() -> Result<(), Failed> {
    let config = RunConfig::parse("", &[])?;
    let data = config.data.source.load(Path::new(""), config.data.validation)?;
    let mut trainer = Trainer::new(&Device::Gpu(GPU.clone()), &config.model()?, &data, config.recipe(None))?;
    let told = common::go(&mut trainer, None)?;
    let last = told.epochs.last().ok_or("no epoch")?;
    assert_eq!(last.epoch, 30);
    assert!(last.val_accuracy.is_some_and(|share| share >= 0.97), "{last:?}");
    Ok(())
}

fn main() {
    let mut trials: Vec<Trial> = Vec::new();
    macro_rules! as_on_the_cpu {
        ($($module:ident :: $name:ident),* $(,)?) => {$(
            trials.push(support::trial(concat!(stringify!($module), "::", stringify!($name)), || {
                $module::$name(&Device::Gpu(GPU.clone()));
                Ok(())
            }));
        )*};
    }
    common::on_any_device!(as_on_the_cpu);
    as_on_the_cpu!(limits::a_population_is_its_members);
    // 21 568 elements of a member's flat buffers, a tensor of 13 000 over two windows, each where WebGPU's default limits let a
    // binding begin; grids of one workgroup an axis.
    let windows = Options { max_elements: Some(13_056), checked: true, default_limits: true, ..Options::default() };
    let folded = Options { max_groups: Some(1), ..Options::default() };
    for (name, options) in [("windows", windows), ("folded", folded)] {
        macro_rules! fused {
            ($($test:ident),* $(,)?) => {$(
                let options = options.clone();
                trials.push(support::trial(format!("fused::{} {name}", stringify!($test)), move || {
                    fused::$test(&Device::Gpu(support::open(options)?));
                    Ok(())
                }));
            )*};
        }
        fused!(
            parts_are_a_whole,
            a_running_average_follows_its_formula,
            averages_are_swapped_and_reset,
            clipping_follows_the_formula,
            clipping_hides_no_bad_number,
            frozen_gradients_count_for_nothing,
            half_states_are_held_as_they_say,
            odd_numbers_are_held,
            half_states_go_on_where_they_were,
            long_means_move_in_bf16,
            what_stands_keeps_every_bit,
            trust_ratios_follow_the_formula,
            trust_ratios_beyond_the_floats_are_none,
            bare_tensors_take_their_gradient,
            telemetry_is_what_happened,
            telemetry_comes_when_asked,
            everything_at_once,
        );
    }
    for (i, optimizer) in bounds::forms().into_iter().enumerate() {
        let (rule, convention) = (optimizer.rule().name(), optimizer.rule().convention());
        let name = format!("{i} {rule} {convention}");
        let form = optimizer.clone();
        trials.push(support::trial(format!("updates::follows_the_formula {name}"), move || {
            match form.rule().trust_ratio() {
                true => Ok(updates::follows_the_ratio(&GPU, &form)?),
                false => Ok(updates::follows_the_formula(&GPU, &form)?),
            }
        }));
        let form = optimizer.clone();
        trials.push(support::trial(format!("updates::members_windows_and_folds {name}"), move || {
            Ok(updates::members_windows_and_folds_change_no_bit(&form)?)
        }));
        if optimizer.rule().trust_ratio() {
            continue; // what a whole tensor decides is held above
        }
        trials.push(support::trial(format!("trajectory::anchored {name}"), move || {
            let seen = trajectory::anchored(&GPU, &common::plain(), &common::rows(24, 5, 8), 8, &optimizer, 20)?;
            // So that passing says something.
            assert!(seen.loss < 1e-4 && seen.sharp > 0.8, "losses to {:e}, {} sharp", seen.loss, seen.sharp);
            Ok(())
        }));
    }
    for entry in thalweg::optim::ALL {
        trials.push(support::trial(format!("updates::follows_the_libraries {}", entry.name), || {
            Ok(updates::follows_the_libraries(&GPU, entry.name)?)
        }));
    }
    trials.extend([
        support::trial("limits::default_limits", || Ok(limits::default_limits_change_no_bit()?)),
        support::trial("limits::many_bindings", || Ok(limits::many_bindings(20_480)?)),
        support::trial("limits::sums_of_many_bindings", || Ok(limits::sums_of_many_bindings(&GPU)?)),
        support::trial("limits::vectors", || {
            let small = Options { max_elements: Some(640), checked: true, ..Options::default() };
            second::vectors_are_those_in_memory(&Device::Gpu(support::open(small)?));
            Ok(())
        }),
        support::trial("limits::folded_grids", || Ok(limits::folded_grids(&GPU)?)),
        support::trial("limits::a_population_in_small_bindings", || {
            limits::a_population_in_small_bindings_is_its_members(&GPU);
            Ok(())
        }),
        support::trial("limits::nameless", || {
            limits::an_adapter_without_a_name_is_refused();
            Ok(())
        }),
        support::trial("limits::streamed", || Ok(limits::data_beyond_the_memory_are_streamed()?)),
        support::trial("limits::validation", || {
            Ok(limits::validation_takes_the_runs_minibatch_where_memory_is_short()?)
        }),
        support::trial("limits::memory", || Ok(limits::memory_is_limited_counted_and_given_back()?)),
        support::trial("limits::largest_buffer", || {
            limits::a_model_beyond_the_largest_buffer_is_refused();
            Ok(())
        }),
        support::trial("whole::windows_and_folds", || {
            whole_split::windows_and_folds_change_no_bit(&GPU);
            Ok(())
        }),
        support::trial("tensors::graphs", || Ok(tensors::graphs_follow_their_twins(&GPU)?)),
        support::trial("headline", headline),
        support::trial("limits::lost", || Ok(limits::a_lost_device_loses_no_checkpoint(&GPU)?)),
    ]);
    support::main(trials);
}
