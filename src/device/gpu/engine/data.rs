//! A data set: whole in device memory, or on the host and streamed through two chunks there.

use super::super::Gpu;
use super::super::buffer::{Bound, Buffer};
use crate::device::engine::Column;
use crate::error::DeviceError;
use crate::graph::Dtype;

/// Most bytes of one chunk: tens of milliseconds of work for the smallest networks, and little beside a model.
const CHUNK: u64 = 32 << 20;

/// Rows, the order in which steps take them, and where they lie.
pub(super) struct DataSet {
    pub rows: usize,
    pub features: Extent,
    pub targets: Extent,
    /// One for a set that is whole on the device, the two chunks of one that is streamed.
    pub tables: Vec<Table>,
    /// The order of the rows of a table.
    pub order: Buffer,
    stream: Option<Stream>,
}

/// A column: its values in all and what they are.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub values: usize,
    pub dtype: Dtype,
}

/// Rows in device memory.
pub(super) struct Table {
    pub rows: usize,
    pub features: Vec<Part>,
    pub targets: Vec<Part>,
}

/// Consecutive rows of one column that one binding holds.
pub(super) struct Part {
    pub bound: Bound,
    pub first_row: usize,
    pub rows: usize,
}

/// The host's side of a data set that is too large for the device.
struct Stream {
    features: Vec<u32>,
    targets: Vec<u32>,
    order: Vec<u32>,
    /// The chunk that the next submission writes: the one before may still be read.
    turn: usize,
    staging: Vec<u32>,
}

impl DataSet {
    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        let parts = self.tables.iter().flat_map(|table| table.features.iter().chain(&table.targets));
        self.order.bytes() + parts.map(|part| part.bound.buffer.bytes()).sum::<u64>()
    }

    /// Puts the data on the device if they leave as much memory as they take, of what a limit allows; otherwise, and where
    /// the driver gives no more, they are kept on the host.
    pub fn new(gpu: &Gpu, rows: usize, features: Column<'_>, targets: Column<'_>) -> Result<Self, DeviceError> {
        let extent = |column: Column<'_>| Extent {
            values: column.len(),
            dtype: if matches!(column, Column::Index(_)) { Dtype::Index } else { Dtype::Real },
        };
        let set = |tables, order, stream| {
            let (features, targets) = (extent(features), extent(targets));
            Self { rows, features, targets, tables, order, stream }
        };
        let bytes = 4 * (features.len() + targets.len() + rows) as u64;
        if room(gpu).is_none_or(|room| bytes <= room / 2) {
            match resident(gpu, rows, features, targets) {
                Ok((table, order)) => return Ok(set(vec![table], order, None)),
                Err(DeviceError::OutOfMemory { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        let stream = Stream {
            features: words(features, 0, features.len()),
            targets: words(targets, 0, targets.len()),
            order: (0..rows as u32).collect(),
            turn: 0,
            staging: Vec::new(),
        };
        Ok(set(Vec::new(), gpu.storage("order of the rows", 1)?, Some(stream)))
    }

    /// Makes the chunks of a streamed set, for minibatches of up to `batch` rows; nothing where they are there.
    pub fn prepare(&mut self, gpu: &Gpu, batch: usize) -> Result<(), DeviceError> {
        if self.stream.is_none() {
            return Ok(());
        }
        if let Some(table) = self.tables.first() {
            if batch <= table.rows {
                return Ok(());
            }
            let expected = format!("at most {} rows: the chunks that the data stream through", table.rows);
            return Err(DeviceError::Feed { name: "minibatch".into(), expected, found: batch.to_string() });
        }
        let row = 4 * ((self.features.values + self.targets.values) / self.rows.max(1)).max(1) as u64;
        let bytes = room(gpu).map_or(CHUNK, |room| (room / 8).min(CHUNK));
        let fit = usize::try_from(bytes / row).unwrap_or(usize::MAX);
        let count = (fit / batch * batch).clamp(batch, self.rows.max(batch));
        let part = |column: Extent| column.values / self.rows.max(1);
        let chunk = || -> Result<Table, DeviceError> {
            let features = parts(gpu, "chunk of the data", count, part(self.features))?;
            let targets = parts(gpu, "chunk of the data", count, part(self.targets))?;
            Ok(Table { rows: count, features, targets })
        };
        // All or nothing: after an error another compilation may be tried.
        let tables = vec![chunk()?, chunk()?];
        let place = gpu.storage("order of the rows", count)?;
        // A chunk is filled in the order that its steps take it.
        let order: Vec<u32> = (0..count as u32).collect();
        gpu.write(&place, 0, &order);
        (self.tables, self.order) = (tables, place);
        Ok(())
    }

    /// Rows that one submission may take of a streamed set.
    pub fn chunk(&self) -> Option<usize> {
        self.stream.as_ref().map(|_| self.tables.first().map_or(0, |table| table.rows))
    }

    /// The order in which steps take the rows; checked before.
    pub fn set_order(&mut self, gpu: &Gpu, order: &[u32]) {
        match &mut self.stream {
            None => gpu.write(&self.order, 0, order),
            Some(stream) => stream.order.copy_from_slice(order),
        }
    }

    /// The table that the next submission reads and the place of row `cursor` of the order in it. Of a streamed set, `count`
    /// rows are sent to the chunk that the submission before does not read: the copy goes on while that one computes.
    pub fn load(&mut self, gpu: &Gpu, cursor: u32, count: usize) -> (usize, u32) {
        let Some(stream) = &mut self.stream else { return (0, cursor) };
        let (turn, rows) = (stream.turn, &stream.order[cursor as usize..][..count]);
        stream.turn = 1 - turn;
        let table = &self.tables[turn];
        for (all, parts, extent) in
            [(&stream.features, &table.features, self.features), (&stream.targets, &table.targets, self.targets)]
        {
            let width = extent.values / self.rows.max(1);
            for part in parts.iter().filter(|part| part.first_row < count) {
                let own = &rows[part.first_row..count.min(part.first_row + part.rows)];
                stream.staging.clear();
                for &row in own {
                    stream.staging.extend_from_slice(&all[row as usize * width..][..width]);
                }
                gpu.write(&part.bound.buffer, 0, &stream.staging);
            }
        }
        (turn, 0)
    }
}

/// Bytes that a limit on the device's memory leaves; `None` where none was set.
fn room(gpu: &Gpu) -> Option<u64> {
    gpu.options().memory_limit.map(|limit| limit.saturating_sub(gpu.allocated()))
}

fn resident(gpu: &Gpu, rows: usize, features: Column<'_>, targets: Column<'_>) -> Result<(Table, Buffer), DeviceError> {
    let filled = |column: Column<'_>| -> Result<Vec<Part>, DeviceError> {
        let width = column.len() / rows.max(1);
        let parts = parts(gpu, "data set", rows, width)?;
        for part in &parts {
            gpu.write(&part.bound.buffer, 0, &words(column, part.first_row * width, part.rows * width));
        }
        Ok(parts)
    };
    let table = Table { rows, features: filled(features)?, targets: filled(targets)? };
    let order: Vec<u32> = (0..rows as u32).collect();
    let place = gpu.storage("order of the rows", rows)?;
    gpu.write(&place, 0, &order);
    gpu.health()?;
    Ok((table, place))
}

/// Memory for `rows` of `width` words, cut where one binding ends.
fn parts(gpu: &Gpu, what: &str, rows: usize, width: usize) -> Result<Vec<Part>, DeviceError> {
    let most = (gpu.max_elements() / width.max(1)).clamp(1, rows.max(1));
    let part = |first_row| {
        let count = most.min(rows - first_row);
        let buffer = gpu.storage(what, count * width)?;
        Ok(Part { bound: Bound::whole(buffer), first_row, rows: count })
    };
    (0..rows).step_by(most).map(part).collect()
}

/// The words of a part of a column, as the device holds them.
pub(in crate::device::gpu) fn words(column: Column<'_>, first: usize, len: usize) -> Vec<u32> {
    match column {
        Column::F32(v) => v[first..first + len].iter().map(|x| x.to_bits()).collect(),
        Column::F64(v) => v[first..first + len].iter().map(|&x| (x as f32).to_bits()).collect(),
        Column::Index(v) => v[first..first + len].to_vec(),
    }
}
