//! Layers, names, layouts, fusion, and what `assemble` puts together.

use thalweg::Shape;
use thalweg::device::{Feed, Feeds, cpu};
use thalweg::error::GraphError;
use thalweg::graph::{Context, Graph, NodeId};
use thalweg::loss::Loss;
use thalweg::nn::{
    Assembled, Builder, Dropout, Dropout2d, Elu, Flatten, Gelu, Identity, Initializer, Layer, LeakyRelu, Linear,
    LogSoftmax, Maxout, Mode, Model, Objective, ParameterSpec, Relu, Residual, Sequential, Sigmoid, Silu, Softmax,
    Softplus, Tanh, TargetKind, assemble, initial_parameters,
};

type Any = Result<(), Box<dyn std::error::Error>>;

const CLASSES: TargetKind = TargetKind::Classes { classes: 3 };

fn train(model: &dyn Model, input: &[usize], objective: &Objective, batch: usize) -> Result<Assembled, GraphError> {
    assemble(model, &Shape::from(input), CLASSES, objective, batch, Mode::Train)
}

/// Parameters from a seed, and a minibatch.
fn feeds(a: &Assembled, seed: u64, x: Vec<f64>, y: Vec<u32>) -> Feeds {
    let mut feeds = Feeds::new();
    for (p, values) in a.parameters.iter().zip(initial_parameters(&a.parameters, seed)) {
        feeds.insert(p.node, Feed::Real(values));
    }
    feeds.insert(a.features, Feed::Real(x));
    feeds.insert(a.targets, Feed::Index(y));
    feeds
}

fn names(a: &Assembled) -> Vec<String> {
    a.parameters.iter().map(|p| format!("{} {}", p.name, p.shape)).collect()
}

#[test]
fn names_and_layouts_are_those_of_pytorch() -> Any {
    let model = Sequential::new()
        .add(Flatten)
        .add(Linear::new(5))
        .add(Relu)
        .add(Dropout { p: 0.5 })
        .add(Linear::new(4).without_bias())
        .add(Gelu)
        .add(Sequential::new().add(Tanh).add(Linear::new(3)));
    for mode in [Mode::Train, Mode::Evaluate] {
        let a = assemble(&model, &Shape::from([1, 2, 3]), CLASSES, &Objective::default(), 7, mode)?;
        assert_eq!(
            names(&a),
            ["1.weight [5, 6]", "1.bias [5]", "4.weight [4, 5]", "6.1.weight [3, 4]", "6.1.bias [3]"]
        );
        let flat: Vec<_> = a.graph.parameters().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(flat, a.parameters.iter().map(|p| p.name.clone()).collect::<Vec<_>>());
        assert_eq!(a.graph.shape(a.features), &Shape::from([7, 1, 2, 3]));
        assert_eq!(a.graph.shape(a.targets), &Shape::from([7]));
        assert_eq!(a.graph.shape(a.output), &Shape::from([7, 3]));
        let settings: Vec<_> = a.graph.settings().map(|(name, _)| name.to_owned()).collect();
        match mode {
            Mode::Train => {
                assert_eq!(settings, ["3.p", "loss_scale"]);
                assert!(a.gradients.len() == 5 && a.gradients.iter().all(Option::is_some));
            }
            Mode::Evaluate => {
                assert_eq!(settings, ["loss_scale"]);
                assert!(a.gradients.is_empty());
            }
        }
    }
    Ok(())
}

/// By hand: x = (1, 2), h = relu(W₁x + b₁) = relu(1·1 − 1·2 + 0.5, 0.5·1 + 2·2 − 1) = (0, 3.5), y = W₂h + b₂ = (3.5·1, −3.5 + 1, 7)
/// = (3.5, −2.5, 7); cross-entropy of class 0 = ln(1 + e^(−6) + e^(3.5)), whose decimals are of an independent calculator.
#[test]
fn a_forward_pass_by_hand() -> Any {
    let model = Sequential::new().add(Linear::new(2)).add(Relu).add(Linear::new(3));
    let a = train(&model, &[2], &Objective { l2: 0.5, ..Objective::default() }, 1)?;
    let values: [&[f64]; 4] =
        [&[1.0, -1.0, 0.5, 2.0], &[0.5, -1.0], &[1.0, 1.0, 2.0, -1.0, -3.0, 2.0], &[0.0, 1.0, 0.0]];
    let mut feeds = feeds(&a, 1, vec![1.0, 2.0], vec![0]);
    for (p, &v) in a.parameters.iter().zip(&values) {
        feeds.insert(p.node, Feed::from(v));
    }
    let penalty = a.penalty.ok_or("a penalty")?;
    let accuracy = a.accuracy.ok_or("an accuracy")?;
    let wanted = [a.output, a.data_loss, penalty, a.loss, accuracy];
    let found = cpu::evaluate(&a.graph, &feeds, &wanted, &Context::default())?;
    assert_eq!(found[0], [3.5, -2.5, 7.0]);
    let close = |x: f64, y: f64| (x - y).abs() <= 1e-12 * y.abs();
    assert!(close(found[1][0], GOLDEN_LOSS), "{}", found[1][0]);
    // ½·0.5·(1 + 1 + 0.25 + 4) + ½·0.5·(1 + 1 + 4 + 1 + 9 + 4): weights, not biases.
    assert_eq!(found[2], [6.5625]);
    assert!(close(found[3][0], GOLDEN_LOSS + 6.5625));
    assert_eq!(found[4], [0.0]);
    Ok(())
}

/// `python3 -c "from decimal import *; getcontext().prec = 30; print((1 + Decimal(-6).exp() + Decimal('3.5').exp()).ln())"`
const GOLDEN_LOSS: f64 = 3.5298230733889517;

/// The same layers, each in a chain of its own, so that nothing is fused.
fn unfused(layers: Vec<std::sync::Arc<dyn Layer>>) -> impl Model {
    move |b: &mut Builder<'_>, x: NodeId| {
        let mut y = x;
        for (i, layer) in layers.iter().enumerate() {
            y = b.scope(&i.to_string(), |b| layer.build(b, y))?;
        }
        Ok(y)
    }
}

#[test]
fn fusing_changes_neither_names_nor_values() -> Any {
    fn model(f: impl Layer + 'static) -> Sequential {
        Sequential::new().add(Linear::new(4)).add(f).add(Linear::new(3))
    }
    let models = [
        (model(Identity), true),
        (model(Relu), true),
        (model(LeakyRelu { slope: 0.2 }), true),
        (model(Elu { alpha: 0.7 }), true),
        (model(Tanh), true),
        (model(Sigmoid), true),
        (model(Softplus), false),
        (model(Silu), false),
        (model(Gelu), false),
    ];
    let x: Vec<f64> = (0..10).map(|i| f64::from(i * i % 7) * 0.5 - 1.3).collect();
    for (fused, shorter) in models {
        let name = fused.layers()[1].name();
        let plain = train(&unfused(fused.layers().to_vec()), &[5], &Objective::default(), 2)?;
        let fused = train(&fused, &[5], &Objective::default(), 2)?;
        assert_eq!(names(&fused), names(&plain), "{name}");
        if shorter && name != "identity" {
            assert!(fused.graph.nodes().len() < plain.graph.nodes().len(), "{name} is not fused");
        }
        let run = |a: &Assembled| {
            let wanted: Vec<NodeId> =
                [a.output, a.loss].into_iter().chain(a.gradients.iter().flatten().copied()).collect();
            cpu::evaluate(&a.graph, &feeds(a, 4, x.clone(), vec![2, 0]), &wanted, &Context::default())
        };
        let (f, p) = (run(&fused)?, run(&plain)?);
        assert_eq!(f.len(), 6);
        for (f, p) in f.iter().flatten().zip(p.iter().flatten()) {
            // The derivative from the output and from the input differ by a few roundings of numbers of size 1.
            assert!((f - p).abs() <= 1e-14, "{name}: {f} against {p}");
        }
    }
    Ok(())
}

#[test]
fn layers_without_parameters() -> Any {
    let mut graph = Graph::new();
    let x = graph.input("x", [2, 4])?;
    let mut b = Builder::new(&mut graph, Mode::Evaluate);
    let softmax = Softmax.build(&mut b, x)?;
    let log = LogSoftmax.build(&mut b, x)?;
    let maxout = Maxout { pieces: 2 }.build(&mut b, x)?;
    let silent = Dropout { p: 0.9 }.build(&mut b, x)?;
    assert_eq!(silent, x);
    let image = b.graph().input("image", [2, 3, 4, 4])?;
    assert_eq!(Dropout2d { p: 0.9 }.build(&mut b, image)?, image);
    let feeds = Feeds::from([(x, Feed::Real(vec![0.0, 0.0, 0.0, 0.0, 1.0, -2.0, 0.5, 3.0]))]);
    let found = cpu::evaluate(&graph, &feeds, &[softmax, log, maxout], &Context::default())?;
    assert_eq!(found[0][..4], [0.25; 4]);
    assert!(found[1][..4].iter().all(|l| (l + 4f64.ln()).abs() <= 1e-15));
    assert_eq!(found[2], [0.0, 0.0, 1.0, 3.0]);
    Ok(())
}

/// A view of an input is no source of its own: only the input is fed.
#[test]
fn a_model_that_begins_with_flatten_runs() -> Any {
    let flat = train(&Sequential::new().add(Identity).add(Linear::new(3)), &[4], &Objective::default(), 2)?;
    let image = train(&Sequential::new().add(Flatten).add(Linear::new(3)), &[1, 2, 2], &Objective::default(), 2)?;
    let run = |a: &Assembled| {
        let x = (0..8).map(f64::from).collect();
        cpu::evaluate(&a.graph, &feeds(a, 4, x, vec![2, 0]), &[a.output, a.loss], &Context::default())
    };
    assert_eq!(run(&flat)?, run(&image)?);
    Ok(())
}

#[test]
fn initial_weights_have_the_bounds_of_pytorch() -> Any {
    let model = Sequential::new().add(Linear::new(64)).add(Relu).add(Linear::new(3).bias_init(Initializer::Zeros));
    let a = train(&model, &[100], &Objective::default(), 1)?;
    let w = initial_parameters(&a.parameters, 1);
    let largest = |w: &[f64]| w.iter().fold(0.0f64, |m, w| m.max(w.abs()));
    // nn.Linear: U(−1/√in, 1/√in), the bias too. The chance that all draws fall short of 98 % (80 %) is below 1e-5.
    assert!((0.098..=0.1).contains(&largest(&w[0])));
    assert!((0.08..=0.1).contains(&largest(&w[1])));
    assert!((0.12..=0.125).contains(&largest(&w[2])));
    assert_eq!(w[3], [0.0; 3]);
    assert_eq!(w, initial_parameters(&a.parameters, 1));
    assert_ne!(w, initial_parameters(&a.parameters, 2));
    Ok(())
}

#[test]
fn a_closure_is_a_model_and_the_penalty_takes_weights_alone() -> Any {
    let model = |b: &mut Builder<'_>, x: NodeId| -> Result<NodeId, GraphError> {
        let scale = b.parameter("scale", [2, 3], Initializer::Ones)?;
        let y = b.scope("fc", |b| Linear::new(3).build(b, x))?;
        b.graph().mul(y, scale)
    };
    let a = train(&model, &[4], &Objective { l2: 2.0, ..Objective::default() }, 2)?;
    assert_eq!(names(&a), ["scale [2, 3]", "fc.weight [3, 4]", "fc.bias [3]"]);
    let feeds = feeds(&a, 1, vec![0.0; 8], vec![0, 1]);
    let penalty = a.penalty.ok_or("a penalty")?;
    let w = &initial_parameters(&a.parameters, 1)[1];
    let expected = 6.0 + w.iter().map(|w| w * w).sum::<f64>();
    let found = cpu::evaluate(&a.graph, &feeds, &[penalty], &Context::default())?[0][0];
    assert!((found - expected).abs() <= 1e-13 * expected);
    let plain = train(&model, &[4], &Objective::default(), 2)?;
    assert!(plain.penalty.is_none() && plain.loss == plain.data_loss);
    assert!(plain.graph.settings().all(|(name, _)| name != "l2"));
    Ok(())
}

#[test]
fn values_as_targets() -> Any {
    let model = Sequential::new().add(Linear::new(2));
    let objective = Objective { loss: Loss::Mse, l2: 0.0 };
    let values = |shape: Shape| TargetKind::Values { shape };
    let a = assemble(&model, &Shape::from([3]), values([2].into()), &objective, 5, Mode::Train)?;
    assert_eq!(a.graph.shape(a.targets), &Shape::from([5, 2]));
    assert!(a.accuracy.is_none());
    let error = assemble(&model, &Shape::from([3]), values([4].into()), &objective, 5, Mode::Train).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("[5, 4]") && text.contains("[5, 2]") && text.contains("targets of shape [4]"), "{text}");
    Ok(())
}

#[track_caller]
fn refused<T>(result: Result<T, GraphError>, parts: &[&str]) {
    let Err(error) = result else { panic!("must be refused") };
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{text}` does not say `{part}`");
    }
}

#[test]
fn what_is_refused_says_where_and_why() {
    let objective = Objective::default();
    // A layer that does not fit: which one, what it was given, what it wants.
    let model = Sequential::new().add(Linear::new(6)).add(Relu).add(Maxout { pieces: 4 });
    refused(train(&model, &[2], &objective, 8), &["layer 2 (maxout), given [8, 6]"]);
    let model = Sequential::new().add(Relu).add(Linear { input: Some(4), ..Linear::new(3) });
    refused(train(&model, &[5], &objective, 8), &["layer 1 (linear), given [8, 5]", "[batch, .., 4]", "found [8, 5]"]);
    let model = Sequential::new().add(Sequential::new().add(Linear::new(0)));
    refused(
        train(&model, &[2], &objective, 8),
        &["layer 0 (sequential)", "layer 0 (linear)", "`out` must be at least 1, found 0"],
    );
    let model = Sequential::new().add(Dropout { p: 1.5 });
    refused(train(&model, &[2], &objective, 8), &["layer 0 (dropout)", "`p` must be in [0, 1], found 1.5"]);
    let model = Sequential::new().add(Dropout2d { p: -0.5 });
    refused(train(&model, &[1, 2, 2], &objective, 8), &["layer 0 (dropout2d)", "`p` must be in [0, 1], found -0.5"]);
    let model = Sequential::new().add(Dropout2d::default());
    refused(train(&model, &[2], &objective, 8), &["layer 0 (dropout2d)", "[N, C, H, W], found [8, 2]"]);
    let model = Sequential::new().add(LeakyRelu { slope: f64::NAN });
    refused(train(&model, &[2], &objective, 8), &["layer 0 (leaky_relu)", "`slope`"]);
    // An output that does not fit the data.
    let model = Sequential::new().add(Linear::new(2));
    refused(train(&model, &[2], &objective, 8), &["cross_entropy", "[8, 3]", "3 classes", "found [8, 2]"]);
    // More scores than classes occur in the data are not refused.
    assert!(train(&Sequential::new().add(Linear::new(5)), &[2], &objective, 8).is_ok());
    let model = Sequential::new().add(Linear::new(3));
    refused(train(&model, &[4, 2], &objective, 8), &["found [8, 4, 3]", "`flatten`"]);
    refused(
        train(&model, &[2], &Objective { loss: Loss::Mse, l2: 0.0 }, 8),
        &["mse", "must hold real numbers", "found classes"],
    );
    let values = TargetKind::Values { shape: [3].into() };
    refused(assemble(&model, &[2].into(), values, &objective, 8, Mode::Train), &["cross_entropy", "must hold classes"]);
    // Ranges.
    refused(train(&model, &[2], &objective, 0), &["`batch` must be at least 1"]);
    for l2 in [-1.0, f64::NAN, f64::INFINITY] {
        refused(
            train(&model, &[2], &Objective { l2, ..Objective::default() }, 8),
            &["`l2` must be finite and at least 0"],
        );
    }
    let twice = |b: &mut Builder<'_>, x: NodeId| {
        let y = Linear::new(3).build(b, x)?;
        Linear::new(3).build(b, y)
    };
    refused(train(&twice, &[2], &objective, 8), &["parameter named `weight`"]);
}

/// Two of one name, in the graph or in files, and updates of another shape or of what is no buffer.
#[test]
fn buffers_that_clash_are_refused() -> Any {
    let mut graph = Graph::new();
    let mut b = Builder::new(&mut graph, Mode::Train);
    let first = b.buffer("a", &[("x", 0.0)], [2])?;
    for (name, rows) in [("a", [("y", 0.0)]), ("b", [("x", 0.0)])] {
        let clash = b.buffer(name, &rows, [2]).err();
        assert!(matches!(clash, Some(GraphError::DuplicateName { kind: "buffer", .. })), "{clash:?}");
    }
    // Across kinds too: files have one name for each.
    b.counter("n")?;
    b.parameter("w", [2], Initializer::Zeros)?;
    let clashes = [
        b.parameter("x", [2], Initializer::Zeros).err(),
        b.parameter("n", [2], Initializer::Zeros).err(),
        b.buffer("c", &[("w", 0.0)], [2]).err(),
        b.buffer("d", &[("n", 0.0)], [2]).err(),
        b.buffer("e", &[("y", 0.0), ("y", 1.0)], [2]).err(),
        b.counter("x").err(),
        b.counter("w").err(),
        b.counter("n").err(),
    ];
    for clash in clashes {
        assert!(matches!(clash, Some(GraphError::DuplicateName { .. })), "{clash:?}");
    }
    let rows = b.graph().index_input("rows", [1, 2])?;
    assert!(matches!(b.update(first, rows), Err(GraphError::Dtype { op: "update", .. })));
    let wide = b.graph().input("wide", [2, 2])?;
    assert!(matches!(b.update(first, wide), Err(GraphError::Shape { op: "update", .. })));
    assert!(matches!(b.update(wide, first), Err(GraphError::ForeignNode { .. })));
    Ok(())
}

/// `layers(x) + projection(x)`, by the parts' own graphs; its gradients against differences; shapes that do not agree.
#[test]
fn a_residual_block_adds_the_way_past() -> Any {
    let path = || Sequential::new().add(Linear::new(4)).add(Tanh).add(Linear::new(5));
    let past = || Sequential::new().add(Linear::new(5));
    let block = Residual::new(path()).projection(past());
    let (mut graph, mut parts) = (Graph::new(), Graph::new());
    let (x, p) = (graph.input("x", [2, 3])?, parts.input("x", [2, 3])?);
    let mut b = Builder::new(&mut graph, Mode::Train);
    let y = block.build(&mut b, x)?;
    let specs = b.into_parts().0;
    let mut b = Builder::new(&mut parts, Mode::Train);
    let one = b.scope("layers", |b| path().build(b, p))?;
    let two = b.scope("projection", |b| past().build(b, p))?;
    let names = |specs: &[ParameterSpec]| specs.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
    let split = b.into_parts().0;
    assert_eq!(names(&specs), names(&split));
    let values = initial_parameters(&specs, 3);
    let fed = |specs: &[ParameterSpec], x: NodeId| {
        let mut feeds: Feeds = specs.iter().zip(&values).map(|(p, v)| (p.node, v.as_slice().into())).collect();
        feeds.insert(x, vec![0.5, -1.0, 2.0, 0.25, 1.5, -0.75].into());
        feeds
    };
    let whole = cpu::evaluate(&graph, &fed(&specs, x), &[y], &Context::default())?.remove(0);
    let parted = cpu::evaluate(&parts, &fed(&split, p), &[one, two], &Context::default())?;
    let sums: Vec<f64> = parted[0].iter().zip(&parted[1]).map(|(a, b)| a + b).collect();
    assert_eq!(whole, sums);

    let model = Sequential::new().add(Residual::new(path()).projection(past())).add(Relu).add(Linear::new(3));
    let rows: Vec<f64> = (0..12).map(|i| f64::from(i % 5) - 1.5).collect();
    let targets = thalweg::data::Targets::Classes { labels: vec![0, 1, 2, 1], classes: 3 };
    let data = thalweg::data::Dataset::new(thalweg::data::Values::F64(rows), [3].into(), targets)?;
    let check = thalweg::check::GradientCheck::default();
    let report = thalweg::check::gradients(&model, &[3].into(), &Objective::default(), &data, &check, None)?;
    assert!(report.passed(), "{report}");

    let refused = train(&Sequential::new().add(Residual::new(path())), &[3], &Objective::default(), 2).err();
    let text = refused.map(|e| e.to_string()).unwrap_or_default();
    for part in ["layer 0 (residual)", "[2, 5]", "[2, 3]", "projection"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    Ok(())
}
