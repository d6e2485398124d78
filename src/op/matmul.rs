//! Products of matrices, in all four transposes, batched.

pub(crate) mod host;
pub(crate) mod product;
pub(super) mod slope;
mod split;
pub(super) mod sums;
mod way;

use product::{Finish, PLAIN, Product};

use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Launches, Plan, Variants};
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// The matrix product of each item of a batch: `C = op(A) op(B)`, where op transposes the last two axes or leaves them.
///
/// # Shapes
///
/// | operand | shape | meaning |
/// |---|---|---|
/// | `a` | `[.., M, K]`, or `[.., K, M]` if `transpose_a` | |
/// | `b` | `[.., K, N]`, or `[.., N, K]` if `transpose_b` | |
/// | result | `[.., M, N]`; `[M, N]` if `sum_batch` | |
///
/// The leading axes of `a` and `b` are equal, or one of the two has none and all items share it. An empty sum is 0.
///
/// # Formula
///
/// ```text
/// C[i, j]     = Σₖ op(A)[i, k] · op(B)[k, j]
/// ∂L/∂op(A)   = G op(B)ᵀ,   ∂L/∂op(B) = op(A)ᵀ G
/// ```
///
/// # On the GPU
///
/// `shaders/op/matmul.wgsl`, one launch; more where an operand exceeds one binding (cut along rows, columns or K).
/// With at most 4 rows or columns (a matrix times a vector, one row at inference, a layer of few outputs) a card runs `vector`
/// (`shaders/lib/product_vector.wgsl`): 4 to 64 lanes share out the K of each place of the long axis, so that the large operand is
/// read once, by neighbouring lanes from neighbouring words, and a fixed tree adds their sums up. Tiles would be idle but for a
/// corner there, and too few to fill a card. A software adapter runs tiles of 1, 4 or 8 by 16, and otherwise of 16 by 16: two numbers
/// a load (`shaders/lib/product_wide.wgsl`) where it has integers of 64 bits and the lengths along which the operands lie are even.
/// On cards a single product (no batch) with K ≥ 2048 and fewer than 64 workgroups, as weights' gradients are, is cut
/// along K into 8 parts, or 32 where the workgroups are fewer than 8; `shaders/op/reduce.wgsl` adds the parts up in a fixed order,
/// the same bits each time. The tuner may choose `split-K-8`, `split-K-32` or a product in one piece where K > 1024 and
/// the tiles of 32 × 32 are few. What cards do by default is by reckoning, not timed on one.
/// Tolerance: γ_{K+1} |A||B| elementwise (`tests/kernels.rs`), which holds for any order of summation.
///
/// # Source
///
/// Giles, *Collected matrix derivative results for forward and reverse mode AD* (2008), §2.2.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matmul {
    /// Whether `a` is stored `[.., K, M]`.
    pub transpose_a: bool,
    /// Whether `b` is stored `[.., N, K]`.
    pub transpose_b: bool,
    /// Whether the products of the batch are summed: with `transpose_a` alone and equal leading axes, which makes the leading
    /// axes part of K. This is a weight's gradient.
    pub sum_batch: bool,
}

impl Matmul {
    /// The product this is for operands of these shapes.
    fn product(&self, a: &Shape, b: &Shape) -> Product {
        let (lead_a, lead_b) = (a.rank() - 2, b.rank() - 2);
        let items = |s: &Shape| s[..s.rank() - 2].iter().product::<usize>();
        let (ra, ca) = (a[lead_a], a[lead_a + 1]);
        let (rb, cb) = (b[lead_b], b[lead_b + 1]);
        let (m, k) = if self.transpose_a { (ca, ra) } else { (ra, ca) };
        let n = if self.transpose_b { rb } else { cb };
        let transposed = [self.transpose_a, self.transpose_b];
        if self.sum_batch {
            return Product::new([1, m, n, items(a) * k], transposed, [false; 2]);
        }
        // One matrix for all items: their rows are the rows of one taller product.
        if !self.transpose_a && lead_b == 0 {
            return Product::new([1, items(a) * m, n, k], transposed, [false; 2]);
        }
        let batch = items(if lead_a > 0 { a } else { b });
        Product::new([batch, m, n, k], transposed, [lead_a == 0 && lead_b > 0, lead_b == 0 && lead_a > 0])
    }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [a, b] = operand::reals("matmul", inputs, ["a", "b"])?;
        let refuse = |operand, expected: String, found: &Shape| {
            Err(GraphError::Shape { op: "matmul", operand, expected, found: found.clone() })
        };
        if self.sum_batch && (!self.transpose_a || self.transpose_b) {
            let found = format!("transpose_a = {}, transpose_b = {}", self.transpose_a, self.transpose_b);
            let range = "off unless transpose_a alone is on";
            return Err(GraphError::Range { op: "matmul", field: "sum_batch", range, found });
        }
        if a.rank() < 2 {
            return refuse("a", if self.transpose_a { "[.., K, M]" } else { "[.., M, K]" }.into(), a);
        }
        if b.rank() < 2 {
            return refuse("b", if self.transpose_b { "[.., N, K]" } else { "[.., K, N]" }.into(), b);
        }
        let (lead_a, [ra, ca]) = (&a[..a.rank() - 2], [a[a.rank() - 2], a[a.rank() - 1]]);
        let (lead_b, [rb, cb]) = (&b[..b.rank() - 2], [b[b.rank() - 2], b[b.rank() - 1]]);
        let (m, k) = if self.transpose_a { (ca, ra) } else { (ra, ca) };
        let (kb, n) = if self.transpose_b { (cb, rb) } else { (rb, cb) };
        let shared = !self.sum_batch && (lead_a.is_empty() || lead_b.is_empty());
        if kb != k || !(shared || lead_a == lead_b) {
            let mut expected: Vec<String> = lead_a.iter().map(ToString::to_string).collect();
            expected.extend(if self.transpose_b { ["N".into(), k.to_string()] } else { [k.to_string(), "N".into()] });
            return refuse("b", format!("[{}] to suit `a` of shape {a}", expected.join(", ")), b);
        }
        let lead = if self.sum_batch { &[][..] } else { [lead_a, lead_b][usize::from(lead_a.is_empty())] };
        Ok(Meta::real([lead, &[m, n]].concat()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        self.product(inputs[0].shape(), inputs[1].shape()).twin(inputs[0].real(), inputs[1].real(), y);
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (a, b, g) = (tape.input(0), tape.input(1), tape.upstream());
        let (ta, tb) = (self.transpose_a, self.transpose_b);
        let (need_a, need_b) = (tape.needs(0), tape.needs(1));
        let graph = tape.graph();
        let mut da = None;
        if need_a {
            // Not transposed: dA = G op(B)ᵀ. Transposed: dA = op(B) Gᵀ.
            let full = if ta { graph.product(b, g, tb, true)? } else { graph.product(g, b, false, !tb)? };
            da = Some(graph.sum_items(full, a)?);
        }
        let mut db = None;
        if need_b {
            // A weight's gradient sums over the items on the way, where the layout lets it: [.., M, K]ᵀ [.., M, N].
            let shared = graph.shape(b).rank() == 2 && graph.shape(a).rank() > 2 && !self.sum_batch;
            let full = match (shared && !ta, tb) {
                (true, false) => graph.apply(SUM, &[a, g])?,
                (true, true) => graph.apply(SUM, &[g, a])?,
                (false, false) => graph.product(a, g, !ta, false)?,
                (false, true) => graph.product(g, a, true, ta)?,
            };
            db = Some(graph.sum_items(full, b)?);
        }
        Ok(vec![da, db])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let product = self.product(&plan.inputs[0].shape, &plan.inputs[1].shape);
        let finish = Finish { op: "matmul", sources: PLAIN, constants: Vec::new(), bias: None, past: 0, plan };
        match split::parts(&product, plan) {
            Some(parts) => Ok(split::launches(&product, &finish, parts)),
            None => product.launches(&finish),
        }
    }

    fn variants(&self, plan: &Plan) -> Variants {
        let product = self.product(&plan.inputs[0].shape, &plan.inputs[1].shape);
        let mut variants = product.variants(plan);
        variants.names.extend(split::names(&product, plan));
        variants
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let [a, b] = [inputs[0], inputs[1]];
        let product = self.product(a.value.shape(), b.value.shape());
        product.bound([a.value.real(), b.value.real()], [a.error, b.error], error);
    }
}

/// `Σ Aᵀ B` over the leading axes.
pub(crate) const SUM: Matmul = Matmul { transpose_a: true, transpose_b: false, sum_batch: true };

impl Graph {
    /// `A B`: `[.., M, K]` by `[.., K, N]`. See [`Matmul`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`], [`GraphError::Dtype`].
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::matmul::Matmul};
    /// let mut g = Graph::new();
    /// let a = g.input("a", [2, 3])?;
    /// let b = g.input("b", [3, 1])?;
    /// let c = g.matmul(a, b)?;
    /// assert_eq!(g.shape(c).to_string(), "[2, 1]");
    ///
    /// let (a, b) = ([2, 3].into(), [3, 1].into());
    /// let mut c = [0.0; 2];
    /// let inputs = [Arg::Real(&a, &[1., 2., 3., 4., 5., 6.]), Arg::Real(&b, &[1., 0., -1.])];
    /// Matmul::default().twin(&inputs, &mut c, &Context::default());
    /// assert_eq!(c, [-2.0, -2.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn matmul(&mut self, a: NodeId, b: NodeId) -> Result<NodeId, GraphError> {
        self.product(a, b, false, false)
    }

    /// `A Bᵀ`: `[.., M, K]` by `[.., N, K]`. See [`Matmul`].
    ///
    /// # Errors
    ///
    /// As [`matmul`](Self::matmul).
    pub fn matmul_nt(&mut self, a: NodeId, b: NodeId) -> Result<NodeId, GraphError> {
        self.product(a, b, false, true)
    }

    /// `Aᵀ B`: `[.., K, M]` by `[.., K, N]`. See [`Matmul`].
    ///
    /// # Errors
    ///
    /// As [`matmul`](Self::matmul).
    pub fn matmul_tn(&mut self, a: NodeId, b: NodeId) -> Result<NodeId, GraphError> {
        self.product(a, b, true, false)
    }

    /// `Aᵀ Bᵀ`: `[.., K, M]` by `[.., N, K]`. See [`Matmul`].
    ///
    /// # Errors
    ///
    /// As [`matmul`](Self::matmul).
    pub fn matmul_tt(&mut self, a: NodeId, b: NodeId) -> Result<NodeId, GraphError> {
        self.product(a, b, true, true)
    }

    fn product(&mut self, a: NodeId, b: NodeId, ta: bool, tb: bool) -> Result<NodeId, GraphError> {
        self.apply(Matmul { transpose_a: ta, transpose_b: tb, sum_batch: false }, &[a, b])
    }

    /// Sums over the leading axes that `like` does not have.
    fn sum_items(&mut self, x: NodeId, like: NodeId) -> Result<NodeId, GraphError> {
        let shape = self.shape(like).clone();
        if self.shape(x) == &shape { Ok(x) } else { self.sum_to(x, shape) }
    }
}

/// Ragged against both tilings, batches, shared operands, empty axes.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let mut cases = Vec::new();
    let pair = |m: usize, k: usize, ta: bool| if ta { [k, m] } else { [m, k] };
    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
        let op = Matmul { transpose_a: ta, transpose_b: tb, sum_batch: false };
        let name = ["n", "t"][usize::from(ta)].to_owned() + ["n", "t"][usize::from(tb)];
        let plain = [(1, 1, 1), (7, 5, 3), (64, 64, 64), (65, 63, 17), (37, 129, 101), (130, 129, 33), (3, 4, 0), (0, 4, 3), (4, 0, 3)];
        // Few rows or columns: kernels of their own, which sum along K or along the other axis, with steps left over and without.
        let few = [(1, 37, 70), (1, 16, 256), (4, 35, 129), (3, 67, 300), (37, 1, 70), (35, 4, 129), (67, 2, 300), (1, 5, 0), (41, 7, 19)];
        for (m, n, k) in plain.into_iter().chain(few) {
            let case = Case::new(format!("{name} {m}×{n}×{k}"), op);
            cases.push(case.real(pair(m, k, ta), any).real(pair(k, n, tb), any));
        }
        // Even lengths, ragged in tiles: two numbers a load. Odd ones where the layout does not ask for even.
        for (m, n, k) in [(34, 22, 18), (130, 70, 46), (10, 12, 2), (if ta { 18 } else { 17 }, if tb { 19 } else { 20 }, 34)] {
            let case = Case::new(format!("{name} even {m}×{n}×{k}"), op);
            cases.push(case.real(pair(m, k, ta), any).real(pair(k, n, tb), any));
        }
        let batched = |lead: &[usize], tail: [usize; 2]| Shape::from([lead, &tail[..]].concat());
        for (label, la, lb) in
            [("batch", &[2, 3][..], &[2, 3][..]), ("shared b", &[5], &[]), ("shared a", &[], &[5])]
        {
            let case = Case::new(format!("{name} {label}"), op);
            cases.push(case.real(batched(la, pair(9, 6, ta)), any).real(batched(lb, pair(6, 7, tb)), any));
            let case = Case::new(format!("{name} {label}, even"), op);
            cases.push(case.real(batched(la, pair(18, 22, ta)), any).real(batched(lb, pair(22, 20, tb)), any));
            let case = Case::new(format!("{name} {label}, few rows"), op);
            cases.push(case.real(batched(la, pair(2, 35, ta)), any).real(batched(lb, pair(35, 19, tb)), any));
        }
        let n = if ta || tb { 256 } else { 512 };
        cases.push(Case::new(format!("{name} {n}×{n}×{n}"), op).real([n, n], any).real([n, n], any).edge().benched());
    }
    // Tall: K a multiple of the parts and not, cut by default and by name only, over one tile and several, in all layouts.
    let tall = Fill::Uniform(-0.5, 1.5);
    for (ta, tb, m, n, k) in [
        (true, false, 7, 5, 4100),
        (true, false, 16, 8, 4096),
        (true, false, 70, 35, 2111),
        (true, false, 1, 1, 1025),
        (false, false, 3, 65, 2048),
        (false, true, 33, 5, 2049),
        (true, true, 5, 9, 3007),
    ] {
        let op = Matmul { transpose_a: ta, transpose_b: tb, sum_batch: false };
        let name = ["n", "t"][usize::from(ta)].to_owned() + ["n", "t"][usize::from(tb)];
        let case = Case::new(format!("{name} tall {m}×{n}×{k}"), op);
        cases.push(case.real(pair(m, k, ta), tall).real(pair(k, n, tb), tall).edge());
    }
    cases.push(Case::new("tall sum of 41", SUM).real([41, 100, 7], tall).real([41, 100, 11], tall).edge());
    // A and B along their own axes: K may be odd.
    cases.push(Case::new("sum of 3, even", SUM).real([3, 7, 34], any).real([3, 7, 18], any));
    cases.push(Case::new("sum of 3", SUM).real([3, 5, 7], any).real([3, 5, 11], any));
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{ALIGN, Binding, Place, Tiling, padded};

    fn plan(op: &Matmul, a: [usize; 2], b: [usize; 2], max: usize) -> Plan {
        let c = op.output(&[Meta::real(a), Meta::real(b)]).unwrap().shape;
        let place = |s: Shape| Place { stride: padded(s.elements()), shape: s };
        Plan { max_elements: max, tiling: Tiling::Register, ..Plan::new(vec![place(a.into()), place(b.into())], place(c), 1) }
    }

    /// The launches of a split product, run by the definition, give the whole product.
    #[test]
    fn a_product_cut_by_bindings_is_the_product() {
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let op = Matmul { transpose_a: ta, transpose_b: tb, sum_batch: false };
            let (m, n, k) = (128, 192, 256);
            let a = if ta { [k, m] } else { [m, k] };
            let b = if tb { [n, k] } else { [k, n] };
            let values = |len: usize| (0..len).map(|i| ((i * 7919) % 13) as f64 - 6.0).collect::<Vec<_>>();
            let (x, w) = (values(m * k), values(k * n));
            let mut whole = vec![f64::NAN; m * n];
            op.twin(&[Arg::Real(&a.into(), &x), Arg::Real(&b.into(), &w)], &mut whole, &Context::default());
            let launches = op.launches(&plan(&op, a, b, 16_384)).unwrap();
            assert!(launches.list.len() > 1);
            let mut c = vec![f64::NAN; m * n];
            for launch in &launches.list {
                let get = |name| launch.params.iter().find(|p| p.0 == name).unwrap().1.bits() as usize;
                let [Binding::Read(wa), Binding::Read(wb), Binding::Write(wc)] = launch.bindings[..] else { panic!() };
                for window in [wa, wb, wc] {
                    assert!(window.offset % ALIGN == 0 && window.len <= 16_384);
                }
                let (pa, pb) = (&x[wa.offset..wa.offset + wa.len], &w[wb.offset..wb.offset + wb.len]);
                let pc = &mut c[wc.offset..wc.offset + wc.len];
                for i in 0..get("m") {
                    for j in 0..get("n") {
                        let at = i * get("c_row") + j;
                        let mut sum = if get("accumulate") == 1 { pc[at] } else { 0.0 };
                        for l in 0..get("k") {
                            sum += pa[i * get("a_row") + l * get("a_column")] * pb[l * get("b_row") + j * get("b_column")];
                        }
                        pc[at] = sum;
                    }
                }
            }
            assert_eq!(c, whole);
        }
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let op = Matmul::default();
        // One row of A is larger than a binding and K is odd: no window can begin inside it.
        let found = op.launches(&plan(&op, [1, 129], [129, 129], 64));
        assert!(matches!(found, Err(GraphError::TooLarge { op: "matmul", limit: 64, .. })), "{found:?}");
    }
}
