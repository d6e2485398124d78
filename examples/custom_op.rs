//! An op from outside the crate: its twin, derivative, WGSL and error bound; proved by the library's checks, then
//! trained in a layer of its own, on the CPU and, where there is one, on a GPU.
//!
//! `cargo run --example custom_op`

use std::sync::LazyLock;

use thalweg::check::{self, GradientCheck};
use thalweg::data::Source;
use thalweg::device::Precision;
use thalweg::device::gpu::{Gpu, Options, adapters};
use thalweg::error::GraphError;
use thalweg::graph::{Arg, BoundArg, Context, Meta, Op, Tape};
use thalweg::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, Word, part};
use thalweg::nn::{Builder, Flatten, Layer, Linear, Objective};
use thalweg::op::rounding::{EPSILON, round};
use thalweg::op::{Case, Fill, RAGGED, operand};
use thalweg::{Device, Event, Flow, NodeId, Recipe, Result, Scalar, Sequential, Shape, Trainer};

/// A gated linear unit whose gate opens in a straight line.
///
/// ```text
/// y = a h(b),   h(b) = min(max(b/6 + ½, 0), 1)
/// ∂L/∂a = dy h(b)          the same op over (dy, b)
/// ∂L/∂b = dy a / 6 where |b| < 3, else 0
/// ```
///
/// h is PyTorch's `hardsigmoid`; its kinks are at ±3.
#[derive(Clone, Copy, Debug)]
struct HardGate;

/// `∂L/∂b` of [`HardGate`], from dy, a and b.
#[derive(Clone, Copy, Debug)]
struct HardGateGradient;

static GATE: LazyLock<String> = LazyLock::new(|| linked(include_str!("wgsl/hard_gate.wgsl")));
static GRADIENT: LazyLock<String> = LazyLock::new(|| linked(include_str!("wgsl/hard_gate_gradient.wgsl")));

/// The kernel first, so that line numbers in messages stay its own.
fn linked(kernel: &str) -> String {
    [kernel, part("grid").expect("the library has a part of that name")].join("\n")
}

/// All operands must be real and of one shape.
fn same_shapes<const N: usize>(
    op: &'static str,
    inputs: &[Meta],
    names: [&'static str; N],
) -> Result<Meta, GraphError> {
    let shapes = operand::reals(op, inputs, names)?;
    match shapes.iter().zip(names).find(|(shape, _)| **shape != shapes[0]) {
        Some((found, name)) => Err(operand::misshapen(op, name, shapes[0].to_string(), found)),
        None => Ok(inputs[0].clone()),
    }
}

/// One invocation an element; a tensor too large for one binding is cut into runs.
fn elementwise(
    plan: &Plan,
    kernel: &Kernel,
    strides: &[&'static str],
    output: &'static str,
) -> Result<Launches, GraphError> {
    let launch = |(offset, len): (usize, usize)| {
        let inputs = strides.iter().zip(&plan.inputs).map(|(&name, place)| (name, place.stride.into()));
        let ends: [(&str, Word); 2] = [("len", len.into()), (output, plan.output.stride.into())];
        let window = |operand| Window { operand, offset, len };
        let reads = (0..plan.inputs.len()).map(|n| Binding::Read(window(Operand::Input(n))));
        Launch {
            kernel: kernel.clone(),
            params: ends[..1].iter().copied().chain(inputs).chain(ends[1..].iter().copied()).collect(),
            bindings: reads.chain([Binding::Write(window(Operand::Output))]).collect(),
            groups: plan.linear(len, 64),
            flops: 0,
        }
    };
    let runs = plan.runs(kernel.entry, plan.output.elements(), &[1])?;
    Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
}

fn open<T: Scalar>(b: T) -> T {
    (b / T::of(6.0) + T::of(0.5)).max(T::zero()).min(T::one())
}

impl Op for HardGate {
    fn name(&self) -> &'static str {
        "hard_gate"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        same_shapes("hard_gate", inputs, ["a", "b"])
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        for ((y, &a), &b) in y.iter_mut().zip(inputs[0].real()).zip(inputs[1].real()) {
            *y = a * open(b);
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (a, b, dy) = (tape.input(0), tape.input(1), tape.upstream());
        let da = if tape.needs(0) { Some(tape.graph().apply(HardGate, &[dy, b])?) } else { None };
        let db = if tape.needs(1) { Some(tape.graph().apply(HardGateGradient, &[dy, a, b])?) } else { None };
        Ok(vec![da, db])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let kernel = Kernel::new("hard_gate", GATE.as_str(), "hard_gate");
        elementwise(plan, &kernel, &["a_stride", "b_stride"], "y_stride")
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (a, b) = (inputs[0].value.real(), inputs[1].value.real());
        for (i, error) in error.iter_mut().enumerate() {
            let (a_error, b_error) = (inputs[0].error[i], inputs[1].error[i]);
            let (largest, sixth) = (a[i].abs() + a_error, (b[i].abs() + b_error) / 6.0);
            // Roundings of the constant, the product and the sum; where the gate is surely clamped, none.
            let rounding = 1.001 * EPSILON * (2.0 * sixth + (sixth + 0.5));
            let gate_error = if b[i].abs() - b_error > 3.001 { 0.0 } else { b_error / 6.0 + rounding };
            let gate = open(b[i]);
            *error = gate * a_error + largest * gate_error + round(largest * (gate + gate_error));
        }
    }

    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>) {
        out.extend(inputs[1].real().iter().map(|b| u32::from(*b > -3.0) + u32::from(*b >= 3.0)));
    }
}

impl Op for HardGateGradient {
    fn name(&self) -> &'static str {
        "hard_gate_gradient"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        same_shapes("hard_gate_gradient", inputs, ["dy", "a", "b"])
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], db: &mut [T], _: &Context) {
        let [dy, a, b] = [0, 1, 2].map(|n| inputs[n].real());
        for (i, db) in db.iter_mut().enumerate() {
            *db = if b[i].abs() < T::of(3.0) { dy[i] * a[i] / T::of(6.0) } else { T::zero() };
        }
    }

    /// Linear in dy and in a, and the same in both; constant in b between the kinks.
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (dy, a, b, upstream) = (tape.input(0), tape.input(1), tape.input(2), tape.upstream());
        let ddy = if tape.needs(0) { Some(tape.graph().apply(*self, &[upstream, a, b])?) } else { None };
        let da = if tape.needs(1) { Some(tape.graph().apply(*self, &[upstream, dy, b])?) } else { None };
        Ok(vec![ddy, da, None])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let kernel = Kernel::new("hard_gate_gradient", GRADIENT.as_str(), "hard_gate_gradient");
        elementwise(plan, &kernel, &["dy_stride", "a_stride", "b_stride"], "db_stride")
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let [dy, a, b] = [0, 1, 2].map(|n| inputs[n].value.real());
        for (i, error) in error.iter_mut().enumerate() {
            let [dy_error, a_error, b_error] = [0, 1, 2].map(|n| inputs[n].error[i]);
            let product = (dy[i].abs() + dy_error) * (a[i].abs() + a_error);
            let moved = dy_error * a[i].abs() + (dy[i].abs() + dy_error) * a_error;
            *error = if b[i].abs() - b_error > 3.0 {
                0.0
            } else if b[i].abs() + b_error >= 3.0 && b_error > 0.0 {
                // Either side of the kink.
                1.001 * product / 6.0 + round(product)
            } else {
                // Two products and the constant.
                moved / 6.0 + 1.001 * 3.0 * round(product / 6.0)
            };
        }
    }

    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>) {
        out.extend(inputs[2].real().iter().map(|b| u32::from(b.abs() < 3.0)));
    }
}

/// Two linear maps, one gating the other: `(W x + b) h(V x + c)`.
#[derive(Clone, Copy, Debug)]
struct HardGated {
    out: usize,
}

impl Layer for HardGated {
    fn name(&self) -> &'static str {
        "hard_gated"
    }

    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        let value = b.scope("value", |b| Linear::new(self.out).build(b, x))?;
        let gate = b.scope("gate", |b| Linear::new(self.out).build(b, x))?;
        b.graph().apply(HardGate, &[value, gate])
    }
}

/// Each op by itself: ragged lengths, both sides of the kinks, the kinks themselves and far beyond.
fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-2.0, 2.0);
    let mut cases: Vec<Case> = RAGGED
        .iter()
        .map(|&n| Case::new(format!("{n}"), HardGate).real([n], any).real([n], Fill::Uniform(-6.0, 6.0)))
        .collect();
    for b in [Fill::Constant(3.0), Fill::Constant(-3.0), Fill::Uniform(-1000.0, 1000.0)] {
        cases.push(Case::new(format!("{b:?}"), HardGate).real([3, 67], any).real([3, 67], b).edge());
    }
    let gradient = Case::new("derivative", HardGateGradient).real([3, 67], any).real([3, 67], any);
    cases.push(gradient.fixed([3, 67], Fill::Uniform(-6.0, 6.0)));
    cases
}

pub fn main() -> Result<()> {
    let gpu = match adapters().first() {
        Some(_) => Some(Gpu::best(Options::default())?),
        None => None,
    };
    let settings = GradientCheck::default();
    for case in cases() {
        let report = check::op(&case, &settings, gpu.as_ref())?;
        assert!(report.passed(), "{report}");
        // Where the gate is shut every value is 0, and a bound is no part of it.
        let tight = !case.smooth || report.kernels.iter().all(|k| !k.vacuous());
        assert!(tight, "the bounds say something: {report}");
        println!("{} {}: right", report.op, report.case);
    }

    let data = Source::Digits.load(".".as_ref(), 0.2)?;
    let model = Sequential::new().add(Flatten).add(HardGated { out: 24 }).add(Linear::new(10));
    let input = Shape::from([1, 8, 8]);
    let report = check::gradients(&model, &input, &Objective::default(), &data.train, &settings, gpu.as_ref())?;
    assert!(report.passed(), "{report}");
    println!("{report}");

    for device in [Some(Device::Cpu(Precision::F32)), gpu.map(Device::Gpu)].into_iter().flatten() {
        let recipe = Recipe { epochs: 10, ..Recipe::default() };
        let mut trainer = Trainer::new(&device, &model, &data, recipe)?;
        assert_eq!(trainer.tensors()[2].name, "1.gate.weight");
        let mut losses = Vec::new();
        trainer.run(&mut |event| {
            if let Event::Epoch(epoch) = event {
                losses.push(epoch.train_loss);
            }
            Flow::Continue
        })?;
        println!("{device:?}: loss {:.3} in epoch 1, {:.3} in epoch 10", losses[0], losses[9]);
        assert!(losses[9] < 0.5 * losses[0]);
    }
    Ok(())
}
