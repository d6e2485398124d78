//! The TOML form of populations and parameter groups: read, written, turned into recipes, and every way to get it wrong.

use thalweg::error::ConfigError;
use thalweg::train::config::{PopulationConfig, RunConfig, Seeds};
use thalweg::train::{Group, Spread};

fn parse(text: &str) -> Result<RunConfig, ConfigError> {
    RunConfig::parse(text, &[])
}

/// The error's text; it must hold all of `parts`.
#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let message = parse(text).expect_err("must be refused").to_string();
    for part in parts {
        assert!(message.contains(part), "`{message}` does not say `{part}`");
    }
}

const FULL: &str = r#"
[model]
layers = [
  { type = "flatten" },
  { type = "residual", layers = [{ type = "linear", out = 64 }, { type = "dropout", p = 0.5 }] },
  { type = "dropout", p = 0.25 },
  { type = "linear", out = 10 },
]
l2 = 0.5

[optimizer]
name = "momentum"
learning_rate = 0.1

[[optimizer.groups]]
pattern = "*.bias"
weight_decay = 0.0

[[optimizer.groups]]
pattern = "1.*"
learning_rate_factor = 0.1
frozen = true

[train]
seed = 7
population = 4

[population]
seed = [5, 6, 7, 8]
learning_rate = { log_uniform = [1e-4, 1e-1] }
momentum = [0, 0.5, 0.9, 0.99]
l2 = { choice = [0, 1e-3] }
dropout = { uniform = [0.1, 0.6] }
"#;

#[test]
fn every_field_is_read_and_written() -> Result<(), ConfigError> {
    let run = parse(FULL)?;
    assert_eq!((run.train.population, &run.population.seed), (4, &Seeds::Each(vec![5, 6, 7, 8])));
    assert_eq!(run.population.numbers["momentum"], Spread::Each(vec![0.0, 0.5, 0.9, 0.99]));
    assert_eq!(run.population.numbers["l2"], Spread::Choice(vec![0.0, 1e-3]));
    let biases = Group { weight_decay: Some(0.0), ..Group::new("*.bias") };
    let still = Group { learning_rate_factor: 0.1, frozen: true, ..Group::new("1.*") };
    assert_eq!(run.groups, [biases, still]);
    assert_eq!(RunConfig::parse(&run.to_toml(), &[])?, run);
    let recipe = run.recipe(None);
    assert_eq!((recipe.population(), recipe.groups.len(), recipe.shuffle_seed), (4, 2, None));
    for (m, own) in recipe.members.iter().enumerate() {
        assert_eq!((own.seed, own.optimizer["momentum"]), (Some(5 + m as u64), [0.0, 0.5, 0.9, 0.99][m]));
        assert!((1e-4..=1e-1).contains(&own.optimizer["learning_rate"]));
        assert!(own.l2.is_some_and(|l2| [0.0, 1e-3].contains(&l2)));
        assert!(own.dropout.is_some_and(|p| (0.1..=0.6).contains(&p)));
    }
    // What is drawn depends on nothing but seed, name and member.
    let fewer = RunConfig::parse(FULL, &[("population.l2".into(), "[0, 0, 1, 1]".into())])?.recipe(None);
    assert_eq!(fewer.members[3].optimizer, recipe.members[3].optimizer);
    assert_eq!(fewer.members[3].dropout, recipe.members[3].dropout);
    let other = RunConfig::parse(FULL, &[("train.seed".into(), "8".into())])?.recipe(None);
    assert_ne!(other.members[3].dropout, recipe.members[3].dropout);
    Ok(())
}

#[test]
fn a_members_own_run() -> Result<(), ConfigError> {
    let run = parse(FULL)?;
    let own = &run.members()[2];
    let alone = run.alone(2)?;
    assert_eq!(RunConfig::parse(&alone.to_toml(), &[])?, alone);
    assert_eq!((alone.train.population, alone.train.seed, alone.train.shuffle_seed), (1, 7, None));
    assert_eq!(run.alone(0)?.train.shuffle_seed, Some(7));
    assert!(alone.population.is_none() && alone.members().is_empty());
    assert_eq!(alone.optimizer().to_table()["momentum"].as_float(), Some(0.9));
    assert_eq!(alone.optimizer().to_table()["learning_rate"].as_float(), Some(own.optimizer["learning_rate"]));
    assert_eq!((Some(alone.model.l2), &alone.groups), (own.l2, &run.groups));
    let p = own.dropout.expect("a rate");
    let layers: Vec<String> = alone.model.layers.iter().map(ToString::to_string).collect();
    assert!(layers[1].contains(&format!("p = {p:?}")) && layers[2].contains(&format!("p = {p:?}")), "{layers:?}");
    Ok(())
}

#[test]
fn how_many_there_are() -> Result<(), ConfigError> {
    let one = parse("[train]\nseed = 3")?;
    assert_eq!((one.train.population, one.members().len(), one.population), (1, 0, PopulationConfig::default()));
    // By the lists.
    let two = parse("[population]\nlearning_rate = [1e-3, 1e-2]")?;
    assert_eq!((two.train.population, two.members()[1].seed), (2, Some(2)));
    // By seeds that count on.
    let three = parse("[train]\npopulation = 3\nseed = 9")?;
    assert_eq!(three.members().iter().map(|m| m.seed).collect::<Vec<_>>(), [Some(9), Some(10), Some(11)]);
    let same = parse("[population]\nseed = 4\nl2 = [0, 1, 2]")?;
    assert_eq!(same.members().iter().map(|m| m.seed).collect::<Vec<_>>(), [Some(4); 3]);
    // Not past the largest whole number of TOML, for each is written into its member's run.
    let last = parse(&format!("[train]\npopulation = 2\nseed = {}", i64::MAX))?;
    assert_eq!(last.members()[1].seed, Some(0));
    assert_eq!(RunConfig::parse(&last.alone(1)?.to_toml(), &[])?, last.alone(1)?);
    // One that is drawn.
    let drawn = parse("[train]\npopulation = 1\n[population]\nlearning_rate = { uniform = [0.5, 0.5] }")?;
    assert_eq!(drawn.members()[0].optimizer["learning_rate"], 0.5);
    Ok(())
}

#[test]
fn lists_of_unequal_length() {
    let text = "[population]\nseed = [1, 2, 3]\nlearning_rate = [0.1, 0.2]\nl2 = { uniform = [0, 1] }";
    match parse(text) {
        Err(ConfigError::Lengths { lists, population: None }) => {
            assert_eq!(lists, [("population.seed".to_owned(), 3), ("population.learning_rate".to_owned(), 2)]);
        }
        other => panic!("{other:?}"),
    }
    refused(text, &["`population.seed` has 3, `population.learning_rate` has 2"]);
    refused(
        "[train]\npopulation = 4\n[population]\nl2 = [0, 1]",
        &["`population.l2` has 2", "`train.population` is 4"],
    );
}

#[test]
fn populations_that_say_something_impossible() {
    let with = |line: &str| format!("[train]\npopulation = 2\n[population]\n{line}");
    for (line, parts) in [
        ("learning_rates = [1, 2]", &["unknown key `population.learning_rates` (did you mean `learning_rate`?)"][..]),
        ("momentum = [0.5, 0.9]", &["unknown key `population.momentum`", "`beta1`"]),
        ("learning_rate = 0.1", &["`population.learning_rate` must be a list of numbers, or a distribution"]),
        ("learning_rate = []", &["`population.learning_rate` must be a number for each member"]),
        ("learning_rate = [0.1, 'much']", &["`population.learning_rate[1]` must be a number"]),
        ("learning_rate = [0.1, 0]", &["`population.learning_rate` must be positive and finite, found 0"]),
        ("beta1 = { uniform = [0.5, 1] }", &["`population.beta1` must be in [0, 1), found 1"]),
        ("beta1 = { choice = [0.5, -1] }", &["`population.beta1` must be in [0, 1), found -1"]),
        ("learning_rate = { normal = [0, 1] }", &["unknown key `population.learning_rate.normal`", "`log_uniform`"]),
        ("learning_rate = {}", &["`population.learning_rate` must be one distribution"]),
        (
            "learning_rate = { uniform = [0.1, 1], choice = [1] }",
            &["`population.learning_rate` must be one distribution", "a table of 2"],
        ),
        ("learning_rate = { uniform = [0.1] }", &["`population.learning_rate.uniform` must be a list of two numbers"]),
        ("learning_rate = { uniform = 0.1 }", &["`population.learning_rate.uniform` must be a list"]),
        ("learning_rate = { uniform = [1, 0.1] }", &["two finite numbers, the smaller first"]),
        ("learning_rate = { uniform = [0.1, inf] }", &["two finite numbers, the smaller first"]),
        ("l2 = { log_uniform = [0, 1] }", &["`population.l2` must be two positive finite numbers"]),
        ("learning_rate = { choice = [] }", &["at least one number to choose"]),
        ("l2 = [0, -1]", &["`population.l2` must be finite and at least 0, in f32 too, found -1"]),
        ("dropout = [0, 1.5]", &["`population.dropout` must be in [0, 1], found 1.5"]),
        ("seed = [1, -2]", &["`population.seed[1]` must be at least 0, found -2"]),
        ("seed = [1, 0.5]", &["`population.seed[1]` must be a whole number"]),
        ("seed = { uniform = [1, 2] }", &["`population.seed` must be a whole number from 0 on, or a list of them"]),
        ("seed = []", &["`population.seed` must be a list with a number for each member"]),
    ] {
        refused(&with(line), parts);
    }
    refused("[population]\nl2 = { uniform = [0, 1] }", &["`train.population` is missing"]);
    refused("[train]\npopulation = 0", &["`train.population` must be at least 1"]);
    refused("[train]\npopulation = 65536", &["`train.population` must be from 1 to 65535, found 65536"]);
    refused("[train]\nshuffle_seed = -1", &["`train.shuffle_seed` must be at least 0"]);
    refused("population = 4", &["`population` must be a table"]);
}

#[test]
fn groups_that_say_something_impossible() {
    let with = |lines: &str| format!("[optimizer]\nname = 'adamw'\n[[optimizer.groups]]\n{lines}");
    for (lines, parts) in [
        ("frozen = true", &["`optimizer.groups[0].pattern` is missing", "*.bias"][..]),
        ("pattern = 3", &["`optimizer.groups[0].pattern` must be a string"]),
        (
            "pattern = '*'\nlearning_rate = 0.1",
            &["unknown key `optimizer.groups[0].learning_rate`", "learning_rate_factor"],
        ),
        ("pattern = '*'\nlearning_rate_factor = 0", &["`optimizer.groups[0].learning_rate_factor` must be positive"]),
        ("pattern = '*'\nlearning_rate_factor = inf", &["must be positive and finite"]),
        ("pattern = '*'\nweight_decay = -0.1", &["`optimizer.groups[0].weight_decay` must be at least 0 and finite"]),
        ("pattern = '*'\nfrozen = 1", &["`optimizer.groups[0].frozen` must be true or false"]),
    ] {
        refused(&with(lines), parts);
    }
    refused("[optimizer]\ngroups = 3", &["`optimizer.groups` must be a list of tables"]);
    refused("[optimizer]\ngroups = [3]", &["`optimizer.groups[0]` must be a table"]);
    // A rule without a decay of its own has none for a group.
    let cs231n =
        "[optimizer]\nname = 'adam'\nconvention = 'cs231n'\n[[optimizer.groups]]\npattern = '*'\nweight_decay = 0.1";
    refused(cs231n, &["unknown key `optimizer.groups[0].weight_decay`", "adam (cs231n)"]);
    // And what is set by hand lands there.
    let set = [("optimizer.groups[0].frozen".to_owned(), "true".to_owned())];
    let run = RunConfig::parse(&with("pattern = '*.bias'"), &set).expect("a run");
    assert!(run.groups[0].frozen);
}
