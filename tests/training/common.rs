//! Small data, small models, and runs that keep all they said.

use std::path::Path;

use thalweg::data::{Dataset, Split, Targets, Values};
use thalweg::device::Device;
use thalweg::nn::{Dropout, Linear, Model, Relu, Sequential, Tanh};
use thalweg::optim::Optimizer;
use thalweg::rng::Stream;
use thalweg::train::checkpoint::Checkpoint;
use thalweg::train::{End, EpochEvent, Event, Flow, Recipe, StepEvent, Trainer};

/// Gives `each` the tests that the CPU in both precisions and a GPU are held to alike, each of a `&Device`.
macro_rules! on_any_device {
    ($each:ident) => {
        $each!(
            augment::images_change_the_same_way_again,
            augment::images_change_on_after_a_stop,
            augment::validation_images_stay,
            augment::what_is_no_image_is_refused,
            embedding::words_are_learnt,
            embedding::the_first_losses_are_those_in_f64,
            embedding::what_names_no_row_is_refused,
            embedding::engines_refuse_the_other_kind,
            fused::parts_are_a_whole,
            fused::a_running_average_follows_its_formula,
            fused::averages_are_swapped_and_reset,
            fused::clipping_follows_the_formula,
            fused::clipping_hides_no_bad_number,
            fused::frozen_gradients_count_for_nothing,
            fused::half_states_are_held_as_they_say,
            fused::odd_numbers_are_held,
            fused::half_states_go_on_where_they_were,
            fused::long_means_move_in_bf16,
            fused::what_stands_keeps_every_bit,
            fused::trust_ratios_follow_the_formula,
            fused::trust_ratios_beyond_the_floats_are_none,
            fused::bare_tensors_take_their_gradient,
            fused::telemetry_is_what_happened,
            fused::telemetry_comes_when_asked,
            fused::setups_that_do_not_fit_are_refused,
            fused::calls_that_do_not_fit_are_refused,
            fused::everything_at_once,
            resume::same_seed_same_bits,
            resume::in_the_middle_of_an_epoch,
            resume::at_an_epochs_last_step,
            resume::with_every_optimizer,
            resume::more_epochs,
            resume::of_another_run_is_refused,
            resume::of_other_states_is_refused,
            resume::from_where_no_run_can_be_is_refused,
            resume::no_epochs_line_is_lost,
            kept::is_what_the_steps_make_of_it,
            kept::is_used_but_not_changed_by_evaluation,
            kept::is_resumed_exactly,
            kept::goes_through_a_file,
            kept::is_each_members_own,
            kept::may_become_what_another_was,
            kept::that_is_no_number_is_refused,
            second::lbfgs_finds_scipys_minimiser,
            second::newton_finds_scipys_minimiser,
            second::newton_trains_a_network,
            second::lbfgs_is_resumed_exactly,
            second::every_step_takes_all_rows,
            second::a_step_is_of_one_function,
            second::what_second_order_cannot_train_is_refused,
            second::what_is_no_number_moves_nothing,
            second::vectors_are_those_in_memory,
            second::a_hidden_layer_is_trained,
            steps::rows_that_fill_no_minibatch_are_left_out,
            steps::rows_in_order_and_a_short_last_minibatch,
            steps::losses_are_those_before_the_update,
            steps::rates_follow_the_schedule,
            schedules::a_plateau_follows_the_validation_loss,
            schedules::a_plateau_is_resumed_exactly,
            schedules::momentum_moves_with_the_step,
            schedules::momentum_that_is_not_there_is_refused,
            schedules::a_rate_of_0_is_one,
            trouble::a_rate_too_high_is_named,
            trouble::data_that_overflow_are_named,
            trouble::a_stop_keeps_no_weights_that_are_none,
            trouble::every_optimizer_reports_a_gradient_that_is_no_number,
            trouble::misuse_is_refused,
            trouble::numbers_beyond_the_devices_floats_are_refused,
            trouble::setups_that_do_not_hold_together_are_refused,
            trouble::an_input_of_the_models_own_is_refused,
            whole::directions_are_the_graphs,
            whole::clipping_goes_before_directions,
            whole::parts_silence_and_standing,
            whole::a_bad_gradient_is_named,
            whole::dead_rows_and_columns_stay_numbers,
            whole_runs::all_that_an_update_does_is_resumed_exactly,
            whole_runs::members_are_runs_of_their_own,
            whole_runs::groups_are_followed,
            whole_runs::minibatches_add_up,
            whole_runs::momentum_moves,
            whole_runs::what_does_not_hold_together_is_refused,
            whole_runs::without_a_matrix_it_is_the_elements_rule,
        );
    };
}
pub(crate) use on_any_device;

/// `count` numbers in `[−1, 1)` that f32 holds exactly.
pub fn noise(count: usize, salt: u32) -> Vec<f64> {
    let stream = Stream::new(41, 0, salt);
    (0..count as u32).map(|i| f64::from((2.0 * stream.uniform(i) - 1.0) as f32)).collect()
}

/// Rows of `width` numbers whose class, of three, is that of the largest of the first three.
pub fn rows(count: usize, width: usize, salt: u32) -> Dataset {
    let features = noise(count * width, salt);
    let class = |row: &[f64]| (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("three");
    let labels = features.chunks(width).map(|row| class(row) as u32).collect();
    Dataset::new(Values::F64(features), [width].into(), Targets::Classes { labels, classes: 3 }).expect("data")
}

/// 22 rows to train on, so that minibatches of 4 leave one of 2, and 5 to judge by.
pub fn data() -> Split {
    Split { train: rows(22, 5, 1), validation: Some(rows(5, 5, 2)), description: "noise".into() }
}

pub fn dropping() -> Sequential {
    let hidden = |width| Linear::new(width);
    Sequential::new().add(hidden(9)).add(Relu).add(Dropout { p: 0.4 }).add(hidden(7)).add(Tanh).add(hidden(3))
}

pub fn plain() -> Sequential {
    Sequential::new().add(Linear::new(9)).add(Tanh).add(Linear::new(3))
}

pub fn recipe() -> Recipe {
    Recipe { epochs: 4, batch_size: 4, seed: 7, ..Recipe::default() }
}

pub fn optimizer(toml: &str) -> Optimizer {
    toml::from_str(toml).expect("an optimizer")
}

/// All that a run said and where it ended.
pub struct Told {
    pub end: End,
    pub steps: Vec<StepEvent>,
    pub epochs: Vec<EpochEvent>,
    pub last: Checkpoint,
}

/// Runs on, until done or, with `stop`, until that many steps were seen.
pub fn go(trainer: &mut Trainer, stop: Option<usize>) -> thalweg::Result<Told> {
    let (mut steps, mut epochs) = (Vec::new(), Vec::new());
    let end = trainer.run(&mut |event| {
        match event {
            Event::Step(step) => steps.push(*step),
            // Timings are no part of what a run computes.
            Event::Epoch(epoch) => epochs.push(EpochEvent { seconds: 0.0, examples_per_second: 0.0, ..*epoch }),
            other => panic!("{other:?}"),
        }
        if stop.is_some_and(|at| steps.len() >= at) { Flow::Stop } else { Flow::Continue }
    })?;
    Ok(Told { end, steps, epochs, last: trainer.checkpoint()? })
}

pub fn trainer(device: &Device, model: &dyn Model, data: &Split, recipe: &Recipe) -> Trainer {
    Trainer::new(device, model, data, recipe.clone()).expect("a trainer")
}

/// The history's lines without their timings.
pub fn history(folder: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join("history.jsonl")).expect("a history");
    let line = |line: &str| {
        let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let fields = value.as_object_mut().expect("an object");
        for timing in ["seconds", "examples_per_second"] {
            assert!(fields.remove(timing).is_some(), "{timing} is missing");
        }
        value
    };
    text.lines().map(line).collect()
}
