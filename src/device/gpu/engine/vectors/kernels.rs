//! The kernels of vectors.

use super::super::kernels::Own;
use crate::device::gpu::pipeline::Access::{Read, Write};
use crate::kernel::{Kernel, Launch, Word, wgsl};

/// Partial sums of `x·y` over `len` elements, one for each of `lanes` invocations, from `first` on. x, y, partial sums.
pub(super) fn dot(len: usize, lanes: usize, first: usize) -> Own<3> {
    Own {
        kernel: Kernel::new("vector_dot", wgsl!("device/vector_dot", "lib/grid"), "vector_dot"),
        params: vec![("len", len.into()), ("lanes", lanes.into()), ("first", first.into())],
        access: [Read, Read, Write],
    }
}

/// The same of sizes, three a lane. x, partial results.
pub(super) fn norms(len: usize, lanes: usize, first: usize) -> Own<2> {
    Own {
        kernel: Kernel::new("vector_norms", wgsl!("device/vector_norms", "lib/grid"), "vector_norms"),
        params: vec![("len", len.into()), ("lanes", lanes.into()), ("first", first.into())],
        access: [Read, Write],
    }
}

/// A factor: a number, or a scalar that a launch before left.
#[derive(Clone, Copy)]
pub(super) enum Factor {
    Given(f64),
    Slot(usize),
}

/// `to = c to + a x` over `len` elements. Scalars, x, to.
pub(super) fn blend(len: usize, c: f64, a: Factor) -> Own<3> {
    let (computed, slot, a) = match a {
        Factor::Given(a) => (0usize, 0, a),
        Factor::Slot(slot) => (1, slot, 0.0),
    };
    Own {
        kernel: Kernel::new("vector_blend", wgsl!("device/vector_blend", "lib/grid"), "vector_blend"),
        params: vec![
            ("len", len.into()),
            ("computed", computed.into()),
            ("slot", slot.into()),
            ("a", Word::F32(a as f32)),
            ("c", Word::F32(c as f32)),
        ],
        access: [Read, Read, Write],
    }
}

/// `scalars[out] = keep·scalars[base] − ρ Σ` of `count` partial sums. Partial sums, scalars.
pub(super) fn coefficient(count: usize, (base, keep): (usize, f64), rho: f64, out: usize) -> Own<2> {
    Own {
        kernel: Kernel::new("vector_coefficient", wgsl!("device/vector_coefficient"), "vector_coefficient"),
        params: vec![
            ("count", count.into()),
            ("base", base.into()),
            ("out", out.into()),
            ("keep", Word::F32(keep as f32)),
            ("rho", Word::F32(rho as f32)),
        ],
        access: [Read, Write],
    }
}

/// All of them, for the suite that holds every launch to its shader.
pub(in crate::device::gpu::engine) fn launches() -> Vec<Launch> {
    vec![
        dot(1, 1, 0).launch(),
        norms(1, 1, 0).launch(),
        blend(1, 0.0, Factor::Given(1.0)).launch(),
        coefficient(1, (0, 0.0), 1.0, 0).launch(),
    ]
}
