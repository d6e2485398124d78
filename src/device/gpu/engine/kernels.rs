//! The kernels that are no op's: taking a minibatch, copying a gradient, recording a step.

use super::super::buffer::Bound;
use super::super::compile::Shown;
use super::super::pipeline::Access::{self, Read, Write};
use crate::kernel::{Binding, Kernel, Launch, Operand, Word, wgsl};

/// A launch without its operands: kernel, uniform fields, and what each binding does.
pub(super) struct Own<const N: usize> {
    pub kernel: Kernel,
    pub params: Vec<(&'static str, Word)>,
    pub access: [Access; N],
}

impl<const N: usize> Own<N> {
    /// The bindings over `(value, first element, elements)`.
    pub fn shown<'a>(&self, parts: [(&'a Bound, usize, usize); N]) -> [Shown<'a>; N] {
        std::array::from_fn(|i| {
            let (bound, first, len) = parts[i];
            Shown { access: self.access[i], bound, first, len }
        })
    }

    /// It alone, for the suite that holds every launch to its shader.
    pub fn launch(self) -> Launch {
        let binding = |(n, access): (usize, Access)| match access {
            Read => Binding::read(Operand::Input(n), 1),
            Write => Binding::write(Operand::Input(n), 1),
        };
        let bindings = self.access.into_iter().enumerate().map(binding).collect();
        Launch { kernel: self.kernel, params: self.params, bindings, groups: [1, 1, 1], flops: 0 }
    }
}

/// Words `first..first + len` of a minibatch from the `row_count` rows of a data set's part. Control, order, part, minibatch.
pub(super) fn minibatch(first: usize, len: usize, width: usize, first_row: usize, row_count: usize) -> Own<4> {
    Own {
        kernel: Kernel::new("minibatch", wgsl!("device/minibatch", "lib/grid", "lib/control"), "minibatch"),
        params: vec![
            ("first", first.into()),
            ("len", len.into()),
            ("width", width.into()),
            ("first_row", first_row.into()),
            ("row_count", row_count.into()),
        ],
        access: [Read, Read, Read, Write],
    }
}

/// Words of a row that an invocation of [`minibatch_whole`] copies, at most.
const WORDS: usize = 4;

/// A minibatch of `rows` rows of both columns, of these widths. Control, order, both columns, both minibatches; and how many
/// invocations it takes.
pub(super) fn minibatch_whole(rows: usize, [features, targets]: [usize; 2]) -> (Own<6>, usize) {
    let across = [features, targets].map(|width| width.div_ceil(WORDS));
    let source = wgsl!("device/minibatch_whole", "lib/grid", "lib/control");
    let own = Own {
        kernel: Kernel::new("minibatch", source, "minibatch"),
        params: vec![
            ("rows", rows.into()),
            ("width", features.into()),
            ("across", across[0].into()),
            ("target_width", targets.into()),
            ("target_across", across[1].into()),
        ],
        access: [Read, Read, Read, Read, Write, Write],
    };
    (own, rows * (across[0] + across[1]))
}

/// `len` elements of each member. From, to.
pub(super) fn copy(len: usize, x_stride: usize, y_stride: usize) -> Own<2> {
    Own {
        kernel: Kernel::new("copy", wgsl!("device/copy", "lib/grid"), "copy"),
        params: vec![("len", len.into()), ("x_stride", x_stride.into()), ("y_stride", y_stride.into())],
        access: [Read, Write],
    }
}

/// The end of a step over `rows` rows. Control, ring, and the four scalars with their strides between members.
pub(super) fn record(members: usize, rows: usize, advance: bool, strides: [usize; 4]) -> Own<6> {
    let names = ["a_stride", "b_stride", "c_stride", "d_stride"];
    let mut params = vec![("members", members.into()), ("rows", rows.into()), ("advance", advance.into())];
    params.extend(names.into_iter().zip(strides.map(Word::from)));
    Own {
        kernel: Kernel::new("record", wgsl!("device/record", "lib/control"), "record"),
        params,
        access: [Write, Write, Read, Read, Read, Read],
    }
}

/// All of them as launches, for the suite that holds every launch to its shader.
pub(super) fn launches() -> Vec<Launch> {
    let whole = minibatch_whole(1, [1; 2]).0.launch();
    vec![minibatch(0, 1, 1, 0, 1).launch(), whole, copy(1, 0, 0).launch(), record(1, 1, true, [0; 4]).launch()]
}
