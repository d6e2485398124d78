//! Trials of a variant: its values against the twin's, and its time.

use std::time::Duration;

use super::offer::Offer;
use crate::device::gpu::Gpu;
use crate::device::gpu::buffer::{Bound, Buffer};
use crate::device::gpu::compile::{Dispatch, Drafts};
use crate::device::gpu::prepared;
use crate::error::{DeviceError, GraphError};
use crate::graph::{Arg, BoundArg, Context, Meta};
use crate::kernel::{ALIGN, Launches, padded};
use crate::rng::{Stream, stream};

/// What the output holds before a trial: a quiet NaN with a face.
const SENTINEL: u32 = 0x7fc0_5e78;
/// The length after which operands that are only timed repeat themselves: a prime.
const PERIOD: usize = 4093;

/// Operands on the device, and an output that knows where it ends.
pub(super) struct Operands {
    gpu: Gpu,
    inputs: Vec<(Bound, usize)>,
    output: Bound,
    len: usize,
    control: Bound,
}

impl Operands {
    /// Operands of these values.
    fn new<'a>(gpu: &Gpu, inputs: impl Iterator<Item = &'a [f32]>, len: usize) -> Result<Self, DeviceError> {
        let mut bounds = Vec::new();
        for values in inputs {
            let buffer = gpu.storage("an operand to choose kernels by", values.len())?;
            gpu.write(&buffer, 0, bytemuck::cast_slice(values));
            bounds.push((Bound::whole(buffer), values.len()));
        }
        // A binding shows what is behind the tensor too, so that a stray write is seen.
        let output = gpu.storage("an output to choose kernels by", padded(len) + ALIGN)?;
        let control = gpu.storage("control words", ALIGN)?;
        gpu.write(&control, 0, &prepared::CONTROL);
        let output = Bound { guard: ALIGN, ..Bound::whole(output) };
        Ok(Self { gpu: gpu.clone(), inputs: bounds, output, len, control: Bound::whole(control) })
    }

    /// Operands to be timed with: random numbers that repeat themselves.
    pub(super) fn filled(gpu: &Gpu, inputs: &[Meta], len: usize) -> Result<Self, DeviceError> {
        let block = random(0, PERIOD);
        let filled: Vec<Vec<f32>> =
            inputs.iter().map(|meta| block.iter().copied().cycle().take(meta.shape.elements()).collect()).collect();
        Self::new(gpu, filled.iter().map(Vec::as_slice), len)
    }

    /// Launches over these operands with everything made.
    pub(super) fn prepare(&self, launches: Launches) -> Result<Vec<Dispatch>, DeviceError> {
        let lengths: Vec<usize> = self.inputs.iter().map(|(_, len)| *len).collect();
        prepared::check_all(&launches, &lengths, self.len)?;
        let scratch = launches.scratch.iter().map(|&len| self.gpu.storage("scratch", len).map(Bound::whole));
        let scratch: Vec<Bound> = scratch.collect::<Result<_, _>>()?;
        let mut drafts = Drafts::default();
        drafts.add_op(
            &self.gpu,
            launches,
            &self.inputs,
            std::slice::from_ref(&self.output),
            &scratch,
            &self.control,
            1,
        )?;
        let made = drafts.finish(&self.gpu)?;
        self.gpu.wait(None)?;
        Ok(made)
    }

    /// Runs the launches so many times and waits: the time of one.
    pub(super) fn time(&self, dispatches: &[Dispatch], times: u32) -> Result<Duration, DeviceError> {
        Ok(prepared::timed(&self.gpu, dispatches, times)? / times.max(1))
    }

    /// What one run leaves in the output and behind it.
    fn found(&self, dispatches: &[Dispatch]) -> Result<Vec<u32>, DeviceError> {
        let buffer: &Buffer = &self.output.buffer;
        self.gpu.write(buffer, 0, &vec![SENTINEL; buffer.elements()]);
        prepared::timed(&self.gpu, dispatches, 1)?;
        Ok(self.gpu.read(&[(buffer, 0, buffer.elements())])?.remove(0))
    }
}

/// Random operands of full rank, and what the twin makes of them in f64.
pub(super) struct Twin {
    operands: Operands,
    pub inputs: Vec<Meta>,
    value: Vec<f64>,
    /// The most by which each value may be off.
    error: Vec<f64>,
}

impl Twin {
    pub(super) fn new(gpu: &Gpu, offer: &Offer, inputs: Vec<Meta>) -> Result<Self, DeviceError> {
        let len = offer.op.output(&inputs)?.shape.elements();
        let single: Vec<Vec<f32>> =
            inputs.iter().enumerate().map(|(n, meta)| random(n as u32, meta.shape.elements())).collect();
        let double: Vec<Vec<f64>> = single.iter().map(|v| v.iter().map(|&x| f64::from(x)).collect()).collect();
        let exact: Vec<Vec<f64>> = single.iter().map(|v| vec![0.0; v.len()]).collect();
        let args: Vec<Arg<'_, f64>> = inputs.iter().zip(&double).map(|(meta, v)| Arg::Real(&meta.shape, v)).collect();
        let (mut value, mut error) = (vec![0.0; len], vec![f64::NAN; len]);
        offer.op.twin_f64(&args, &mut value, &Context::default());
        let bounded: Vec<BoundArg<'_>> =
            args.iter().zip(&exact).map(|(&value, error)| BoundArg { value, error }).collect();
        offer.op.bound(&bounded, &value, &mut error);
        let operands = Operands::new(gpu, single.iter().map(Vec::as_slice), len)?;
        Ok(Self { operands, inputs, value, error })
    }

    /// Whether a variant computes what the twin does and nothing else: why not, or the time of one run.
    pub(super) fn check(
        &self,
        offer: &Offer,
        variant: Option<&'static str>,
    ) -> Result<Result<Duration, String>, DeviceError> {
        let launches = match self.launches(offer, variant) {
            Ok(launches) => launches,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let dispatches = self.operands.prepare(launches)?;
        if let Err(wrong) = self.hold(&self.operands.found(&dispatches)?) {
            return Ok(Err(wrong));
        }
        // The first run may have waited for the compiler.
        Ok(Ok(self.operands.time(&dispatches, 1)?))
    }

    fn launches(&self, offer: &Offer, variant: Option<&'static str>) -> Result<Launches, GraphError> {
        offer.op.launches(&offer.plan(&self.operands.gpu, &self.inputs, variant)?)
    }

    fn hold(&self, words: &[u32]) -> Result<(), String> {
        let (inside, behind) = words.split_at(self.value.len());
        for (i, ((&word, &expected), &bound)) in inside.iter().zip(&self.value).zip(&self.error).enumerate() {
            let found = f64::from(f32::from_bits(word));
            // GPUs may flush what is below the smallest normal number.
            let tolerance = bound + f64::from(f32::MIN_POSITIVE);
            if !(tolerance.is_finite() && (found - expected).abs() <= tolerance) {
                let shapes: Vec<String> = self.inputs.iter().map(|meta| meta.shape.to_string()).collect();
                let of = shapes.join(", ");
                return Err(if word == SENTINEL {
                    format!("element {i} was not written, over operands of {of}")
                } else {
                    format!(
                        "element {i} is {found:e} over operands of {of}; the twin's is {expected:e}, within {tolerance:e}"
                    )
                });
            }
        }
        match behind.iter().position(|&word| word != SENTINEL) {
            Some(at) => Err(format!("word {at} behind the output of {} elements was overwritten", inside.len())),
            None => Ok(()),
        }
    }
}

/// Draws from `[-1, 1)`, as f32 holds them: matrices of these have full rank.
fn random(operand: u32, len: usize) -> Vec<f32> {
    let draws = Stream::new(0, operand, stream::CHECK);
    (0..len).map(|i| (draws.word(i as u32) >> 8) as f32 / (1u32 << 23) as f32 - 1.0).collect()
}
