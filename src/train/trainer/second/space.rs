//! The loss over all training rows as a function of a device's vectors.

use crate::device::{Call, Engine, VectorId};
use crate::error::{Error, Result};
use crate::optim::second::{Norms, Pair, Space, gather};
use crate::train::set::Set;
use crate::train::trainer::running::Sums;

/// The training set's mean loss on an engine. Each evaluation is a pass over all rows, in order, minibatch by minibatch; the gradient
/// is gathered on the device.
pub(super) struct Field<'a> {
    pub engine: &'a mut dyn Engine,
    pub set: &'a Set,
    /// Parameter groups; all of them do the same.
    pub groups: usize,
    /// The step that random ops see: one for all evaluations of an optimizer's step, so that they are of one function.
    pub step: u32,
    /// `ε` of the device's floats.
    pub epsilon: f64,
    /// What the first evaluation recorded.
    pub first: Option<Sums>,
}

/// What the fused update leaves the gathered gradient in.
const GATHERED: VectorId = VectorId::State(0);

impl Field<'_> {
    /// One pass over all rows at the engine's parameters: what was recorded, and the mean loss.
    pub fn pass(&mut self) -> Result<(Sums, f64)> {
        let (steps, rows) = (self.set.steps(), self.set.used() as f64);
        let at_once = self.engine.chunk(self.set.id).map_or(usize::MAX, |rows| (rows / self.set.batch).max(1));
        let (mut sums, mut loss, mut n) = (Sums::default(), 0.0, 0);
        while n < steps {
            let count = self.engine.capacity().min(steps - n).min(at_once);
            let call = |k| {
                let (program, own) = self.set.step(k);
                Call::new(program, vec![gather(own as f64 / rows, k == 0); self.groups])
            };
            let calls: Vec<Call> = (n..n + count).map(call).collect();
            self.engine.submit(self.step.wrapping_add(n as u32), (n * self.set.batch) as u32, &calls)?;
            for (k, record) in self.engine.collect()?.iter().enumerate() {
                let own = self.set.step(n + k).1;
                sums.add(&record.scalars[0], own);
                loss += record.scalars[0][0] * own as f64;
            }
            n += count;
        }
        Ok((sums, loss / rows))
    }
}

impl Space for Field<'_> {
    type Vector = VectorId;
    type Error = Error;

    fn rounding(&self) -> f64 {
        8.0 * self.epsilon
    }

    fn vector(&mut self) -> Result<VectorId> {
        Ok(self.engine.vectors().vector()?)
    }

    fn evaluate(&mut self, x: &VectorId, gradient: &mut VectorId) -> Result<f64> {
        self.engine.vectors().blend(0.0, VectorId::Parameters, 1.0, *x)?;
        let (sums, loss) = self.pass()?;
        self.first.get_or_insert(sums);
        self.engine.vectors().blend(0.0, *gradient, 1.0, GATHERED)?;
        Ok(loss)
    }

    fn copy(&mut self, x: &VectorId, to: &mut VectorId) -> Result<()> {
        self.scaled(1.0, x, to)
    }

    fn scaled(&mut self, a: f64, x: &VectorId, to: &mut VectorId) -> Result<()> {
        Ok(self.engine.vectors().blend(0.0, *to, a, *x)?)
    }

    fn sum(&mut self, x: &VectorId, a: f64, y: &VectorId, to: &mut VectorId) -> Result<()> {
        self.copy(x, to)?;
        self.add(a, y, to)
    }

    fn add(&mut self, a: f64, x: &VectorId, to: &mut VectorId) -> Result<()> {
        Ok(self.engine.vectors().blend(1.0, *to, a, *x)?)
    }

    fn dots<const N: usize>(&mut self, pairs: [(&VectorId, &VectorId); N]) -> Result<[f64; N]> {
        let found = self.engine.vectors().dots(&pairs.map(|(x, y)| (*x, *y)))?;
        Ok(std::array::from_fn(|n| found[n]))
    }

    fn norms(&mut self, x: &VectorId) -> Result<Norms> {
        Ok(self.engine.vectors().norms(*x)?)
    }

    fn direction(&mut self, pairs: &[Pair<VectorId>], scale: f64, g: &VectorId, to: &mut VectorId) -> Result<()> {
        let all: Vec<_> = pairs.iter().map(|pair| (pair.s, pair.y, pair.rho)).collect();
        Ok(self.engine.vectors().direction(&all, scale, *g, *to)?)
    }
}
