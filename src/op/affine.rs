//! A dense layer's forward pass in one launch: product, bias, activation.

pub(super) mod dropped;

use super::matmul::product::{Finish, Product, Sources, product};
use super::matmul::SUM;
use super::pass::store;
use super::rounding::round;
use super::unary::{Activation, UnaryGradient, map};
use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Launches, Operand, Plan, Variants, wgsl};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// `y = f(x Wᵀ + b)`: PyTorch's `linear`, and an activation on the way out.
///
/// # Shapes
///
/// | operand | shape | meaning |
/// |---|---|---|
/// | `x` | `[.., in]`, of rank 2 or more | examples |
/// | `w` | `[out, in]` | weight |
/// | `b` | `[out]` | bias; may be left out |
/// | result | `[.., out]` | |
///
/// # Formula
///
/// ```text
/// z = x Wᵀ + b,   y = f(z)
/// dz = f′ ⊙ dy,   dx = dz W,   dW = dzᵀ x,   db = Σ dz over the examples
/// ```
///
/// f is an activation whose derivative can be had from y ([`Activation::fuses`]), so that z is never stored.
///
/// # On the GPU
///
/// `shaders/op/affine.wgsl` with the product kernel of [`Matmul`](super::matmul::Matmul): y is written once. Tolerance: that of the
/// product, one rounding for the bias, then the activation's.
///
/// # Source
///
/// Goodfellow, Bengio & Courville, *Deep Learning* (2016), §6.5.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Affine {
    /// f. Default: the identity.
    pub activation: Activation,
}

/// The product kernels with the bias in their store, without the activation.
const SOURCES: Sources = product!("op/affine", "op/affine_twice", "op/affine_both");

fn shape_of(x: &Shape, w: &Shape) -> Product {
    let rows = x[..x.rank() - 1].iter().product();
    Product::new([1, rows, w[0], w[1]], [false, true], [false; 2])
}

/// `z = x Wᵀ + b`
fn preactivation<T: Scalar>(inputs: &[Arg<'_, T>], z: &mut [T]) {
    shape_of(inputs[0].shape(), inputs[1].shape()).twin(inputs[0].real(), inputs[1].real(), z);
    if let Some(bias) = inputs.get(2).map(Arg::real).filter(|b| !b.is_empty()) {
        for row in z.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(z, &b)| *z += b);
        }
    }
}

impl Affine {
    /// The launches with the product kernels of these sources, and the activation in their store.
    fn launched(&self, plan: &Plan, sources: Sources) -> Result<Launches, GraphError> {
        // Without a bias its binding holds the weights, which nothing then reads.
        let bias = plan.inputs.get(2).map(|b| (Operand::Input(2), b.stride));
        let constants = vec![("BIAS", f64::from(u8::from(bias.is_some())))];
        let bias = Some(bias.unwrap_or((Operand::Input(1), 0)));
        let finish = Finish { op: "affine", sources, constants, bias, past: 0, plan };
        let mut all = shape_of(&plan.inputs[0].shape, &plan.inputs[1].shape).launches(&finish)?;
        all.list.iter_mut().for_each(|launch| store(&mut launch.kernel, self.activation.function()));
        Ok(all)
    }
}

impl Op for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let (x, w, bias) = if inputs.len() == 2 {
            let [x, w] = operand::reals("affine", inputs, ["x", "w"])?;
            (x, w, None)
        } else {
            let [x, w, b] = operand::reals("affine", inputs, ["x", "w", "b"])?;
            (x, w, Some(b))
        };
        let refuse = |operand, expected: String, found: &Shape| {
            Err(GraphError::Shape { op: "affine", operand, expected, found: found.clone() })
        };
        if x.rank() < 2 {
            return refuse("x", "[.., in] with at least one axis of examples".into(), x);
        }
        let width = x[x.rank() - 1];
        if w.rank() != 2 || w[1] != width {
            return refuse("w", format!("[out, {width}] to suit `x` of shape {x}"), w);
        }
        if let Some(b) = bias.filter(|b| b.axes() != [w[0]]) {
            return refuse("b", format!("[{}]", w[0]), b);
        }
        if let Some(function) = self.activation.function() {
            function.check()?;
            if !function.from_output() {
                let range = "one whose derivative can be had from its output";
                let found = self.activation.to_string();
                return Err(GraphError::Range { op: "affine", field: "activation", range, found });
            }
        }
        Ok(Meta::real([&x[..x.rank() - 1], &[w[0]]].concat()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        preactivation(inputs, y);
        if let Some(function) = self.activation.function() {
            map(function, y, |function, _, y| y.iter_mut().for_each(|y| *y = function.value(*y)));
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, w, y, dy) = (tape.input(0), tape.input(1), tape.output(), tape.upstream());
        let biased = tape.arity() == 3;
        let needs: Vec<bool> = (0..tape.arity()).map(|n| tape.needs(n)).collect();
        let graph = tape.graph();
        let dz = match self.activation.function() {
            None => dy,
            Some(function) => graph.apply(UnaryGradient { function }, &[y, dy])?,
        };
        let dx = if needs[0] { Some(graph.matmul(dz, w)?) } else { None };
        let dw = if needs[1] { Some(graph.apply(SUM, &[dz, x])?) } else { None };
        let mut parts = vec![dx, dw];
        if biased {
            let width = Shape::from([graph.shape(w)[0]]);
            parts.push(if needs[2] { Some(graph.sum_to(dz, width)?) } else { None });
        }
        Ok(parts)
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        self.launched(plan, SOURCES)
    }

    fn variants(&self, plan: &Plan) -> Variants {
        let product = shape_of(&plan.inputs[0].shape, &plan.inputs[1].shape).variants(plan);
        let bias = if plan.inputs.len() == 3 { " with bias" } else { "" };
        Variants { class: format!("{} {}{bias}", product.class, self.activation), ..product }
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let [x, w] = [inputs[0], inputs[1]];
        let product = shape_of(x.value.shape(), w.value.shape());
        product.bound([x.value.real(), w.value.real()], [x.error, w.error], error);
        let values: Vec<Arg<'_, f64>> = inputs.iter().map(|input| input.value).collect();
        let mut z = vec![0.0; y.len()];
        preactivation(&values, &mut z);
        let width = w.value.shape()[0].max(1);
        for (i, bound) in error.iter_mut().enumerate() {
            if let Some(bias) = inputs.get(2) {
                *bound += bias.error[i % width];
                *bound += round(z[i].abs() + *bound);
            }
            if let Some(function) = self.activation.function() {
                *bound = function.value_error(z[i], *bound, y[i]);
            }
        }
    }

    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>) {
        let Some(function) = self.activation.function() else { return };
        let (x, w) = (inputs[0].shape(), inputs[1].shape());
        let mut z = vec![0.0; x[..x.rank() - 1].iter().product::<usize>() * w[0]];
        preactivation(inputs, &mut z);
        out.extend(z.iter().filter_map(|&z| function.branch(z)));
    }
}

impl Graph {
    /// `f(x Wᵀ + b)`. See [`Affine`]. An activation that does not fuse becomes a node of its own.
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`], [`GraphError::Dtype`], [`GraphError::Range`].
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::{affine::Affine, unary::Activation}};
    /// let mut g = Graph::new();
    /// let x = g.input("x", [8, 3])?;
    /// let w = g.parameter("0.weight", [5, 3])?;
    /// let b = g.parameter("0.bias", [5])?;
    /// let y = g.affine(x, w, Some(b), Activation::Relu)?;
    /// assert_eq!(g.shape(y).to_string(), "[8, 5]");
    ///
    /// let (x, w, b) = ([1, 2].into(), [2, 2].into(), [2].into());
    /// let inputs = [Arg::Real(&x, &[1.0, 2.0]), Arg::Real(&w, &[3.0, 4.0, -5.0, 0.0]), Arg::Real(&b, &[0.5, 1.0])];
    /// let mut y = [0.0; 2];
    /// Affine { activation: Activation::Relu }.twin(&inputs, &mut y, &Context::default());
    /// assert_eq!(y, [11.5, 0.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn affine(
        &mut self,
        x: NodeId,
        w: NodeId,
        b: Option<NodeId>,
        activation: Activation,
    ) -> Result<NodeId, GraphError> {
        let fused = if activation.fuses() { activation } else { Activation::Identity };
        let inputs: Vec<NodeId> = [x, w].into_iter().chain(b).collect();
        let y = self.apply(Affine { activation: fused }, &inputs)?;
        if activation.fuses() { Ok(y) } else { self.activation(y, activation) }
    }
}

/// Every fused activation, with and without bias, ragged; more leading axes; nothing to sum.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let mut cases = Vec::new();
    for activation in Activation::ALL.into_iter().filter(|a| a.fuses()) {
        let op = Affine { activation };
        let case = Case::new(format!("{activation}"), op);
        cases.push(case.real([65, 17], any).real([37, 17], any).real([37], any));
        let bare = |label| Case::new(format!("{activation} without bias{label}"), op);
        cases.push(bare("").real([7, 5], any).real([3, 5], any));
        cases.push(bare(", by pairs").real([34, 18], any).real([22, 18], any));
    }
    let op = Affine::default();
    for (rows, out, width) in
        [(1, 1, 1), (64, 128, 64), (3, 67, 129), (35, 18, 46), (1, 37, 70), (67, 1, 130), (35, 4, 65), (0, 3, 2), (3, 0, 2), (3, 2, 0)]
    {
        let case = Case::new(format!("{rows}×{out}×{width}"), op);
        cases.push(case.real([rows, width], any).real([out, width], any).real([out], any));
    }
    let case = Case::new("[2, 3, 5, 7]", op);
    cases.push(case.real([2, 3, 5, 7], any).real([11, 7], any).real([11], any));
    let big = Case::new("64×128×128 relu", Affine { activation: Activation::Relu });
    cases.push(big.real([64, 128], any).real([128, 128], any).real([128], any).edge().benched());
    cases
}
