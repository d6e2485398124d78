//! `thalweg adapters`

use clap::Args;
use thalweg::device::gpu::{AdapterReport, adapters};

use super::error::CliError;
use super::output::{event, line};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool, CliError> {
    let found = adapters();
    for a in &found {
        if arguments.json { event("adapter", fields(a))? } else { line(describe(a))? }
    }
    let auto = found.iter().find(|a| a.auto).map(|a| a.name.as_str());
    if arguments.json {
        event("auto", serde_json::json!({ "takes": auto.unwrap_or("cpu") }))?;
        return Ok(true);
    }
    line(match (auto, found.is_empty()) {
        (Some(name), _) => format!("`--device auto` takes {name}."),
        (None, false) => "`--device auto` takes the cpu device: no adapter here is known to be a card. `--device gpu` takes the first.".into(),
        (None, true) => "No Vulkan, Metal or DX12 adapter was found; `--device auto` takes the cpu device. A driver makes one: Mesa's lavapipe for any CPU.".into(),
    })?;
    Ok(true)
}

fn fields(a: &AdapterReport) -> serde_json::Value {
    serde_json::json!({
        "name": a.name, "backend": a.backend, "driver": a.driver, "kind": a.kind.describe(), "auto": a.auto,
        "max_binding_bytes": a.max_binding, "max_buffer_bytes": a.max_buffer,
        "max_storage_buffers": a.max_storage_buffers, "workgroup_memory_bytes": a.workgroup_memory,
        "max_invocations": a.max_invocations, "max_groups": a.max_groups, "features": a.features,
    })
}

fn describe(a: &AdapterReport) -> String {
    let mib = |bytes: u64| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20));
    let features = if a.features.is_empty() { "none".into() } else { a.features.join(", ") };
    format!(
        "{}\n  {}, {}, driver {}\n  one binding {}, one buffer {}, {} storage buffers a kernel\n  \
         workgroup: {} invocations, {} KiB of memory; {} workgroups an axis\n  features it has: {features}\n",
        a.name,
        a.kind.describe(),
        a.backend,
        a.driver,
        mib(a.max_binding),
        mib(a.max_buffer),
        a.max_storage_buffers,
        a.max_invocations,
        a.workgroup_memory / 1024,
        a.max_groups,
    )
}
