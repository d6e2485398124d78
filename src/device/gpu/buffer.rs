//! Device memory that is counted, and reading it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Gpu;
use crate::error::DeviceError;
use crate::kernel::{ALIGN, padded};

/// A buffer; its bytes are given back to the count when the last clone goes.
#[derive(Clone)]
pub(super) struct Buffer {
    pub(super) raw: wgpu::Buffer,
    counted: Arc<Counted>,
}

struct Counted {
    bytes: u64,
    total: Arc<AtomicU64>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Buffer {
    /// Whether both are one piece of memory.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.counted, &other.counted)
    }

    pub(super) fn elements(&self) -> usize {
        (self.counted.bytes / 4) as usize
    }

    pub(super) fn bytes(&self) -> u64 {
        self.counted.bytes
    }
}

/// A part of a buffer that holds one value of the graph, all members.
#[derive(Clone)]
pub(super) struct Bound {
    pub buffer: Buffer,
    /// First element.
    pub offset: usize,
    /// Elements between members, 0 where they share the value.
    pub stride: usize,
    /// Elements behind the tensor that a binding shows as well: the suite's sentinels.
    pub guard: usize,
}

impl Bound {
    /// A buffer from its beginning, of which all members share the value.
    pub(super) fn whole(buffer: Buffer) -> Self {
        Self { buffer, offset: 0, stride: 0, guard: 0 }
    }
}

/// Buffers that programs which never run at once take turns with.
#[derive(Default)]
pub(super) struct Room(Vec<Buffer>);

impl Room {
    /// A buffer of at least each size, none twice: those there are, and new ones where they do not suffice.
    pub(super) fn buffers(&mut self, gpu: &Gpu, what: &str, sizes: &[usize]) -> Result<Vec<Buffer>, DeviceError> {
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by_key(|&n| std::cmp::Reverse(sizes[n]));
        let mut taken = vec![false; self.0.len()];
        let mut given: Vec<Option<Buffer>> = vec![None; sizes.len()];
        for n in order {
            let fits = |b: &usize| !taken[*b] && self.0[*b].elements() >= sizes[n];
            let found = (0..self.0.len()).filter(fits).min_by_key(|&b| self.0[b].elements());
            let place = match found {
                Some(place) => place,
                None => {
                    self.0.push(gpu.storage(what, sizes[n])?);
                    taken.push(false);
                    self.0.len() - 1
                }
            };
            taken[place] = true;
            given[n] = Some(self.0[place].clone());
        }
        Ok(given.into_iter().flatten().collect())
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Gives back those behind the first `count`, which no program that stays knows.
    pub(super) fn shrink(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// Elements of each.
    pub(super) fn sizes(&self) -> Vec<usize> {
        self.0.iter().map(Buffer::elements).collect()
    }

    /// All of them, and new ones behind them up to as many as `sizes`.
    pub(super) fn grown(&mut self, gpu: &Gpu, what: &str, sizes: &[usize]) -> Result<Vec<Buffer>, DeviceError> {
        for &size in sizes.get(self.0.len()..).unwrap_or_default() {
            self.0.push(gpu.storage(what, size)?);
        }
        Ok(self.0.clone())
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(|b| b.counted.bytes).sum()
    }
}

impl Gpu {
    /// Storage of 4-byte elements, zeroed, padded so that vec4 bindings always fit.
    pub(super) fn storage(&self, what: &str, elements: usize) -> Result<Buffer, DeviceError> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        self.allocate(what, padded(elements).max(ALIGN) as u64 * 4, usage)
    }

    pub(super) fn allocate(&self, what: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<Buffer, DeviceError> {
        let shared = &self.shared;
        let refuse = |limit: String| DeviceError::OutOfMemory {
            adapter: self.name(),
            what: what.into(),
            needed: bytes,
            allocated: self.allocated(),
            limit,
        };
        if let Some(limit) = shared.options.memory_limit
            && self.allocated() + bytes > limit
        {
            return Err(refuse(format!("the limit set for it is {limit} bytes")));
        }
        if bytes > shared.limits.max_buffer_size {
            return Err(refuse(format!("its largest buffer is {} bytes", shared.limits.max_buffer_size)));
        }
        let scope = shared.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let raw = shared.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size: bytes,
            usage,
            mapped_at_creation: false,
        });
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(refuse(format!("and the driver gives no more ({error})")));
        }
        self.health()?;
        shared.allocated.fetch_add(bytes, Ordering::Relaxed);
        Ok(Buffer { raw, counted: Arc::new(Counted { bytes, total: shared.allocated.clone() }) })
    }

    pub(super) fn write(&self, buffer: &Buffer, first: usize, words: &[u32]) {
        self.shared.queue.write_buffer(&buffer.raw, first as u64 * 4, bytemuck::cast_slice(words));
    }

    /// Reads words back; waits for everything submitted before.
    pub(super) fn read(&self, parts: &[(&Buffer, usize, usize)]) -> Result<Vec<Vec<u32>>, DeviceError> {
        let total: usize = parts.iter().map(|&(_, _, len)| len).sum();
        if total == 0 {
            return Ok(vec![Vec::new(); parts.len()]);
        }
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let staging = self.allocate("reading results back", total as u64 * 4, usage)?;
        let mut encoder = self.shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut at = 0;
        for &(buffer, first, len) in parts.iter().filter(|p| p.2 > 0) {
            encoder.copy_buffer_to_buffer(&buffer.raw, first as u64 * 4, &staging.raw, at * 4, len as u64 * 4);
            at += len as u64;
        }
        let submission = self.shared.queue.submit([encoder.finish()]);
        staging.raw.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        self.wait(Some(submission))?;
        let words = self.mapped(&staging)?;
        let mut rest = words.as_slice();
        Ok(parts
            .iter()
            .map(|&(_, _, len)| {
                let (head, tail) = rest.split_at(len);
                rest = tail;
                head.to_vec()
            })
            .collect())
    }

    /// The words of a buffer whose mapping has arrived.
    pub(super) fn mapped(&self, staging: &Buffer) -> Result<Vec<u32>, DeviceError> {
        let view = staging
            .raw
            .slice(..)
            .get_mapped_range()
            .map_err(|e| DeviceError::Driver { adapter: self.name(), message: e.to_string() })?;
        let words = bytemuck::cast_slice(&view).to_vec();
        drop(view);
        staging.raw.unmap();
        Ok(words)
    }
}

pub(super) fn to_words(values: &[f64]) -> Vec<u32> {
    values.iter().map(|&v| (v as f32).to_bits()).collect()
}

pub(super) fn to_reals(words: &[u32]) -> Vec<f64> {
    words.iter().map(|&w| f64::from(f32::from_bits(w))).collect()
}
