//! The checks that shape rules share: how many operands, and what each holds. Each error names op, operand, what was expected
//! and what was found.
//!
//! ```
//! use thalweg::graph::Meta;
//! use thalweg::op::operand;
//!
//! let inputs = [Meta::real([2, 3]), Meta::index([2])];
//! let [x, t] = operand::exactly("pick", &inputs)?;
//! let x = operand::real("pick", "x", x)?;
//! assert_eq!((x[0], operand::index("pick", "t", t)?.axes()), (2, &[2][..]));
//! let error = operand::reals("add", &inputs, ["a", "b"]).unwrap_err();
//! assert_eq!(error.to_string(), "add: `b` must hold real numbers, found indices");
//! # Ok::<(), thalweg::Error>(())
//! ```

use crate::error::GraphError;
use crate::graph::{Dtype, Meta};
use crate::shape::Shape;

/// Exactly `N` operands.
///
/// # Errors
///
/// [`GraphError::Arity`].
pub fn exactly<'a, const N: usize>(op: &'static str, inputs: &'a [Meta]) -> Result<&'a [Meta; N], GraphError> {
    inputs.try_into().map_err(|_| GraphError::Arity { op, expected: N, found: inputs.len() })
}

fn holds(op: &'static str, operand: &'static str, meta: &Meta, wanted: Dtype) -> Result<(), GraphError> {
    if meta.dtype != wanted {
        let (expected, found) = (wanted.describe(), meta.dtype.describe());
        return Err(GraphError::Dtype { op, operand, expected, found });
    }
    Ok(())
}

/// The shape of an operand of real numbers.
///
/// # Errors
///
/// [`GraphError::Dtype`] if it holds indices.
pub fn real<'a>(op: &'static str, operand: &'static str, meta: &'a Meta) -> Result<&'a Shape, GraphError> {
    holds(op, operand, meta, Dtype::Real)?;
    Ok(&meta.shape)
}

/// The shapes of exactly `N` operands of real numbers.
///
/// # Errors
///
/// [`GraphError::Arity`], [`GraphError::Dtype`].
pub fn reals<'a, const N: usize>(
    op: &'static str,
    inputs: &'a [Meta],
    names: [&'static str; N],
) -> Result<[&'a Shape; N], GraphError> {
    let inputs: &[Meta; N] = exactly(op, inputs)?;
    for (meta, name) in inputs.iter().zip(names) {
        real(op, name, meta)?;
    }
    Ok(inputs.each_ref().map(|meta| &meta.shape))
}

/// The shape of an operand of indices.
///
/// # Errors
///
/// [`GraphError::Dtype`] if it holds real numbers.
pub fn index<'a>(op: &'static str, operand: &'static str, meta: &'a Meta) -> Result<&'a Shape, GraphError> {
    holds(op, operand, meta, Dtype::Index)?;
    Ok(&meta.shape)
}

/// An operand of real numbers of a shape that is known already.
///
/// # Errors
///
/// [`GraphError::Dtype`], [`GraphError::Shape`].
pub fn shaped(op: &'static str, operand: &'static str, meta: &Meta, wanted: &Shape) -> Result<(), GraphError> {
    if real(op, operand, meta)? != wanted {
        return Err(misshapen(op, operand, wanted.to_string(), &meta.shape));
    }
    Ok(())
}

/// [`GraphError::Shape`], with what was expected in words.
pub fn misshapen(op: &'static str, operand: &'static str, expected: String, found: &Shape) -> GraphError {
    GraphError::Shape { op, operand, expected, found: found.clone() }
}

/// An axis below the rank of operand `x` and, if `filled`, of at least one element.
///
/// # Errors
///
/// [`GraphError::Shape`].
pub fn axis(op: &'static str, shape: &Shape, axis: usize, filled: bool) -> Result<(), GraphError> {
    if axis >= shape.rank() {
        return Err(misshapen(op, "x", format!("with an axis {axis}"), shape));
    }
    if filled && shape[axis] == 0 {
        return Err(misshapen(op, "x", format!("with at least one element along axis {axis}"), shape));
    }
    Ok(())
}
