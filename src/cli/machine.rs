//! Where a command computes.

use std::time::Duration;

use clap::{Args, ValueEnum};
use thalweg::device::gpu::{Options, Tuning};
use thalweg::device::{Device, Precision};

use super::error::CliError;
use super::output::word;

/// Where to compute.
#[derive(Debug, Args)]
pub(crate) struct Machine {
    /// auto, gpu, cpu, or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    pub(crate) device: String,
    /// Width of the cpu device's floats
    #[arg(long, value_enum, default_value_t = Width::F32)]
    pub(crate) precision: Width,
    /// Most memory to take on an adapter, e.g. 2GiB; data that take more than half of what is left stream through it
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) memory: Option<u64>,
}

/// What a command spends on choosing between kernels where THALWEG_TUNING does not say it.
pub(crate) const TUNING: Tuning = Tuning::Within(Duration::from_secs(2));

/// `4096`, `512KiB`, `1.5GiB`.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1u64 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("", 1)];
    let (number, unit) =
        units.iter().find_map(|&(name, unit)| Some((text.strip_suffix(name)?, unit))).unwrap_or((text, 1));
    let count = number.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let count = count.map(|n| n * unit as f64).filter(|n| *n >= 1.0 && *n < 2f64.powi(63));
    count.map(|n| n as u64).ok_or_else(|| "a number of bytes, as `4096`, `512MiB` or `1.5GiB`".into())
}

impl Default for Machine {
    fn default() -> Self {
        Self { device: "auto".into(), precision: Width::F32, memory: None }
    }
}

impl Machine {
    pub(crate) fn open(&self) -> Result<(Device, String), CliError> {
        let precision = match self.precision {
            Width::F32 => Precision::F32,
            Width::F64 => Precision::F64,
        };
        let tuning = Tuning::from_environment(TUNING)?;
        let options = Options { memory_limit: self.memory, tuning, ..Options::default() };
        let (device, mut why) = Device::select_with(&self.device, precision, options)?;
        if let (Device::Cpu(_), Some(_)) = (&device, self.memory) {
            why += "; `--memory` limits adapters and means nothing to it";
        }
        Ok((device, why))
    }

    /// The arguments that were given, for another command.
    pub(crate) fn again(&self) -> String {
        let device = if self.device == "auto" { String::new() } else { format!(" --device {}", word(&self.device)) };
        let precision = if self.precision == Width::F64 { " --precision f64" } else { "" };
        let memory = self.memory.map_or_else(String::new, |bytes| format!(" --memory {bytes}"));
        device + precision + &memory
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub(crate) enum Width {
    /// Trains fast
    #[default]
    F32,
    /// Proves; cpu only
    F64,
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        for (text, count) in
            [("4096", 4096), ("512MiB", 512 << 20), ("1.5GiB", 3 << 29), ("2 KiB", 2048), ("1TiB", 1 << 40)]
        {
            assert_eq!(bytes(text), Ok(count), "{text}");
        }
        for text in ["", "MiB", "-1", "0", "nan", "inf", "1e30TiB", "12 GB", "many"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
