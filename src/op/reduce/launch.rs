//! How lines along an axis map to workgroups.

use crate::error::GraphError;
use crate::kernel::{ALIGN, Binding, Kernel, Launch, Launches, Operand, Plan, Tiling, Window, padded, wgsl};
use crate::op::rounding::sum_depth;
use crate::scalar::Scalar;
use crate::shape::Shape;

/// A tensor seen as `[outer, len, inner]`: lines of `len` elements, `inner` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axes {
    pub outer: usize,
    pub len: usize,
    pub inner: usize,
}

impl Axes {
    /// The lines of `shape` along `axis`, or one line of everything.
    pub fn of(shape: &Shape, axis: Option<usize>) -> Self {
        let (outer, len, inner) = axis.map_or((1, shape.elements(), 1), |axis| shape.around(axis));
        Self { outer, len, inner }
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.outer * self.inner
    }

    /// Where the elements of line `i` lie.
    pub fn line(self, i: usize) -> impl Iterator<Item = usize> + Clone {
        let inner = self.inner.max(1);
        let base = i / inner * self.len * inner + i % inner;
        (0..self.len).map(move |k| base + k * self.inner)
    }

    /// The place of the first of the largest elements of line `i`, which is not empty.
    pub fn winner<T: Scalar>(self, x: &[T], i: usize) -> usize {
        let mut line = self.line(i);
        let first = line.next().unwrap_or(0);
        line.fold(first, |best, k| if beats(x[k], x[best]) { k } else { best })
    }
}

/// Whether `b` takes the place of `a` as the largest so far: it is greater, or the first NaN, which must show.
pub(crate) fn beats<T: Scalar>(b: T, a: T) -> bool {
    !a.is_nan() && (b.is_nan() || b > a)
}

/// The most additions that any term of a line goes through in [`launches`] or in the twin, whatever the adapter: what γ in a
/// bound counts, since an error grows with the depth of a tree and not with its leaves (Higham 2002, §4.2).
pub(crate) fn additions(axes: Axes) -> usize {
    let depth = |by_workgroup: bool| {
        let (mut axes, mut depth) = (axes, 0);
        loop {
            let by_workgroup = by_workgroup && worth_a_workgroup(axes);
            let (chunk, parts) = parts(by_workgroup, axes);
            let run = chunk.min(axes.len);
            // 64 lanes, each its share, then a tree of 6 levels; or an invocation alone.
            depth += if by_workgroup { run.div_ceil(64) + 6 } else { run };
            if parts == 1 {
                return depth;
            }
            axes.len = parts;
        }
    };
    // Rows cut into runs to fit a binding have fewer lines, hence more parts and no deeper trees. A single line cut into
    // runs has one pass more, of 256 additions or less, over results whose tree ends in at most 512.
    let cut = if axes.lines() == 1 { 256 + 512 } else { 0 };
    (depth(true).max(depth(false)) + cut).max(sum_depth(axes.len)).min(axes.len)
}

/// Whether rows of `len` contiguous elements are worth a workgroup each: an invocation would walk far, and its
/// neighbours would read far apart.
pub(crate) fn rows_by_workgroup(plan: &Plan, axes: Axes) -> bool {
    plan.tiling == Tiling::Workgroup && worth_a_workgroup(axes)
}

fn worth_a_workgroup(axes: Axes) -> bool {
    axes.inner == 1 && axes.len >= 128
}

/// Launches that reduce input 0 into the output: `factor · Σ`, or the maximum for `None`.
pub(super) fn launches(
    op: &'static str,
    plan: &Plan,
    axes: Axes,
    factor: Option<f64>,
) -> Result<Launches, GraphError> {
    let stride = plan.inputs[0].stride;
    let limit = plan.max_elements;
    if axes.outer * axes.len * axes.inner > limit && axes.lines() > 1 {
        // Too much for one binding: whole outer rows at a time, each run with the same trees.
        let runs = plan.runs(op, axes.outer, &[axes.len * axes.inner, axes.inner])?;
        let mut all = Launches::default();
        for (first, outer) in runs {
            let axes = Axes { outer, ..axes };
            let source = Source { operand: Operand::Input(0), offset: first * axes.len * axes.inner, stride };
            append(plan, axes, factor, source, first * axes.inner, &mut all);
        }
        return Ok(all);
    }
    if axes.len > limit {
        return Ok(long_line(plan, axes.len, factor, stride));
    }
    let mut all = Launches::default();
    append(plan, axes, factor, Source { operand: Operand::Input(0), offset: 0, stride }, 0, &mut all);
    Ok(all)
}

/// Launches that write `factor · Σ` of one scratch line of `len` elements into the output, a scalar.
pub(crate) fn sum_launches(plan: &Plan, scratch: usize, len: usize, factor: f64, all: &mut Launches) {
    let source = Source { operand: Operand::Scratch(scratch), offset: 0, stride: padded(len) };
    append(plan, Axes { outer: 1, len, inner: 1 }, Some(factor), source, 0, all);
}

/// Launches that add up the `parts` rows, of `len` elements each, of one scratch tensor into the output.
pub(crate) fn sum_parts(plan: &Plan, scratch: usize, parts: usize, len: usize, all: &mut Launches) {
    let source = Source { operand: Operand::Scratch(scratch), offset: 0, stride: padded(parts * len) };
    append(plan, Axes { outer: 1, len: parts, inner: len }, Some(1.0), source, 0, all);
}

#[derive(Clone, Copy)]
struct Source {
    operand: Operand,
    offset: usize,
    stride: usize,
}

/// Reduces `source` into the output from element `offset` on, through as many scratch tensors as it takes.
fn append(plan: &Plan, axes: Axes, factor: Option<f64>, mut source: Source, offset: usize, all: &mut Launches) {
    let mut axes = axes;
    loop {
        let (chunk, parts) = parts(rows_by_workgroup(plan, axes), axes);
        let rows = axes.lines() * parts;
        if parts == 1 {
            let target = Window { operand: Operand::Output, offset, len: rows };
            all.list.push(launch(plan, axes, (chunk, 1), factor, source, (target, plan.output.stride)));
            return;
        }
        let scratch = Operand::Scratch(all.scratch.len());
        all.scratch.push(rows);
        let (target, stride) = (Window { operand: scratch, offset: 0, len: rows }, padded(rows));
        let once = factor.map(|_| 1.0);
        all.list.push(launch(plan, axes, (chunk, parts), once, source, (target, stride)));
        source = Source { operand: scratch, offset: 0, stride };
        axes.len = parts;
    }
}

/// `(chunk, parts)`: into how many parts each line is cut so that a device has enough to do.
fn parts(by_workgroup: bool, axes: Axes) -> (usize, usize) {
    let (chunk, enough) = if by_workgroup { (4096, 256) } else { (256, 16_384) };
    if axes.lines() >= enough || axes.len <= 2 * chunk {
        return (axes.len.max(1), 1);
    }
    (chunk, axes.len.div_ceil(chunk))
}

fn launch(
    plan: &Plan,
    axes: Axes,
    (chunk, parts): (usize, usize),
    factor: Option<f64>,
    source: Source,
    (target, y_stride): (Window, usize),
) -> Launch {
    let rows = axes.lines() * parts;
    let by_workgroup = rows_by_workgroup(plan, axes);
    let text = if by_workgroup {
        wgsl!("op/reduce", "lib/row_workgroup")
    } else {
        wgsl!("op/reduce", "lib/row_invocation")
    };
    let len = axes.lines() * axes.len;
    Launch {
        kernel: Kernel::new("reduce", text, "reduce_axis").constant("MAXIMUM", f64::from(u8::from(factor.is_none()))),
        params: vec![
            ("rows", rows.into()),
            ("len", axes.len.into()),
            ("inner", axes.inner.max(1).into()),
            ("parts", parts.into()),
            ("chunk", chunk.into()),
            ("factor", (factor.unwrap_or(1.0) as f32).into()),
            ("x_stride", source.stride.into()),
            ("y_stride", y_stride.into()),
        ],
        bindings: vec![
            Binding::Read(Window { operand: source.operand, offset: source.offset, len }),
            Binding::Write(target),
        ],
        groups: if by_workgroup { plan.groups(rows) } else { plan.linear(rows, 64) },
        flops: len as u64,
    }
}

/// One line longer than a binding: runs of it into one scratch line, then that line. A run has a multiple of 64 chunks, so that
/// its partial results start aligned.
fn long_line(plan: &Plan, len: usize, factor: Option<f64>, stride: usize) -> Launches {
    let most = if plan.tiling == Tiling::Workgroup { 4096 } else { 256 };
    let chunk = (plan.max_elements / ALIGN).clamp(1, most);
    let run = plan.max_elements / (chunk * ALIGN) * (chunk * ALIGN);
    let total = len.div_ceil(chunk);
    let mut all = Launches { scratch: vec![total], list: Vec::new() };
    for offset in (0..len).step_by(run) {
        let axes = Axes { outer: 1, len: run.min(len - offset), inner: 1 };
        let parts = axes.len.div_ceil(chunk);
        let source = Source { operand: Operand::Input(0), offset, stride };
        let target = Window { operand: Operand::Scratch(0), offset: offset / chunk, len: parts };
        all.list.push(launch(plan, axes, (chunk, parts), factor.map(|_| 1.0), source, (target, padded(total))));
    }
    let source = Source { operand: Operand::Scratch(0), offset: 0, stride: padded(total) };
    append(plan, Axes { outer: 1, len: total, inner: 1 }, factor, source, 0, &mut all);
    all
}
