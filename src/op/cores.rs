//! The work of a twin on several cores, with the same bits on any number of them.

use std::sync::OnceLock;
use std::thread::available_parallelism;

/// Elements that take far longer to read and write than a thread takes to start.
const WORTH_A_THREAD: usize = 1 << 18;

/// How many operations of a product take about as long as an element that passes through memory.
const OPERATIONS_AN_ELEMENT: u64 = 64;

/// The cores that this process may use. Asking the system takes longer than many an op.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().map_or(1, usize::from))
}

/// What so many operations of a product cost, in elements.
pub fn elements(flops: u64) -> usize {
    usize::try_from(flops / OPERATIONS_AN_ELEMENT).unwrap_or(usize::MAX)
}

/// Cuts `out` into a run of whole items for each core, where the `cost` of all, in elements read or written, is worth a
/// thread's start, and has `work` fill each: it is told the number of the run's first item. Items must not depend on each
/// other; then the bits are the same for any number of cores.
pub fn share<T: Send>(out: &mut [T], item: usize, cost: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let items = out.len() / item.max(1);
    let cores = if cost < WORTH_A_THREAD { 1 } else { cores().min(items) };
    if cores <= 1 {
        return work(0, out);
    }
    let run = items.div_ceil(cores);
    std::thread::scope(|scope| {
        let mut runs = out.chunks_mut(run * item).enumerate().map(|(n, out)| (n * run, out));
        let own = runs.next();
        for (first, out) in runs {
            let work = &work;
            scope.spawn(move || work(first, out));
        }
        if let Some((first, out)) = own {
            work(first, out);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_filled_once_whatever_the_run() {
        for (items, item) in [(0, 3), (1, 1), (7, 3), (64, 5)] {
            for cost in [0, usize::MAX] {
                let mut out = vec![0; items * item];
                share(&mut out, item, cost, |first, run| {
                    for (n, values) in run.chunks_mut(item).enumerate() {
                        values.iter_mut().enumerate().for_each(|(i, v)| *v += 1 + (first + n) * item + i);
                    }
                });
                assert!(out.iter().enumerate().all(|(i, &v)| v == i + 1), "{items} × {item}: {out:?}");
            }
        }
    }
}
