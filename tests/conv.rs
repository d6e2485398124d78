//! Convolutions and poolings against PyTorch's: values and gradients in f64, and layers under its names.
//! `golden/conv/generate.py` made the numbers.

use serde_json::Value;
use thalweg::device::{Feed, Feeds, cpu};
use thalweg::error::GraphError;
use thalweg::graph::{Context, Graph, NodeId};
use thalweg::nn::{
    AvgPool2d, Builder, Conv2d, Flatten, GlobalAvgPool2d, Initializer, LayerSpec, MaxPool2d, Mode, Sequential,
    initial_parameters, output_shape,
};
use thalweg::op::{avg_pool2d, conv2d, max_pool2d};
use thalweg::train::config::RunConfig;
use thalweg::{Shape, nn};

type Any = Result<(), Box<dyn std::error::Error>>;

/// Of sums of a few hundred products of numbers below 4: far above their rounding in f64, far below any mistake.
const TOLERANCE: f64 = 1e-12;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/conv/cases.json")).expect("valid JSON")
}

fn shape(tensor: &Value) -> Shape {
    let axes = tensor["shape"].as_array().expect("a shape").iter().map(|n| n.as_u64().expect("a count") as usize);
    axes.collect::<Vec<_>>().into()
}

fn values(tensor: &Value) -> Vec<f64> {
    tensor["values"].as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn pair(case: &Value, key: &str) -> [usize; 2] {
    [0, 1].map(|d| case[key][d].as_u64().expect("a pair of counts") as usize)
}

/// Relative to the largest expected number, and not of NaN.
fn near(what: &str, found: &[f64], expected: &Value) {
    let expected = values(expected);
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= TOLERANCE * scale, "{what} [{i}]: {found} is not {expected}");
    }
}

#[test]
fn values_and_gradients_are_those_of_pytorch() -> Any {
    let golden = golden();
    let cases = golden["cases"].as_array().expect("cases");
    assert!(cases.len() >= 12);
    for (i, case) in cases.iter().enumerate() {
        let name = case["op"].as_str().expect("a name");
        let what = |part: &str| format!("case {i}, {name}: {part}");
        let (mut g, mut feeds) = (Graph::new(), Feeds::new());
        let mut operands = Vec::new();
        for (n, operand) in case["operands"].as_array().expect("operands").iter().enumerate() {
            let id = g.input(&format!("operand {n}"), shape(operand))?;
            feeds.insert(id, Feed::Real(values(operand)));
            operands.push(id);
        }
        let (stride, padding) = (pair(case, "stride"), pair(case, "padding"));
        let x = operands[0];
        let y = match name {
            "conv2d" => {
                let groups = case["groups"].as_u64().expect("a count") as usize;
                let op = conv2d::Conv2d { stride, padding, dilation: pair(case, "dilation"), groups };
                g.conv2d(x, operands[1], operands.get(2).copied(), op)?
            }
            "max_pool2d" => g.max_pool2d(x, max_pool2d::MaxPool2d { kernel: pair(case, "kernel"), stride, padding })?,
            _ => g.avg_pool2d(x, avg_pool2d::AvgPool2d { kernel: pair(case, "kernel"), stride, padding })?,
        };
        assert_eq!(g.shape(y), &shape(&case["y"]), "{}", what("shape"));
        let upstream = g.input("upstream", g.shape(y).clone())?;
        feeds.insert(upstream, Feed::Real(values(&case["weights"])));
        let gradients = g.gradients(y, upstream, &operands)?;
        let wanted: Vec<NodeId> = [Some(y)].into_iter().chain(gradients).flatten().collect();
        assert_eq!(wanted.len(), 1 + operands.len(), "{}", what("gradients"));
        let found = cpu::evaluate(&g, &feeds, &wanted, &Context::default())?;
        near(&what("value"), &found[0], &case["y"]);
        for (n, found) in found[1..].iter().enumerate() {
            near(&what(&format!("gradient {n}")), found, &case["gradients"][n]);
        }
    }
    Ok(())
}

#[test]
fn networks_from_toml_are_those_of_pytorch() -> Any {
    let golden = golden();
    for network in golden["networks"].as_array().expect("networks") {
        let layers = network["toml"].as_str().expect("text");
        let config = RunConfig::parse(&format!("[model]\nlayers = [{layers}]"), &[])?;
        // Written out and read back, it is the same.
        assert_eq!(RunConfig::parse(&config.to_toml(), &[])?.model.layers, config.model.layers);
        let model = config.model()?;
        let (mut g, mut feeds) = (Graph::new(), Feeds::new());
        let x = g.input("x", shape(&network["x"]))?;
        feeds.insert(x, Feed::Real(values(&network["x"])));
        let mut b = Builder::new(&mut g, Mode::Train);
        let y = model.build(&mut b, x)?;
        let parameters = b.into_parts().0;
        let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(serde_json::to_value(&names)?, network["order"]);
        for p in &parameters {
            let theirs = &network["parameters"][&p.name];
            assert_eq!(p.shape, shape(theirs), "{}", p.name);
            feeds.insert(p.node, Feed::Real(values(theirs)));
        }
        let upstream = g.input("upstream", g.shape(y).clone())?;
        feeds.insert(upstream, Feed::Real(values(&network["weights"])));
        let nodes: Vec<NodeId> = parameters.iter().map(|p| p.node).collect();
        let gradients = g.gradients(y, upstream, &nodes)?;
        let wanted: Vec<NodeId> = [Some(y)].into_iter().chain(gradients).flatten().collect();
        let found = cpu::evaluate(&g, &feeds, &wanted, &Context::default())?;
        assert_eq!(found.len(), 1 + names.len());
        near("output", &found[0], &network["y"]);
        for (name, found) in names.iter().zip(&found[1..]) {
            near(name, found, &network["gradients"][name]);
        }
    }
    Ok(())
}

/// PyTorch's: uniform within 1/√(in/groups·kh·kw), weight and bias alike.
#[test]
fn filters_start_as_pytorchs_do() -> Any {
    let mut g = Graph::new();
    let x = g.input("x", [1, 8, 6, 6])?;
    let mut b = Builder::new(&mut g, Mode::Train);
    Sequential::new().add(Conv2d::new(64, [3, 2]).groups(2)).build(&mut b, x)?;
    let parameters = b.into_parts().0;
    assert_eq!(parameters[0].shape, Shape::from([64, 4, 3, 2]));
    let bound = 1.0 / 24f64.sqrt();
    for (p, values) in parameters.iter().zip(initial_parameters(&parameters, 7)) {
        assert_eq!((p.initializer, p.fan_in), (Initializer::KaimingUniform { a: 5f64.sqrt() }, 24));
        let most = values.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        assert!(most <= bound && most > 0.9 * bound, "{}: {most} of {bound}", p.name);
    }
    Ok(())
}

#[test]
fn shapes_are_those_of_the_documentation() -> Any {
    let image = Shape::from([3, 32, 31]);
    let of = |model: Sequential| output_shape(&model, &image).map(|s| s.to_string());
    assert_eq!(of(Sequential::new().add(Conv2d::new(8, [5, 3]).stride([2, 1]).padding([2, 0])))?, "[8, 16, 29]");
    assert_eq!(of(Sequential::new().add(Conv2d::new(6, [3, 3]).dilation([3, 2]).groups(3)))?, "[6, 26, 27]");
    assert_eq!(of(Sequential::new().add(MaxPool2d::new([3, 3]).stride([2, 2]).padding([1, 1])))?, "[3, 16, 16]");
    assert_eq!(of(Sequential::new().add(AvgPool2d::new([2, 2])))?, "[3, 16, 15]");
    assert_eq!(of(Sequential::new().add(GlobalAvgPool2d).add(Flatten))?, "[3]");
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_by_name() -> Any {
    let image = Shape::from([3, 6, 5]);
    let refused = |layer: LayerSpec, words: &[&str]| -> Any {
        let model: Sequential = [layer.layer()?].into_iter().collect();
        let Err(error) = output_shape(&model, &image) else { return Err(format!("{layer} was built").into()) };
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        Ok(())
    };
    let with = |name: &str, fields: &[(&str, nn::Value)]| -> Result<LayerSpec, GraphError> {
        fields.iter().try_fold(LayerSpec::new(name)?, |spec, (field, value)| spec.with(field, value.clone()))
    };
    let (pair, count) = (|a, b| nn::Value::Pair(Some([a, b])), nn::Value::Count);
    refused(with("conv2d", &[("kernel", pair(7, 3))])?, &["conv2d", "`x`", "H ≥ 7 and W ≥ 3", "[1, 3, 6, 5]"])?;
    refused(with("conv2d", &[("out", count(4)), ("groups", count(2))])?, &["conv2d", "`groups`", "3 channels"])?;
    refused(with("conv2d", &[("out", count(4)), ("groups", count(3))])?, &["conv2d", "`groups`", "3 for 4"])?;
    refused(with("conv2d", &[("stride", pair(1 << 40, 1))])?, &["conv2d", "`stride`", "in [1, 65535]"])?;
    refused(with("conv2d", &[("padding", pair(1 << 40, 1))])?, &["conv2d", "`padding`", "in [0, 65535]"])?;
    refused(with("conv2d", &[("out", count(usize::MAX)), ("kernel", pair(3, 3))])?, &["2^31 elements"])?;
    refused(with("max_pool2d", &[("padding", pair(2, 0))])?, &["max_pool2d", "`padding`", "at most half the kernel"])?;
    refused(with("avg_pool2d", &[("kernel", pair(2, 9))])?, &["avg_pool2d", "`x`", "W ≥ 9"])?;
    for layer in ["conv2d", "max_pool2d", "avg_pool2d", "global_avg_pool2d"] {
        let model: Sequential = [LayerSpec::new(layer)?.layer()?].into_iter().collect();
        let Err(error) = output_shape(&model, &Shape::from([7])) else { panic!("{layer} took a vector") };
        assert!(error.to_string().contains(layer), "{error}");
    }
    Ok(())
}
