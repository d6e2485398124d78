//! What a second-order optimizer remembers, in a checkpoint: under the names that PyTorch's `state_dict` has for it.

use std::path::Path;

use super::{Kind, Trainer};
use crate::device::VectorId;
use crate::error::{CheckpointError, Result};
use crate::optim::second::{Last, Memory, Pair};
use crate::train::checkpoint::Checkpoint;

/// A vector by tensor, under its name.
type Named = (String, Vec<Vec<f64>>);

const STEP: &str = "old_stps";
const CHANGE: &str = "old_dirs";

impl Trainer {
    /// The vectors that the optimizer remembers.
    pub(in crate::train::trainer) fn vectors_of_second(&mut self) -> Result<Vec<Named>> {
        let Some(Kind::Lbfgs { memory, .. }) = self.second.as_ref().map(|s| &s.kind) else { return Ok(Vec::new()) };
        let mut ids: Vec<(String, VectorId)> = Vec::new();
        if let Some(last) = &memory.last {
            ids.extend([("d".to_owned(), last.d), ("prev_flat_grad".to_owned(), last.g)]);
        }
        for (n, pair) in memory.pairs.iter().enumerate() {
            ids.extend([(format!("{STEP}.{n}"), pair.s), (format!("{CHANGE}.{n}"), pair.y)]);
        }
        let vectors = self.engine.vectors();
        ids.into_iter().map(|(name, id)| Ok((name, vectors.vector_values(id)?))).collect()
    }

    /// The numbers that it remembers.
    pub(in crate::train::trainer) fn numbers_of_second(&self) -> Vec<(String, f64)> {
        let Some(Kind::Lbfgs { memory, .. }) = self.second.as_ref().map(|s| &s.kind) else { return Vec::new() };
        let known = [("n_iter", memory.iterations as f64), ("t", memory.t), ("H_diag", memory.scale)];
        let ro = memory.pairs.iter().enumerate().map(|(n, pair)| (format!("ro.{n}"), pair.rho));
        known.into_iter().map(|(name, x)| (name.to_owned(), x)).chain(ro).collect()
    }

    /// Remembers what a checkpoint holds: `states` are the values of its vectors, in its order.
    pub(in crate::train::trainer) fn restore_second(
        &mut self,
        from: &Checkpoint,
        states: &[Vec<Vec<f64>>],
        path: &Path,
    ) -> Result<()> {
        let Some(Kind::Lbfgs { memory, .. }) = self.second.as_mut().map(|s| &mut s.kind) else { return Ok(()) };
        let wrong = |what: &'static str, found: String, expected: &str| CheckpointError::Inconsistent {
            path: path.into(),
            what,
            found,
            expected: expected.into(),
        };
        let number = |name: &str| {
            let found = from.scalars.get(name).copied();
            found.ok_or_else(|| wrong("numbers of the optimizer", format!("no `{name}`"), "those of `lbfgs`"))
        };
        let pairs = from.states.iter().filter(|(name, _)| name.starts_with(STEP)).count();
        let begun = !from.states.is_empty();
        if from.states.len() != 2 * pairs + 2 * usize::from(begun) {
            let found = from.states.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(
                wrong("optimizer states", found, "`d`, `prev_flat_grad`, and pairs of steps and changes").into()
            );
        }
        let vectors = self.engine.vectors();
        let mut place = |name: &str| -> Result<VectorId> {
            let found = from.states.iter().position(|(known, _)| known == name);
            let n = found.ok_or_else(|| wrong("optimizer states", format!("no `{name}`"), "those of `lbfgs`"))?;
            let id = vectors.vector()?;
            vectors.set_vector(id, &states[n])?;
            Ok(id)
        };
        let mut known = Memory::default();
        known.iterations = number("n_iter")? as u64;
        (known.t, known.scale) = (number("t")?, number("H_diag")?);
        if begun {
            known.last = Some(Last { d: place("d")?, g: place("prev_flat_grad")? });
        }
        for n in 0..pairs {
            let (s, y) = (place(&format!("{STEP}.{n}"))?, place(&format!("{CHANGE}.{n}"))?);
            known.pairs.push(Pair { s, y, rho: number(&format!("ro.{n}"))? });
        }
        *memory = known;
        Ok(())
    }
}
