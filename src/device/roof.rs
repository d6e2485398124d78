//! What a machine can do at best: the rate at which it copies memory, and that at which it multiplies and adds.

use std::time::{Duration, Instant};

use super::{Device, Precision, cpu, gpu};
use crate::error::DeviceError;

/// Elements of f32 that are copied: from what every cache holds to what few do. Twice as many bytes eight times over move.
pub(super) const COPIED: [usize; 4] = [1 << 16, 1 << 19, 1 << 22, 1 << 24];

/// The roof over all kernels of a device, as measured on it.
///
/// A launch that moves b bytes and makes f operations takes at least max(b / copy(b), f / flops) seconds: the roof line model of
/// Williams, Waterman and Patterson (2009). What caches hold moves faster than what they do not, so there is more than one
/// rate of copying.
///
/// Rates are measured, by the best kernels for it that this library has, not read from a data sheet: other kernels may come out above
/// where theirs leave something, and sizes lie between those that were measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Roof {
    /// Bytes moved, those read and those written, and bytes a second at that size; sizes ascend.
    pub copy: Vec<(u64, f64)>,
    /// Floating-point operations a second, a multiplication and an addition counted as two.
    pub flops: f64,
}

impl Roof {
    /// The most bytes a second that are to be expected of a launch that moves so many: the best rate of any size that was measured from
    /// there on. A smaller one is held to the best of all: what it misses it loses to being launched.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::device::Roof;
    ///
    /// let roof = Roof { copy: vec![(1 << 18, 4e9), (1 << 22, 50e9), (1 << 27, 10e9)], flops: 1e11 };
    /// assert_eq!([1, 1 << 22, (1 << 22) + 1, 1 << 30].map(|bytes| roof.bandwidth(bytes)), [50e9, 50e9, 10e9, 10e9]);
    /// ```
    pub fn bandwidth(&self, bytes: u64) -> f64 {
        let from = self.copy.iter().position(|&(size, _)| size >= bytes).unwrap_or(self.copy.len().saturating_sub(1));
        self.copy[from.min(self.copy.len())..].iter().fold(0.0, |best: f64, &(_, rate)| best.max(rate))
    }

    /// Bytes a second at the largest size that was measured: what memory gives where caches do not help.
    pub fn memory(&self) -> f64 {
        self.copy.last().map_or(0.0, |&(_, rate)| rate)
    }
}

impl Device {
    /// Measures the roof, in about a second. Results are checked before they are timed: each copied word, each sum.
    ///
    /// # Errors
    ///
    /// Out of memory, a lost device, or [`DeviceError::Kernel`] where a result is wrong.
    pub fn roof(&self) -> Result<Roof, DeviceError> {
        match self {
            Self::Cpu(Precision::F32) => cpu::roof::measure::<f32>(),
            Self::Cpu(Precision::F64) => cpu::roof::measure::<f64>(),
            Self::Gpu(gpu) => gpu::roof::measure(gpu),
        }
    }
}

/// The best time of `once` within the budget, tried at least twice beside a first run that does not count.
pub(super) fn best<E>(budget: Duration, mut once: impl FnMut() -> Result<Duration, E>) -> Result<f64, E> {
    let began = Instant::now();
    once()?;
    let (mut least, mut tries) = (f64::INFINITY, 0);
    while tries < 2 || (began.elapsed() < budget && tries < 200) {
        least = least.min(once()?.as_secs_f64());
        tries += 1;
    }
    // A clock that does not tick is no reason to divide by 0.
    Ok(least.max(1e-9))
}
