//! An op whose variants are known to be fast, slow or wrong.

use std::path::Path;
use std::time::Duration;

use libtest_mimic::Failed;
use thalweg::device::gpu::{Evaluation, Gpu, Options, Tuning, evaluate};
use thalweg::device::{Feed, Feeds};
use thalweg::error::{DeviceError, GraphError};
use thalweg::graph::{Arg, BoundArg, Context, Meta, Op, Tape};
use thalweg::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Variants};
use thalweg::{Graph, NodeId, Scalar};

/// `y = x + x`, or in a wrong variant nearly so.
#[derive(Clone, Copy, Debug)]
pub struct Twice {
    /// What is offered.
    pub names: &'static [&'static str],
    /// Which of the kernels is the default.
    pub default: &'static str,
}

/// The op's name and the class.
pub const CLASS: &str = "twice any";

const HEAD: &str = "
struct Params { len: u32, zero: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn twice(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
";

/// A kernel's body.
fn body(name: &str) -> &'static str {
    match name {
        "quick" => "if i < p.len { y[i] = x[i] + x[i]; } }",
        // Adds 0 two thousand times, which no compiler may leave out of a sum of floats.
        "slow" => {
            "if i < p.len { var sum = x[i] + x[i]; for (var k = 0u; k < 2000u; k++) { sum += f32(k * p.zero); } y[i] = sum; } }"
        }
        "wrong at the end" => "if i < p.len { y[i] = x[i] + x[i] * select(1.0, 1.001, i + 1u == p.len); } }",
        // Right where groups of 64 fit.
        "wrong where ragged" => "if i < p.len / 64u * 64u { y[i] = x[i] + x[i]; } }",
        "not a number" => "if i < p.len { y[i] = sqrt(-1.0 - f32(p.zero) - x[i] * x[i]); } }",
        "too far" => "if i <= p.len { y[i] = x[min(i, p.len - 1u)] * 2.0; } }",
        _ => "this is no WGSL }",
    }
}

impl Op for Twice {
    fn name(&self) -> &'static str {
        "twice"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        Ok(inputs[0].clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        for (y, &x) in y.iter_mut().zip(inputs[0].real()) {
            *y = x + x;
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let upstream = tape.upstream();
        Ok(vec![Some(tape.graph().apply(*self, &[upstream])?)])
    }

    fn variants(&self, _: &Plan) -> Variants {
        Variants { class: "any".into(), names: self.names.to_vec() }
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let name = plan.variant.filter(|name| self.names.contains(name)).unwrap_or(self.default);
        let (len, body) = (plan.output.elements(), body(name));
        let mut kernel = Kernel::new("twice", "", "twice");
        kernel.source = format!("{HEAD}{body}").into();
        // One word more than there is, for the variant that goes too far.
        Ok(Launch {
            kernel,
            params: vec![("len", len.into()), ("zero", 0_u32.into())],
            bindings: vec![Binding::read(Operand::Input(0), len), Binding::write(Operand::Output, len)],
            groups: plan.linear(len + 1, 64),
            flops: len as u64,
        }
        .into())
    }

    /// Doubling rounds nothing.
    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        for (e, &of) in error.iter_mut().zip(inputs[0].error) {
            *e = 2.0 * of;
        }
    }
}

/// More elements than noise can make quick, and a multiple of 64.
pub const LEN: usize = 64 * 1024;

/// A graph of one node over `LEN` elements.
pub fn graph(op: Twice) -> Result<(Graph, NodeId, NodeId), GraphError> {
    let mut g = Graph::new();
    let x = g.input("x", [LEN])?;
    let y = g.apply(op, &[x])?;
    Ok((g, x, y))
}

/// The adapter, with its file in `folder`.
pub fn open(folder: &Path, tuning: Tuning) -> Result<Gpu, DeviceError> {
    let gpu = super::support::open(Options { tuning, ..Options::default() })?;
    gpu.keep_tuning_in(folder);
    Ok(gpu)
}

/// Time enough for everything here on the slowest machine.
pub const AMPLE: Tuning = Tuning::Within(Duration::from_secs(600));

/// Runs the op: what it computes, compared.
pub fn run(gpu: &Gpu, op: Twice) -> Result<(), Failed> {
    let (g, x, y) = graph(op)?;
    let values: Vec<f64> = (0..LEN).map(|i| f64::from(i as f32 - 7.5)).collect();
    let feeds = Feeds::from([(x, Feed::Real(values.clone()))]);
    let found = evaluate(gpu, &g, &feeds, &[y], &Evaluation::default())?.remove(0);
    let wrong = found.iter().zip(&values).position(|(y, x)| !(*y == 2.0 * x));
    if found.len() != LEN || wrong.is_some() {
        return Err(format!("{} values, the first wrong one is {wrong:?}", found.len()).into());
    }
    Ok(())
}
