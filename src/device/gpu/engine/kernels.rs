//! The three kernels that are no op's: taking a minibatch, copying a gradient, recording a step.

use super::super::buffer::Bound;
use super::super::compile::Shown;
use super::super::pipeline::Access::{self, Read, Write};
use crate::kernel::{Kernel, Word, wgsl};

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

#[cfg(test)]
mod tests {
    use super::*;
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    use naga::{AddressSpace, StorageAccess, TypeInner};

    fn agrees<const N: usize>(own: &Own<N>) {
        let source = own.kernel.source.as_ref();
        let module = naga::front::wgsl::parse_str(source).unwrap_or_else(|e| panic!("{}", e.emit_to_string(source)));
        Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).unwrap();
        assert!(module.entry_points.iter().any(|e| e.name == own.kernel.entry));
        let mut access = [None; N];
        for (_, variable) in module.global_variables.iter() {
            let binding = variable.binding.map_or(0, |b| b.binding as usize);
            match variable.space {
                AddressSpace::Uniform => {
                    let TypeInner::Struct { members, .. } = &module.types[variable.ty].inner else { panic!() };
                    let found: Vec<_> = members.iter().map(|m| (m.name.clone().unwrap(), m.offset)).collect();
                    let named = own.params.iter().zip(0..).map(|((name, _), i)| ((*name).to_owned(), 4 * i));
                    assert_eq!(found, named.collect::<Vec<_>>());
                }
                AddressSpace::Storage { access: found } => {
                    let write = found.contains(StorageAccess::STORE);
                    access[binding - 1] = Some(if write { Write } else { Read });
                }
                _ => {}
            }
        }
        assert_eq!(access, own.access.map(Some), "{}", own.kernel.name);
    }

    #[test]
    fn shaders_have_the_fields_and_bindings_that_launches_fill() {
        agrees(&minibatch(0, 1, 1, 0, 1));
        agrees(&copy(1, 0, 0));
        agrees(&record(1, 1, true, [0; 4]));
    }
}
