//! An op's kernel, or on the CPU its twin, held to f64 and timed.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thalweg::check::{bounds, fill};
use thalweg::device::gpu::Gpu;
use thalweg::device::{Column, Device, Feed, Feeds, Precision};
use thalweg::graph::{Arg, Context, Meta};
use thalweg::kernel::{Operand, Place, Plan};
use thalweg::op::{Case, CaseInput};
use thalweg::rng::Stream;
use thalweg::{Graph, Scalar, Shape};

use super::Measured;
use crate::cli::error::CliError;

/// Longest time one submission should take, so that no watchdog stirs.
const SUBMISSION: Duration = Duration::from_millis(50);
/// Timings, at least and at most.
const LEAST: usize = 3;
const MOST: usize = 100;

pub(super) fn measure(device: &Device, case: &Case, time: Duration) -> Result<Measured, CliError> {
    let metas: Vec<Meta> = case.inputs.iter().map(CaseInput::meta).collect();
    let shape = case.op.output(&metas)?.shape;
    let feeds: Vec<Feed> = (0..).zip(&case.inputs).map(|(i, input)| fill(input, Stream::new(17, 0, i))).collect();
    let bounds = Bounds::of(device, case, &feeds)?;
    let touched = |(n, input): (usize, &CaseInput)| case.op.touched(n, &input.shape, &shape);
    let elements = case.inputs.iter().enumerate().map(touched).sum::<usize>() + shape.elements();
    let place = |shape: &Shape| Place { shape: shape.clone(), stride: 0 };
    let inputs: Vec<Place> = case.inputs.iter().map(|input| place(&input.shape)).collect();
    let plan = match device {
        Device::Gpu(gpu) => gpu.plan(case.op.as_ref(), inputs, place(&shape), 1),
        Device::Cpu(_) => Plan::new(inputs, place(&shape), 1),
    };
    let launches = case.op.launches(&plan)?;
    let flops = launches.list.iter().map(|launch| launch.flops).sum();
    let bytes = (elements * device.precision().bytes()) as u64;
    let found = match device {
        Device::Gpu(gpu) => on_gpu(gpu, case, &plan, &feeds, &bounds, time)?,
        Device::Cpu(Precision::F32) => on_cpu::<f32>(case, &feeds, &bounds, time, |op, args, y| {
            op.op.twin_f32(args, y, &Context::default());
        }),
        Device::Cpu(Precision::F64) => on_cpu::<f64>(case, &feeds, &bounds, time, |op, args, y| {
            op.op.twin_f64(args, y, &Context::default());
        }),
    };
    let (seconds, wrong) = match found {
        Ok(seconds) => (seconds, None),
        Err(wrong) => (f64::NAN, Some(wrong)),
    };
    Ok(Measured { seconds, bytes, flops, wrong })
}

/// The f64 twin's values, and how far others may lie from them.
struct Bounds {
    value: Vec<f64>,
    error: Vec<f64>,
}

impl Bounds {
    fn of(device: &Device, case: &Case, feeds: &[Feed]) -> Result<Self, CliError> {
        let (mut g, mut fed, mut inputs) = (Graph::new(), Feeds::new(), Vec::new());
        for (i, (input, feed)) in case.inputs.iter().zip(feeds).enumerate() {
            let id = g.member_input(&format!("input {i}"), input.meta())?;
            fed.insert(id, feed.clone());
            inputs.push(id);
        }
        let y = g.apply_dyn(Arc::clone(&case.op), &inputs)?;
        if let Device::Gpu(gpu) = device {
            // What is fast here is what a run would launch.
            gpu.tune(&g, &[y])?;
        }
        let twin = bounds(&g, &fed, &[y], &Context::default())?.remove(0);
        Ok(Self { value: twin.value, error: twin.error })
    }

    /// What is outside of its bound first; a NaN is.
    fn hold(&self, found: impl Iterator<Item = f64>) -> Result<(), String> {
        let mut held = 0;
        for ((found, &value), &error) in found.zip(&self.value).zip(&self.error) {
            let tolerance = error + f64::from(f32::MIN_POSITIVE);
            if !((found - value).abs() <= tolerance) && found != value {
                return Err(format!("[{held}] is {found:e}, in f64 {value:e} ± {tolerance:e}"));
            }
            held += 1;
        }
        if held == self.value.len() { Ok(()) } else { Err(format!("{held} values, not {}", self.value.len())) }
    }
}

type Found = Result<f64, String>;

fn on_gpu(
    gpu: &Gpu,
    case: &Case,
    plan: &Plan,
    feeds: &[Feed],
    bounds: &Bounds,
    time: Duration,
) -> Result<Found, CliError> {
    let columns: Vec<Column<'_>> = feeds
        .iter()
        .map(|feed| match feed {
            Feed::Real(values) => Column::F64(values),
            Feed::Index(values) => Column::Index(values),
        })
        .collect();
    let elements = plan.output.elements();
    let prepared = gpu.prepare(case.op.launches(plan)?, &columns, elements)?;
    prepared.run(1)?;
    let words = prepared.read(Operand::Output)?;
    if let Err(wrong) = bounds.hold(words.into_iter().take(elements).map(|word| f64::from(f32::from_bits(word)))) {
        return Ok(Err(wrong));
    }
    let once = prepared.run(1)?.min(prepared.run(1)?).as_secs_f64();
    if once > time.as_secs_f64() {
        // There is no time to do better.
        return Ok(Ok(once));
    }
    // Short of time, few runs a submission.
    let length = SUBMISSION.min(time / LEAST as u32).as_secs_f64();
    let times = (length / once.max(1e-7)).clamp(1.0, 1000.0) as u32;
    let seconds = middle(time, || Ok::<_, CliError>(prepared.run(times)?.as_secs_f64() / f64::from(times)))?;
    Ok(Ok(seconds))
}

fn on_cpu<T: Scalar>(
    case: &Case,
    feeds: &[Feed],
    bounds: &Bounds,
    time: Duration,
    twin: impl Fn(&Case, &[Arg<'_, T>], &mut [T]),
) -> Found {
    let reals: Vec<Vec<T>> = feeds
        .iter()
        .map(|feed| match feed {
            Feed::Real(values) => values.iter().map(|&v| T::of(v)).collect(),
            Feed::Index(_) => Vec::new(),
        })
        .collect();
    let args: Vec<Arg<'_, T>> = (case.inputs.iter().zip(feeds).zip(&reals))
        .map(|((input, feed), reals)| match feed {
            Feed::Real(_) => Arg::Real(&input.shape, reals),
            Feed::Index(values) => Arg::Index(&input.shape, values),
        })
        .collect();
    let mut y = vec![T::zero(); bounds.value.len()];
    twin(case, &args, &mut y);
    bounds.hold(y.iter().map(|v| v.f64()))?;
    let once = || {
        let start = Instant::now();
        twin(case, &args, black_box(&mut y));
        Ok::<_, String>(start.elapsed().as_secs_f64())
    };
    middle(time, once)
}

/// The median of what `once` says within the time.
pub(super) fn middle<E>(time: Duration, mut once: impl FnMut() -> Result<f64, E>) -> Result<f64, E> {
    let (began, mut all) = (Instant::now(), Vec::new());
    while all.len() < LEAST || (began.elapsed() < time && all.len() < MOST) {
        all.push(once()?);
    }
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() / 2])
}
