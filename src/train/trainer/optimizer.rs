//! How a trainer goes on from what PyTorch's optimizer kept.

use std::path::Path;

use super::Trainer;
use crate::error::{CheckpointError, Result};
use crate::optim::{Convention, Storage};
use crate::train::group;
use crate::train::torch_state::{self, TorchOptimizer, Wanted};

impl Trainer {
    /// Goes on from the state of a PyTorch optimizer, so that the run takes the steps that PyTorch would have taken from there:
    /// every member of a population does. Load the weights of that moment too.
    ///
    /// The file is a safetensors file with the tensors of `optimizer.state_dict()["state"]` under the names
    /// `state.PARAMETER.FIELD`, as `state.0.weight.exp_avg`, and `param_groups` as JSON in its metadata:
    ///
    /// ```python
    /// def save_optimizer(optimizer, model, path):
    ///     names = {p: name for name, p in model.named_parameters()}
    ///     tensors = {
    ///         f"state.{names[p]}.{field}": torch.as_tensor(value).contiguous()
    ///         for p, fields in optimizer.state.items() for field, value in fields.items() if value is not None
    ///     }
    ///     groups = [{**group, "params": [names[p] for p in group["params"]]} for group in optimizer.param_groups]
    ///     safetensors.torch.save_file(tensors, path, {"param_groups": json.dumps(groups, default=float)})
    /// ```
    ///
    /// PARAMETER may be the number that `state_dict` has for it, too: the place in `model.parameters()`. Numbers of several groups
    /// need their `param_names`, which PyTorch keeps where the optimizer was made with `model.named_parameters()`. Floats of any
    /// width are taken, as for weights. FIELD is PyTorch's for every rule:
    ///
    /// | rule | fields |
    /// |---|---|
    /// | `sgd` | |
    /// | `momentum`, `nesterov` | `momentum_buffer` |
    /// | `adagrad` | `step`, `sum` |
    /// | `rmsprop` | `step`, `square_avg`; with `centered` `grad_avg`, with momentum `momentum_buffer` |
    /// | `adadelta` | `step`, `square_avg`, `acc_delta` |
    /// | `adam`, `adamw` | `step`, `exp_avg`, `exp_avg_sq` |
    /// | `amsgrad` | `step`, `exp_avg`, `exp_avg_sq`, `max_exp_avg_sq` |
    ///
    /// `step` is what bias corrections (and `lr_decay`) go on counting from. Epochs, schedules and the running average begin with
    /// the run: PyTorch's schedulers have a state of their own. Hyper-parameters are the run's; where `param_groups` had others
    /// (of a population: than member 0) that is in what comes back. A tensor that is frozen may lack its state, and an
    /// optimizer that made no step has none.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Mismatch`] lists all tensors that are missing, of no parameter, mis-shaped or not of floats;
    /// [`CheckpointError::Differs`] for the states of another optimizer, and for a run whose convention is not `pytorch`;
    /// [`CheckpointError::Foreign`] for rules of whole tensors (`muon`, `adafactor`) and of second order;
    /// [`CheckpointError::NonFinite`]; [`CheckpointError::Unequal`] and [`CheckpointError::Numbered`] for a `step` and numbers
    /// that mean nothing here. A trainer that refuses is as it was.
    pub fn load_optimizer(&mut self, file: &Path) -> Result<TorchOptimizer> {
        let rule = self.rules.rule();
        if rule.convention() != Convention::PyTorch {
            let (found, expected) = (Convention::PyTorch.to_string(), rule.convention().to_string());
            return Err(CheckpointError::Differs { path: file.into(), setting: "convention", found, expected }.into());
        }
        if self.model.is_whole() || self.second.is_some() {
            return Err(CheckpointError::Foreign { path: file.into(), rule: rule.name() }.into());
        }
        let groups = group::assign(&self.recipe.groups, &self.model.tensors)?;
        let wanted =
            Wanted { tensors: &self.model.tensors, groups: &groups, rules: &self.rules, precision: self.precision };
        let (mut states, found) = torch_state::read(file, &wanted)?;
        let storage = self.recipe.update.storage;
        states.iter_mut().flatten().flatten().for_each(|x| *x = held(storage, *x));
        // What made no step has none, and begins as it does without.
        let members = if states.is_empty() { 0 } else { self.members.len() };
        for m in 0..members {
            self.engine.set_states(m, &states)?;
        }
        self.position.before = found.updates as i64 - self.updates_at(&self.position) as i64;
        Ok(found)
    }
}

/// What is held of a number that no step has made, the same on every device.
fn held(storage: Storage, x: f64) -> f64 {
    match storage {
        Storage::F32 => x,
        Storage::F16 => half::f16::from_f64(x.clamp(-65504.0, 65504.0)).to_f64(),
        Storage::Bf16 => half::bf16::from_f64(x).to_f64(),
    }
}
