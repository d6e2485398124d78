//! The flat buffers of parameters and their averages: written, read, exchanged.

use super::super::buffer::{Buffer, to_reals, to_words};
use super::GpuEngine;
use crate::device::engine;
use crate::error::DeviceError;

/// Elements of parameters that are exchanged at once for their averages.
const SWAPPED: usize = 1 << 20;

impl GpuEngine {
    pub(super) fn write_flat(
        &mut self,
        what: &str,
        buffer: &Buffer,
        member: usize,
        values: &[Vec<f64>],
    ) -> Result<(), DeviceError> {
        engine::check_values(what, &self.setup.tensors, values)?;
        for (offset, tensor) in self.offsets.iter().zip(values) {
            self.gpu.write(buffer, member * self.total + offset, &to_words(tensor));
        }
        self.gpu.health()
    }

    pub(super) fn read_flat(&self, buffer: &Buffer, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        let parts: Vec<_> = self
            .offsets
            .iter()
            .zip(&self.setup.tensors)
            .map(|(offset, t)| (buffer, member * self.total + offset, t.shape.elements()))
            .collect();
        Ok(self.gpu.read(&parts)?.iter().map(|words| to_reals(words)).collect())
    }

    /// Exchanges the parameters for their averages, a part at a time.
    pub(super) fn swap(&self) -> Result<(), DeviceError> {
        let Some(averages) = &self.averages else { return Ok(()) };
        let room = self.gpu.storage("parameters on their way", self.parameters.elements().min(SWAPPED))?;
        let mut encoder = self.gpu.shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for first in (0..self.parameters.bytes()).step_by(room.bytes() as usize) {
            let bytes = room.bytes().min(self.parameters.bytes() - first);
            for (from, at, to, there) in [
                (&self.parameters, first, &room, 0),
                (averages, first, &self.parameters, first),
                (&room, 0, averages, first),
            ] {
                encoder.copy_buffer_to_buffer(&from.raw, at, &to.raw, there, bytes);
            }
        }
        self.gpu.shared.queue.submit([encoder.finish()]);
        self.gpu.health()
    }
}
