//! What the processor can do at best, measured.

use std::hint::black_box;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::device::roof::{COPIED, Roof, best};
use crate::error::DeviceError;
use crate::graph::{Arg, Context, Graph, Kind, TwinIn};
use crate::shape::Shape;

/// Time for one size, and for each way of computing.
const BUDGET: Duration = Duration::from_millis(80);
/// Bytes that one timing copies at least, so that starting threads does not count.
const BYTES: usize = 1 << 26;
/// Rounds of the arithmetic loop.
const ROUNDS: usize = 1 << 12;
/// Sums of the loop: as many as hide the latency of a unit and still lie in registers.
const SUMS: usize = 32;
/// Side of the square product: its operands lie in a processor's second cache, its arithmetic outweighs their packing.
const SIDE: usize = 256;

/// Copies of T by all cores, and the better of a loop of products and sums and the product that training uses: the loop is compiled
/// for any processor of its kind, the product asks for vector units at run time.
pub(in crate::device) fn measure<T: TwinIn>() -> Result<Roof, DeviceError> {
    let mut copy = Vec::with_capacity(COPIED.len());
    for elements in COPIED {
        super::admit("measuring the rate of copies", 2 * elements, 4)?;
        copy.push((8 * elements as u64, 8.0 * elements as f64 / copied(elements)?));
    }
    Ok(Roof { copy, flops: computed()?.max(product::<T>()?) })
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn wrong(kernel: &str, message: String) -> DeviceError {
    DeviceError::Kernel { kernel: kernel.into(), message }
}

/// Seconds of copying so many words, each core its part.
fn copied(elements: usize) -> Result<f64, DeviceError> {
    let from: Vec<u32> = (0..elements as u32).map(|i| i.wrapping_mul(2_654_435_761)).collect();
    let mut to = vec![0; elements];
    let times = (BYTES / (8 * elements)).max(1);
    let part = elements.div_ceil(cores());
    let mut once = || {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for (to, from) in to.chunks_mut(part).zip(from.chunks(part)) {
                scope.spawn(move || {
                    for _ in 0..times {
                        to.copy_from_slice(black_box(from));
                        black_box(&mut *to);
                    }
                });
            }
        });
        start.elapsed()
    };
    once();
    let seconds = best(BUDGET, || Ok::<_, DeviceError>(once()))? / times as f64;
    match (0..elements).find(|&i| to[i] != from[i]) {
        Some(at) => Err(wrong("copy", format!("word {at} of {elements} was not copied"))),
        None => Ok(seconds),
    }
}

/// Operations a second of the loop, on all cores.
fn computed() -> Result<f64, DeviceError> {
    let run = || {
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..cores()).map(|_| scope.spawn(|| chains(black_box(1.0), black_box(1.0)))).collect();
            all.into_iter().map(|one| one.join().unwrap_or([f32::NAN; SUMS])).collect::<Vec<_>>()
        })
    };
    // Each begins at its own number and gains 1 each round: whole numbers, exact.
    let expected: [f32; SUMS] = std::array::from_fn(|i| (i + ROUNDS) as f32);
    if let Some(found) = run().into_iter().find(|sums| *sums != expected) {
        return Err(wrong("arithmetic", format!("the sums are {found:?}, not {expected:?}")));
    }
    let seconds = best(BUDGET, || {
        let start = Instant::now();
        black_box(run());
        Ok::<_, DeviceError>(start.elapsed())
    })?;
    Ok((2 * SUMS * ROUNDS * cores()) as f64 / seconds)
}

#[inline(never)]
fn chains(factor: f32, term: f32) -> [f32; SUMS] {
    let mut sums: [f32; SUMS] = std::array::from_fn(|i| i as f32);
    for _ in 0..ROUNDS {
        sums.iter_mut().for_each(|sum| *sum = *sum * factor + term);
    }
    sums
}

/// Operations a second of a product in T, by the twin that trains.
fn product<T: TwinIn>() -> Result<f64, DeviceError> {
    let mut g = Graph::new();
    let shape = Shape::from([SIDE, SIDE]);
    let (a, b) = (g.input("a", shape.clone())?, g.input("b", shape.clone())?);
    let c = g.matmul(a, b)?;
    let Kind::Op { op, .. } = &g.node(c).kind else { unreachable!("a product is an op") };
    // Small whole numbers: every sum is exact, in any order.
    let number = |i: usize, by: usize| (i * by % 7) as f64 - 3.0;
    let filled = |by| (0..SIDE * SIDE).map(|i| T::of(number(i, by))).collect::<Vec<T>>();
    let (x, w) = (filled(5), filled(11));
    let args = [Arg::Real(&shape, &x), Arg::Real(&shape, &w)];
    let mut y = vec![T::zero(); SIDE * SIDE];
    let seconds = best(BUDGET, || {
        let start = Instant::now();
        T::twin(op.as_ref(), &args, black_box(&mut y), &Context::default());
        Ok::<_, DeviceError>(start.elapsed())
    })?;
    for at in (0..SIDE * SIDE).step_by(97) {
        let (row, column) = (at / SIDE, at % SIDE);
        let wanted: f64 = (0..SIDE).map(|k| number(row * SIDE + k, 5) * number(k * SIDE + column, 11)).sum();
        if y[at].f64() != wanted {
            return Err(wrong("matmul", format!("[{row}, {column}] is {}, not {wanted}", y[at].f64())));
        }
    }
    Ok((2 * SIDE * SIDE * SIDE) as f64 / seconds)
}
