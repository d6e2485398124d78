//! The losses a model can ask for by name.

use std::fmt;
use std::str::FromStr;

use crate::error::GraphError;
use crate::graph::{Graph, NodeId};

/// A loss, by its name in a run's TOML.
///
/// ```
/// use thalweg::Graph;
/// use thalweg::loss::Loss;
/// let loss: Loss = "cross_entropy".parse()?;
/// assert_eq!(loss.chance(10), Some(10f64.ln())); // 2.303
/// assert_eq!(Loss::Hinge.chance(10), Some(9.0));
/// let mut g = Graph::new();
/// let logits = g.input("logits", [64, 10])?;
/// let classes = g.index_input("classes", [64])?;
/// let y = loss.build(&mut g, logits, classes)?;
/// assert_eq!(g.shape(y).to_string(), "[]");
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Loss {
    /// [`CrossEntropy`](super::cross_entropy::CrossEntropy): logits `[N, C]`, classes `[N]`.
    #[default]
    CrossEntropy,
    /// [`Hinge`](super::hinge::Hinge): scores `[N, C]`, classes `[N]`.
    Hinge,
    /// [`Mse`](super::mse::Mse): predictions and targets of one shape.
    Mse,
    /// [`BceWithLogits`](super::bce_with_logits::BceWithLogits): logits and targets in `[0, 1]` of one shape.
    BceWithLogits,
    /// [`Huber`](super::huber::Huber): predictions and targets of one shape.
    Huber,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::CrossEntropy, Self::Hinge, Self::Mse, Self::BceWithLogits, Self::Huber];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrossEntropy => "cross_entropy",
            Self::Hinge => "hinge",
            Self::Mse => "mse",
            Self::BceWithLogits => "bce_with_logits",
            Self::Huber => "huber",
        }
    }

    /// Whether its targets are classes `[N]`; if not, real numbers of the output's shape.
    pub fn takes_classes(self) -> bool {
        matches!(self, Self::CrossEntropy | Self::Hinge)
    }

    /// What an untrained network, whose outputs are about 0, should pay: `ln C` for cross-entropy, `C − 1` for the hinge, `ln 2` for binary
    /// cross-entropy (whatever the targets). `None` where it depends on the targets.
    pub fn chance(self, classes: usize) -> Option<f64> {
        match self {
            Self::CrossEntropy => Some((classes as f64).ln()),
            Self::Hinge => Some(classes as f64 - 1.0),
            Self::BceWithLogits => Some(std::f64::consts::LN_2),
            Self::Mse | Self::Huber => None,
        }
    }

    /// Puts the loss over a model's output, of `[N, C]` for classes; a scalar.
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] and [`GraphError::Dtype`] if output and target do not suit the loss.
    pub fn build(self, graph: &mut Graph, output: NodeId, target: NodeId) -> Result<NodeId, GraphError> {
        match self {
            Self::CrossEntropy => graph.cross_entropy(output, target),
            Self::Hinge => graph.hinge(output, target),
            Self::Mse => graph.mse(output, target),
            Self::BceWithLogits => graph.bce_with_logits(output, target),
            Self::Huber => graph.huber(output, target),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By [`name`](Loss::name), or PyTorch's functional name `binary_cross_entropy_with_logits`.
impl FromStr for Loss {
    type Err = GraphError;

    fn from_str(name: &str) -> Result<Self, GraphError> {
        if name == "binary_cross_entropy_with_logits" {
            return Ok(Self::BceWithLogits);
        }
        Self::ALL.into_iter().find(|loss| loss.name() == name).ok_or_else(|| GraphError::Range {
            op: "loss",
            field: "name",
            range: "one of cross_entropy, hinge, mse, bce_with_logits, huber",
            found: format!("`{name}`"),
        })
    }
}
