//! The work of a twin on several cores, with the same bits on any number of them.

/// Elements that take longer to read and write than another core takes to wake up and help.
const WORTH_A_CORE: usize = 1 << 16;

/// How many operations of a product take about as long as an element that passes through memory.
const OPERATIONS_AN_ELEMENT: u64 = 64;

/// On how many cores work is worth doing whose `cost` is so many elements read or written.
pub fn worth(cost: usize) -> usize {
    if cost < WORTH_A_CORE { 1 } else { rayon::current_num_threads() }
}

/// What so many operations of a product cost, in elements.
pub fn elements(flops: u64) -> usize {
    usize::try_from(flops / OPERATIONS_AN_ELEMENT).unwrap_or(usize::MAX)
}

/// Both, the second on another core if one is free. Neither may wait for the other.
pub fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    rayon::join(a, b)
}

/// Does a long piece of work where its parts are shared without a detour: on a core that others help.
pub fn enter<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// Cuts `out` into a run of whole items for each core, where the `cost` of all, in elements read or written, is worth one's
/// waking up, and has `work` fill each: it is told the number of the run's first item. Items must not depend on each other;
/// then the bits are the same for any number of cores.
pub fn share<T: Send>(out: &mut [T], item: usize, cost: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let cores = if item == 0 { 1 } else { worth(cost) };
    halve(out, item, 0, cores, &work);
}

fn halve<T: Send>(out: &mut [T], item: usize, first: usize, cores: usize, work: &(impl Fn(usize, &mut [T]) + Sync)) {
    let items = out.len() / item.max(1);
    if cores <= 1 || items <= 1 {
        return work(first, out);
    }
    let (few, many) = (cores / 2, cores - cores / 2);
    let cut = (items * few / cores).max(1);
    let (low, high) = out.split_at_mut(cut * item);
    join(|| halve(low, item, first, few, work), || halve(high, item, first + cut, many, work));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_filled_once_whatever_the_run() {
        for (items, item) in [(0, 3), (1, 1), (7, 3), (64, 5)] {
            for cores in [1, 2, 3, 8, 100] {
                let mut out = vec![0; items * item];
                halve(&mut out, item, 0, cores, &|first, run| {
                    for (n, values) in run.chunks_mut(item).enumerate() {
                        values.iter_mut().enumerate().for_each(|(i, v)| *v += 1 + (first + n) * item + i);
                    }
                });
                assert!(out.iter().enumerate().all(|(i, &v)| v == i + 1), "{items} × {item} on {cores}: {out:?}");
            }
        }
    }
}
