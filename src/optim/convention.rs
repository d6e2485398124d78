//! Whose arithmetic a rule's name means.

use std::fmt;
use std::str::FromStr;

use crate::error::OptimError;

/// Whose arithmetic and whose defaults a rule's name means. Written in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Convention {
    /// The notes of the course CS231n: the learning rate stands inside the velocity, L2 is part of the loss. Defaults
    /// are those of the course's exercises where they give one, else of the rule's paper.
    Cs231n,
    /// The paper that defined the rule, its formulas taken literally. Defaults are the paper's, where it gives some.
    Paper,
    /// Keras 3: ε̂, folded into the bias correction; weight decay is taken from the parameter before the step.
    Keras,
    /// Optax: chains of transformations; the learning rate comes last. It asks for a learning rate; where one is left out,
    /// PyTorch's stands in.
    Optax,
    /// `torch.optim`: the learning rate stands outside the momentum buffer; weight decay is added to the gradient
    /// (AdamW: taken from the parameter).
    #[default]
    PyTorch,
}

impl Convention {
    /// Every convention there is.
    pub const ALL: &'static [Self] = &[Self::Cs231n, Self::Paper, Self::Keras, Self::Optax, Self::PyTorch];

    /// As it is written: `"cs231n"`, `"pytorch"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cs231n => "cs231n",
            Self::Paper => "paper",
            Self::Keras => "keras",
            Self::Optax => "optax",
            Self::PyTorch => "pytorch",
        }
    }

    /// Where a weight decay λ stands: what is added to the gradient as `λp`, and what is taken from the parameter as `κp`
    /// before the step. Keras has the second alone, with `κ = ηλ`.
    pub(super) fn decays(self, learning_rate: f64, decay: f64) -> (f64, f64) {
        if self == Self::Keras { (0.0, learning_rate * decay) } else { (decay, 0.0) }
    }
}

impl fmt::Display for Convention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Convention {
    type Err = OptimError;

    fn from_str(found: &str) -> Result<Self, OptimError> {
        Self::ALL.iter().copied().find(|c| c.name() == found).ok_or_else(|| OptimError::Convention {
            owner: "optim".into(),
            found: found.into(),
            known: Self::ALL.iter().map(|c| c.name()).collect(),
        })
    }
}
