//! Errors of running a graph on a device.

use super::{GraphError, TuningError};

/// Why a device cannot do what was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No adapter at all.
    #[error(
        "no Vulkan, Metal or DX12 adapter was found. Install a driver (Mesa's lavapipe is one for any CPU), or use `--device cpu`"
    )]
    NoAdapter,
    /// No adapter's name holds the text asked for.
    #[error("no adapter's name contains `{wanted}`. Found: {}. Use one of these, `gpu`, `cpu` or `auto`", list(.known))]
    UnknownAdapter {
        /// What was asked for.
        wanted: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The adapter lacks something without which no kernel runs.
    #[error("adapter {adapter} cannot be used: {reason}. Use another adapter or `--device cpu`")]
    Unusable {
        /// The adapter's name.
        adapter: String,
        /// What the driver said.
        reason: String,
    },
    /// f64 on a GPU.
    #[error(
        "precision f64 is for the cpu device: WGSL has no 64-bit floats. Use `--device cpu --precision f64`, or `--precision f32` on {adapter}"
    )]
    NoDoublePrecision {
        /// The adapter's name.
        adapter: String,
    },
    /// A tensor could not be allocated.
    #[error(
        "out of device memory on {adapter}: {needed} bytes more were needed for {what}, {allocated} bytes are allocated already, \
         {limit}. Use a smaller batch, model or population, or `--device cpu`"
    )]
    OutOfMemory {
        /// The adapter's name.
        adapter: String,
        /// What it was for.
        what: String,
        /// Bytes asked for.
        needed: u64,
        /// Bytes this device had given before.
        allocated: u64,
        /// What there is, in words.
        limit: String,
    },
    /// The machine's own memory does not hold it.
    #[error(
        "out of memory: {needed} bytes are needed for {what}{}. Use a smaller model, batch or data set",
        available.map_or(", more than the system gives".into(), |bytes| format!(", and {bytes} are free"))
    )]
    HostMemory {
        /// What it was for.
        what: &'static str,
        /// Bytes asked for.
        needed: u64,
        /// Bytes that are free; `None` where the system does not say.
        available: Option<u64>,
    },
    /// The driver lost the device.
    #[error(
        "the device was lost on {adapter}: {reason}. A checkpoint written before is intact; go on from it with `--resume`"
    )]
    Lost {
        /// The adapter's name.
        adapter: String,
        /// The driver's reason.
        reason: String,
    },
    /// The device did not answer in time.
    #[error(
        "{adapter} did not finish within {seconds} s: the driver hangs, or a single step is too long. Use a smaller batch"
    )]
    Hang {
        /// The adapter's name.
        adapter: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A kernel that the driver or compiler refuses.
    #[error("kernel `{kernel}` was refused: {message}")]
    Kernel {
        /// The kernel's name.
        kernel: String,
        /// What the compiler said.
        message: String,
    },
    /// No variant of a kernel, its default included, agrees with the f64 twin on this adapter.
    #[error(
        "no kernel for `{kernel}` agrees with its f64 twin here: {message}. Update the adapter's driver, or use `--device cpu`"
    )]
    Unproved {
        /// The class of places it is for.
        kernel: String,
        /// How the default differs.
        message: String,
    },
    /// An error of the graphics library that no call was waiting for.
    #[error("{adapter} reported: {message}")]
    Driver {
        /// The adapter's name.
        adapter: String,
        /// What it said.
        message: String,
    },
    /// A value that the graph needs was not given.
    #[error("nothing was fed to {kind} `{name}` of shape {shape}")]
    NotFed {
        /// `"input"` or `"parameter"`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Its shape.
        shape: String,
    },
    /// A value fed has another length or type than the node.
    #[error("`{name}` needs {expected}, found {found}")]
    Feed {
        /// The node's name.
        name: String,
        /// Count and type it needs.
        expected: String,
        /// Count and type it was given.
        found: String,
    },
    /// The model does not fit this device.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// What asks for tuning cannot be understood, or its file cannot be rebuilt.
    #[error(transparent)]
    Tuning(#[from] TuningError),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
