//! Every op and loss that offers a large case, in bytes of its floor (each operand once) a second, and in floating-point
//! operations where it counts them; products of 64×128×128, 256³, 1024³ and of a matrix with a vector, convolutions and norms of
//! layers that are trained.
//! Beside each its twin in f32, which the CPU device runs.
//!
//! Each result is held to the f64 twin within the op's own bound before it is timed.

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use thalweg::Graph;
use thalweg::check::bounds;
use thalweg::device::gpu::{Gpu, Prepared};
use thalweg::device::{Column, Feed, Feeds};
use thalweg::graph::{Arg, Context, DynOp, Kind, Meta};
use thalweg::kernel::{Operand, Place, Plan};
use thalweg::op::conv2d::{Conv2d, Conv2dInputGradient, Conv2dWeightGradient};
use thalweg::op::moments::{By, Moments, Over};
use thalweg::op::normalize::{Normalize, NormalizeGradient, NormalizeSums};
use thalweg::op::{Case, CaseInput, Fill};
use thalweg::rng::Stream;

fn main() {
    let mut c = support::criterion();
    if let Some(gpu) = support::gpu() {
        let mut rows = Vec::new();
        let layers = layers().into_iter().map(|case| (case.label.clone(), case));
        let norms = norms().into_iter().map(|case| (case.label.clone(), case));
        for (label, case) in products().into_iter().chain(layers).chain(norms).chain(registered()) {
            bench(&mut c, &gpu, &label, &case, &mut rows);
        }
        if support::measuring() {
            let head = ["op", "case", "µs", "GB/s", "GFLOP/s", "cpu f32 µs", "GB/s", "GFLOP/s"];
            support::table(&format!("on {} and on the CPU", gpu.adapter().name), &head, &rows);
        }
    }
    c.final_summary();
}

/// The cases that the registries mark.
fn registered() -> Vec<(String, Case)> {
    let cases = thalweg::op::ALL.iter().chain(thalweg::loss::ALL).flat_map(|entry| (entry.cases)());
    cases.filter(|case| case.bench).map(|case| (case.label.clone(), case)).collect()
}

/// x·wᵀ, as a linear layer multiplies.
fn products() -> Vec<(String, Case)> {
    let any = Fill::Uniform(-1.0, 1.0);
    let of = |[rows, inner, columns]: [usize; 3]| {
        let mut g = Graph::new();
        let x = g.input("x", [rows, inner]).expect("a new name");
        let w = g.input("w", [columns, inner]).expect("a new name");
        let y = g.matmul_nt(x, w).expect("shapes that fit");
        let Kind::Op { op, .. } = &g.node(y).kind else { unreachable!("a product is an op") };
        let label = format!("x·wᵀ {rows}×{inner}×{columns}");
        let operand = |shape: [usize; 2]| CaseInput { shape: shape.into(), fill: any, differentiable: true };
        let inputs = vec![operand([rows, inner]), operand([columns, inner])];
        (label.clone(), Case { op: op.clone(), label, inputs, smooth: true, bench: true, coarse: None })
    };
    // Of one row and of one column: a single example, a single output.
    [[64, 128, 128], [256; 3], [1024; 3], [1, 1024, 1024], [1024, 1024, 1]].into_iter().map(of).collect()
}

/// Convolutions of 3×3 with padding 1 at batch 64, forward and both gradients: the two layers of a small network on MNIST, one of
/// a ResNet-20 on CIFAR-10.
fn layers() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let conv = Conv2d { padding: [1; 2], ..Conv2d::default() };
    let of = |(channels, side, out): (usize, usize, usize)| {
        let (x, w, y) = ([64, channels, side, side], [out, channels, 3, 3], [64, out, side, side]);
        let label = format!("{x:?} by {w:?}");
        [
            Case::new(&label, conv).fixed(x, any).fixed(w, any).fixed([out], any),
            Case::new(&label, Conv2dInputGradient { conv, size: [side; 2] }).fixed(w, any).fixed(y, any),
            Case::new(&label, Conv2dWeightGradient { conv, kernel: [3; 2] }).fixed(x, any).fixed(y, any),
        ]
    };
    [(1, 28, 32), (32, 14, 64), (16, 32, 16)].into_iter().flat_map(of).collect()
}

/// Batch-norm at a layer of a ResNet-20 on CIFAR-10, batch 64: the moments, the result, the two sums of its derivative, and the
/// input's gradient.
fn norms() -> Vec<Case> {
    // Means that leave most of x on one side: a sum of x̂ of either sign would be all rounding.
    let (any, low) = (Fill::Uniform(-0.5, 1.5), Fill::Uniform(0.0, 0.25));
    let (x, sets, over, epsilon) = ([64, 16, 32, 32], 16, Over::Batch, 1e-5);
    let label = format!("{x:?} over the batch");
    let case = |op: Arc<dyn DynOp>, inputs: &[(&[usize], Fill)]| {
        let operand =
            |&(shape, fill): &(&[usize], Fill)| CaseInput { shape: shape.into(), fill, differentiable: false };
        let inputs = inputs.iter().map(operand).collect();
        Case { op, label: label.clone(), inputs, smooth: true, bench: true, coarse: None }
    };
    let (image, moments, parameter) = ((&x[..], any), (&[2, sets][..], Fill::Uniform(0.5, 1.5)), (&[sets][..], any));
    vec![
        case(Arc::new(Moments { over }), &[image]),
        case(Arc::new(Normalize { over, epsilon }), &[image, moments, parameter, parameter]),
        case(Arc::new(NormalizeSums { over, epsilon, by: By::Parameter }), &[image, image, (&[2, sets], low)]),
        case(
            Arc::new(NormalizeGradient { over, epsilon, through: true }),
            &[image, moments, parameter, image, (&[2, sets], any)],
        ),
    ]
}

fn bench(c: &mut Criterion, gpu: &Gpu, label: &str, case: &Case, rows: &mut Vec<Vec<String>>) {
    let name = case.op.name();
    let mut made: Option<Made> = None;
    let mut group = c.benchmark_group(name);
    let (bytes, flops) = work(gpu, case);
    group.throughput(if flops > 0 { Throughput::Elements(flops) } else { Throughput::Bytes(bytes) });
    group.bench_function(label, |b| {
        let made = made.get_or_insert_with(|| make(gpu, case));
        b.iter_custom(|times| support::time(&made.prepared, times, made.most));
    });
    group.finish();
    if support::measuring() {
        let made = made.get_or_insert_with(|| make(gpu, case));
        let runs = (0..9).map(|_| support::time(&made.prepared, u64::from(made.most), made.most).as_secs_f64());
        let seconds = support::median(runs.collect()) / f64::from(made.most);
        let rate = |n: u64, seconds| if n == 0 { "–".into() } else { format!("{:.1}", n as f64 / seconds / 1e9) };
        let mut row = vec![name.into(), label.into()];
        for seconds in [seconds, twin(case)] {
            row.extend([format!("{:.1}", 1e6 * seconds), rate(bytes, seconds), rate(flops, seconds)]);
        }
        rows.push(row);
    }
}

/// Seconds that the twin takes in f32: what the CPU device runs.
fn twin(case: &Case) -> f64 {
    enum Values {
        Real(Vec<f32>),
        Index(Vec<u32>),
    }
    let values: Vec<Values> = feeds(case)
        .into_iter()
        .map(|feed| match feed {
            Feed::Real(values) => Values::Real(values.iter().map(|&v| v as f32).collect()),
            Feed::Index(values) => Values::Index(values),
        })
        .collect();
    let args: Vec<Arg<'_, f32>> = (case.inputs.iter().zip(&values))
        .map(|(input, values)| match values {
            Values::Real(values) => Arg::Real(&input.shape, values),
            Values::Index(values) => Arg::Index(&input.shape, values),
        })
        .collect();
    let metas: Vec<Meta> = case.inputs.iter().map(CaseInput::meta).collect();
    let mut y = vec![0.0; case.op.output(&metas).expect("the case's shapes fit").shape.elements()];
    let mut once = || {
        let start = Instant::now();
        case.op.twin_f32(&args, black_box(&mut y), &Context::default());
        start.elapsed().as_secs_f64()
    };
    once();
    support::median((0..9).map(|_| once()).collect())
}

fn feeds(case: &Case) -> Vec<Feed> {
    let feed = |(i, input)| thalweg::check::fill(input, Stream::new(17, 0, i as u32));
    case.inputs.iter().enumerate().map(feed).collect()
}

/// What is timed, and how often it may run in one submission.
struct Made {
    prepared: Prepared,
    most: u32,
}

fn plan(gpu: &Gpu, case: &Case) -> Plan {
    let place = |shape: &thalweg::Shape| Place { shape: shape.clone(), stride: 0 };
    let metas: Vec<Meta> = case.inputs.iter().map(CaseInput::meta).collect();
    let output = case.op.output(&metas).expect("the case's shapes fit");
    let inputs = case.inputs.iter().map(|i| place(&i.shape)).collect();
    gpu.plan(case.op.as_ref(), inputs, place(&output.shape), 1)
}

/// Bytes if each operand is touched once, and floating-point operations. Of a gather's table the rows that it takes are touched,
/// as many elements as come out.
fn work(gpu: &Gpu, case: &Case) -> (u64, u64) {
    let plan = plan(gpu, case);
    let taken = if case.op.name() == "gather" { plan.output.elements() } else { usize::MAX };
    let read: usize = plan.inputs.iter().map(|input| input.elements().min(taken)).sum();
    let elements = read + plan.output.elements();
    let launches = case.op.launches(&plan).expect("the case fits an adapter");
    (4 * elements as u64, launches.list.iter().map(|l| l.flops).sum())
}

/// The op's launches over the case's operands, run once and held to the twin.
fn make(gpu: &Gpu, case: &Case) -> Made {
    let plan = plan(gpu, case);
    let launches = case.op.launches(&plan).expect("the case fits an adapter");
    let feeds = feeds(case);
    let columns: Vec<Column<'_>> = feeds
        .iter()
        .map(|feed| match feed {
            Feed::Real(values) => Column::F64(values),
            Feed::Index(values) => Column::Index(values),
        })
        .collect();
    let prepared = gpu.prepare(launches, &columns, plan.output.elements()).expect("the op compiles");
    prepared.run(1).expect("the op runs");
    verify(case, feeds.clone(), &prepared);
    let most = support::repetitions(&prepared);
    Made { prepared, most }
}

fn verify(case: &Case, feeds: Vec<Feed>, prepared: &Prepared) {
    let mut g = Graph::new();
    let mut own: Feeds = Feeds::new();
    let mut inputs = Vec::new();
    for (i, (input, feed)) in case.inputs.iter().zip(feeds).enumerate() {
        let id = g.member_input(&format!("input {i}"), input.meta()).expect("a new name");
        own.insert(id, feed);
        inputs.push(id);
    }
    let y = g.apply_dyn(Arc::clone(&case.op), &inputs).expect("the case's shapes fit");
    let twin = bounds(&g, &own, &[y], &Context::default()).expect("the twin runs").remove(0);
    let found = prepared.read(Operand::Output).expect("the device works");
    for (i, (&value, &error)) in twin.value.iter().zip(&twin.error).enumerate() {
        let got = f64::from(f32::from_bits(found[i]));
        let tolerance = error + f64::from(f32::MIN_POSITIVE);
        assert!(
            (got - value).abs() <= tolerance,
            "{} {}: [{i}] got {got:e}, twin {value:e}, bound {tolerance:e}",
            case.op.name(),
            case.label
        );
    }
}
