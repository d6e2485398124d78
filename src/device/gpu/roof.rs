//! What an adapter can do at best, measured.

use std::time::Duration;

use super::{Gpu, Prepared};
use crate::device::engine::Column;
use crate::device::roof::{COPIED, Roof, best};
use crate::error::DeviceError;
use crate::kernel::{ALIGN, Binding, Kernel, Launch, Operand, Tiling, fold, wgsl};

/// Time for one size, and for each way of computing.
const BUDGET: Duration = Duration::from_millis(80);
/// Length of a submission: launches enough that being submitted does not count.
const SUBMISSION: f64 = 10e-3;
/// Invocations of the arithmetic: as many as fill a large card some times over.
const INVOCATIONS: usize = 1 << 18;
/// On a software adapter, which has no more lanes than a processor.
const FEW: usize = 1 << 12;
/// Sums stay whole numbers below 2²⁴ up to so many rounds.
const ROUNDS: usize = 1 << 9;

pub(in crate::device) fn measure(gpu: &Gpu) -> Result<Roof, DeviceError> {
    let mut copy = Vec::with_capacity(COPIED.len());
    for elements in COPIED {
        if elements > gpu.max_elements() && !copy.is_empty() {
            break;
        }
        let elements = elements.min(gpu.max_elements());
        match copied(gpu, elements) {
            Ok(seconds) => copy.push((8 * elements as u64, 8.0 * elements as f64 / seconds)),
            // What does not fit is not measured: a limit was set, or others have the memory.
            Err(DeviceError::OutOfMemory { .. }) if !copy.is_empty() => break,
            Err(other) => return Err(other),
        }
    }
    let rates = [("narrow", 2), ("wide", 8)].map(|(entry, vectors)| computed(gpu, entry, vectors));
    let mut flops: f64 = 0.0;
    for rate in rates {
        flops = flops.max(rate?);
    }
    Ok(Roof { copy, flops })
}

/// The copy over `elements`, for the suite that holds every launch to its shader.
fn stream(elements: usize, limit: u32, tiling: Tiling, wide: bool) -> Launch {
    // A software adapter is fastest with one vector of lanes a workgroup, and long ways for each.
    let (lanes, each) = if tiling == Tiling::Register { (8, 1024) } else { (64, 64) };
    let [x, y] = fold((elements / 4).div_ceil(each), limit);
    let source = match tiling {
        Tiling::Register if wide => wgsl!("device/stream", "lib/grid", "lib/four_wide"),
        _ => wgsl!("device/stream", "lib/grid", "lib/four"),
    };
    Launch {
        kernel: Kernel::new("stream", source, "stream")
            .constant("WORKGROUP", f64::from(lanes))
            .constant("EACH", each as f64),
        params: vec![("len4", (elements / 4).into())],
        bindings: vec![Binding::read(Operand::Input(0), elements), Binding::write(Operand::Output, elements)],
        groups: [x, y, 1],
        flops: 0,
    }
}

/// `vectors` vec4s in each of `invocations`, a multiple of 64.
fn peak(entry: &'static str, vectors: usize, invocations: usize, rounds: usize, limit: u32) -> Launch {
    let [x, y] = fold(invocations / 64, limit);
    Launch {
        kernel: Kernel::new("peak", wgsl!("device/peak", "lib/grid"), entry),
        params: vec![("rounds", rounds.into()), ("factor", 1.0_f32.into()), ("term", 1.0_f32.into())],
        bindings: vec![Binding::write(Operand::Output, invocations)],
        groups: [x, y, 1],
        flops: (2 * 4 * 4 * rounds * vectors * invocations) as u64,
    }
}

/// Both kinds, for the suite.
pub(super) fn launches() -> Vec<Launch> {
    vec![stream(ALIGN, 1, Tiling::Workgroup, false), peak("narrow", 2, 64, 1, 1), peak("wide", 8, 64, 1, 1)]
}

fn copied(gpu: &Gpu, elements: usize) -> Result<f64, DeviceError> {
    // No word is another's neighbour's: an odd factor, from Knuth's multiplicative hashing.
    let words: Vec<u32> = (0..elements as u32).map(|i| i.wrapping_mul(2_654_435_761)).collect();
    let launch = stream(elements, gpu.max_groups(), gpu.tiling(), gpu.abilities().wide);
    let prepared = gpu.prepare(launch.into(), &[Column::Index(&words)], elements)?;
    prepared.run(1)?;
    let found = prepared.read(Operand::Output)?;
    if let Some(at) = (0..elements).find(|&i| found.get(i) != Some(&words[i])) {
        let message = format!("word {at} of {elements} was not copied");
        return Err(DeviceError::Kernel { kernel: "stream".into(), message });
    }
    fastest(&prepared)
}

fn computed(gpu: &Gpu, entry: &'static str, vectors: usize) -> Result<f64, DeviceError> {
    let software = gpu.adapter().kind == super::AdapterKind::Software;
    let invocations = if software { FEW } else { INVOCATIONS };
    let [x, y] = fold(invocations / 64, gpu.max_groups());
    // A folded grid may be a little larger.
    let invocations = x as usize * y as usize * 64;
    let launch = peak(entry, vectors, invocations, ROUNDS, gpu.max_groups());
    let flops = launch.flops;
    let prepared = gpu.prepare(launch.into(), &[], invocations)?;
    prepared.run(1)?;
    let found = prepared.read(Operand::Output)?;
    // Each of the 4·vectors lanes begins at i mod 8 and its own number, and gains 1 each time.
    let lanes = 4 * vectors;
    let expected = |i: usize| (lanes * (i % 8 + 4 * ROUNDS) + lanes * (lanes - 1) / 2) as f32;
    if let Some(at) = (0..invocations).find(|&i| found.get(i) != Some(&expected(i).to_bits())) {
        let (got, wanted) = (found.get(at).map(|&w| f32::from_bits(w)), expected(at));
        let message = format!("invocation {at} of `{entry}` computed {got:?}, not {wanted}");
        return Err(DeviceError::Kernel { kernel: "peak".into(), message });
    }
    Ok(flops as f64 / fastest(&prepared)?)
}

/// Seconds of one run among many.
fn fastest(prepared: &Prepared) -> Result<f64, DeviceError> {
    let once = prepared.run(1)?.min(prepared.run(1)?).as_secs_f64();
    let times = (SUBMISSION / once.max(1e-7)).clamp(1.0, 1000.0) as u32;
    Ok(best(BUDGET, || prepared.run(times))? / f64::from(times))
}
