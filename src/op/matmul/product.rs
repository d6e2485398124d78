//! The product `C = op(A) op(B)` that several ops share: strides, splitting over bindings, launches, twin and bound.

use super::host;
use super::way::{Way, variants};
use crate::error::GraphError;
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Variants, Window, aligned, wgsl};
use crate::op::cores::{elements, share};
use crate::op::rounding::bilinear;
use crate::scalar::Scalar;

/// The axes of a product: items of a batch, rows and columns of C, and the axis that is summed.
pub(super) const BATCH: usize = 0;
pub(super) const M: usize = 1;
pub(super) const N: usize = 2;
pub(super) const K: usize = 3;

/// A product with what it needs to know of its operands: how many elements one step along each axis skips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    /// Lengths of the axes: batch, m, n, k.
    pub size: [usize; 4],
    /// Strides of A, B and C along the axes; 0 along those they do not have.
    pub strides: [[usize; 4]; 3],
}

/// The sources of a product that [`product!`] makes, one for each kernel.
pub(crate) type Sources = [&'static str; 6];

/// What a kernel adds to a product: its own source, fields and bindings after C.
pub(crate) struct Finish<'a> {
    pub op: &'static str,
    pub sources: Sources,
    pub constants: Vec<(&'static str, f64)>,
    /// Binding of a row vector as long as C's rows, and its stride between members.
    pub bias: Option<(Operand, usize)>,
    /// Invocations that the kernel gets past those of the product.
    pub past: usize,
    pub plan: &'a Plan,
}

/// Where a part of a product begins, and its lengths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub start: [usize; 4],
    pub size: [usize; 4],
}

impl Product {
    /// A product of contiguous `[batch, m, k]` and `[batch, k, n]`, each stored transposed if so told, with operands that all
    /// items share where `shared` says so.
    pub fn new(size: [usize; 4], transposed: [bool; 2], shared: [bool; 2]) -> Self {
        let [_, m, n, k] = size;
        let (a_row, a_column) = if transposed[0] { (1, m) } else { (k, 1) };
        let (b_row, b_column) = if transposed[1] { (1, k) } else { (n, 1) };
        let a_batch = if shared[0] { 0 } else { m * k };
        let b_batch = if shared[1] { 0 } else { k * n };
        let strides = [[a_batch, a_row, 0, a_column], [b_batch, 0, b_column, b_row], [m * n, n, 1, 0]];
        Self { size, strides }
    }

    /// `c = a b`
    pub fn twin<T: Scalar>(&self, a: &[T], b: &[T], c: &mut [T]) {
        let [batch, m, n, k] = self.size;
        if k == 0 {
            c.fill(T::zero());
        }
        if m * n * k == 0 {
            return;
        }
        let [sa, sb, sc] = self.strides;
        debug_assert_eq!(sc, [m * n, n, 1, 0], "C has no gaps");
        let of = |item: usize| {
            let a = host::matrix(&a[item * sa[BATCH]..], [m, k], [sa[M], sa[K]]);
            (a, host::matrix(&b[item * sb[BATCH]..], [k, n], [sb[K], sb[N]]))
        };
        if batch == 1 {
            let (a, b) = of(0);
            return host::shared(a, b, host::matrix_mut(c, [m, n]));
        }
        share(c, m * n, elements(2 * (batch * m * n) as u64 * k as u64), |first, c| {
            for (item, c) in c.chunks_exact_mut(m * n).enumerate() {
                let (a, b) = of(first + item);
                host::product(a, b, T::zero(), host::matrix_mut(c, [m, n]));
            }
        });
    }

    /// Error of a product of operands known to within `errors`.
    pub fn bound(&self, values: [&[f64]; 2], errors: [&[f64]; 2], error: &mut [f64]) {
        bilinear(self.size[K], values, errors, error, |a, b, c| self.twin(a, b, c));
    }

    /// What a plan may choose from.
    pub fn variants(&self, plan: &Plan) -> Variants {
        variants(self, plan)
    }

    /// The launches: one, or as many as operands that exceed one binding make necessary. A product cut along K adds to what
    /// the earlier parts left.
    pub fn launches(&self, finish: &Finish<'_>) -> Result<Launches, GraphError> {
        let mut blocks = Vec::new();
        if self.size[BATCH] * self.size[M] * self.size[N] != 0 {
            self.split(finish, Block { start: [0; 4], size: self.size }, &mut blocks)?;
        }
        let target = (Operand::Output, finish.plan.output.stride);
        Ok(blocks.into_iter().map(|block| self.launch(finish, block, target)).collect::<Vec<_>>().into())
    }

    /// Halves the outermost axis of the largest operand until each fits a binding.
    fn split(&self, finish: &Finish<'_>, block: Block, blocks: &mut Vec<Block>) -> Result<(), GraphError> {
        let plan = finish.plan;
        let span = |x: usize| span(&self.strides[x], &block.size);
        let worst = (0..3).max_by_key(|&x| span(x)).unwrap_or(0);
        let crowded = block.size[BATCH] * plan.members as usize > plan.max_groups as usize;
        if span(worst) <= plan.max_elements && !crowded {
            blocks.push(block);
            return Ok(());
        }
        let outermost = (0..4).filter(|&d| block.size[d] > 1).max_by_key(|&d| self.strides[worst][d]);
        let axis = if crowded { BATCH } else { outermost.unwrap_or(BATCH) };
        // Windows begin at multiples of ALIGN in every operand that has the axis, and in the bias.
        let unit = self.strides.iter().filter(|s| s[axis] > 0).map(|s| aligned(s[axis])).max().unwrap_or(1);
        let half = block.size[axis].div_ceil(2).next_multiple_of(unit);
        if half >= block.size[axis] {
            return Err(GraphError::TooLarge { op: finish.op, elements: span(worst), limit: plan.max_elements });
        }
        let (mut low, mut high) = (block, block);
        low.size[axis] = half;
        high.start[axis] += half;
        high.size[axis] -= half;
        self.split(finish, low, blocks)?;
        self.split(finish, high, blocks)
    }

    /// The launch of a block into `target`, with its stride between members.
    pub(super) fn launch(&self, finish: &Finish<'_>, block: Block, target: (Operand, usize)) -> Launch {
        let plan = finish.plan;
        let [batch, m, n, k] = block.size;
        let [a, b, c] = self.strides;
        let window = |operand, strides: &[usize; 4]| Window {
            operand,
            offset: (0..4).map(|d| block.start[d] * strides[d]).sum(),
            len: span(strides, &block.size),
        };
        let mut params = vec![
            ("m", m.into()),
            ("n", n.into()),
            ("k", k.into()),
            ("batch", batch.into()),
            ("a_row", a[M].into()),
            ("a_column", a[K].into()),
            ("a_batch", a[BATCH].into()),
            ("a_member", plan.inputs[0].stride.into()),
            ("b_row", b[K].into()),
            ("b_column", b[N].into()),
            ("b_batch", b[BATCH].into()),
            ("b_member", plan.inputs[1].stride.into()),
            ("c_row", c[M].into()),
            ("c_batch", c[BATCH].into()),
            ("c_member", target.1.into()),
            ("accumulate", (block.start[K] > 0).into()),
        ];
        let mut bindings = vec![
            Binding::Read(window(Operand::Input(0), &a)),
            Binding::Read(window(Operand::Input(1), &b)),
            Binding::Write(window(target.0, &c)),
        ];
        if let Some((operand, stride)) = finish.bias {
            params.push(("bias_member", stride.into()));
            params.push(("last", (block.start[K] + k == self.size[K]).into()));
            bindings.push(Binding::Read(Window { operand, offset: block.start[N], len: n }));
        }
        let part = Self { size: block.size, strides: self.strides };
        let way = Way::of(&part, plan);
        let [x, y] = way.groups(&part, finish.past, plan);
        let mut kernel = Kernel::new(finish.op, finish.sources[way.source()], "product");
        kernel.constants = way.constants(&part, block.start[K] > 0);
        kernel.constants.extend(finish.constants.iter().copied());
        let groups = [x, y, batch as u32 * plan.members];
        Launch { kernel, params, bindings, groups, flops: 2 * (batch * m) as u64 * n as u64 * k as u64 }
    }
}

/// Elements from the first to the last that a block touches.
pub(super) fn span(strides: &[usize; 4], size: &[usize; 4]) -> usize {
    let mine = || strides.iter().zip(size).filter(|(s, _)| **s > 0);
    if mine().any(|(_, &n)| n == 0) {
        return 0;
    }
    mine().map(|(s, n)| s * (n - 1)).sum::<usize>() + 1
}

/// The sources of a product whose own file is named, and those for pairs: by registers, by workgroups, by
/// subgroups, by workgroups with their memory twice over, of few rows or columns, and by subgroups with wide loads.
macro_rules! product {
    ($kernel:literal, $($twice:literal),+) => {
        [
            wgsl!($kernel, "lib/product_register", "lib/grid", "lib/operands"),
            wgsl!($kernel, "lib/product_workgroup", "lib/product_edge", "lib/operands"),
            wgsl!($kernel, "lib/product_subgroup", "lib/eight", "lib/grid", "lib/operands"),
            wgsl!($kernel, "lib/product_double", "lib/product_edge", "lib/operands"),
            wgsl!($kernel, "lib/product_vector", "lib/product_edge", "lib/operands"),
            wgsl!($kernel $(, $twice)+, "lib/product_wide", "lib/squares", "lib/operands_wide", "lib/grid"),
        ]
    };
}
pub(crate) use product;

/// The sources of a product with nothing after it.
pub(crate) const PLAIN: Sources = product!("op/matmul", "lib/twice");
