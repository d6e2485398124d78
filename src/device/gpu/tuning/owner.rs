//! Whose choices they are.

use serde::{Deserialize, Serialize};

use crate::device::gpu::AdapterReport;

/// What a choice between kernels was made with: on another adapter or driver, or by another version of the library, it was neither
/// checked nor timed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// The adapter's name.
    pub adapter: String,
    /// Its backend, as `vulkan`.
    #[serde(default)]
    pub backend: String,
    /// Its driver, with the version.
    #[serde(default)]
    pub driver: String,
    /// The library's version.
    #[serde(default)]
    pub thalweg: String,
}

impl Owner {
    /// This library on an adapter.
    pub fn new(report: &AdapterReport) -> Self {
        Self {
            adapter: report.name.clone(),
            backend: report.backend.clone(),
            driver: report.driver.clone(),
            thalweg: env!("CARGO_PKG_VERSION").into(),
        }
    }
}
