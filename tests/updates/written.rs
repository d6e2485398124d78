//! The TOML form of what an update does beside its rule.

use libtest_mimic::{Failed, Trial};
use thalweg::optim::{Clip, Storage};
use thalweg::train::UpdateOptions;
use thalweg::train::config::RunConfig;

pub fn trials() -> Vec<Trial> {
    vec![Trial::test("what is written is read back", there_and_back), Trial::test("bad keys are named", bad)]
}

fn there_and_back() -> Result<(), Failed> {
    let mut seen = Vec::new();
    for (text, expected) in [
        ("", UpdateOptions::default()),
        ("[optimizer]\nstate = 'f16'", UpdateOptions { storage: Storage::F16, ..UpdateOptions::default() }),
        (
            "[optimizer.clip]\nnorm = 5",
            UpdateOptions { clip: Some(Clip::Norm { maximum: 5.0, epsilon: 1e-6 }), ..UpdateOptions::default() },
        ),
        (
            "[optimizer]\nname = 'sgd'\nconvention = 'keras'\nstate = 'bf16'\n[optimizer.clip]\ntensor_norm = 1e-3\n\
             [train]\naccumulate = 4\naverage = 0.999\ntelemetry = 10",
            UpdateOptions {
                storage: Storage::Bf16,
                clip: Some(Clip::TensorNorm { maximum: 1e-3, epsilon: 0.0 }),
                accumulate: 4,
                average: Some(0.999),
                telemetry: 10,
            },
        ),
        (
            "[optimizer.clip]\nvalue = 0.5\n[train]\naverage = 0.0",
            UpdateOptions { clip: Some(Clip::Value(0.5)), average: Some(0.0), ..UpdateOptions::default() },
        ),
    ] {
        let run = RunConfig::parse(text, &[])?;
        assert_eq!((run.update, run.recipe(None).update), (expected, expected), "{text}");
        let again = RunConfig::parse(&run.to_toml(), &[])?;
        assert_eq!(again, run, "{}", run.to_toml());
        seen.push(run.to_toml());
    }
    seen.dedup();
    assert_eq!(seen.len(), 5);
    let set = [("train.average", "0.5"), ("optimizer.clip.norm", "2"), ("optimizer.state", "f16")];
    let run = RunConfig::parse("", &set.map(|(key, value)| (key.to_owned(), value.to_owned())))?;
    assert_eq!((run.update.average, run.update.storage), (Some(0.5), Storage::F16));
    assert_eq!(run.update.clip.map(|clip| clip.maximum()), Some(2.0));
    Ok(())
}

fn bad() -> Result<(), Failed> {
    for (text, named) in [
        ("[train]\naccumulate = 0", &["train.accumulate", "0"][..]),
        ("[train]\naccumulate = 1.5", &["train.accumulate", "1.5"]),
        ("[train]\naccumulate = -4", &["train.accumulate", "-4"]),
        ("[train]\naverage = 1", &["train.average", "[0, 1)", "1"]),
        ("[train]\naverage = 1.0", &["train.average", "[0, 1)", "1"]),
        ("[train]\naverage = -0.1", &["train.average", "[0, 1)", "-0.1"]),
        ("[train]\naverage = nan", &["train.average", "[0, 1)"]),
        ("[train]\naverage = true", &["train.average", "true"]),
        ("[train]\naverge = 0.9", &["averge", "average"]),
        ("[train]\ntelemetry = -1", &["train.telemetry", "-1"]),
        ("[optimizer]\nstate = 'f64'", &["optimizer.state", "f64", "`f32`, `f16`, `bf16`"]),
        ("[optimizer]\nstate = 16", &["optimizer.state", "16"]),
        ("[optimizer.clip]\nnorm = 1\nvalue = 2", &["optimizer.clip.", "value", "norm", "one way"]),
        ("[optimizer.clip]\nnorm = 0", &["optimizer.clip.norm", "positive", "0"]),
        ("[optimizer.clip]\nvalue = -1", &["optimizer.clip.value", "positive", "-1"]),
        ("[optimizer.clip]\ntensor_norm = inf", &["optimizer.clip.tensor_norm", "positive", "inf"]),
        ("[optimizer.clip]\nnorm = 1e-50", &["optimizer.clip.norm", "1.2e-38"]),
        ("[optimizer.clip]\nglobal_norm = 1", &["global_norm", "norm"]),
        ("[optimizer]\nclip = 1", &["optimizer.clip", "1"]),
    ] {
        match RunConfig::parse(text, &[]) {
            Ok(run) => panic!("{text} is {:?}", run.update),
            Err(error) => {
                let said = error.to_string();
                for word in named {
                    assert!(said.contains(word), "{text}: `{said}` does not name `{word}`");
                }
            }
        }
    }
    Ok(())
}
