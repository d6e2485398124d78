//! Numbers, medians and clocks.

use std::time::Instant;

use crate::Fallible;

/// Numbers in [−1, 1) as f32 holds them.
pub fn noise(count: usize, seed: u64) -> Vec<f32> {
    let stream = thalweg::rng::Stream::new(seed, 0, 0);
    (0..count as u32).map(|i| (2.0 * stream.uniform(i) - 1.0) as f32).collect()
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What a contender took, and what it found.
#[derive(Clone, Copy, Debug)]
pub struct Lap {
    /// Seconds of the wall's clock.
    pub wall: f64,
    /// Seconds of processors, of all threads; NaN where the system does not tell.
    pub cpu: f64,
    /// The last step's loss; NaN where there is none.
    pub loss: f64,
}

/// Somebody who can do the work.
pub trait Contender {
    /// Does it so many times and waits for the end of it.
    fn lap(&mut self, count: usize) -> Fallible<Lap>;

    /// What must be said beside its time.
    fn remark(&self) -> Option<&str> {
        None
    }
}

/// One that lives in this process.
pub struct Inside {
    run: Box<dyn FnMut(usize) -> Fallible<f64>>,
    remark: Option<String>,
}

impl Inside {
    /// `run` does it so many times, waits, and says the last loss.
    pub fn new(run: impl FnMut(usize) -> Fallible<f64> + 'static) -> Box<dyn Contender> {
        Self::remarked(run, None)
    }

    pub fn remarked(run: impl FnMut(usize) -> Fallible<f64> + 'static, remark: Option<String>) -> Box<dyn Contender> {
        Box::new(Self { run: Box::new(run), remark })
    }
}

impl Contender for Inside {
    fn lap(&mut self, count: usize) -> Fallible<Lap> {
        let (start, cpu) = (Instant::now(), processor_time());
        let loss = (self.run)(count)?;
        Ok(Lap { wall: start.elapsed().as_secs_f64(), cpu: processor_time() - cpu, loss })
    }

    fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }
}

/// Seconds that processors spent on this process, to 10 ms.
fn processor_time() -> f64 {
    // Linux counts these in hundredths whatever its own clock does. The name before them may hold spaces.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let Some((_, fields)) = stat.rsplit_once(") ") else { return f64::NAN };
    let mut times = fields.split(' ').skip(11).map(|ticks| ticks.parse::<f64>().unwrap_or(f64::NAN));
    (times.next().unwrap_or(f64::NAN) + times.next().unwrap_or(f64::NAN)) / 100.0
}
