//! Launches over operands of one's own, to be run many times: what benches time.

use std::time::{Duration, Instant};

use super::Gpu;
use super::buffer::{Bound, Buffer};
use super::compile::{Dispatch, Drafts, encode};
use super::engine::words;
use crate::device::engine::Column;
use crate::error::DeviceError;
use crate::graph::DynOp;
use crate::kernel::{ALIGN, Binding, Launches, Operand, Place, Plan, Window};

/// Dispatches with their pipelines, buffers and bind groups made: nothing is left but to run them.
///
/// # Examples
///
/// ```no_run
/// use thalweg::device::Column;
/// use thalweg::device::gpu::{Gpu, Options};
/// use thalweg::kernel::{Binding, Kernel, Launch, Operand};
///
/// const SQUARE: &str = "
///     @group(0) @binding(0) var<uniform> len: u32;
///     @group(0) @binding(1) var<storage, read> x: array<f32>;
///     @group(0) @binding(2) var<storage, read_write> y: array<f32>;
///     @compute @workgroup_size(64)
///     fn square(@builtin(global_invocation_id) id: vec3<u32>) {
///         if id.x < len { y[id.x] = x[id.x] * x[id.x]; }
///     }";
/// let launch = Launch {
///     kernel: Kernel::new("square", SQUARE, "square"),
///     params: vec![("len", 4_usize.into())],
///     bindings: vec![Binding::read(Operand::Input(0), 4), Binding::write(Operand::Output, 4)],
///     groups: [1, 1, 1],
///     flops: 4,
/// };
/// let gpu = Gpu::best(Options::default())?;
/// let squares = gpu.prepare(launch.into(), &[Column::F32(&[1.0, 2.0, 3.0, 4.0])], 4)?;
/// let time = squares.run(1000)? / 1000;
/// let y: Vec<f32> = squares.read(Operand::Output)?.into_iter().map(f32::from_bits).take(4).collect();
/// assert_eq!(y, [1.0, 4.0, 9.0, 16.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Prepared {
    gpu: Gpu,
    inputs: Vec<Buffer>,
    output: Buffer,
    scratch: Vec<Buffer>,
    dispatches: Vec<Dispatch>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (gpu, dispatches) = (&self.gpu, self.dispatches.len());
        f.debug_struct("Prepared").field("gpu", gpu).field("dispatches", &dispatches).finish_non_exhaustive()
    }
}

impl Gpu {
    /// What an op may count on when it describes its launches on this adapter: its limits, and the variant that is fast there.
    pub fn plan(&self, op: &dyn DynOp, inputs: Vec<Place>, output: Place, members: u32) -> Plan {
        let mut plan = self.unchosen(inputs, output, members);
        plan.variant = self.variant(op, &plan);
        plan
    }

    /// The same before a variant is chosen.
    pub(super) fn unchosen(&self, inputs: Vec<Place>, output: Place, members: u32) -> Plan {
        Plan { inputs, output, members, ..self.terms(members, &|_, _| None).plan }
    }

    /// Launches of one member over `inputs`, which they may write too, an output of `output` elements, and the scratch
    /// they ask for; output and scratch start as 0. The control words stand at step 0 with seed 0.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Feed`] where a launch looks beyond an operand or names one that is not there, [`DeviceError::Kernel`]
    /// where the compiler refuses one, [`DeviceError::OutOfMemory`].
    pub fn prepare(&self, launches: Launches, inputs: &[Column<'_>], output: usize) -> Result<Prepared, DeviceError> {
        let lengths: Vec<usize> = inputs.iter().map(Column::len).collect();
        check_all(&launches, &lengths, output)?;
        let bound = |buffer: &Buffer| Bound::whole(buffer.clone());
        let mut bounds = Vec::with_capacity(inputs.len());
        for &column in inputs {
            let buffer = self.storage("operand", column.len())?;
            self.write(&buffer, 0, &words(column, 0, column.len()));
            bounds.push((bound(&buffer), column.len()));
        }
        let output = bound(&self.storage("output", output)?);
        let scratch: Vec<Bound> = launches
            .scratch
            .iter()
            .map(|&len| Ok(bound(&self.storage("scratch", len)?)))
            .collect::<Result<_, DeviceError>>()?;
        let control = bound(&self.storage("control words", ALIGN)?);
        self.write(&control.buffer, 0, &CONTROL);
        let mut drafts = Drafts::default();
        drafts.add_op(self, launches, &bounds, std::slice::from_ref(&output), &scratch, &control, 1)?;
        let dispatches = drafts.finish(self)?;
        self.wait(None)?;
        let buffers = |list: Vec<Bound>| list.into_iter().map(|b| b.buffer).collect();
        Ok(Prepared {
            gpu: self.clone(),
            inputs: bounds.into_iter().map(|(b, _)| b.buffer).collect(),
            output: output.buffer,
            scratch: buffers(scratch),
            dispatches,
        })
    }
}

/// Control words: no steps done, cursor 0, slot 0, the table behind one seed, one member, one group.
pub(super) const CONTROL: [u32; 6] = [0, 0, 0, 10, 1, 1];

/// Whether all windows of launches lie in their operands.
pub(super) fn check_all(launches: &Launches, inputs: &[usize], output: usize) -> Result<(), DeviceError> {
    for launch in &launches.list {
        for binding in &launch.bindings {
            let (Binding::Read(window) | Binding::Write(window)) = binding else { continue };
            check(&launch.kernel.name, *window, inputs, output, &launches.scratch)?;
        }
    }
    Ok(())
}

/// A window must lie in its operand: trusted kernels do not look, and a binding cannot begin behind a buffer's end.
fn check(kernel: &str, window: Window, inputs: &[usize], output: usize, scratch: &[usize]) -> Result<(), DeviceError> {
    let there = match window.operand {
        Operand::Input(n) => inputs.get(n).copied(),
        Operand::Output => Some(output),
        Operand::Beside(_) => None,
        Operand::Scratch(n) => scratch.get(n).copied(),
    };
    let end = window.offset.saturating_add(window.len);
    match there {
        Some(len) if end <= len && window.offset.is_multiple_of(ALIGN) => Ok(()),
        _ => Err(DeviceError::Feed {
            name: format!("{:?} of kernel `{kernel}`", window.operand),
            expected: format!("{end} elements, seen from a multiple of {ALIGN}"),
            found: there.map_or("no such operand".into(), |len| format!("{len}, seen from {}", window.offset)),
        }),
    }
}

/// Runs dispatches so many times in one pass and waits.
pub(super) fn timed(gpu: &Gpu, dispatches: &[Dispatch], times: u32) -> Result<Duration, DeviceError> {
    let mut encoder = gpu.shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    for _ in 0..times {
        encode(&mut pass, dispatches);
    }
    drop(pass);
    let commands = encoder.finish();
    let start = Instant::now();
    let submission = gpu.shared.queue.submit([commands]);
    gpu.wait(Some(submission))?;
    Ok(start.elapsed())
}

impl Prepared {
    /// Runs the launches `times` times one after the other, in one pass of one submission, and waits. The time is the host's,
    /// from the submission until its end: over many repetitions what surrounds them does not count.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Hang`] if one submission takes longer than a minute: keep `times` below that; a lost device.
    pub fn run(&self, times: u32) -> Result<Duration, DeviceError> {
        timed(&self.gpu, &self.dispatches, times)
    }

    /// The words of an operand as they are now; empty if there is no such operand. Padding up to the next multiple of
    /// [`ALIGN`] is read too.
    ///
    /// # Errors
    ///
    /// A lost device.
    pub fn read(&self, operand: Operand) -> Result<Vec<u32>, DeviceError> {
        let buffer = match operand {
            Operand::Input(n) => self.inputs.get(n),
            Operand::Output => Some(&self.output),
            Operand::Beside(_) => None,
            Operand::Scratch(n) => self.scratch.get(n),
        };
        let Some(buffer) = buffer else { return Ok(Vec::new()) };
        Ok(self.gpu.read(&[(buffer, 0, buffer.elements())])?.remove(0))
    }
}
