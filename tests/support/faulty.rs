//! An op from outside the crate whose derivative or kernel can be made wrong on purpose.

#![allow(dead_code, reason = "each suite uses a part of it")]

use thalweg::data::{Dataset, Targets, Values};
use thalweg::error::GraphError;
use thalweg::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use thalweg::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, part};
use thalweg::nn::{Builder, Layer, Linear, Model};
use thalweg::rng::Stream;
use thalweg::{Scalar, Shape};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Nothing,
    /// Every derivative times this.
    Factor(f64),
    /// NaN in the first element.
    Nan,
    /// An infinity in the first element.
    Infinite,
    /// Divided by the number of rows, as if it were the loss's business.
    BatchAverage,
    /// As if the op were the end of the graph.
    IgnoresUpstream,
    /// Only the last row is right.
    OneRow,
    /// The forward kernel computes something else than the twin.
    Kernel,
    /// The derivative's kernel does.
    GradientKernel,
    /// The kernel leaves out its last element.
    Short,
}

/// `y = x² + x`
#[derive(Clone, Copy, Debug)]
pub struct Curve(pub Fault);

/// `dx = dy (2x + 1)`, but for the fault.
#[derive(Clone, Copy, Debug)]
pub struct CurveGradient(pub Fault);

const U: f64 = f32::EPSILON as f64 / 2.0;

fn launches(plan: &Plan, name: &'static str, operands: &str, body: &str, short: bool) -> Launches {
    let (len, reads) = (plan.output.elements(), plan.inputs.len());
    let source = format!(
        "struct Params {{ len: u32, a_stride: u32, {} y_stride: u32 }}
@group(0) @binding(0) var<uniform> params: Params;
{operands}
@compute @workgroup_size(WORKGROUP)
fn {name}(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {{
    let i = linear_index(id, groups);
    if i < params.len {{
        let x = a[id.z * params.a_stride + i];
        y[id.z * params.y_stride + i] = {body};
    }}
}}
{}",
        if reads == 2 { "b_stride: u32," } else { "" },
        part("grid").unwrap(),
    );
    let mut params =
        vec![("len", (len - usize::from(short && len > 0)).into()), ("a_stride", plan.inputs[0].stride.into())];
    let mut bindings = vec![Binding::read(Operand::Input(0), len)];
    if reads == 2 {
        params.push(("b_stride", plan.inputs[1].stride.into()));
        bindings.push(Binding::read(Operand::Input(1), len));
    }
    params.push(("y_stride", plan.output.stride.into()));
    bindings.push(Binding::write(Operand::Output, len));
    let kernel = Kernel { name: name.into(), source: source.into(), entry: name, constants: Vec::new() };
    Launch { kernel, params, bindings, groups: plan.linear(len, 64), flops: 0 }.into()
}

impl Op for Curve {
    fn name(&self) -> &'static str {
        "curve"
    }
    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        Ok(inputs[0].clone())
    }
    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        for (y, &x) in y.iter_mut().zip(inputs[0].real()) {
            *y = x * x + x;
        }
    }
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, dy, fault) = (tape.input(0), tape.upstream(), self.0);
        Ok(vec![Some(tape.graph().apply(CurveGradient(fault), &[x, dy])?)])
    }
    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let operands = "@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;";
        let body = if self.0 == Fault::Kernel { "x * x + x + 1e-4" } else { "x * x + x" };
        Ok(launches(plan, "curve", operands, body, self.0 == Fault::Short))
    }
    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        for ((e, &x), &moved) in error.iter_mut().zip(inputs[0].value.real()).zip(inputs[0].error) {
            let size = x.abs() + moved;
            // What x brings along; the square; the sum.
            *e = (2.0 * x + 1.0).abs() * moved + moved * moved + U * size * size + U * (size * size * (1.0 + U) + size);
        }
    }
}

impl Op for CurveGradient {
    fn name(&self) -> &'static str {
        "curve_gradient"
    }
    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        Ok(inputs[0].clone())
    }
    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let rows = inputs[0].shape()[0];
        let width = dx.len() / rows;
        for (i, ((dx, &x), &dy)) in dx.iter_mut().zip(inputs[0].real()).zip(inputs[1].real()).enumerate() {
            let right = dy * (T::of(2.0) * x + T::one());
            *dx = match self.0 {
                Fault::Factor(factor) => right * T::of(factor),
                Fault::Nan if i == 0 => T::nan(),
                Fault::Infinite if i == 0 => T::infinity(),
                Fault::BatchAverage => right / T::of(rows as f64),
                Fault::IgnoresUpstream => T::of(2.0) * x + T::one(),
                Fault::OneRow if i / width + 1 < rows => T::zero(),
                _ => right,
            };
        }
    }
    fn gradient(&self, _: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Err(GraphError::NotDifferentiable { op: "curve_gradient", input: 0 })
    }
    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let operands = "@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;";
        let body = match self.0 {
            Fault::GradientKernel => "b[id.z * params.b_stride + i] * (2.0 * x + 1.01)",
            _ => "b[id.z * params.b_stride + i] * (2.0 * x + 1.0)",
        };
        Ok(launches(plan, "curve_gradient", operands, body, false))
    }
    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        for (i, e) in error.iter_mut().enumerate() {
            let (x, dy) = (inputs[0].value.real()[i], inputs[1].value.real()[i]);
            let (x_moved, dy_moved) = (inputs[0].error[i], inputs[1].error[i]);
            let slope = (2.0 * x + 1.0).abs();
            let slope_moved = 2.0 * x_moved + U * (2.0 * (x.abs() + x_moved) + 1.0);
            let product = (slope + slope_moved) * (dy.abs() + dy_moved);
            *e = dy.abs() * slope_moved + slope * dy_moved + slope_moved * dy_moved + U * product;
        }
    }
}

/// Two linear layers with the op between them.
pub fn net(fault: Fault) -> impl Model {
    move |b: &mut Builder<'_>, x: NodeId| -> Result<NodeId, GraphError> {
        let h = b.scope("first", |b| Linear::new(5).build(b, x))?;
        let h = b.graph().apply(Curve(fault), &[h])?;
        b.scope("last", |b| Linear::new(3).build(b, h))
    }
}

/// 40 examples of 4 numbers.
pub fn features() -> Vec<f64> {
    let draw = Stream::new(11, 0, 0);
    (0..160).map(|i| 2.0 * draw.uniform(i) - 1.0).collect()
}

/// With 3 classes that depend on the numbers.
pub fn classes() -> Dataset {
    let class = |row: &[f64]| u32::from(row[0] > 0.0) + u32::from(row[1] > 0.3);
    let labels = features().chunks(4).map(class).collect();
    Dataset::new(Values::F64(features()), Shape::from([4]), Targets::Classes { labels, classes: 3 }).unwrap()
}

/// With 3 numbers between 0 and 1 that depend on them.
pub fn numbers() -> Dataset {
    let target = |row: &[f64]| [row[0] * row[1], row[2], row[3] - row[0]].map(|t| 0.5 + t / 4.0);
    let values = features().chunks(4).flat_map(target).collect();
    let targets = Targets::Values { values: Values::F64(values), shape: Shape::from([3]) };
    Dataset::new(Values::F64(features()), Shape::from([4]), targets).unwrap()
}
