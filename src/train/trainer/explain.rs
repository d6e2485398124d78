//! What a training step is made of, before any is taken.

use std::time::Duration;

use super::Trainer;
use crate::device::{Call, LaunchReport, Profile};
use crate::error::Result;
use crate::optim::second::gather;

impl Trainer {
    /// The launches of a training step over a whole minibatch, with its update, in the order in which they run; of a
    /// second-order optimizer those of one minibatch's pass. Nothing runs. On the CPU an op is a launch.
    ///
    /// A step that accumulates is the last of its update's. Telemetry is in it where every update leaves some.
    ///
    /// # Errors
    ///
    /// Hyper-parameters that the device's floats do not hold.
    pub fn explain(&self) -> Result<Vec<LaunchReport>> {
        Ok(self.engine.explain(&self.example_call()?)?)
    }

    /// Times the launches of [`explain`](Self::explain) on the first rows of the data for about as long as `budget`. The run is
    /// afterwards where it was: it trains to the same bits as if nothing had been timed.
    ///
    /// # Errors
    ///
    /// No memory for a copy of parameters and states in the meantime, a lost device.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg::data::Source;
    /// use thalweg::device::{Device, Precision};
    /// use thalweg::nn::{Flatten, Linear, Sequential};
    /// use thalweg::train::{Recipe, Trainer};
    ///
    /// let data = Source::Digits.load(".".as_ref(), 0.2)?;
    /// let model = Sequential::new().add(Flatten).add(Linear::new(10));
    /// let mut trainer = Trainer::new(&Device::Cpu(Precision::F32), &model, &data, Recipe::default())?;
    /// let before = trainer.parameters()?;
    /// let profile = trainer.profile(Duration::from_millis(1))?;
    /// assert_eq!(profile.launches.len(), trainer.explain()?.len());
    /// assert!(profile.step > 0.0);
    /// assert_eq!(trainer.parameters()?, before);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn profile(&mut self, budget: Duration) -> Result<Profile> {
        self.settle()?;
        let call = self.example_call()?;
        Ok(self.engine.profile(&call, budget)?)
    }

    /// A step over a whole minibatch that updates.
    fn example_call(&self) -> Result<Call> {
        let last = self.train.steps().min(self.recipe.update.accumulate) - 1;
        if self.second.is_some() {
            return Ok(Call::new(self.train.step(0).0, vec![gather(1.0, true)]));
        }
        let mut call = self.call(last)?.0;
        call.telemetry = self.recipe.update.telemetry == 1;
        Ok(call)
    }
}
