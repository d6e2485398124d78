//! How many steps go into one submission: as many as fit 60 ms, so that progress, Ctrl-C and a driver's watchdog work.

use std::time::{Duration, Instant};

const TARGET: Duration = Duration::from_millis(60);

/// Steps for the next submission, from how long the last ones took.
#[derive(Debug)]
pub(super) struct Pace {
    steps: usize,
    capacity: usize,
    since: Instant,
}

impl Pace {
    pub(super) fn new(capacity: usize) -> Self {
        Self { steps: 1, capacity, since: Instant::now() }
    }

    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Begins to measure again, after a pause.
    pub(super) fn restart(&mut self) {
        self.since = Instant::now();
    }

    /// `steps` came back.
    pub(super) fn collected(&mut self, steps: usize) {
        let took = self.since.elapsed();
        self.restart();
        self.steps = next(self.steps, self.capacity, took / steps.max(1) as u32);
    }
}

/// At most four times as many as before: one measurement may mislead.
fn next(steps: usize, capacity: usize, each: Duration) -> usize {
    let fit = TARGET.as_nanos() / each.as_nanos().max(1);
    usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, (4 * steps).min(capacity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_four_stops_at_the_capacity_and_never_reaches_zero() {
        assert_eq!(next(1, 64, Duration::from_micros(10)), 4);
        assert_eq!(next(32, 64, Duration::from_micros(10)), 64);
        assert_eq!(next(64, 64, Duration::from_millis(6)), 10);
        assert_eq!(next(64, 64, Duration::from_secs(2)), 1);
        assert_eq!(next(1, 64, Duration::ZERO), 4);
    }
}
