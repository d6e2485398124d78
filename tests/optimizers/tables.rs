//! The TOML form of a rule, and what it refuses.

use thalweg::error::OptimError;
use thalweg::optim::{
    ALL, Adam, Configurable, Convention, DynRule, Entry, Field, FieldValue, Optimizer, RmsProp, SECOND, Sgd,
};

use crate::every_form;

fn read(text: &str) -> Result<Optimizer, OptimError> {
    Optimizer::from_table(&text.parse().expect("the test's own TOML"))
}

#[test]
fn the_documented_defaults() {
    let table = |text: &str| read(text).unwrap().to_table();
    let number = |text: &str, field: &str| table(text)[field].as_float().unwrap();
    assert_eq!(table("name = 'adam'")["convention"].as_str(), Some("pytorch"));
    assert_eq!(table("name = 'lion'")["convention"].as_str(), Some("optax"), "PyTorch has no Lion");
    for (text, field, value) in [
        ("name = 'sgd'", "learning_rate", 1e-3),
        ("name = 'momentum'", "momentum", 0.9),
        ("name = 'momentum'", "dampening", 0.0),
        ("name = 'nesterov'", "momentum", 0.9),
        ("name = 'adagrad'", "lr_decay", 0.0),
        ("name = 'adagrad'", "learning_rate", 1e-2),
        ("name = 'adagrad'", "epsilon", 1e-10),
        ("name = 'rmsprop'", "learning_rate", 1e-2),
        ("name = 'rmsprop'", "decay", 0.99),
        ("name = 'rmsprop'", "epsilon", 1e-8),
        ("name = 'rmsprop'", "momentum", 0.0),
        ("name = 'adadelta'", "learning_rate", 1.0),
        ("name = 'adadelta'", "decay", 0.9),
        ("name = 'adadelta'", "epsilon", 1e-6),
        ("name = 'adam'", "learning_rate", 1e-3),
        ("name = 'adam'", "weight_decay", 0.0),
        ("name = 'adamw'", "weight_decay", 1e-2),
        ("name = 'adamw'", "beta2", 0.999),
        ("name = 'amsgrad'", "learning_rate", 1e-3),
        ("name = 'adagrad'\nconvention = 'keras'", "initial_accumulator_value", 0.1),
        ("name = 'adam'\nconvention = 'keras'", "epsilon", 1e-7),
        ("name = 'adamw'\nconvention = 'keras'", "weight_decay", 4e-3),
        ("name = 'adamw'\nconvention = 'optax'", "weight_decay", 1e-4),
        ("name = 'adamw'\nconvention = 'paper'", "weight_decay", 0.0),
        ("name = 'rmsprop'\nconvention = 'paper'", "momentum", 0.9),
        ("name = 'rmsprop'\nconvention = 'optax'", "decay", 0.9),
        ("name = 'adadelta'\nconvention = 'paper'", "decay", 0.95),
        ("name = 'adamax'", "learning_rate", 2e-3),
        ("name = 'adamax'\nconvention = 'keras'", "epsilon", 1e-7),
        ("name = 'nadam'", "learning_rate", 2e-3),
        ("name = 'nadam'", "momentum_decay", 4e-3),
        ("name = 'radam'", "learning_rate", 1e-3),
        ("name = 'lion'", "beta2", 0.99),
        ("name = 'lion'", "weight_decay", 1e-3),
        ("name = 'lion'\nconvention = 'paper'", "learning_rate", 1e-4),
        ("name = 'lamb'", "epsilon", 1e-6),
        ("name = 'adafactor'", "learning_rate", 1e-2),
        ("name = 'adafactor'\nconvention = 'keras'", "epsilon", 1e-30),
        ("name = 'muon'", "weight_decay", 0.1),
        ("name = 'muon'\nconvention = 'keras'", "rms_rate", 0.2),
        ("name = 'muon'\nconvention = 'optax'", "adam_weight_decay", 0.0),
        ("name = 'lamb'\nconvention = 'paper'", "weight_decay", 1e-2),
    ] {
        assert_eq!(number(text, field), value, "{text} {field}");
    }
}

#[test]
fn a_table_comes_back_as_it_was() {
    for optimizer in every_form() {
        let text = toml::to_string(&optimizer).unwrap();
        assert_eq!(toml::from_str::<Optimizer>(&text).unwrap(), optimizer, "{text}");
        let json = serde_json::to_string(&optimizer).unwrap();
        assert_eq!(serde_json::from_str::<Optimizer>(&json).unwrap(), optimizer, "{json}");
    }
}

#[test]
fn integers_are_numbers() {
    let Ok(Optimizer::Sgd(rule)) = read("name = 'sgd'\nlearning_rate = 1") else { panic!() };
    assert_eq!(rule, Sgd { learning_rate: 1.0, ..Sgd::default() });
}

#[test]
fn unknown_names_get_the_nearest_and_the_list() {
    let error = read("name = 'adma'").unwrap_err();
    assert!(matches!(&error, OptimError::Name { known, .. } if known.len() == ALL.len() + SECOND.len()));
    assert!(error.to_string().contains("did you mean `adam`?"), "{error}");
    assert!(error.to_string().contains("`adadelta`"), "{error}");

    let error = read("name = 'rmsprop'\nconvention = 'cs231n'\ncentered = true").unwrap_err();
    assert!(error.to_string().starts_with("rmsprop (cs231n) has no field `centered`"), "{error}");
    assert!(error.to_string().ends_with("it has `learning_rate`, `decay`, `epsilon`"), "{error}");

    let error = read("name = 'momentum'\nmomentun = 0.5").unwrap_err();
    assert!(error.to_string().contains("did you mean `momentum`?"), "{error}");

    // PyTorch refuses it there as well.
    let error = read("name = 'nesterov'\ndampening = 0.5").unwrap_err();
    assert!(matches!(&error, OptimError::Field { found, .. } if found == "dampening"), "{error}");
    let error = read("name = 'momentum'\nconvention = 'cs231n'\ndampening = 0.5").unwrap_err();
    assert!(matches!(&error, OptimError::Field { found, .. } if found == "dampening"), "{error}");

    for entry in ALL {
        for convention in Convention::ALL {
            let found = read(&format!("name = '{}'\nconvention = '{convention}'", entry.name));
            if entry.conventions.contains(convention) {
                assert_eq!(found.unwrap(), (entry.defaults)(*convention));
                continue;
            }
            let error = found.unwrap_err();
            let has: Vec<_> = entry.conventions.iter().map(|c| c.name()).collect();
            assert!(matches!(&error, OptimError::Convention { known, .. } if *known == has), "{error}");
            assert!(error.to_string().ends_with(&format!("it has `{}`", has.join("`, `"))), "{error}");
        }
    }
    for text in ["name = 'sgd'\nconvention = 'paper'", "name = 'amsgrad'\nconvention = 'cs231n'"] {
        assert!(matches!(read(text), Err(OptimError::Convention { .. })), "{text}");
    }

    assert!(matches!(read("learning_rate = 1.0"), Err(OptimError::Missing { field: "name", .. })));
    assert!(matches!(read("name = 3"), Err(OptimError::Type { .. })));
    assert!(matches!(read("name = 'adam'\nbeta1 = 'x'"), Err(OptimError::Type { .. })));
    assert!(matches!(read("name = 'rmsprop'\ncentered = 1"), Err(OptimError::Type { .. })));
    assert!(Entry::find("sgd").is_ok());
    assert!("PyTorch".parse::<Convention>().is_err());
    assert_eq!("cs231n".parse::<Convention>().unwrap(), Convention::Cs231n);
}

#[test]
fn every_field_has_a_range() {
    for entry in ALL {
        for &convention in entry.conventions {
            let fields = (entry.defaults)(convention).fields().len();
            for index in 0..fields {
                for bad in [f64::NAN, f64::INFINITY, -0.25] {
                    let mut changed = (entry.defaults)(convention);
                    let Field { name, value: FieldValue::Number(place), .. } = changed.fields().swap_remove(index)
                    else {
                        continue;
                    };
                    *place = bad;
                    match changed.rule().validate() {
                        Err(OptimError::Range { field, found, .. }) => {
                            assert_eq!((field, found.to_bits()), (name, bad.to_bits()));
                        }
                        other => panic!("{} {convention}: {name} = {bad}: {other:?}", entry.name),
                    }
                }
            }
        }
    }
    for (text, field) in [
        ("name = 'sgd'\nlearning_rate = 0", "learning_rate"),
        ("name = 'adam'\nepsilon = 0.0", "epsilon"),
        ("name = 'adam'\nbeta2 = 1.0", "beta2"),
        ("name = 'momentum'\nmomentum = 1", "momentum"),
        ("name = 'rmsprop'\ndecay = nan", "decay"),
    ] {
        assert!(matches!(read(text), Err(OptimError::Range { field: f, .. }) if f == field), "{text}");
    }
}

/// What f64 holds and f32 does not: 1e-50 is 0 there, 1e39 infinite, and 1 − 1e-9 is 1.
#[test]
fn numbers_that_f32_does_not_hold() {
    let mut seen = 0;
    for entry in ALL {
        for &convention in entry.conventions {
            let form = |field: Option<(usize, f64)>| {
                let mut changed = (entry.defaults)(convention);
                let mut name = "";
                if let Some((index, x)) = field {
                    let Field { name: of, value: FieldValue::Number(place), .. } = changed.fields().swap_remove(index)
                    else {
                        return None;
                    };
                    (*place, name) = (x, of);
                }
                Some((name, changed))
            };
            form(None).unwrap().1.rule().validate_f32().unwrap();
            for index in 0..(entry.defaults)(convention).fields().len() {
                for x in [1e-50, 1e-40, 1e39, 1e300, 1.0 - 1e-9] {
                    let Some((name, changed)) = form(Some((index, x))) else { continue };
                    let held = match name {
                        "learning_rate" | "epsilon" | "adam_epsilon" | "epsilon_scale" | "clip_threshold"
                        | "adam_lr_ratio" => x == 1.0 - 1e-9,
                        "ns_steps" => false,
                        "weight_decay"
                        | "initial_accumulator_value"
                        | "initial_scale"
                        | "epsilon_root"
                        | "adam_weight_decay"
                        | "rms_rate" => x < 1e39,
                        "lr_decay" | "momentum_decay" | "decay_rate" | "min_dim_size_to_factor" => true,
                        _ => x < 1e-30,
                    };
                    let rule = changed.rule();
                    match rule.validate_f32() {
                        Ok(()) => assert!(held, "{rule:?}: {name} = {x:e}"),
                        Err(OptimError::Range { field, found, .. }) => {
                            assert!(!held && (field, found) == (name, x), "{rule:?}: {name} = {x:e}");
                        }
                        other => panic!("{rule:?}: {other:?}"),
                    }
                    seen += usize::from(!held);
                }
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

/// A struct built by hand can hold what its convention does not have.
#[test]
fn fields_of_another_convention_are_refused() {
    let sgd = Sgd { weight_decay: 0.1, ..Sgd::defaults(Convention::Cs231n) };
    assert!(matches!(DynRule::validate(&sgd), Err(OptimError::Field { .. })));
    let rmsprop = RmsProp { centered: true, ..RmsProp::defaults(Convention::Cs231n) };
    assert!(matches!(DynRule::validate(&rmsprop), Err(OptimError::Field { .. })));
    let adam = Adam { bias_correction: false, ..Adam::default() };
    assert!(matches!(DynRule::validate(&adam), Err(OptimError::Field { .. })));
    let adam = Adam { epsilon_root: 0.1, ..Adam::default() };
    assert!(matches!(DynRule::validate(&adam), Err(OptimError::Field { .. })));
    for convention in [Convention::Keras, Convention::PyTorch] {
        let flag = RmsProp { nesterov: true, ..RmsProp::defaults(convention) };
        assert!(matches!(DynRule::validate(&flag), Err(OptimError::Field { .. })));
    }
    let mixed = RmsProp { convention: Convention::PyTorch, ..RmsProp::defaults(Convention::Keras) };
    assert!(matches!(DynRule::validate(&mixed), Err(OptimError::Field { found, .. }) if found == "epsilon_in_root"));
}
