//! The TOML form of a run: defaults, `--set`, the way back, and every way to get it wrong.

use proptest::prelude::*;
use thalweg::Shape;
use thalweg::data::Source;
use thalweg::error::ConfigError;
use thalweg::loss::Loss;
use thalweg::nn::{Augment, Initializer, LayerSpec, Mode, TargetKind, Value, assemble, layer};
use thalweg::optim::Optimizer;
use thalweg::schedule::Moment;
use thalweg::train::config::{DataConfig, ModelConfig, RunConfig, TrainConfig};

const FULL: &str = r#"
[data]
source = "csv:iris.csv"
validation = 0.25
standardise = true

[data.augment]
crop_padding = 4
horizontal_flip = true

[model]
input = [1, 8, 8]
layers = [
  { type = "flatten" },
  { type = "linear", out = 32, bias = false },
  { type = "leaky_relu", slope = 0.1 },
  { type = "dropout", p = 0.25 },
  { type = "linear", out = 10 },
]
loss = "mse"
l2 = 1e-4

[optimizer]
name = "adam"
convention = "pytorch"
learning_rate = 3e-4
beta1 = 0.8

[schedule]
name = "step"
every = 5
factor = 0.5

[train]
epochs = 7
batch_size = 16
seed = 9
shuffle_seed = 3
shuffle = false
drop_last = true
"#;

fn parse(text: &str) -> Result<RunConfig, ConfigError> {
    RunConfig::parse(text, &[])
}

fn set(text: &str, overrides: &[(&str, &str)]) -> Result<RunConfig, ConfigError> {
    let overrides: Vec<_> = overrides.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    RunConfig::parse(text, &overrides)
}

/// The error's text; it must hold all of `parts`.
#[track_caller]
fn refused(result: Result<RunConfig, ConfigError>, parts: &[&str]) {
    let message = result.expect_err("must be refused").to_string();
    for part in parts {
        assert!(message.contains(part), "`{message}` does not say `{part}`");
    }
}

#[test]
fn an_empty_file_is_the_default_run() -> Result<(), ConfigError> {
    let run = parse("")?;
    assert_eq!(run, RunConfig::default());
    assert_eq!(
        run.data,
        DataConfig { source: Source::Digits, validation: 0.2, standardise: false, augment: Augment::default() }
    );
    assert_eq!(run.model.loss, Loss::CrossEntropy);
    assert_eq!(run.optimizer.to_table()["learning_rate"].as_float(), Some(3e-3));
    let rate = |epoch: u64| run.schedule.rate(1.0, &Moment::new(10 * epoch, 10, 30));
    assert_eq!((rate(19), rate(20), run.train.epochs), (1.0, 0.1, 30));
    // In a file that says anything, what is left out is the field's own default.
    let run = parse("[train]\nseed = 2")?;
    assert_eq!(run.optimizer, Optimizer::default());
    assert_eq!(run.schedule.rate(1.0, &Moment::new(99, 1, 100)), 1.0);
    assert_eq!(run.train, TrainConfig { seed: 2, ..TrainConfig::default() });
    assert_eq!(run.model()?.layers().len(), run.model.layers.len());
    Ok(())
}

#[test]
fn every_field_is_read() -> Result<(), ConfigError> {
    let run = parse(FULL)?;
    let augment = Augment { crop_padding: 4, horizontal_flip: true, ..Augment::default() };
    assert_eq!(
        run.data,
        DataConfig { source: Source::Csv("iris.csv".into()), validation: 0.25, standardise: true, augment }
    );
    assert_eq!(run.model.input, Some(Shape::from([1, 8, 8])));
    let layers: Vec<String> = run.model.layers.iter().map(ToString::to_string).collect();
    assert_eq!(
        layers,
        [
            r#"{ type = "flatten" }"#,
            r#"{ type = "linear", out = 32, bias = false }"#,
            r#"{ type = "leaky_relu", slope = 0.1 }"#,
            r#"{ type = "dropout", p = 0.25 }"#,
            r#"{ type = "linear", out = 10, bias = true }"#,
        ]
    );
    assert_eq!((run.objective().loss, run.objective().l2), (Loss::Mse, 1e-4));
    assert_eq!(
        run.train,
        TrainConfig {
            epochs: 7,
            batch_size: 16,
            seed: 9,
            shuffle_seed: Some(3),
            shuffle: false,
            drop_last: true,
            population: 1
        }
    );
    let optimizer = run.optimizer().to_table();
    assert_eq!(optimizer["learning_rate"].as_float(), Some(3e-4));
    assert_eq!(optimizer["beta1"].as_float(), Some(0.8));
    assert_eq!(run.schedule().rate(1.0, &Moment::new(5, 1, 7)), 0.5);
    Ok(())
}

#[test]
fn a_run_is_read_back_as_it_was_written() -> Result<(), ConfigError> {
    let warm =
        "[schedule]\nname = 'cosine'\nwarmup = 5\nmomentum = { from = 0.5, to = 0.99, over = 100, unit = 'step' }";
    let cuts = "[schedule]\nname = 'multi_step'\nmilestones = [3, 30]\nfactor = 1e-1\n[schedule.warmup]\nover = 7\nunit = 'step'";
    for text in ["", FULL, warm, cuts] {
        let run = parse(text)?;
        assert_eq!(parse(&run.to_toml())?, run, "{}", run.to_toml());
    }
    Ok(())
}

#[test]
fn overrides() -> Result<(), ConfigError> {
    let run = set(
        FULL,
        &[
            ("optimizer.learning_rate", "1e-2"),
            ("model.layers[1].out", "64"),
            ("model.layers.4.bias", "false"),
            ("train.epochs", "3"),
            ("train.epochs", "4"),
            ("model.loss", "cross_entropy"),
            ("data.source", "\"digits\""),
        ],
    )?;
    assert_eq!(run.optimizer().to_table()["learning_rate"].as_float(), Some(1e-2));
    assert_eq!(run.model.layers[1].to_string(), r#"{ type = "linear", out = 64, bias = false }"#);
    assert_eq!(run.model.layers[4].to_string(), r#"{ type = "linear", out = 10, bias = false }"#);
    assert_eq!((run.train.epochs, run.model.loss, run.data.source), (4, Loss::CrossEntropy, Source::Digits));

    // Sections and layers that the file leaves out.
    let run = set("", &[("optimizer.name", "sgd"), ("model.layers[1].out", "7"), ("model.input", "[1, 8, 8]")])?;
    assert_eq!(run.optimizer().rule().name(), "sgd");
    assert_eq!(run.model.layers[1].to_string(), r#"{ type = "linear", out = 7, bias = true }"#);
    assert_eq!(run.model.layers.len(), RunConfig::default().model.layers.len());
    let run = set("", &[("model.layers", "[{ type = 'linear', out = 3 }]")])?;
    assert_eq!(run.model.layers.len(), 1);
    Ok(())
}

#[test]
fn wrong_overrides() {
    for key in ["", "train..epochs", "train.", "model.layers[x].out", "model.layers[0", "a b"] {
        refused(set(FULL, &[(key, "1")]), &["--set", key]);
    }
    refused(
        set(FULL, &[("model.layers[9].out", "1")]),
        &["model.layers[9].out", "`model.layers` has 5 entries", "found 9"],
    );
    refused(set(FULL, &[("model.layers.out", "1")]), &["`model.layers` has 5 entries", "found out"]);
    refused(set(FULL, &[("train.epochs.x", "1")]), &["train.epochs.x", "`train.epochs` is the whole number 7"]);
    refused(set(FULL, &[("train.epoch", "1")]), &["unknown key `train.epoch`", "did you mean `epochs`?"]);
    refused(set(FULL, &[("train.epochs", "many")]), &["`train.epochs` must be a whole number", "the string \"many\""]);
    refused(set(FULL, &[("train", "1")]), &["`train` must be a table", "the whole number 1"]);
    refused(set(FULL, &[("optimizer.learning_rate", "0")]), &["`optimizer.learning_rate` must be", "found 0"]);
    // A value cannot smuggle a second key in.
    refused(set(FULL, &[("train.epochs", "1\nseed = 2")]), &["`train.epochs` must be a whole number"]);
}

#[test]
fn unknown_keys() {
    refused(
        parse("[optimiser]\nname = 'adam'"),
        &["unknown key `optimiser`", "did you mean `optimizer`?", "`schedule`"],
    );
    refused(parse("epochs = 3"), &["unknown key `epochs`", "`train`"]);
    refused(parse("[data]\nsorce = 'digits'"), &["`data.sorce`", "did you mean `source`?", "`validation`"]);
    refused(
        parse("[data.augment]\ncrop_paddin = 4"),
        &["`data.augment.crop_paddin`", "did you mean `crop_padding`?", "[data.augment] has", "`horizontal_flip`"],
    );
    refused(parse("[data]\naugment = 4"), &["`data.augment` must be a table", "the whole number 4"]);
    refused(parse("[data.augment]\ncrop_padding = -1"), &["`data.augment.crop_padding` must be at least 0"]);
    refused(parse("[data.augment]\nhorizontal_flip = 0.5"), &["`data.augment.horizontal_flip` must be true or false"]);
    refused(parse("[model]\nlayer = []"), &["`model.layer`", "did you mean `layers`?"]);
    refused(parse("[train]\nbatchsize = 1"), &["`train.batchsize`", "did you mean `batch_size`?"]);
    refused(
        parse("[schedule]\nname = 'step'\nevery = 1\nfactr = 0.5"),
        &["`schedule.factr`", "did you mean `factor`?"],
    );
    let layer = |fields: &str| parse(&format!("[model]\nlayers = [{{ type = 'flatten' }}, {{ {fields} }}]"));
    refused(layer("type = 'linear', ot = 3"), &["`model.layers[1].ot`", "did you mean `out`?", "`bias`"]);
    refused(
        layer("type = 'linear', out = 3, p = 0.5"),
        &["`model.layers[1].p`", "layer `linear` has `type`, `out`, `bias`, `weight_init`"],
    );
    refused(layer("type = 'relu', slope = 0.1"), &["`model.layers[1].slope`", "layer `relu` has `type`"]);
    // A field of another rule.
    refused(parse("[optimizer]\nname = 'sgd'\nbeta1 = 0.9"), &["`optimizer.beta1`", "`learning_rate`"]);
    refused(parse("[optimizer]\nlearning_rat = 0.9"), &["`optimizer.learning_rat`", "did you mean `learning_rate`?"]);
}

#[test]
fn unknown_names() {
    let layer = |name: &str| parse(&format!("[model]\nlayers = [{{ type = '{name}' }}]"));
    refused(layer("liner"), &["`model.layers[0].type`", "no layer `liner`", "did you mean `linear`?", "`dropout`"]);
    refused(parse("[model]\nloss = 'crossentropy'"), &["`model.loss`", "did you mean `cross_entropy`?", "`mse`"]);
    refused(parse("[optimizer]\nname = 'addam'"), &["`optimizer.name`", "did you mean `adam`?", "`sgd`"]);
    refused(parse("[optimizer]\nname = 'lbfgs'"), &["`optimizer.name`", "not available yet"]);
    refused(parse("[optimizer]\nconvention = 'torch'"), &["`optimizer.convention`", "did you mean `pytorch`?"]);
    refused(parse("[schedule]\nname = 'stepp'"), &["`schedule.name`", "did you mean `step`?", "`inverse`"]);
    refused(parse("[schedule]\nname = 'cosin'"), &["`schedule.name`", "did you mean `cosine`?", "`one_cycle`"]);
    refused(parse("[data]\nsource = 'digit'"), &["`data.source`", "did you mean `digits`?", "npz:FILE"]);
    refused(parse("[data]\nsource = 'cifar:c'"), &["`data.source`", "`cifar:c`", "`cifar10:DIR`", "`images:DIR`"]);
    refused(parse("[data]\nsource = 'idx'"), &["`data.source`", "did you mean `idx:DIR`?"]);
    refused(parse("[data]\nsource = 'csv:'"), &["`data.source`", "`csv:`", "`csv:FILE`"]);
}

#[test]
fn residual_blocks() -> Result<(), Box<dyn std::error::Error>> {
    let text = r#"[model]
layers = [
  { type = "residual", layers = [
    { type = "linear", out = 5 },
    { type = "relu" },
    { type = "residual", layers = [{ type = "linear", out = 5 }] },
  ], projection = [{ type = "linear", out = 5, bias = false }] },
]"#;
    let run = parse(text)?;
    assert_eq!(parse(&run.to_toml())?, run);
    let a = assemble(
        &run.model()?,
        &Shape::from([3]),
        TargetKind::Classes { classes: 5 },
        &run.objective(),
        2,
        Mode::Train,
    )?;
    let names: Vec<_> = a.parameters.iter().map(|p| format!("{} {}", p.name, p.shape)).collect();
    assert_eq!(
        names,
        [
            "0.layers.0.weight [5, 3]",
            "0.layers.0.bias [5]",
            "0.layers.2.layers.0.weight [5, 5]",
            "0.layers.2.layers.0.bias [5]",
            "0.projection.0.weight [5, 3]"
        ]
    );
    let block = |inside: &str| parse(&format!("[model]\nlayers = [{{ type = 'residual'{inside} }}]"));
    refused(block(""), &["`model.layers[0].layers`", "needs a list of layers"]);
    refused(block(", layers = []"), &["`model.layers[0].layers`", "at least one layer"]);
    refused(block(", layers = 3"), &["`model.layers[0].layers` must be a list"]);
    refused(block(", layers = [{ type = 'liner' }]"), &["`model.layers[0].layers[0].type`", "did you mean `linear`?"]);
    refused(
        block(", layers = [{ type = 'relu' }], projection = [{ type = 'linear', ot = 3 }]"),
        &["`model.layers[0].projection[0].ot`", "did you mean `out`?"],
    );
    Ok(())
}

/// What is written stands in one line, which the TOML reader lets nest only so deep.
#[test]
fn blocks_within_blocks() -> Result<(), Box<dyn std::error::Error>> {
    let nested = |depth: usize, inside: &str| {
        let block = |inner: String, _| format!("{{ type = 'residual', layers = [{inner}] }}");
        let innermost = format!("{{ type = 'linear', out = 2, {inside} }}");
        format!("[model]\nlayers = [{}]", (0..depth).fold(innermost, block))
    };
    let run = parse(&nested(16, "weight_init = { name = 'normal', std = 0.5 }"))?;
    assert_eq!(parse(&run.to_toml())?, run);
    let key = format!("`model{}`", ".layers[0]".repeat(17) + ".layers");
    refused(parse(&nested(17, "bias = false")), &[&key, "at most 16", "17", "one after the other"]);
    // By headers the reader lets them nest deeper than it reads them written in one line.
    for depth in [16, 17, 40] {
        let header = |n: usize| format!("[[model.layers{}]]\n", ".layers".repeat(n));
        let blocks: String = (0..depth).map(|n| header(n) + "type = 'residual'\n").collect();
        let text = blocks + &header(depth) + "type = 'linear'\nout = 2\n";
        match depth {
            16 => assert_eq!(parse(&parse(&text)?.to_toml())?, parse(&text)?),
            _ => refused(parse(&text), &[&key, "at most 16"]),
        }
    }
    // Nor can one be made by hand that could not be read back.
    let linear = LayerSpec::new("linear")?.with("out", Value::Count(2))?;
    let block = |inner, _| LayerSpec::new("residual").and_then(|l| l.with("layers", Value::Layers(vec![inner])));
    for (depth, fits) in [(16, true), (17, false)] {
        let mut run = RunConfig::default();
        run.model.layers = vec![(0..depth).try_fold(linear.clone(), block)?];
        assert_eq!(run.model().is_ok(), fits, "{depth}");
    }
    Ok(())
}

/// A number is said with as many digits as it takes, not with hundreds.
#[test]
fn large_and_small_numbers_are_short() {
    let layer = |inside: &str| parse(&format!("[model]\nlayers = [{{ type = {inside} }}]"));
    let all = [
        (layer("'linear', out = 2, weight_init = { name = 'normal', std = 1e300 }"), "found 1e300"),
        (layer("'linear', out = 2, weight_init = { name = 'normal', std = -1e-300 }"), "found -1e-300"),
        (layer("'elu', alpha = 1e300"), "found 1e300"),
        (layer("'dropout', p = -1e-300"), "found -1e-300"),
        (layer("'batch_norm', momentum = 1e300"), "found 1e300"),
        (layer("'linear', out = 1e300"), "found the number 1e300"),
        (parse("[model]\nl2 = 1e300"), "found 1e300"),
        (parse("[data]\nvalidation = 1e300"), "found 1e300"),
        (parse("[data]\nvalidation = 3"), "found 3"),
        (parse("[optimizer]\nlearning_rate = -1e300"), "found -1e300"),
    ];
    for (result, end) in all {
        let message = result.expect_err("must be refused").to_string();
        assert!(message.contains(end) && message.len() < 250, "{message}");
    }
}

#[test]
fn initialisers() -> Result<(), ConfigError> {
    let layer = |inside: &str| parse(&format!("[model]\nlayers = [{{ type = 'linear', out = 2, {inside} }}]"));
    let run = layer("weight_init = 'kaiming_normal', bias_init = { name = 'normal', std = 0.01 }")?;
    let found = |run: &RunConfig, field: &str| {
        let value = run.model.layers[0].values().find(|(name, _)| *name == field).map(|(_, value)| value.clone());
        value.expect("the layer has the field")
    };
    assert_eq!(found(&run, "weight_init"), Value::Init(Some(Initializer::KaimingNormal { a: 0.0 })));
    assert_eq!(found(&run, "bias_init"), Value::Init(Some(Initializer::Normal { std: 0.01 })));
    assert_eq!(parse(&run.to_toml())?, run);
    assert_eq!(found(&layer("bias = true")?, "weight_init"), Value::Init(None));
    let key = "`model.layers[0].weight_init";
    refused(layer("weight_init = 'he'"), &[key, "no initialiser `he`", "`kaiming_normal`"]);
    refused(layer("weight_init = 'kaiming_norml'"), &[key, "did you mean `kaiming_normal`?"]);
    refused(layer("weight_init = 3"), &[key, "the name of an initialiser", "found the whole number 3"]);
    refused(layer("weight_init = { std = 3 }"), &["`model.layers[0].weight_init.name`"]);
    refused(layer("weight_init = { name = 'zeros', std = 3 }"), &["`model.layers[0].weight_init.std`"]);
    refused(layer("weight_init = { name = 'normal', std = -1 }"), &["weight_init.std`", "at least 0", "-1"]);
    refused(layer("weight_init = { name = 'constant', value = 1e39 }"), &["weight_init.value`", "finite in f32"]);
    Ok(())
}

#[test]
fn wrong_types() {
    refused(parse("train = 3"), &["`train` must be a table, found the whole number 3"]);
    refused(parse("[train]\nepochs = 2.0"), &["`train.epochs` must be a whole number, found the number 2"]);
    refused(parse("[train]\nepochs = '2'"), &["`train.epochs`", "found the string \"2\""]);
    refused(parse("[train]\nshuffle = 1"), &["`train.shuffle` must be true or false, found the whole number 1"]);
    refused(parse("[data]\nsource = 1"), &["`data.source` must be a string"]);
    refused(parse("[data]\nstandardise = 1"), &["`data.standardise` must be true or false"]);
    refused(parse("[data]\nvalidation = true"), &["`data.validation` must be a number, found true"]);
    refused(parse("[model]\nlayers = 'linear'"), &["`model.layers` must be a list"]);
    refused(parse("[model]\nlayers = ['linear']"), &["`model.layers[0]` must be a table, found the string \"linear\""]);
    refused(parse("[model]\nlayers = [{ type = 1 }]"), &["`model.layers[0].type` must be a string"]);
    refused(parse("[model]\nlayers = [{ out = 1 }]"), &["`model.layers[0].type` is missing"]);
    refused(parse("[model]\nlayers = [{ type = 'linear' }]"), &["`model.layers[0].out` is missing", "a whole number"]);
    refused(
        parse("[model]\nlayers = [{ type = 'linear', out = 1.5 }]"),
        &["`model.layers[0].out` must be a whole number"],
    );
    refused(parse("[model]\ninput = 64"), &["`model.input` must be a list"]);
    refused(parse("[model]\ninput = [1, 'a']"), &["`model.input[1]` must be a whole number"]);
    refused(parse("[model]\nloss = {}"), &["`model.loss` must be a string, found a table"]);
    refused(parse("[optimizer]\nlearning_rate = 'high'"), &["`optimizer.learning_rate` must be"]);
    refused(parse("[optimizer]\nname = 3"), &["`optimizer.name` must be a string"]);
    refused(parse("[schedule]\nname = 'step'\nevery = 'x'\nfactor = 0.1"), &["`schedule.every`"]);
    // Whole numbers are numbers.
    assert_eq!(parse("[model]\nl2 = 1").map(|run| run.model.l2).ok(), Some(1.0));
}

#[test]
fn values_out_of_range() {
    refused(parse("[train]\nepochs = 0"), &["`train.epochs` must be at least 1, found 0"]);
    refused(parse("[train]\nbatch_size = 0"), &["`train.batch_size` must be at least 1, found 0"]);
    refused(parse("[train]\nbatch_size = -64"), &["`train.batch_size`", "found -64"]);
    refused(parse("[train]\nseed = -1"), &["`train.seed` must be at least 0, found -1"]);
    for share in ["-0.1", "1", "1.0", "nan", "inf"] {
        refused(parse(&format!("[data]\nvalidation = {share}")), &["`data.validation` must be in [0, 1)"]);
    }
    for l2 in ["-1e-9", "nan", "inf"] {
        refused(parse(&format!("[model]\nl2 = {l2}")), &["`model.l2` must be finite and at least 0"]);
    }
    for p in ["-0.1", "1.1", "nan"] {
        let text = format!("[model]\nlayers = [{{ type = 'flatten' }}, {{ type = 'dropout', p = {p} }}]");
        refused(parse(&text), &["`model.layers[1].p` must be in [0, 1]"]);
    }
    refused(parse("[model]\nlayers = [{ type = 'linear', out = 0 }]"), &["`model.layers[0].out` must be at least 1"]);
    refused(parse("[model]\nlayers = [{ type = 'linear', out = -3 }]"), &["`model.layers[0].out`", "found -3"]);
    for (pair, key) in [("0", "kernel"), ("[3, 0]", "kernel"), ("-1", "kernel"), ("[3, -1]", "kernel[1]")] {
        let text = format!("[model]\nlayers = [{{ type = 'max_pool2d', kernel = {pair} }}]");
        refused(parse(&text), &[&format!("`model.layers[0].{key}` must be at least")]);
    }
    for pair in ["3.0", "'3'", "[3]", "[3, 3, 3]"] {
        let text = format!("[model]\nlayers = [{{ type = 'max_pool2d', kernel = {pair} }}]");
        refused(parse(&text), &["`model.layers[0].kernel` must be a whole number or a list of two, found"]);
    }
    refused(parse("[model]\nlayers = [{ type = 'elu', alpha = inf }]"), &["`model.layers[0].alpha` must be in [0, ∞)"]);
    for (kind, field) in [("elu", "alpha"), ("leaky_relu", "slope")] {
        let beyond = parse(&format!("[model]\nlayers = [{{ type = '{kind}', {field} = 1e39 }}]"));
        refused(beyond, &[&format!("`model.layers[0].{field}` must be in [0, ∞) and finite in f32")]);
    }
    refused(parse("[model]\nl2 = 1e39"), &["`model.l2` must be finite and at least 0, in f32 too"]);
    refused(parse("[model]\ninput = [1, 0]"), &["`model.input[1]` must be at least 1, found 0"]);
    for rate in ["0", "0.0", "-1e-3", "inf", "nan"] {
        refused(parse(&format!("[optimizer]\nlearning_rate = {rate}")), &["`optimizer.learning_rate` must be"]);
    }
    refused(parse("[optimizer]\nepsilon = 0"), &["`optimizer.epsilon` must be"]);
    refused(parse("[schedule]\nname = 'step'\nevery = 0\nfactor = 0.5"), &["`schedule.every` must be"]);
    refused(parse("[schedule]\nwarmup = -1"), &["`schedule.warmup.over` must be at least 1, found -1"]);
    refused(parse("[schedule]\nwarmup = { over = 2, start = 2 }"), &["`schedule.warmup.start` must be in [0, 1]"]);
    refused(parse("[schedule]\nwarmup = { ovr = 2 }"), &["`schedule.warmup.ovr`", "did you mean `over`?"]);
    refused(parse("[schedule]\nwarmup = {}"), &["`schedule.warmup.over` is missing"]);
    refused(parse("[schedule]\nmomentum = 0.9"), &["`schedule.momentum` must be a table"]);
    refused(parse("[schedule]\nmomentum = { from = 0.5, to = 1 }"), &["`schedule.momentum.to` must be in [0, 1)"]);
    refused(
        parse("[schedule]\nname = 'cosine'\nover = 3\nperiod = 3"),
        &["`schedule.over` must be left out", "`schedule.period`"],
    );
    refused(
        parse("[schedule]\nname = 'multi_step'\nfactor = 0.1\nmilestones = [3, 2]"),
        &["`schedule.milestones` must be rising whole numbers", "found 2"],
    );
}

#[test]
fn not_toml() {
    let Err(ConfigError::Syntax { line, column, .. }) = parse("[train]\nepochs = = 3") else {
        panic!("not a syntax error")
    };
    assert_eq!((line, column), (2, 10));
    refused(parse("[train]\nepochs = 3\nepochs = 4"), &["the run's TOML:3:1"]);
}

#[test]
fn files_and_relative_paths() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("run.toml");
    std::fs::write(&file, "[data]\nsource = 'csv:data/a.csv'")?;
    assert_eq!(RunConfig::load(&file, &[])?.data.source, Source::Csv(dir.path().join("data/a.csv")));
    let by_hand = [("data.source".to_owned(), "npz:b.npz".to_owned())];
    let expected = Source::Npz(std::env::current_dir()?.join("b.npz"));
    assert_eq!(RunConfig::load(&file, &by_hand)?.data.source, expected);
    for scheme in ["npz", "idx", "cifar10", "cifar100", "images"] {
        std::fs::write(&file, format!("[data]\nsource = '{scheme}:data/a'"))?;
        let read = RunConfig::load(&file, &[])?.data.source;
        assert_eq!(read.path(), Some(&*dir.path().join("data/a")));
        assert_eq!(read.to_string(), format!("{scheme}:{}", dir.path().join("data/a").display()));
    }

    std::fs::write(&file, "[train")?;
    refused(RunConfig::load(&file, &[]), &["run.toml:1:"]);
    refused(RunConfig::load(&dir.path().join("none.toml"), &[]), &["cannot read the run file", "none.toml"]);
    Ok(())
}

fn inner(n: usize, more: bool) -> Vec<LayerSpec> {
    let linear = LayerSpec::new("linear").and_then(|l| l.with("out", Value::Count(n))).expect("a layer");
    let nested = Value::Layers(vec![linear.clone()]);
    let block = LayerSpec::new("residual").and_then(|l| l.with("layers", nested)).expect("a layer");
    if more { vec![linear, block] } else { vec![linear] }
}

fn any_layer() -> impl Strategy<Value = LayerSpec> {
    let count = layer::all().count();
    (0..count, 1usize..2000, 0.0f64..1.0, any::<bool>()).prop_map(|(i, n, x, b)| {
        let entry = layer::all().nth(i).expect("below the count");
        let mut spec = LayerSpec::new(entry.name).expect("a registered name");
        for field in entry.fields {
            let value = match &field.value {
                Value::Count(_) => Value::Count(n),
                Value::Real(_) => Value::Real(x),
                Value::Flag(_) => Value::Flag(b),
                Value::Pair(Some(_)) => Value::Pair(Some([n, if b { n } else { n + 1 }])),
                Value::Pair(None) => Value::Pair(b.then_some([n, 1])),
                Value::Init(_) => {
                    let init: Initializer = Initializer::NAMES[n % 9].parse().expect("a name");
                    Value::Init(b.then(|| init.with_argument(x)))
                }
                Value::Layers(_) => Value::Layers(inner(n, b)),
            };
            spec = spec.with(field.name, value).expect("the field's own kind");
        }
        spec
    })
}

proptest! {
    #[test]
    fn any_run_is_read_back(
        layers in prop::collection::vec(any_layer(), 0..6),
        input in prop::option::of(prop::collection::vec(1usize..100, 0..4)),
        (l2, validation, rate) in (0.0f64..1e3, 0.0f64..1.0, 1e-12f64..1e3),
        (epochs, batch_size, seed, shuffle) in (1usize..1000, 1usize..5000, 0..i64::MAX as u64, any::<bool>()),
        (standardise, crop_padding, horizontal_flip) in (any::<bool>(), 0usize..40, any::<bool>()),
        name in "[ -~]{1,12}",
    ) {
        let rate = format!("{rate:e}");
        let optimizer = set("", &[("optimizer.learning_rate", rate.as_str())]).expect("a positive rate").optimizer;
        let augment = Augment { crop_padding, horizontal_flip, ..Augment::default() };
        let run = RunConfig {
            data: DataConfig { source: Source::Npz(name.into()), validation, standardise, augment },
            model: ModelConfig { input: input.map(Shape::from), layers, loss: Loss::Mse, l2 },
            optimizer,
            train: TrainConfig {
                epochs,
                batch_size,
                seed,
                shuffle_seed: shuffle.then_some(seed / 2),
                shuffle,
                drop_last: standardise,
                population: batch_size,
            },
            ..RunConfig::default()
        };
        let text = run.to_toml();
        prop_assert_eq!(parse(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?, run);
    }
}
