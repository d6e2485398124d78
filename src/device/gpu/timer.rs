//! Time stamps that the adapter writes around launches.

use super::Gpu;
use super::compile::{Dispatch, encode};
use crate::error::DeviceError;

/// Launches of one query set, which has a stamp before and one behind each: WebGPU's limit is 4096 stamps.
const LAUNCHES: usize = 2048;

/// Places for stamps on the adapter, and their way back.
pub(super) struct Timer {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
    /// Launches that it holds.
    places: usize,
    /// Nanoseconds of a tick.
    period: f64,
}

impl Gpu {
    /// A timer for so many launches; `None` where the adapter keeps no time.
    pub(super) fn timer(&self, launches: usize) -> Option<Timer> {
        let device = &self.shared.device;
        if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return None;
        }
        let places = launches.clamp(1, LAUNCHES);
        let set = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("time stamps"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * places as u32,
        });
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("time stamps"),
                size: 16 * places as u64,
                usage,
                mapped_at_creation: false,
            })
        };
        Some(Timer {
            set,
            resolved: buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
            staging: buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ),
            places,
            period: f64::from(self.shared.queue.get_timestamp_period()),
        })
    }

    /// Runs launches one after the other, each in a pass of its own, and the seconds that each took by the adapter's clock.
    pub(super) fn stamped(&self, timer: &Timer, list: &[&Dispatch]) -> Result<Vec<f64>, DeviceError> {
        let mut seconds = Vec::with_capacity(list.len());
        for run in list.chunks(timer.places) {
            let mut encoder = self.shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            for (n, dispatch) in (0_u32..).zip(run) {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set: &timer.set,
                        beginning_of_pass_write_index: Some(2 * n),
                        end_of_pass_write_index: Some(2 * n + 1),
                    }),
                });
                encode(&mut pass, [*dispatch]);
            }
            let bytes = 16 * run.len() as u64;
            encoder.resolve_query_set(&timer.set, 0..2 * run.len() as u32, &timer.resolved, 0);
            encoder.copy_buffer_to_buffer(&timer.resolved, 0, &timer.staging, 0, bytes);
            let submission = self.shared.queue.submit([encoder.finish()]);
            timer.staging.slice(..bytes).map_async(wgpu::MapMode::Read, |_| {});
            self.wait(Some(submission))?;
            let view = (timer.staging.slice(..bytes).get_mapped_range())
                .map_err(|e| DeviceError::Driver { adapter: self.name(), message: e.to_string() })?;
            let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
            drop(view);
            timer.staging.unmap();
            // A clock may be set back between two stamps: no time is what it then took.
            let between = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 * timer.period * 1e-9;
            seconds.extend(stamps.chunks_exact(2).map(between));
        }
        Ok(seconds)
    }

    /// Runs a launch `times` times in one submission and the seconds that one took by the host's clock.
    pub(super) fn clocked(&self, dispatch: &Dispatch, times: u32) -> Result<f64, DeviceError> {
        let mut encoder = self.shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        (0..times).for_each(|_| encode(&mut pass, [dispatch]));
        drop(pass);
        let commands = encoder.finish();
        let start = std::time::Instant::now();
        let submission = self.shared.queue.submit([commands]);
        self.wait(Some(submission))?;
        Ok(start.elapsed().as_secs_f64() / f64::from(times))
    }
}
