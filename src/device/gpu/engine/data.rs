//! A data set in device memory, cut where one binding ends.

use super::super::Gpu;
use super::super::buffer::{Bound, Buffer};
use crate::device::engine::Column;
use crate::error::DeviceError;
use crate::graph::Dtype;

/// Rows on the device and the order in which steps take them.
pub(super) struct DataSet {
    pub rows: usize,
    pub features: Table,
    pub targets: Table,
    pub order: Buffer,
}

/// One column of a data set.
pub(super) struct Table {
    pub values: usize,
    pub dtype: Dtype,
    pub parts: Vec<Part>,
}

/// Consecutive rows that one binding holds.
pub(super) struct Part {
    pub bound: Bound,
    pub first_row: usize,
    pub rows: usize,
}

impl DataSet {
    pub fn new(gpu: &Gpu, rows: usize, features: Column<'_>, targets: Column<'_>) -> Result<Self, DeviceError> {
        let order: Vec<u32> = (0..rows as u32).collect();
        let set = Self {
            rows,
            features: Table::new(gpu, rows, features)?,
            targets: Table::new(gpu, rows, targets)?,
            order: gpu.storage("order of the rows", rows)?,
        };
        gpu.write(&set.order, 0, &order);
        gpu.health()?;
        Ok(set)
    }
}

impl Table {
    fn new(gpu: &Gpu, rows: usize, column: Column<'_>) -> Result<Self, DeviceError> {
        let width = column.len() / rows.max(1);
        let most = (gpu.max_elements() / width.max(1)).clamp(1, rows.max(1));
        let mut parts = Vec::new();
        for first_row in (0..rows).step_by(most) {
            let count = most.min(rows - first_row);
            let buffer = gpu.storage("data set", count * width)?;
            let words = words(column, first_row * width, count * width);
            gpu.write(&buffer, 0, &words);
            parts.push(Part { bound: Bound { buffer, offset: 0, stride: 0, guard: 0 }, first_row, rows: count });
        }
        let dtype = if matches!(column, Column::Index(_)) { Dtype::Index } else { Dtype::Real };
        Ok(Self { values: column.len(), dtype, parts })
    }
}

/// The words of a part of a column, as the device holds them.
pub(in crate::device::gpu) fn words(column: Column<'_>, first: usize, len: usize) -> Vec<u32> {
    match column {
        Column::F32(v) => v[first..first + len].iter().map(|x| x.to_bits()).collect(),
        Column::F64(v) => v[first..first + len].iter().map(|&x| (x as f32).to_bits()).collect(),
        Column::Index(v) => v[first..first + len].to_vec(),
    }
}
