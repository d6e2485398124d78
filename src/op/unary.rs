//! Functions of one number, applied to each element.

mod accuracy;
mod activation;
mod curvature;
mod function;
pub(super) mod stored;

pub use activation::Activation;
pub use function::Function;

use super::cores::share;
use super::rounding::round;
use super::{Case, Fill, RAGGED, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::scalar::Scalar;

/// `y = f(x)`, element by element.
///
/// # Formula
///
/// ```text
/// yᵢ = f(xᵢ),   ∂L/∂xᵢ = f′ dyᵢ
/// ```
///
/// f′ comes from y where it can ([`Function::from_output`]), so that x need not be kept. Each f is evaluated in a form that
/// neither overflows nor cancels; x = ±1000 is an ordinary argument.
///
/// # On the GPU
///
/// `shaders/op/unary.wgsl` with the function's own file; 8 bytes an element. Tolerance: Lipschitz constant × input error, and
/// the rounding of the form used, from WGSL's accuracies (`src/op/unary/accuracy.rs`, `tests/kernels.rs`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unary {
    /// f
    pub function: Function,
}

/// `dx = f′(s) dy`, where s is f's output or input: the backward pass of [`Unary`]. Linear in dy; it has no derivative with
/// respect to s.
///
/// `shaders/op/unary_gradient.wgsl` with the function's own file; 12 bytes an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnaryGradient {
    /// f
    pub function: Function,
}

/// Runs the loop of a twin over its output, on several cores if that pays. What is one comparison is told to the compiler as a
/// constant, so that the loop becomes vector code; the others are calls, and cost about as much as so many elements.
pub(super) fn map<T: Send>(function: Function, out: &mut [T], run: impl Fn(Function, usize, &mut [T]) + Sync) {
    const CALL: usize = 8;
    let len = out.len();
    match function {
        Function::Relu => share(out, 1, len, |first, out| run(Function::Relu, first, out)),
        Function::LeakyRelu { slope } => share(out, 1, len, |first, out| run(Function::LeakyRelu { slope }, first, out)),
        Function::Square => share(out, 1, len, |first, out| run(Function::Square, first, out)),
        other => share(out, 1, CALL * len, |first, out| run(other, first, out)),
    }
}

/// The kernels of a function: for the value, for the gradient.
fn sources(function: Function) -> [&'static str; 2] {
    macro_rules! pair {
        ($($part:literal),*) => {
            [wgsl!("op/unary", "lib/grid" $(, $part)*), wgsl!("op/unary_gradient", "lib/grid" $(, $part)*)]
        };
    }
    match function {
        Function::Relu => pair!("op/relu"),
        Function::LeakyRelu { .. } => pair!("op/leaky_relu"),
        Function::Elu { .. } => pair!("op/elu", "lib/expm1"),
        Function::Tanh => pair!("op/tanh", "lib/expm1"),
        Function::Sigmoid => pair!("op/sigmoid", "lib/sigmoid"),
        Function::Softplus => pair!("op/softplus", "lib/expm1"),
        Function::Silu => pair!("op/silu", "lib/sigmoid"),
        Function::Gelu => pair!("op/gelu", "lib/erf"),
        Function::Abs => pair!("op/abs"),
        Function::Exp => pair!("op/exp"),
        Function::Ln => pair!("op/ln"),
        Function::Sqrt => pair!("op/sqrt"),
        Function::Square => pair!("op/square"),
    }
}

impl Op for Unary {
    fn name(&self) -> &'static str {
        self.function.name()
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        self.function.check()?;
        let [x] = operand::reals(self.function.name(), inputs, ["x"])?;
        Ok(Meta::real(x.clone()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let x = inputs[0].real();
        map(self.function, y, |function, first, y| {
            y.iter_mut().zip(&x[first..]).for_each(|(y, &x)| *y = function.value(x));
        });
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let s = if self.function.from_output() { tape.output() } else { tape.input(0) };
        let dy = tape.upstream();
        Ok(vec![Some(tape.graph().apply(UnaryGradient { function: self.function }, &[s, dy])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let launch = |(offset, len): (usize, usize)| Launch {
            kernel: kernel(self.function, 0, "unary"),
            params: vec![
                ("len", len.into()),
                ("x_stride", plan.inputs[0].stride.into()),
                ("y_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset, len }),
                Binding::Write(Window { operand: Operand::Output, offset, len }),
            ],
            groups: plan.linear(len, 64),
            flops: 0,
        };
        let runs = plan.runs(self.function.name(), plan.output.elements(), &[1])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let x = inputs[0].value.real();
        for (i, bound) in error.iter_mut().enumerate() {
            *bound = self.function.value_error(x[i], inputs[0].error[i], y[i]);
        }
    }

    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>) {
        out.extend(inputs[0].real().iter().filter_map(|&x| self.function.branch(x)));
    }
}

impl Op for UnaryGradient {
    fn name(&self) -> &'static str {
        "unary_gradient"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        self.function.check()?;
        let [s, _] = operand::reals("unary_gradient", inputs, ["s", "dy"])?;
        operand::shaped("unary_gradient", "dy", &inputs[1], s)?;
        Ok(Meta::real(s.clone()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let (s, dy) = (inputs[0].real(), inputs[1].real());
        map(self.function, dx, |function, first, dx| {
            let rest = s[first..].iter().zip(&dy[first..]);
            dx.iter_mut().zip(rest).for_each(|(dx, (&s, &dy))| *dx = dy * function.derivative(s));
        });
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (s, dy, upstream) = (tape.input(0), tape.input(1), tape.upstream());
        let (curved, linear) = (tape.needs(0), tape.needs(1));
        let g = tape.graph();
        let mut parts = vec![None; 2];
        if curved {
            let q = g.mul(upstream, dy)?;
            parts[0] = self.function.curvature(g, s, q)?;
        }
        if linear {
            parts[1] = Some(g.apply(*self, &[s, upstream])?);
        }
        Ok(parts)
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let launch = |(offset, len): (usize, usize)| Launch {
            kernel: kernel(self.function, 1, "unary_gradient"),
            params: vec![
                ("len", len.into()),
                ("s_stride", plan.inputs[0].stride.into()),
                ("dy_stride", plan.inputs[1].stride.into()),
                ("dx_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset, len }),
                Binding::Read(Window { operand: Operand::Input(1), offset, len }),
                Binding::Write(Window { operand: Operand::Output, offset, len }),
            ],
            groups: plan.linear(len, 64),
            flops: 0,
        };
        let runs = plan.runs("unary_gradient", plan.output.elements(), &[1])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let (s, dy) = (inputs[0].value.real(), inputs[1].value.real());
        for (i, bound) in error.iter_mut().enumerate() {
            let slope: f64 = self.function.derivative(s[i]);
            let moved = self.function.derivative_error(s[i], inputs[0].error[i], slope);
            let propagated = (slope.abs() + moved) * inputs[1].error[i] + dy[i].abs() * moved;
            *bound = propagated + round(y[i].abs() + propagated);
        }
    }
}

fn kernel(function: Function, which: usize, entry: &'static str) -> Kernel {
    let name = [function.name(), "unary_gradient"][which];
    let mut kernel = Kernel::new(name, sources(function)[which], entry);
    kernel.constants = function.constants();
    kernel
}

impl Graph {
    /// `f(x)` of each element. See [`Unary`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Dtype`]; [`GraphError::Range`] for a slope or α outside its range.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::op::unary::Function;
    /// assert_eq!(Function::Relu.value(-2.0), 0.0);
    /// assert_eq!(Function::Elu { alpha: 1.0 }.value(-1000.0), -1.0);
    /// assert_eq!(Function::Softplus.value(1000.0), 1000.0);
    /// assert_eq!(Function::Sigmoid.derivative(0.5), 0.25); // from the output
    ///
    /// let mut g = thalweg::Graph::new();
    /// let x = g.input("x", [2, 3])?;
    /// let y = g.unary(x, Function::Gelu)?;
    /// assert_eq!(g.shape(y).to_string(), "[2, 3]");
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn unary(&mut self, x: NodeId, function: Function) -> Result<NodeId, GraphError> {
        self.apply(Unary { function }, &[x])
    }
}

macro_rules! builders {
    ($($name:ident($($field:ident)?) => $function:expr;)*) => {
        impl Graph {
            $(
                #[doc = concat!("[`", stringify!($function), "`](Function) of each element.")]
                ///
                /// # Errors
                ///
                /// As [`unary`](Self::unary).
                pub fn $name(&mut self, x: NodeId $(, $field: f64)?) -> Result<NodeId, GraphError> {
                    self.unary(x, $function)
                }
            )*
        }
    };
}

builders! {
    relu() => Function::Relu;
    leaky_relu(slope) => Function::LeakyRelu { slope };
    elu(alpha) => Function::Elu { alpha };
    tanh() => Function::Tanh;
    sigmoid() => Function::Sigmoid;
    softplus() => Function::Softplus;
    silu() => Function::Silu;
    gelu() => Function::Gelu;
    abs() => Function::Abs;
    exp() => Function::Exp;
    ln() => Function::Ln;
    sqrt() => Function::Sqrt;
    square() => Function::Square;
}

/// Each function at ragged lengths, away from kinks; then 0, ±1000 and every branch of its shader.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for function in Function::ALL {
        let name = function.name();
        let fill = match function {
            Function::Ln | Function::Sqrt => Fill::Uniform(0.25, 4.0),
            _ => Fill::Away(0.01, 4.0),
        };
        for n in RAGGED {
            cases.push(Case::new(format!("{name} {n}"), Unary { function }).real([n], fill));
        }
        let large = match function {
            Function::Ln | Function::Sqrt => vec![Fill::Constant(1.0), Fill::Uniform(0.0, 1000.0)],
            Function::Exp => vec![Fill::Constant(0.0), Fill::Constant(-1000.0), Fill::Uniform(-80.0, 80.0)],
            _ => [0.0, -0.0, 1000.0, -1000.0].map(Fill::Constant).into_iter().chain([Fill::Uniform(-20.0, 20.0)]).collect(),
        };
        for fill in large {
            let case = Case::new(format!("{name} {fill:?}"), Unary { function }).real([1009], fill).edge();
            let at_kink = matches!(function, Function::LeakyRelu { .. }) && matches!(fill, Fill::Constant(0.0));
            let why = "0 with a flushed number's error has either slope";
            cases.push(if at_kink { case.coarse(why) } else { case });
        }
        let s = match function {
            Function::Sigmoid | Function::Softplus | Function::Exp | Function::Ln | Function::Sqrt => {
                Fill::Uniform(0.1, 0.9)
            }
            _ => Fill::Away(0.01, 0.9),
        };
        let gradient = Case::new(format!("{name} gradient"), UnaryGradient { function });
        cases.push(gradient.real([3, 67], s).real([3, 67], Fill::Uniform(-1.0, 1.0)));
    }
    let big = Case::new("relu 2^20", Unary { function: Function::Relu });
    cases.push(big.real([1 << 20], Fill::Away(0.01, 1.0)).edge().benched());
    let big = Case::new("gelu 2^20", Unary { function: Function::Gelu });
    cases.push(big.real([1 << 20], Fill::Uniform(-4.0, 4.0)).edge().benched());
    cases
}
