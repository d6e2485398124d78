//! Vectors on a GPU: flat buffers beside the parameters', in launches of their own.

mod kernels;

pub(super) use kernels::launches;

use super::GpuEngine;
use crate::device::gpu::buffer::{Bound, Buffer, to_reals, to_words};
use crate::device::gpu::compile::{Drafts, encode};
use crate::device::vectors::{VectorId, Vectors, check, check_apart, check_fit};
use crate::error::DeviceError;
use crate::optim::second::Norms;
use kernels::Factor;

/// Most invocations of a reduction, and so most numbers that the host adds up.
const LANES: usize = 4096;

/// What vectors need of memory; made with the first one.
#[derive(Default)]
pub(super) struct Own {
    vectors: Vec<Buffer>,
    partials: Option<Buffer>,
    scalars: Option<Buffer>,
}

/// `buffer`, or a new one of `elements` if it is none or smaller.
fn enough(engine: &GpuEngine, held: Option<&Buffer>, what: &str, elements: usize) -> Result<Buffer, DeviceError> {
    match held {
        Some(buffer) if buffer.elements() >= elements => Ok(buffer.clone()),
        _ => engine.gpu.storage(what, elements),
    }
}

impl GpuEngine {
    fn known(&self, id: VectorId) -> Result<(), DeviceError> {
        check(id, self.states.len(), self.vectors.vectors.len())
    }

    /// A vector's buffer.
    fn buffer(&self, id: VectorId) -> Result<Buffer, DeviceError> {
        self.known(id)?;
        Ok(match id {
            VectorId::Parameters => self.parameters.clone(),
            VectorId::State(n) => self.states[n].clone(),
            VectorId::Own(n) => self.vectors.vectors[n].clone(),
        })
    }

    /// Windows over a vector: first element, elements, and the invocations of a reduction there.
    fn spans(&self) -> Vec<(usize, usize, usize)> {
        let lanes = |len: usize| (len / 64).clamp(64, LANES).next_multiple_of(64);
        self.windows(self.total).map(|(first, len)| (first, len, lanes(len))).collect()
    }

    /// Invocations of one reduction over a whole vector.
    fn folded(&self) -> usize {
        self.spans().iter().map(|(_, _, lanes)| lanes).sum()
    }

    fn partials(&mut self, elements: usize) -> Result<Buffer, DeviceError> {
        let buffer = enough(self, self.vectors.partials.as_ref(), "partial sums", elements)?;
        self.vectors.partials = Some(buffer.clone());
        Ok(buffer)
    }

    fn scalars(&mut self, elements: usize) -> Result<Buffer, DeviceError> {
        let buffer = enough(self, self.vectors.scalars.as_ref(), "scalars of the optimizer", elements)?;
        self.vectors.scalars = Some(buffer.clone());
        Ok(buffer)
    }

    /// Drafts the partial sums of `⟨x, y⟩`, from place `at` on.
    fn draft_dot(&self, all: &mut Drafts, x: &Buffer, y: &Buffer, to: &Buffer, at: usize) -> Result<(), DeviceError> {
        let mut place = at;
        let (x, y, to) = (Bound::whole(x.clone()), Bound::whole(y.clone()), Bound::whole(to.clone()));
        for (first, len, lanes) in self.spans() {
            let own = kernels::dot(len, lanes, place);
            let shown = own.shown([(&x, first, len), (&y, first, len), (&to, 0, to.buffer.elements())]);
            all.add(&self.gpu, own.kernel, &own.params, &shown, self.linear(lanes, 1), 1)?;
            place += lanes;
        }
        Ok(())
    }

    fn draft_blend(
        &self,
        all: &mut Drafts,
        scalars: &Buffer,
        (c, to): (f64, &Buffer),
        (a, x): (Factor, &Buffer),
    ) -> Result<(), DeviceError> {
        let (scalars, x, to) = (Bound::whole(scalars.clone()), Bound::whole(x.clone()), Bound::whole(to.clone()));
        for (first, len) in self.windows(self.total) {
            let own = kernels::blend(len, c, a);
            let shown = own.shown([(&scalars, 0, scalars.buffer.elements()), (&x, first, len), (&to, first, len)]);
            all.add(&self.gpu, own.kernel, &own.params, &shown, self.linear(len, 1), 1)?;
        }
        Ok(())
    }

    /// Runs the launches in order, in one pass, without waiting for them.
    fn launch(&self, all: Drafts) -> Result<(), DeviceError> {
        let list = all.finish(&self.gpu)?;
        let device = &self.gpu.shared.device;
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        encode(&mut pass, &list);
        drop(pass);
        self.gpu.shared.queue.submit([encoder.finish()]);
        self.gpu.health()
    }
}

impl Vectors for GpuEngine {
    fn vector(&mut self) -> Result<VectorId, DeviceError> {
        let made = self.gpu.storage("a vector of the optimizer", self.total)?;
        self.vectors.vectors.push(made);
        Ok(VectorId::Own(self.vectors.vectors.len() - 1))
    }

    fn blend(&mut self, c: f64, to: VectorId, a: f64, x: VectorId) -> Result<(), DeviceError> {
        check_apart(to, x)?;
        let (to, x, scalars) = (self.buffer(to)?, self.buffer(x)?, self.scalars(1)?);
        let mut all = Drafts::default();
        self.draft_blend(&mut all, &scalars, (c, &to), (Factor::Given(a), &x))?;
        self.launch(all)
    }

    fn dots(&mut self, pairs: &[(VectorId, VectorId)]) -> Result<Vec<f64>, DeviceError> {
        let lanes = self.folded();
        if lanes == 0 || pairs.is_empty() {
            return Ok(vec![0.0; pairs.len()]);
        }
        let partials = self.partials(lanes * pairs.len())?;
        let mut all = Drafts::default();
        for (n, &(x, y)) in pairs.iter().enumerate() {
            self.draft_dot(&mut all, &self.buffer(x)?, &self.buffer(y)?, &partials, n * lanes)?;
        }
        self.launch(all)?;
        let words = self.gpu.read(&[(&partials, 0, lanes * pairs.len())])?.remove(0);
        Ok(to_reals(&words).chunks(lanes).map(|sums| sums.iter().sum()).collect())
    }

    fn norms(&mut self, x: VectorId) -> Result<Norms, DeviceError> {
        let (lanes, bound) = (self.folded(), Bound::whole(self.buffer(x)?));
        let partials = self.partials(3 * lanes)?;
        let (mut all, mut place, to) = (Drafts::default(), 0, Bound::whole(partials.clone()));
        for (first, len, lanes) in self.spans() {
            let own = kernels::norms(len, lanes, place);
            let shown = own.shown([(&bound, first, len), (&to, 0, to.buffer.elements())]);
            all.add(&self.gpu, own.kernel, &own.params, &shown, self.linear(lanes, 1), 1)?;
            place += 3 * lanes;
        }
        self.launch(all)?;
        let words = self.gpu.read(&[(&partials, 0, 3 * lanes)])?.remove(0);
        let mut sizes = Norms { largest: 0.0, sum: 0.0, finite: true };
        for part in to_reals(&words).chunks(3) {
            sizes.largest = sizes.largest.max(part[0]);
            sizes.sum += part[1];
            sizes.finite &= part[2] == 0.0;
        }
        Ok(sizes)
    }

    /// Without the host: each coefficient is left where the launch that needs it finds it.
    fn direction(
        &mut self,
        pairs: &[(VectorId, VectorId, f64)],
        scale: f64,
        g: VectorId,
        to: VectorId,
    ) -> Result<(), DeviceError> {
        check_apart(to, g)?;
        let (to, g, lanes) = (self.buffer(to)?, self.buffer(g)?, self.folded());
        // −αₙ of pair n, and one more place for αₙ − βₙ.
        let (scalars, partials) = (self.scalars(pairs.len() + 1)?, self.partials(lanes)?);
        let last = pairs.len();
        let mut all = Drafts::default();
        self.draft_blend(&mut all, &scalars, (0.0, &to), (Factor::Given(-1.0), &g))?;
        let coefficient = |all: &mut Drafts, base, rho, out| {
            let own = kernels::coefficient(lanes, base, rho, out);
            let (sums, kept) = (Bound::whole(partials.clone()), Bound::whole(scalars.clone()));
            let shown = own.shown([(&sums, 0, lanes), (&kept, 0, kept.buffer.elements())]);
            all.add(&self.gpu, own.kernel, &own.params, &shown, [1, 1, 1], 1)
        };
        for (n, &(s, y, rho)) in pairs.iter().enumerate().rev() {
            let (s, y) = (self.buffer(s)?, self.buffer(y)?);
            self.draft_dot(&mut all, &s, &to, &partials, 0)?;
            coefficient(&mut all, (0, 0.0), rho, n)?;
            self.draft_blend(&mut all, &scalars, (1.0, &to), (Factor::Slot(n), &y))?;
        }
        // γ q: a blend with nothing of another vector.
        self.draft_blend(&mut all, &scalars, (scale, &to), (Factor::Given(0.0), &g))?;
        for (n, &(s, y, rho)) in pairs.iter().enumerate() {
            let (s, y) = (self.buffer(s)?, self.buffer(y)?);
            self.draft_dot(&mut all, &y, &to, &partials, 0)?;
            coefficient(&mut all, (n, -1.0), rho, last)?;
            self.draft_blend(&mut all, &scalars, (1.0, &to), (Factor::Slot(last), &s))?;
        }
        self.launch(all)
    }

    fn vector_values(&mut self, x: VectorId) -> Result<Vec<Vec<f64>>, DeviceError> {
        let buffer = self.buffer(x)?;
        self.read_flat(&buffer, 0)
    }

    fn set_vector(&mut self, x: VectorId, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        check_fit(&self.setup.tensors, values)?;
        let buffer = self.buffer(x)?;
        for (offset, tensor) in self.offsets.iter().zip(values) {
            self.gpu.write(&buffer, *offset, &to_words(tensor));
        }
        self.gpu.health()
    }
}
