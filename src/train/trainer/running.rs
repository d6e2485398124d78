//! What a trainer knows of each member of its population.

use crate::device::Engine;
use crate::error::Result;
use crate::nn::Assembled;
use crate::schedule::Watch;
use crate::train::event::Diverged;
use crate::train::member::Member;
use crate::train::recipe::Recipe;
use crate::train::rules::Rules;
use crate::train::weights::Weights;

/// A member in training; a run of one model has one.
pub(super) struct Running {
    /// Its number.
    pub number: usize,
    /// Of its weights and dropout.
    pub seed: u64,
    /// The penalty's factor.
    pub l2: f64,
    /// What the present epoch has added up to.
    pub sums: Sums,
    /// What a plateau has seen; as at the start under any other schedule.
    pub watch: Watch,
    /// What the model's counts of training steps were at the run's first step.
    pub counted: Vec<i64>,
    /// Since when it no longer computes with numbers.
    pub diverged: Option<Diverged>,
    /// Whether its folder holds a checkpoint.
    pub saved: bool,
}

impl Running {
    pub fn new(recipe: &Recipe, number: usize, counters: usize) -> Self {
        let (seed, l2) = (recipe.seed_of(number), recipe.l2_of(number));
        let (sums, counted) = (Sums::default(), vec![0; counters]);
        Self { number, seed, l2, sums, watch: Watch::default(), counted, diverged: None, saved: false }
    }

    /// Gives the engine the member's settings and initial weights.
    pub fn begin(&self, engine: &mut dyn Engine, built: &Assembled, own: Option<&Member>) -> Result<()> {
        if let Some(own) = own {
            let has_penalty = built.graph.settings().any(|(name, _)| name == "l2");
            let penalty = has_penalty.then(|| ("l2".to_owned(), self.l2));
            // What is set by name goes before what stands for several.
            for (name, value) in penalty.into_iter().chain(own.settings_of(self.number, &built.graph)?) {
                engine.set_setting(&name, self.number, value)?;
            }
        }
        let initial = Weights::initial(built, self.seed);
        engine.set_parameters(self.number, &initial.parameters)?;
        Ok(engine.set_buffers(self.number, &initial.buffers)?)
    }

    /// Begins the optimizer's states where the member's rule begins them otherwise than the engine's; `groups` are the tensors'.
    pub fn begin_states(&self, engine: &mut dyn Engine, rules: &Rules, groups: &[usize]) -> Result<()> {
        let value = |state: usize, tensor: usize| rules.initial_state(self.number, groups[tensor], state);
        let states = rules.rule().states().len();
        if !(0..states).any(|s| (0..groups.len()).any(|t| value(s, t).is_some())) {
            return Ok(());
        }
        let mut held = engine.states(self.number)?;
        for (s, state) in held.iter_mut().enumerate() {
            for (t, tensor) in state.iter_mut().enumerate() {
                if let Some(x) = value(s, t) {
                    tensor.fill(x);
                }
            }
        }
        Ok(engine.set_states(self.number, &held)?)
    }

    /// Its numbers of a step. A member without a penalty, beside others with one, has a penalty of 0 times what may have
    /// overflowed: it is left out, as it would be alone.
    pub fn read(&self, record: &[f64; 4]) -> [f64; 4] {
        let &[loss, data_loss, penalty, accuracy] = record;
        if self.l2 > 0.0 { [loss, data_loss, penalty, accuracy] } else { [data_loss, data_loss, f64::NAN, accuracy] }
    }
}

/// What an epoch has added up to, weighted by rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub rows: f64,
    pub data_loss: f64,
    pub penalty: f64,
    pub accuracy: f64,
}

impl Sums {
    pub fn add(&mut self, record: &[f64; 4], rows: usize) {
        let weight = rows as f64;
        self.rows += weight;
        self.data_loss += weight * record[1];
        self.penalty += weight * record[2];
        self.accuracy += weight * record[3];
    }

    /// The mean of a sum; `None` for what the graph does not record.
    pub fn mean(&self, sum: f64) -> Option<f64> {
        let mean = sum / self.rows;
        (!mean.is_nan()).then_some(mean)
    }
}
