//! The checks that shape rules share: how many operands, and what each holds.

use crate::error::GraphError;
use crate::graph::{Dtype, Meta};
use crate::shape::Shape;

/// Exactly `N` operands.
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

/// An operand of real numbers.
pub fn real<'a>(op: &'static str, operand: &'static str, meta: &'a Meta) -> Result<&'a Shape, GraphError> {
    holds(op, operand, meta, Dtype::Real)?;
    Ok(&meta.shape)
}

/// An operand of indices.
pub fn index<'a>(op: &'static str, operand: &'static str, meta: &'a Meta) -> Result<&'a Shape, GraphError> {
    holds(op, operand, meta, Dtype::Index)?;
    Ok(&meta.shape)
}

/// An operand of real numbers of a shape that is known already.
pub fn shaped(op: &'static str, operand: &'static str, meta: &Meta, wanted: &Shape) -> Result<(), GraphError> {
    if real(op, operand, meta)? != wanted {
        return Err(misshapen(op, operand, wanted.to_string(), &meta.shape));
    }
    Ok(())
}

/// [`GraphError::Shape`]
pub fn misshapen(op: &'static str, operand: &'static str, expected: String, found: &Shape) -> GraphError {
    GraphError::Shape { op, operand, expected, found: found.clone() }
}

/// An axis below the operand's rank and, if `filled`, of at least one element.
pub fn axis(op: &'static str, shape: &Shape, axis: usize, filled: bool) -> Result<(), GraphError> {
    if axis >= shape.rank() {
        return Err(misshapen(op, "x", format!("with an axis {axis}"), shape));
    }
    if filled && shape[axis] == 0 {
        return Err(misshapen(op, "x", format!("with at least one element along axis {axis}"), shape));
    }
    Ok(())
}
