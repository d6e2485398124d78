//! Vectors on the CPU.

use super::engine::{CpuEngine, narrowed, widened};
use super::update::EngineScalar;
use crate::device::vectors::{VectorId, Vectors, check, check_apart, check_fit};
use crate::error::DeviceError;
use crate::optim::second::Norms;

/// A vector, tensor by tensor.
type Parts<T> = Vec<Vec<T>>;

impl<T: EngineScalar> CpuEngine<T> {
    fn known(&self, id: VectorId) -> Result<(), DeviceError> {
        check(id, self.members[0].states.len(), self.vectors.len())
    }

    /// A vector; known.
    fn parts(&self, id: VectorId) -> &Parts<T> {
        match id {
            VectorId::Parameters => &self.members[0].parameters,
            VectorId::State(n) => &self.members[0].states[n],
            VectorId::Own(n) => &self.vectors[n],
        }
    }

    fn parts_mut(&mut self, id: VectorId) -> &mut Parts<T> {
        match id {
            VectorId::Parameters => &mut self.members[0].parameters,
            VectorId::State(n) => &mut self.members[0].states[n],
            VectorId::Own(n) => &mut self.vectors[n],
        }
    }

    fn dot(&self, x: VectorId, y: VectorId) -> f64 {
        let pairs = self.parts(x).iter().flatten().zip(self.parts(y).iter().flatten());
        pairs.map(|(a, b)| a.f64() * b.f64()).sum()
    }
}

impl<T: EngineScalar> Vectors for CpuEngine<T> {
    fn vector(&mut self) -> Result<VectorId, DeviceError> {
        let elements = self.setup.tensors.iter().map(|t| t.shape.elements()).sum();
        super::admit("a vector of the optimizer", elements, size_of::<T>())?;
        let zeros = self.setup.tensors.iter().map(|t| vec![T::zero(); t.shape.elements()]).collect();
        self.vectors.push(zeros);
        Ok(VectorId::Own(self.vectors.len() - 1))
    }

    fn blend(&mut self, c: f64, to: VectorId, a: f64, x: VectorId) -> Result<(), DeviceError> {
        self.known(to)?;
        self.known(x)?;
        check_apart(to, x)?;
        // Taken out, so that the other can be looked at; put back whatever happens, for nothing here can fail.
        let mut parts = std::mem::take(self.parts_mut(to));
        let (keep, factor) = (T::of(c), T::of(a));
        let pairs = parts.iter_mut().flatten().zip(self.parts(x).iter().flatten());
        if c == 0.0 {
            pairs.for_each(|(to, &x)| *to = factor * x);
        } else {
            pairs.for_each(|(to, &x)| *to = keep * *to + factor * x);
        }
        *self.parts_mut(to) = parts;
        Ok(())
    }

    fn dots(&mut self, pairs: &[(VectorId, VectorId)]) -> Result<Vec<f64>, DeviceError> {
        let dot = |&(x, y): &(VectorId, VectorId)| {
            self.known(x)?;
            self.known(y)?;
            Ok(self.dot(x, y))
        };
        pairs.iter().map(dot).collect()
    }

    fn norms(&mut self, x: VectorId) -> Result<Norms, DeviceError> {
        self.known(x)?;
        let all = || self.parts(x).iter().flatten().map(|x| x.f64().abs());
        let sizes = || all().filter(|x| x.is_finite());
        Ok(Norms { largest: sizes().fold(0.0, f64::max), sum: sizes().sum(), finite: all().all(f64::is_finite) })
    }

    fn direction(
        &mut self,
        pairs: &[(VectorId, VectorId, f64)],
        scale: f64,
        g: VectorId,
        to: VectorId,
    ) -> Result<(), DeviceError> {
        self.blend(0.0, to, -1.0, g)?;
        let mut alphas = Vec::with_capacity(pairs.len());
        for &(s, y, rho) in pairs.iter().rev() {
            self.known(s)?;
            let alpha = rho * self.dot(s, to);
            self.blend(1.0, to, -alpha, y)?;
            alphas.push(alpha);
        }
        self.parts_mut(to).iter_mut().flatten().for_each(|x| *x *= T::of(scale));
        for (&(s, y, rho), alpha) in pairs.iter().zip(alphas.into_iter().rev()) {
            let beta = rho * self.dot(y, to);
            self.blend(1.0, to, alpha - beta, s)?;
        }
        Ok(())
    }

    fn vector_values(&mut self, x: VectorId) -> Result<Vec<Vec<f64>>, DeviceError> {
        self.known(x)?;
        Ok(widened(self.parts(x)))
    }

    fn set_vector(&mut self, x: VectorId, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        self.known(x)?;
        check_fit(&self.setup.tensors, values)?;
        *self.parts_mut(x) = narrowed(values);
        Ok(())
    }
}
