//! What a step's launches are, and how long each takes.

use std::time::{Duration, Instant};

use super::super::buffer::Buffer;
use super::super::compile::Dispatch;
use super::super::timer::Timer;
use super::GpuEngine;
use crate::device::engine::{self, Call, Engine};
use crate::device::explain::{Clock, Explain, LaunchReport, Phase, Profile, idle, median};
use crate::error::DeviceError;

/// Rounds over all launches, at least and at most.
const LEAST: usize = 3;
const MOST: usize = 200;
/// Launches of one kind in a submission by the host's clock: what it costs to submit them is shared.
const REPEATED: u32 = 20;

impl Explain for GpuEngine {
    fn explain(&self, call: &Call) -> Result<Vec<LaunchReport>, DeviceError> {
        self.check(std::slice::from_ref(call))?;
        Ok(self.launches(call, 0).map(|dispatch| dispatch.report.clone()).collect())
    }

    fn profile(&mut self, call: &Call, budget: Duration) -> Result<Profile, DeviceError> {
        idle(self.in_flight.len())?;
        self.check(std::slice::from_ref(call))?;
        let trained = self.trained();
        let kept = self.copies(&trained)?;
        let found = self.measured(call, budget);
        self.moved_over(kept.iter().zip(&trained))?;
        self.gpu.wait(None)?;
        found
    }
}

impl GpuEngine {
    fn check(&self, calls: &[Call]) -> Result<(), DeviceError> {
        let extent = |n: usize| self.programs.get(n).map(|program| program.extent);
        engine::check_calls(&self.setup, self.capacity, 0, calls, |x| (x as f32).is_finite(), extent)
    }

    fn launches(&self, call: &Call, table: usize) -> impl Iterator<Item = &Dispatch> {
        self.lists(call, table).into_iter().flatten()
    }

    /// All that a step changes and a later one reads. The control words are written anew for every submission.
    fn trained(&self) -> Vec<Buffer> {
        let flat = [&self.parameters, &self.gradients, &self.work, &self.kept.now, &self.kept.next];
        let turned = self.turning.states();
        let more = self.states.iter().chain(&self.sums).chain(&self.averages).chain(turned);
        flat.into_iter().chain(more).cloned().collect()
    }

    fn copies(&self, of: &[Buffer]) -> Result<Vec<Buffer>, DeviceError> {
        let copy = |own: &Buffer| self.gpu.storage("what is trained, while a step is timed", own.elements());
        let copies: Vec<Buffer> = of.iter().map(copy).collect::<Result<_, _>>()?;
        self.moved_over(of.iter().zip(&copies))?;
        Ok(copies)
    }

    fn moved_over<'a>(&self, pairs: impl Iterator<Item = (&'a Buffer, &'a Buffer)>) -> Result<(), DeviceError> {
        let mut encoder = self.gpu.shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for (from, to) in pairs {
            encoder.copy_buffer_to_buffer(&from.raw, 0, &to.raw, 0, from.bytes());
        }
        self.gpu.shared.queue.submit([encoder.finish()]);
        self.gpu.health()
    }

    fn measured(&mut self, call: &Call, budget: Duration) -> Result<Profile, DeviceError> {
        // Half of the time for steps as they are trained, half for launches one by one.
        let step = self.step_time(call, budget / 2)?;
        let batch = self.programs[call.program.0].extent.batch;
        let count = self.launches(call, 0).count();
        let timer = self.gpu.timer(count);
        let clock = if timer.is_some() { Clock::Timestamps } else { Clock::Wall };
        let began = Instant::now();
        let mut rounds: Vec<Vec<f64>> = Vec::new();
        // The first round is not counted: it may be the first time that a launch runs.
        while rounds.len() <= LEAST || (began.elapsed() < budget / 2 && rounds.len() <= MOST) {
            let data = self.programs[call.program.0].data;
            let (table, cursor) = self.data[data].load(&self.gpu, 0, batch);
            rounds.push(self.round(call, (table, cursor), timer.as_ref())?);
        }
        let rounds = &rounds[1..];
        let launches = (0..count).map(|n| median(rounds.iter().map(|round| round[n]).collect())).collect();
        Ok(Profile { clock, launches, step, rounds: rounds.len() })
    }

    /// Each launch once, or over and over where the host's clock is all there is.
    fn round(
        &self,
        call: &Call,
        (table, cursor): (usize, u32),
        timer: Option<&Timer>,
    ) -> Result<Vec<f64>, DeviceError> {
        let (words, _) = self.step_table(std::slice::from_ref(call));
        self.gpu.write(&self.control, self.tables.steps_at(), &words);
        let list: Vec<&Dispatch> = self.launches(call, table).collect();
        // What ends a step moves on to the next, of which the control words know nothing.
        let begin = || self.gpu.write(&self.control, 0, &[0, cursor, 0]);
        begin();
        if let Some(timer) = timer {
            return self.gpu.stamped(timer, &list);
        }
        let clocked = |dispatch: &&Dispatch| {
            let seconds = self.gpu.clocked(dispatch, if dispatch.report.phase == Phase::Record { 1 } else { REPEATED });
            begin();
            seconds
        };
        list.iter().map(clocked).collect()
    }

    /// Seconds of a step among many: the median of submissions as large as their time and the data allow.
    fn step_time(&mut self, call: &Call, budget: Duration) -> Result<f64, DeviceError> {
        let extent = self.programs[call.program.0].extent;
        let data = self.programs[call.program.0].data;
        let rows = self.data[data].chunk().unwrap_or(extent.rows).min(extent.rows);
        let most = (rows / extent.batch).clamp(1, self.capacity);
        let (began, mut count, mut times) = (Instant::now(), 1, Vec::new());
        let mut tries = 0;
        while tries <= LEAST || (began.elapsed() < budget && tries <= MOST) {
            let start = Instant::now();
            self.submit(0, 0, &vec![call.clone(); count])?;
            self.collect()?;
            let once = start.elapsed().as_secs_f64() / count as f64;
            if tries > 0 {
                times.push(once);
            }
            // As many as a tenth of the budget takes.
            count = ((budget.as_secs_f64() / 10.0 / once.max(1e-7)) as usize).clamp(1, most);
            tries += 1;
        }
        Ok(median(times))
    }
}
