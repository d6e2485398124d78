//! A data set in memory, and minibatches of it.

use crate::device::engine::Column;
use crate::graph::Dtype;
use crate::scalar::Scalar;

/// Rows and the order in which steps take them.
pub(super) struct Data<T> {
    pub rows: usize,
    pub features: Table<T>,
    pub targets: Table<T>,
    pub order: Vec<u32>,
}

/// One column of a data set.
pub(super) enum Table<T> {
    Real(Vec<T>),
    Index(Vec<u32>),
}

impl<T: Scalar> Table<T> {
    pub fn new(column: Column<'_>) -> Self {
        match column {
            Column::F32(v) => Self::Real(v.iter().map(|&x| T::of(f64::from(x))).collect()),
            Column::F64(v) => Self::Real(v.iter().map(|&x| T::of(x)).collect()),
            Column::Index(v) => Self::Index(v.to_vec()),
        }
    }

    pub(super) fn kind(&self) -> (usize, Dtype) {
        match self {
            Self::Real(v) => (v.len(), Dtype::Real),
            Self::Index(v) => (v.len(), Dtype::Index),
        }
    }
}

/// Takes the rows of a table that make a minibatch.
pub(super) fn gather<V: Copy>(batch: &mut [V], table: &[V], rows: &[u32]) {
    let width = batch.len() / rows.len().max(1);
    for (to, &row) in batch.chunks_exact_mut(width.max(1)).zip(rows) {
        to.copy_from_slice(&table[row as usize * width..][..width]);
    }
}
