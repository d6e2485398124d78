//! Updates of several minibatches, and what counts them.

use libtest_mimic::Failed;
use thalweg::data::Split;
use thalweg::device::{Device, Precision};
use thalweg::optim::Clip;
use thalweg::train::{Event, Recipe, StepEvent, UpdateOptions};

use super::common::{data, optimizer, plain, recipe, rows, trainer};
use super::kept::{self, listen, normed};

fn steps(said: &[Event]) -> Vec<StepEvent> {
    said.iter().filter_map(|event| if let Event::Step(step) = event { Some(*step) } else { None }).collect()
}

/// All minibatches of an update have its rate, and an epoch's last update may have fewer.
pub fn rates_count_updates(device: &Device) -> Result<(), Failed> {
    let rates = |schedule: &str, warmup: &str| -> Result<Vec<f64>, Failed> {
        let schedule = toml::from_str(&format!("{schedule}\n{warmup}"))?;
        let update = UpdateOptions { accumulate: 4, ..UpdateOptions::default() };
        let optimizer = optimizer("name = 'sgd'\nlearning_rate = 1.0").into();
        let recipe = Recipe { optimizer, schedule, update, epochs: 3, ..recipe() };
        let said = listen(&mut trainer(device, &plain(), &data(), &recipe), None)?;
        Ok(steps(&said).iter().map(|step| step.learning_rate).collect())
    };
    // 6 minibatches an epoch are an update of 4 and one of 2.
    let spread = |updates: [f64; 6]| -> Vec<f64> {
        let twice = updates.chunks(2).flat_map(|pair| [[pair[0]; 4].to_vec(), [pair[1]; 2].to_vec()].concat());
        twice.collect()
    };
    let inverse = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].map(|t| 1.0 / (1.0 + 0.5 * t));
    assert_eq!(rates("name = 'inverse'\nrate = 0.5\nunit = 'step'", "")?, spread(inverse));
    assert_eq!(rates("name = 'step'\nevery = 1\nfactor = 0.5", "")?, spread([1.0, 1.0, 0.5, 0.5, 0.25, 0.25]));
    let ramp = rates("name = 'constant'", "warmup = { over = 4, unit = 'step' }")?;
    assert_eq!(ramp.len(), 18);
    assert!(ramp.chunks(6).all(|epoch| epoch[..4].iter().all(|&r| r == epoch[0]) && epoch[4] == epoch[5]), "{ramp:?}");
    assert!(ramp[0] < ramp[4] && ramp[4] < ramp[6] && ramp[6] < ramp[10] && ramp[12..] == [1.0; 6], "{ramp:?}");
    Ok(())
}

/// 4 times 16 rows are 64, and 16, 16, 16, 2 are 50: the mean is over rows. In f64 within rounding; one update in f32 within
/// `2nu` of the step, for `n` below the roundings of two sums over 64 rows and 17 products and a softmax.
pub fn parts_are_one_minibatch(device: &Device) -> Result<(), Failed> {
    for (count, batch) in [(128, 64), (114, 64), (50, 50)] {
        let data = Split { train: rows(count, 5, 6), validation: None, description: "noise".into() };
        let precise = device.precision() == Precision::F64;
        let (epochs, rows) = if precise { (6, count) } else { (1, batch) };
        let data = if precise { data } else { Split { train: super::common::rows(rows, 5, 6), ..data } };
        for clip in [
            None,
            Some(Clip::Norm { maximum: 0.05, epsilon: 1e-6 }),
            Some(Clip::TensorNorm { maximum: 0.02, epsilon: 0.0 }),
        ] {
            let end = |batch_size, accumulate| {
                let update = UpdateOptions { accumulate, clip, average: Some(0.5), ..UpdateOptions::default() };
                let optimizer = optimizer("name = 'momentum'\nlearning_rate = 0.5").into();
                let recipe = Recipe { optimizer, batch_size, shuffle: false, epochs, update, ..recipe() };
                let mut run = trainer(device, &plain(), &data, &recipe);
                let start = run.checkpoint().expect("a checkpoint");
                listen(&mut run, None).map(|_| (start, run.checkpoint().expect("a checkpoint")))
            };
            let ((start, whole), (_, parts)) = (end(batch, 1)?, end(16, 4)?);
            let all = |c: &thalweg::train::checkpoint::Checkpoint| {
                let tensors = c.parameters.iter().chain(&c.averages);
                tensors.flat_map(|t| t.data.to_f64()).collect::<Vec<_>>()
            };
            let (start, whole, parts) = (all(&start), all(&whole), all(&parts));
            assert!(!precise || whole != parts, "sums of other orders round otherwise");
            for ((a, b), before) in whole.iter().zip(&parts).zip(&start) {
                let allowed = match precise {
                    true => 1e-12 * a.abs().max(1e-3),
                    // Terms of a gradient are at most 1 here, and its mean is moved by 0.5.
                    false => 0.5 * 2.0 * 256.0 * 2f64.powi(-24) + f64::from(f32::EPSILON) * before.abs(),
                };
                assert!((a - b).abs() <= allowed, "{count} rows, {clip:?}: {a} and {b}, {:e}", (a - b).abs());
            }
            let moved = whole.iter().zip(&start).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(moved > 1e-3, "nothing moved: {moved:e}");
        }
    }
    Ok(())
}

/// In a population too, with all options: running statistics see every minibatch.
pub fn members_are_themselves_alone(device: &Device) -> Result<(), Failed> {
    let recipe = kept::population();
    let mut together = trainer(device, &normed(), &data(), &recipe);
    listen(&mut together, None)?;
    for m in 0..2 {
        let mut alone = trainer(device, &normed(), &data(), &recipe.alone(m));
        listen(&mut alone, None)?;
        assert_eq!(alone.checkpoint()?, together.checkpoint_of(m)?, "member {m}");
    }
    assert_ne!(together.checkpoint_of(0)?.averages, together.checkpoint_of(1)?.averages);
    let counted = together.checkpoint()?.counters;
    assert_eq!(counted.iter().map(|c| c.value).collect::<Vec<_>>(), [24]);
    Ok(())
}
