//! How good the members are on the validation data.

use super::Trainer;
use super::running::Sums;
use crate::device::Call;
use crate::error::Result;

/// Loss and accuracy on the validation data; no accuracy where the targets are no classes.
pub type Judged = (f64, Option<f64>);

impl Trainer {
    /// Loss and accuracy on the validation data, of a population those of member 0; `None` without such data.
    ///
    /// # Errors
    ///
    /// A lost device.
    pub fn evaluate(&mut self) -> Result<Option<Judged>> {
        Ok(self.evaluate_all()?.map(|all| all[0]))
    }

    /// Loss and accuracy on the validation data of the running average of each member's parameters, with the buffers that the
    /// parameters have; `None` without such data, or where no average is kept.
    ///
    /// # Errors
    ///
    /// A lost device.
    pub fn evaluate_averages(&mut self) -> Result<Option<Vec<Judged>>> {
        if self.recipe.update.average.is_none() || self.validation.is_none() {
            return Ok(None);
        }
        self.settle()?;
        self.engine.swap_averages()?;
        let judged = self.evaluate_all();
        self.engine.swap_averages()?;
        judged
    }

    /// Loss and accuracy of each member on the validation data; `None` without such data.
    ///
    /// # Errors
    ///
    /// A lost device.
    pub fn evaluate_all(&mut self) -> Result<Option<Vec<Judged>>> {
        self.settle()?;
        let Some(set) = &self.validation else { return Ok(None) };
        let mut sums = vec![Sums::default(); self.members.len()];
        let mut n = 0;
        while n < set.steps() {
            let count = self.engine.capacity().min(set.steps() - n).min(self.at_once(set));
            let call = |k| Call::evaluate(set.step(k).0);
            let calls: Vec<Call> = (n..n + count).map(call).collect();
            self.engine.submit(self.position.step as u32, (n * set.batch) as u32, &calls)?;
            for (k, record) in self.engine.collect()?.iter().enumerate() {
                let rows = set.step(n + k).1;
                sums.iter_mut().zip(&record.scalars).for_each(|(sums, record)| sums.add(record, rows));
            }
            n += count;
        }
        Ok(Some(sums.iter().map(|sums| (sums.data_loss / sums.rows, sums.mean(sums.accuracy))).collect()))
    }
}
