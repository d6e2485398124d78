//! An update rule over one tensor, by the launches that training makes.

use std::sync::Arc;
use std::time::Duration;

use thalweg::Graph;
use thalweg::device::cpu::CpuEngine;
use thalweg::device::gpu::GpuEngine;
use thalweg::device::{Call, Column, Device, Engine, Phase, Precision, Setup, StepGraph, Tensor, Update};
use thalweg::optim::{DynRule, Entry, Hyper};
use thalweg::rng::Stream;

use super::Measured;
use crate::cli::error::CliError;

const RATE: f64 = 1e-3;
const ROUNDING: f64 = f32::EPSILON as f64 / 2.0;
/// From the initial states nothing cancels: all sums are of one sign, and the step is a chain of at most 24 products, sums, quotients
/// and roots. The least exact of them is WGSL's `sqrt`, 1 / inverseSqrt: 2 + 2.5 ulp, which is 9 roundings.
const CHAIN: f64 = 24.0 * 9.0 * ROUNDING;

pub(super) fn measure(device: &Device, rule: &str, count: usize, time: Duration) -> Result<Measured, CliError> {
    let entry = Entry::find(rule).map_err(thalweg::Error::from)?;
    let rule = (entry.defaults)(entry.usual()).into_rule();
    let hyper = rule.hyper(1, RATE);
    let mut engine = open(device, rule.clone(), count)?;
    let (step, features) = step(count)?;
    let data = engine.add_data(1, Column::F32(&features), Column::F32(&features))?;
    let program = engine.compile(step, data)?;
    let stream = Stream::new(17, 0, 0);
    // As f32 holds them.
    let p: Vec<f64> = (0..count as u32).map(|i| f64::from((2.0 * stream.uniform(i) - 1.0) as f32)).collect();
    engine.set_parameters(0, std::slice::from_ref(&p))?;
    let call = Call::new(program, vec![hyper]);
    let report = engine.explain(&call)?;
    let bytes = report.iter().filter(|launch| launch.phase == Phase::Update).map(|launch| launch.bytes).sum();
    engine.submit(0, 0, std::slice::from_ref(&call))?;
    engine.collect()?;
    let found = engine.parameters(0)?.remove(0);
    if let Err(wrong) = hold(rule.as_ref(), &hyper, p, &found) {
        return Ok(Measured { seconds: f64::NAN, bytes, flops: 0, wrong: Some(wrong) });
    }
    let profile = engine.profile(&call, time)?;
    let own = report.iter().zip(&profile.launches).filter(|(launch, _)| launch.phase == Phase::Update);
    let seconds = own.map(|(_, seconds)| seconds).sum();
    Ok(Measured { seconds, bytes, flops: 0, wrong: None })
}

fn open(device: &Device, rule: Arc<dyn DynRule>, count: usize) -> Result<Box<dyn Engine>, CliError> {
    let setup = Setup {
        tensors: vec![Tensor { name: "w".into(), shape: [count].into() }],
        buffers: Vec::new(),
        groups: vec![0],
        rule,
        update: Update::default(),
        seeds: vec![0],
    };
    Ok(match device {
        Device::Cpu(Precision::F32) => Box::new(CpuEngine::<f32>::new(setup)?),
        Device::Cpu(Precision::F64) => Box::new(CpuEngine::<f64>::new(setup)?),
        Device::Gpu(gpu) => Box::new(GpuEngine::new(gpu, setup)?),
    })
}

/// A step whose gradient is the parameter itself, and its one row of data.
fn step(count: usize) -> Result<(StepGraph, [f32; 1]), CliError> {
    let mut graph = Graph::new();
    let (features, targets) = (graph.input("x", [1, 1])?, graph.input("t", [1, 1])?);
    let loss = graph.sum_all(features)?;
    let w = graph.parameter("w", [count])?;
    let record = [Some(loss), None, None, None];
    Ok((StepGraph { graph, features, targets, record, gradients: vec![Some(w)], updates: Vec::new() }, [1.0]))
}

/// One step from the initial states against the f64 rule, within what its roundings can amount to. The parameter itself is
/// rounded four times: as the difference, and by a decay as number, as product and as difference.
fn hold(rule: &dyn DynRule, hyper: &Hyper, mut p: Vec<f64>, found: &[f64]) -> Result<(), String> {
    let gradient = p.clone();
    let mut states: Vec<Vec<f64>> =
        (0..rule.states().len()).map(|s| vec![rule.initial_state(s); gradient.len()]).collect();
    let mut slices: Vec<&mut [f64]> = states.iter_mut().map(Vec::as_mut_slice).collect();
    rule.update_f64(hyper, &gradient, &mut p, &mut slices);
    if found.len() != p.len() {
        return Err(format!("{} parameters, not {}", found.len(), p.len()));
    }
    for (i, ((&found, &wanted), &before)) in found.iter().zip(&p).zip(&gradient).enumerate() {
        let step = (wanted - before).abs();
        let bound = CHAIN * step + 4.0 * ROUNDING * (wanted.abs() + step) + f64::from(f32::MIN_POSITIVE);
        if !((found - wanted).abs() <= bound) {
            return Err(format!("[{i}] is {found:e}, in f64 {wanted:e} ± {bound:e}"));
        }
    }
    Ok(())
}
