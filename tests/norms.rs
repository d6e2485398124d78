//! Normalisations against PyTorch's: values, gradients and running statistics, two training steps and an evaluation, in f64 and on
//! the GPU; the two ways to their derivative against each other and against differences; what is refused.
//! `golden/norm/generate.py` made the numbers.

mod support;

use std::sync::LazyLock;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use thalweg::check::{GradientCheck, KernelReport, kernels, trace};
use thalweg::device::gpu::{Evaluation, Gpu, Options, evaluate};
use thalweg::device::{Feed, Feeds, cpu};
use thalweg::graph::{Arg, Context, Graph, NodeId, Op};
use thalweg::kernel::Tiling;
use thalweg::nn::{BatchNorm, Builder, GroupNorm, LayerNorm, Mode, Sequential, output_shape};
use thalweg::op::moments::{Moments, MomentsGradient, Over};
use thalweg::rng::{Stream, stream};
use thalweg::train::config::RunConfig;
use thalweg::{Shape, check};

type Any = Result<(), Box<dyn std::error::Error>>;

/// Roundings of f64 in sums of at most 60 numbers below 4, relative to the largest; those around 1000 have lost 3 digits in x − μ, and
/// 3 more in what is small beside what it is the difference of.
const TOLERANCE: f64 = 1e-12;
const FAR: f64 = 1e-9;

static GPUS: LazyLock<Vec<Gpu>> = LazyLock::new(|| {
    let open = |tiling| {
        let options = Options { checked: true, tiling: Some(tiling), ..Options::default() };
        support::open(options).expect("the adapter opened before")
    };
    [Tiling::Register, Tiling::Workgroup].map(open).into()
});

fn main() {
    let test = |name: &str, run: fn() -> Any| Trial::test(name, move || run().map_err(|e| Failed::from(e.to_string())));
    support::main(vec![
        test("values, gradients and statistics are those of PyTorch", || pytorch(None)),
        test("a derivative through the statistics is the sum of its parts", through_or_beside),
        test("both ways agree with differences", differences),
        test("moments that are asked for get their gradient", asked),
        test("numbers far from 0 keep their variance in f32", far),
        test("what does not fit is refused", refused),
        support::trial("kernels find what PyTorch does", || pytorch(Some(&GPUS)).map_err(|e| e.to_string().into())),
        support::trial("large tensors are cut or refused", || cut().map_err(|e| e.to_string().into())),
        support::trial("NaN shows in its set alone", || poisoned().map_err(|e| e.to_string().into())),
    ]);
}

fn shape(tensor: &Value) -> Shape {
    let axes = tensor["shape"].as_array().expect("a shape").iter().map(|n| n.as_u64().expect("a count") as usize);
    axes.collect::<Vec<_>>().into()
}

fn values(tensor: &Value) -> Vec<f64> {
    tensor["values"].as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// Relative to the largest expected number, and not of NaN.
fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Any {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} elements, not {}", found.len(), expected.len()).into());
    }
    let scale = expected.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        if !(error <= tolerance * scale) {
            return Err(format!("{what} [{i}]: {found} is not {expected}").into());
        }
    }
    Ok(())
}

fn pytorch(gpus: Option<&[Gpu]>) -> Any {
    let golden: Value = serde_json::from_str(include_str!("golden/norm/cases.json"))?;
    let cases = golden["cases"].as_array().expect("cases");
    assert!(cases.len() >= 12);
    for case in cases {
        let text = case["toml"].as_str().expect("text");
        let config = RunConfig::parse(&format!("[model]\nlayers = [{text}]"), &[])?;
        assert_eq!(RunConfig::parse(&config.to_toml(), &[])?.model.layers, config.model.layers);
        let model = config.model()?;
        let [first, second] = [&case["train"][0], &case["train"][1]];
        let mut running: Option<Vec<f64>> = None;
        for (step, (pass, mode)) in
            [(first, Mode::Train), (second, Mode::Train), (&case["evaluate"], Mode::Evaluate)].into_iter().enumerate()
        {
            let what = |part: &str| format!("{text} of {}, pass {step}: {part}", shape(&pass["x"]));
            let (mut g, mut feeds) = (Graph::new(), Feeds::new());
            let x = g.input("x", shape(&pass["x"]))?;
            feeds.insert(x, Feed::Real(values(&pass["x"])));
            let mut b = Builder::new(&mut g, mode);
            let y = model.build(&mut b, x)?;
            let (parameters, buffers, counters) = b.into_parts();
            let mut wrt = vec![("x".to_owned(), x)];
            for p in &parameters {
                let name = p.name.strip_prefix("0.").expect("the layer's place");
                assert_eq!(p.shape, shape(&case["parameters"][name]), "{}", what(name));
                feeds.insert(p.node, Feed::Real(values(&case["parameters"][name])));
                wrt.push((name.into(), p.node));
            }
            assert_eq!(wrt.len(), 3);
            let upstream = g.input("upstream", shape(&pass["y"]))?;
            feeds.insert(upstream, Feed::Real(values(&pass["weights"])));
            let nodes: Vec<NodeId> = wrt.iter().map(|&(_, node)| node).collect();
            let gradients = g.gradients(y, upstream, &nodes)?;
            let mut wanted: Vec<(&str, NodeId)> = vec![("y", y)];
            for ((name, _), gradient) in wrt.iter().zip(gradients) {
                wanted.push((name, gradient.ok_or_else(|| what(name))?));
            }
            let theirs = pass["buffers"].as_object().expect("buffers");
            assert_eq!(theirs.is_empty(), buffers.is_empty());
            for buffer in &buffers {
                let names: Vec<&str> = buffer.rows.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(names, ["0.running_mean", "0.running_var"]);
                assert_eq!(counters, ["0.num_batches_tracked"]);
                assert_eq!(values(&theirs["num_batches_tracked"]), [step.min(1) as f64 + 1.0]);
                feeds.insert(buffer.node, Feed::Real(running.clone().unwrap_or_else(|| buffer.initial())));
                assert_eq!(buffer.next.is_some(), mode == Mode::Train);
                wanted.push(("running", buffer.next.unwrap_or(buffer.node)));
            }
            let ids: Vec<NodeId> = wanted.iter().map(|&(_, id)| id).collect();
            let found = cpu::evaluate(&g, &feeds, &ids, &Context::default())?;
            let far = values(&pass["x"]).iter().any(|x| x.abs() > 100.0);
            let tolerance = if far { FAR } else { TOLERANCE };
            for (&(name, _), found) in wanted.iter().zip(&found) {
                let expected = match name {
                    "y" => values(&pass["y"]),
                    "running" => [values(&theirs["running_mean"]), values(&theirs["running_var"])].concat(),
                    name => values(&pass["gradients"][name]),
                };
                near(&what(name), found, &expected, tolerance)?;
            }
            for gpu in gpus.into_iter().flatten() {
                let two = shape(&pass["y"]).axes() == [2, 1];
                let mut reports = kernels(gpu, &g, &feeds, &wanted, &Context::default())?;
                // x's gradient through the statistics may be a small difference of large numbers, whose carried bound says little: then
                // each op on the way is held to its own, on the operands that the GPU gave it.
                if reports.iter().any(|report| report.name == "x" && report.passed() && !report.proved()) {
                    reports.retain(|report| report.name != "x");
                    reports.extend(trace(gpu, &g, &feeds, &ids, &Context::default())?);
                }
                // Of two values each is ±1 whatever they were: but for ε the gradient cancels to 0, and what is left is rounding.
                let cancels = |r: &KernelReport| two && r.name.starts_with("normalize_gradient") && r.passed();
                if let Some(report) = reports.iter().find(|report| !report.proved() && !cancels(report)) {
                    return Err(format!("{}: {report:?}", what(&report.name)).into());
                }
            }
            if !buffers.is_empty() {
                running = found.last().cloned();
            }
        }
    }
    Ok(())
}

/// A normalisation of random numbers behind a random weighting: in sight of the op, its moments are x's own or only as good as.
struct Problem {
    graph: Graph,
    feeds: Feeds,
    x: NodeId,
    moments: NodeId,
    wrt: [NodeId; 3],
    loss: NodeId,
    one: NodeId,
}

fn problem(over: Over, axes: &[usize], own: bool) -> Result<Problem, Box<dyn std::error::Error>> {
    let (mut g, mut feeds) = (Graph::new(), Feeds::new());
    let draws = |n: usize, salt: u32| -> Vec<f64> {
        let stream = Stream::new(17, salt, stream::CHECK);
        (0..n as u32).map(|i| 2.0 * stream.uniform(i) - 0.5).collect()
    };
    let parameters = if over == Over::Example { Shape::from(&axes[1..]) } else { Shape::from([axes[1]]) };
    let x = g.input("x", axes)?;
    let weight = g.parameter("weight", parameters.clone())?;
    let bias = g.parameter("bias", parameters.clone())?;
    let r = g.input("r", axes)?;
    for (salt, id) in [x, weight, bias, r].into_iter().enumerate() {
        let n = g.shape(id).elements();
        feeds.insert(id, Feed::Real(draws(n, salt as u32)));
    }
    let mut moments = g.moments(x, over)?;
    if !own {
        moments = g.scale(moments, 1.0)?;
    }
    let y = g.normalize(x, moments, weight, bias, over, 1e-3)?;
    let weighted = g.mul(y, r)?;
    let loss = g.sum_all(weighted)?;
    let one = g.setting("one", 1.0)?;
    Ok(Problem { graph: g, feeds, x, moments, wrt: [x, weight, bias], loss, one })
}

const SHAPES: [(Over, &[usize]); 7] = [
    (Over::Batch, &[5, 3]),
    (Over::Batch, &[3, 2, 4, 3]),
    (Over::Example, &[4, 7]),
    (Over::Example, &[2, 3, 2, 2]),
    (Over::Groups(2), &[3, 4, 5]),
    (Over::Groups(3), &[2, 9]),
    (Over::Groups(3), &[2, 3, 3, 2]),
];

fn through_or_beside() -> Any {
    for (over, axes) in SHAPES {
        let mut both = Vec::new();
        let mut sizes = Vec::new();
        for own in [true, false] {
            let mut p = problem(over, axes, own)?;
            let gradients = p.graph.gradients(p.loss, p.one, &p.wrt)?;
            let wanted: Vec<NodeId> = gradients.into_iter().flatten().collect();
            both.push(cpu::evaluate(&p.graph, &p.feeds, &wanted, &Context::default())?);
            sizes.push(p.graph.to_string().matches("moments_gradient").count());
        }
        // Two ways indeed.
        assert_eq!(sizes, [0, 1], "{over:?}");
        assert_eq!((both[0].len(), both[1].len()), (3, 3));
        for (a, b) in both[0].iter().zip(&both[1]) {
            near(&format!("{over:?} of {axes:?}"), a, b, 1e-13)?;
        }
    }
    Ok(())
}

fn differences() -> Any {
    for (over, axes) in SHAPES {
        for own in [true, false] {
            let p = problem(over, axes, own)?;
            let settings = GradientCheck::default();
            let report = check::graph(&p.graph, p.loss, &p.feeds, &p.wrt, &Context::default(), &settings)?;
            if !report.passed() {
                return Err(format!("{over:?} of {axes:?}, own {own}: {report:?}").into());
            }
        }
    }
    Ok(())
}

/// With respect to x and the moments as two variables, x hears what it does where they stand still.
fn asked() -> Any {
    for (over, axes) in SHAPES {
        let mut p = problem(over, axes, true)?;
        let partial = p.graph.gradients(p.loss, p.one, &[p.moments])?;
        let both = p.graph.gradients(p.loss, p.one, &[p.x, p.moments])?;
        let total = p.graph.gradients(p.loss, p.one, &[p.x])?;
        let wanted: Vec<NodeId> = [partial, both, total].concat().into_iter().flatten().collect();
        assert_eq!(wanted.len(), 4, "{over:?}");
        let found = cpu::evaluate(&p.graph, &p.feeds, &wanted, &Context::default())?;
        near("the moments' own", &found[0], &found[2], 1e-13)?;
        // `gradients` adds what comes through the moments to x's, whichever way.
        near("x's total", &found[1], &found[3], 1e-13)?;
        assert!(found[0].iter().any(|d| d.abs() > 0.1));
    }
    Ok(())
}

/// 999 and 1001: mean 1000, variance 1. E[x²] − E[x]² in f32 would be off by 0.06, one unit in the last place of a million.
fn far() -> Any {
    for (over, axes) in [(Over::Batch, [3000, 2]), (Over::Example, [2, 3000])] {
        let x: Vec<f32> = (0..6000).map(|i| if (i / 2 + i % 2) % 2 == 0 { 999.0 } else { 1001.0 }).collect();
        let mut y = [0.0f32; 4];
        Moments { over }.twin(&[Arg::Real(&axes.into(), &x)], &mut y, &Context::default());
        near(&format!("{over:?}"), &y.map(f64::from), &[1000.0, 1000.0, 1.0, 1.0], f64::from(f32::EPSILON))?;
    }
    Ok(())
}

fn refused() -> Any {
    let text = |model: Sequential, example: &[usize]| match output_shape(&model, &example.into()) {
        Ok(shape) => format!("built, {shape}"),
        Err(error) => error.to_string(),
    };
    let says = |text: String, words: &[&str]| -> Any {
        if words.iter().all(|word| text.contains(word)) { Ok(()) } else { Err(text.into()) }
    };
    let one = |layer: GroupNorm| Sequential::new().add(layer);
    says(text(one(GroupNorm::new(4)), &[6, 2]), &["group", "`groups`", "4 for 6 channels", "divisor"])?;
    says(text(one(GroupNorm::new(0)), &[6, 2]), &["group_norm", "`groups`", "at least 1"])?;
    for epsilon in [0.0, -1e-5, f64::NAN, f64::INFINITY, 1e-60] {
        let words = &["`epsilon`", "above 0"];
        says(text(Sequential::new().add(LayerNorm { epsilon }), &[3]), words)?;
        says(text(one(GroupNorm { groups: 1, epsilon }), &[3]), words)?;
        says(text(Sequential::new().add(BatchNorm { epsilon, ..BatchNorm::default() }), &[3]), words)?;
    }
    for momentum in [-0.1, 1.5, f64::NAN] {
        let layer = BatchNorm { momentum, ..BatchNorm::default() };
        says(text(Sequential::new().add(layer), &[3]), &["batch_norm", "`momentum`", "in [0, 1]"])?;
    }
    for (text, name) in [
        (text(Sequential::new().add(LayerNorm::default()), &[]), "`x`"),
        (text(one(GroupNorm::new(1)), &[]), "`x`"),
        (text(Sequential::new().add(BatchNorm::default()), &[]), "batch_norm"),
    ] {
        says(text, &[name, "[N, C, …]"])?;
    }
    // One value a channel has no variance; used, not trained, the same layer takes it.
    let mut g = Graph::new();
    let x = g.input("x", [1, 3])?;
    let train = Sequential::new().add(BatchNorm::default()).build(&mut Builder::new(&mut g, Mode::Train), x);
    says(train.err().map_or("built".into(), |e| e.to_string()), &["at least 2 values a channel", "batch size"])?;
    says(text(Sequential::new().add(BatchNorm::default()), &[3]), &["built, [3]"])
}

/// One NaN makes its own set's mean and variance NaN, by every mapping, and no other's.
fn poisoned() -> Any {
    let how = Evaluation { members: vec![Context::default()], sentinels: true };
    for (over, axes, hit) in [
        (Over::Batch, vec![600, 3], 1),
        (Over::Batch, vec![2, 3, 5000], 1),
        (Over::Example, vec![3, 9000], 0),
        (Over::Groups(2), vec![1, 6, 7], 0),
    ] {
        let mut g = Graph::new();
        let x = g.input("x", axes.clone())?;
        let moments = g.moments(x, over)?;
        let n: usize = axes.iter().product();
        let mut values: Vec<f64> = (0..n).map(|i| (i % 7) as f64).collect();
        values[if over == Over::Batch { axes[2..].iter().product() } else { 1 }] = f64::NAN;
        let feeds = Feeds::from([(x, Feed::Real(values))]);
        let mut found = cpu::evaluate(&g, &feeds, &[moments], &Context::default())?;
        for gpu in GPUS.iter() {
            found.extend(evaluate(gpu, &g, &feeds, &[moments], &how)?);
        }
        for found in found {
            let sets = found.len() / 2;
            for (i, v) in found.iter().enumerate() {
                if v.is_nan() != (i % sets == hit) {
                    return Err(format!("{over:?} of {axes:?}: {v} at {i}").into());
                }
            }
        }
    }
    Ok(())
}

/// Where a binding takes 4096 elements, element-wise passes go by parts; what adds up is refused by name.
fn cut() -> Any {
    let gpu = support::open(Options { checked: true, max_elements: Some(4096), ..Options::default() })?;
    for (over, axes) in [
        (Over::Batch, [3, 5, 7, 101]),
        (Over::Batch, [5, 6, 16, 16]),
        (Over::Example, [40, 3, 11, 9]),
        (Over::Groups(3), [5, 6, 19, 17]),
    ] {
        let mut g = Graph::new();
        let mut feeds = Feeds::new();
        let mut operand = |g: &mut Graph, name: &str, shape: Shape, low: f64| {
            let id = g.input(name, shape.clone())?;
            let draws = Stream::new(19, id.index() as u32, stream::CHECK);
            let values = (0..shape.elements() as u32).map(|i| f64::from((low + draws.uniform(i)) as f32)).collect();
            feeds.insert(id, Feed::Real(values));
            Ok::<NodeId, thalweg::Error>(id)
        };
        let x = operand(&mut g, "x", axes.into(), -0.5)?;
        let own = g.moments(x, over)?;
        let moments = g.shape(own).clone();
        let moments = operand(&mut g, "moments", moments, 0.5)?;
        let parameters = if over == Over::Example { Shape::from(&axes[1..]) } else { Shape::from([axes[1]]) };
        let weight = operand(&mut g, "weight", parameters.clone(), -0.5)?;
        let bias = operand(&mut g, "bias", parameters, -0.5)?;
        let dy = operand(&mut g, "dy", axes.into(), -0.5)?;
        let y = g.normalize(x, moments, weight, bias, over, 1e-5)?;
        let dx = g.gradients(y, dy, &[x])?[0].ok_or("y depends on x")?;
        let all = g.apply(MomentsGradient { over }, &[moments, x, moments])?;
        for report in kernels(&gpu, &g, &feeds, &[("y", y), ("dx", dx), ("all", all)], &Context::default())? {
            if !report.proved() {
                return Err(format!("{over:?}: {report:?}").into());
            }
        }
        let error = kernels(&gpu, &g, &feeds, &[("moments", own)], &Context::default()).err();
        let text = error.map_or("no error".into(), |e| e.to_string());
        if !text.contains("moments needs") {
            return Err(text.into());
        }
    }
    Ok(())
}
