//! Whether the machine's memory holds what is about to be computed.
//!
//! Rust ends the process where an allocation fails, and Linux grants allocations it cannot back and kills later. Neither is
//! an answer to a layer that is too large, so sizes are compared with what there is before anything is allocated.

use crate::error::DeviceError;

/// Refuses `elements` of `width` bytes for `what` where they do not fit the memory that is free.
pub(crate) fn admit(what: &'static str, elements: usize, width: usize) -> Result<(), DeviceError> {
    let needed = (elements as u64).saturating_mul(width as u64);
    // Anything has this much, and small graphs are planned by the hundred.
    if needed <= 1 << 26 {
        return Ok(());
    }
    let available = available();
    let granted = usize::try_from(needed).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    if !granted || available.is_some_and(|bytes| needed > bytes) {
        return Err(DeviceError::HostMemory { what, needed, available });
    }
    Ok(())
}

/// Bytes that can be had without swapping, by the kernel's estimate and the limit of the control group; `None` where neither
/// is told.
fn available() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| of_machine(&text));
    let number =
        |name: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok()?.trim().parse::<u64>().ok();
    let cache =
        std::fs::read_to_string("/sys/fs/cgroup/memory.stat").ok().and_then(|text| field(&text, "inactive_file"));
    let group = number("max").zip(number("current"));
    let group = group.map(|(max, current)| max.saturating_sub(current.saturating_sub(cache.unwrap_or(0))));
    match (machine, group) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn of_machine(meminfo: &str) -> Option<u64> {
    field(meminfo, "MemAvailable:").map(|kib| kib.saturating_mul(1024))
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        assert_eq!(of_machine("MemTotal:  9 kB\nMemAvailable:   21 kB\n"), Some(21 * 1024));
        assert_eq!(field("active_file 3\ninactive_file 4096\n", "inactive_file"), Some(4096));
        assert_eq!(of_machine("nothing of the kind"), None);
    }

    #[test]
    fn what_no_machine_has_is_refused() {
        assert!(admit("a test", 1 << 20, 4).is_ok());
        for elements in [1 << 50, usize::MAX] {
            let refused = admit("a test", elements, 8);
            assert!(matches!(refused, Err(DeviceError::HostMemory { what: "a test", .. })), "{refused:?}");
        }
    }
}
