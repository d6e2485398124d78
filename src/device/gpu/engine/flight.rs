//! Submissions on their way: many steps go out together, and their records come back together.

use super::super::buffer::Buffer;
use super::super::compile::{Dispatch, encode};
use super::{GpuEngine, RECORDED, update};
use crate::device::engine::{self, Call, Part, Record};
use crate::error::DeviceError;

/// A submission whose records were not collected.
pub(super) struct Flight {
    submission: wgpu::SubmissionIndex,
    staging: Buffer,
    /// For each step which scalars its graph has, and whether it left telemetry.
    steps: Vec<([bool; RECORDED], bool)>,
}

impl GpuEngine {
    /// Encodes the steps and hands them over.
    pub(super) fn fly(&mut self, step: u32, cursor: u32, calls: &[Call]) -> Result<(), DeviceError> {
        let extent = |n: usize| self.programs.get(n).map(|program| program.extent);
        engine::check_calls(&self.setup, self.capacity, cursor, calls, |x| (x as f32).is_finite(), extent)?;
        let (table_of, cursor) = self.load(cursor, calls)?;
        let members = self.setup.seeds.len();
        let (table, told) = self.step_table(calls);
        self.gpu.write(&self.control, 0, &[step, cursor, 0]);
        self.gpu.write(&self.control, self.tables.steps_at(), &table);
        let mut encoder = self.gpu.shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        let mut steps = Vec::with_capacity(calls.len());
        for call in calls {
            self.lists(call, table_of).into_iter().for_each(|list| encode(&mut pass, list));
            steps.push((self.programs[call.program.0].recorded, self.tells(call)));
        }
        drop(pass);
        let staging = self.staging()?;
        let bytes = (calls.len() * members * RECORDED * 4) as u64;
        encoder.copy_buffer_to_buffer(&self.ring.raw, 0, &staging.raw, 0, bytes);
        if told > 0 {
            let words = told * members * self.setup.tensors.len() * update::TOLD;
            let behind = self.ring.elements() as u64 * 4;
            encoder.copy_buffer_to_buffer(&self.telemetry.raw, 0, &staging.raw, behind, words as u64 * 4);
        }
        let submission = self.gpu.shared.queue.submit([encoder.finish()]);
        staging.raw.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        self.in_flight.push_back(Flight { submission, staging, steps });
        self.gpu.health()
    }

    /// The launches of a step, in order, over one of its data set's tables.
    pub(super) fn lists(&self, call: &Call, table: usize) -> [&[Dispatch]; 6] {
        let program = &self.programs[call.program.0];
        let (whole, updates) = (call.part == Part::Whole, call.part.updates());
        [
            &program.taking[table],
            &program.graph,
            if whole { &[] } else { &program.parts[call.part as usize - 1] },
            if updates && program.extent.trains { &self.turning.list } else { &[] },
            match (updates, call.telemetry) {
                (false, _) => &[],
                (true, true) => &program.update.told,
                (true, false) => &program.update.plain,
            },
            &program.end,
        ]
    }

    /// Waits for the oldest submission.
    pub(super) fn land(&mut self) -> Result<Vec<Record>, DeviceError> {
        let Some(flight) = self.in_flight.pop_front() else { return Ok(Vec::new()) };
        self.gpu.wait(Some(flight.submission))?;
        let words = self.gpu.mapped(&flight.staging)?;
        self.idle.push(flight.staging);
        let members = self.setup.seeds.len();
        let scalar = |word: u32, there: bool| if there { f64::from(f32::from_bits(word)) } else { f64::NAN };
        let member = |w: &[u32], there: [bool; RECORDED]| std::array::from_fn(|i| scalar(w[i], there[i]));
        let mut told = words[self.ring.elements()..].chunks((members * self.setup.tensors.len() * update::TOLD).max(1));
        let rows = words.chunks(members * RECORDED).zip(flight.steps);
        let record = |(row, (there, telemetry)): (&[u32], ([bool; RECORDED], bool))| Record {
            scalars: row.chunks(RECORDED).map(|w| member(w, there)).collect(),
            telemetry: if telemetry { self.telemetry_of(told.next().unwrap_or_default()) } else { Vec::new() },
        };
        Ok(rows.map(record).collect())
    }

    /// The table of the data set that these calls read, and their first row's place in it.
    fn load(&mut self, cursor: u32, calls: &[Call]) -> Result<(usize, u32), DeviceError> {
        let data = self.programs[calls[0].program.0].data;
        let Some(most) = self.data[data].chunk() else { return Ok((0, cursor)) };
        let programs = || calls.iter().map(|call| &self.programs[call.program.0]);
        let refuse =
            |expected: String, found: String| Err(DeviceError::Feed { name: "submission".into(), expected, found });
        if let Some(other) = programs().find(|program| program.data != data) {
            let found = format!("steps over the sets {data} and {}", other.data);
            return refuse("steps over one data set, since it is streamed".into(), found);
        }
        let rows: usize = programs().map(|program| program.extent.batch).sum();
        if rows > most {
            return refuse(
                format!("at most the {most} rows of a chunk, since the data are streamed"),
                rows.to_string(),
            );
        }
        Ok(self.data[data].load(&self.gpu, cursor, rows))
    }

    pub(super) fn staging(&mut self) -> Result<Buffer, DeviceError> {
        if let Some(idle) = self.idle.pop() {
            return Ok(idle);
        }
        let bytes = (self.ring.elements() + self.telemetry.elements()) as u64 * 4;
        self.gpu.allocate(
            "records on their way back",
            bytes,
            wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        )
    }
}
