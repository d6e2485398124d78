//! Normalisation of each channel over the batch.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::{Builder, Initializer, Mode};
use crate::op::moments::Over;
use crate::op::normalize::in_range;

pub(super) const LAYERS: &[Entry] = &[Entry {
    name: "batch_norm",
    fields: &[Field::optional("momentum", Value::Real(0.1)), Field::optional("epsilon", Value::Real(1e-5))],
    make: |values| {
        let [Value::Real(momentum), Value::Real(epsilon)] = *values else {
            unreachable!("values are of their fields' kinds")
        };
        let layer = BatchNorm { momentum, epsilon };
        layer.check()?;
        Ok(Arc::new(layer))
    },
}];

/// Each channel with mean 0 and variance 1 over the minibatch, then a weight and a bias for each: PyTorch's
/// `nn.BatchNorm1d` and `nn.BatchNorm2d`, as the shape says.
///
/// **Shapes**: `x [batch, C]` or `[batch, C, ..]` → the same; `weight [C]` and `bias [C]` start as 1 and 0. Kept, not learnt:
/// `running_mean` and `running_var`, which start as 0 and 1, and the count `num_batches_tracked`.
///
/// **Formula**, over the m = batch·… values of a channel:
///
/// ```text
/// training     y = (x − μ) / √(σ² + ε) · weight + bias              σ² the biased variance of the minibatch
///              running_mean ← running_mean + momentum (μ − running_mean)
///              running_var  ← running_var + momentum (σ² m/(m−1) − running_var)
/// evaluation   the same with running_mean and running_var for μ and σ²: an answer depends on its example alone
/// ```
///
/// A minibatch that leaves a channel a single value is refused while training, as in PyTorch. The running statistics are those of PyTorch;
/// Keras' momentum is 1 less ours.
///
/// **Source**: Ioffe & Szegedy, *Batch Normalization* (2015).
///
/// ```
/// use thalweg::Shape;
/// use thalweg::nn::{BatchNorm, Linear, Mode, Objective, Sequential, TargetKind, assemble};
/// let model = Sequential::new().add(Linear::new(3)).add(BatchNorm::default());
/// let of = |batch| {
///     assemble(&model, &Shape::from([5]), TargetKind::Classes { classes: 3 }, &Objective::default(), batch, Mode::Train)
/// };
/// let a = of(4)?;
/// assert_eq!(a.buffers[0].rows, [("1.running_mean".into(), 0.0), ("1.running_var".into(), 1.0)]);
/// assert!(of(1).is_err());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// The weight of the newest minibatch in the running statistics, in `[0, 1]`; default 0.1.
    pub momentum: f64,
    /// ε, above 0; default 1e-5.
    pub epsilon: f64,
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self { momentum: 0.1, epsilon: 1e-5 }
    }
}

impl BatchNorm {
    fn check(&self) -> Result<(), GraphError> {
        if !(0.0..=1.0).contains(&self.momentum) {
            let (range, found) = ("in [0, 1]", crate::error::number(self.momentum));
            return Err(GraphError::Range { op: "batch_norm", field: "momentum", range, found });
        }
        in_range("batch_norm", self.epsilon)
    }
}

impl Layer for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        self.check()?;
        let shape = b.shape(x).clone();
        let [_, channels, ..] = shape[..] else {
            let expected = "[N, C, …]; a `flatten` or a layer of several units gives one".into();
            return Err(GraphError::Shape { op: "batch_norm", operand: "x", expected, found: shape });
        };
        let weight = b.parameter("weight", [channels], Initializer::Ones)?;
        let bias = b.parameter("bias", [channels], Initializer::Zeros)?;
        let rows = [("running_mean", 0.0), ("running_var", 1.0)];
        let running = b.buffer("running", &rows, [channels])?;
        b.counter("num_batches_tracked")?;
        match b.mode() {
            Mode::Train => {
                let (y, moments) = b.graph().batch_norm(x, weight, bias, self.epsilon)?;
                let count = shape.elements() / channels;
                let next = b.graph().running_moments(self.momentum, count, [running, moments])?;
                b.update(running, next)?;
                Ok(y)
            }
            Mode::Evaluate => b.graph().normalize(x, running, weight, bias, Over::Batch, self.epsilon),
        }
    }
}
