//! What the suites with an adapter share: opening it, and failing loudly where there must be one.

use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};
use thalweg::device::gpu::{Gpu, Options};

/// Without an adapter these tests show as ignored; where `CI` or `THALWEG_REQUIRE_GPU` is set they fail instead.
pub fn adapter_is_demanded() -> bool {
    ["CI", "THALWEG_REQUIRE_GPU"].iter().any(|name| says_yes(std::env::var_os(name).as_deref()))
}

/// Whether a variable is set to anything but nothing and 0.
pub fn says_yes(value: Option<&std::ffi::OsStr>) -> bool {
    value.is_some_and(|v| !v.is_empty() && v != "0")
}

/// The adapter the suite runs on: the best, or the one `THALWEG_ADAPTER` names.
pub fn open(options: Options) -> Result<Gpu, thalweg::error::DeviceError> {
    match std::env::var("THALWEG_ADAPTER") {
        Ok(name) if !name.is_empty() => Gpu::named(&name, options),
        _ => Gpu::best(options),
    }
}

static PRESENT: LazyLock<bool> = LazyLock::new(|| open(Options::default()).is_ok());

/// A test that needs an adapter.
pub fn trial(name: impl Into<String>, run: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    let missing = !*PRESENT;
    let trial = Trial::test(name, move || {
        if missing {
            return Err("no Vulkan, Metal or DX12 adapter, and CI or THALWEG_REQUIRE_GPU demands one".into());
        }
        run()
    });
    trial.with_ignored_flag(missing && !adapter_is_demanded())
}

static EIGHT_LANES: LazyLock<bool> =
    LazyLock::new(|| open(Options::default()).is_ok_and(|gpu| gpu.abilities().subgroup == Some(8)));

static WIDE: LazyLock<bool> = LazyLock::new(|| open(Options::default()).is_ok_and(|gpu| gpu.abilities().wide));

/// A test of a kernel variant, which shows as ignored on an adapter that has not the lanes or the integers for it: another kernel
/// would be launched under its name.
#[allow(dead_code, reason = "not every suite has variants")]
pub fn variant(
    name: impl Into<String>,
    variant: &str,
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let subgroup = variant.starts_with("subgroup") && !*EIGHT_LANES;
    let lacking = *PRESENT && (subgroup || variant.ends_with("wide") && !*WIDE);
    if lacking { Trial::test(name, || Ok(())).with_ignored_flag(true) } else { trial(name, run) }
}

/// Runs trials as `cargo test` runs tests.
pub fn main(trials: Vec<Trial>) -> ! {
    let mut arguments = Arguments::from_args();
    // Ignored means no adapter: `--include-ignored` cannot conjure one.
    if arguments.test_threads.is_none() {
        arguments.test_threads = Some(2);
    }
    libtest_mimic::run(&arguments, trials).exit()
}
