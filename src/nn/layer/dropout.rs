//! Random silence while training.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::{Builder, Mode};
use crate::op::operand;

pub(super) const LAYERS: &[Entry] = &[
    Entry {
        name: "dropout",
        fields: &[Field::optional("p", Value::Real(0.5))],
        make: |values| {
            let [Value::Real(p)] = *values else { unreachable!("values are of their fields' kinds") };
            in_range("dropout", p)?;
            Ok(Arc::new(Dropout { p }))
        },
    },
    Entry {
        name: "dropout2d",
        fields: &[Field::optional("p", Value::Real(0.5))],
        make: |values| {
            let [Value::Real(p)] = *values else { unreachable!("values are of their fields' kinds") };
            in_range("dropout2d", p)?;
            Ok(Arc::new(Dropout2d { p }))
        },
    },
];

/// Inverted dropout: while training, each element is 0 with probability `p` and divided by `1 − p` otherwise. Absent from
/// a model built to [`Evaluate`](Mode::Evaluate).
///
/// The rate is a setting of the graph, named after the layer's place (`2.p`), so that a run can change it and a population vary it.
///
/// **Source**: Srivastava et al., *Dropout* (2014), in the inverted form of PyTorch's `nn.Dropout`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The probability of silence, in `[0, 1]`; default 0.5.
    pub p: f64,
}

impl Default for Dropout {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

/// Dropout of whole channels: while training, each channel of each image is 0 with probability `p` and divided by `1 − p`
/// otherwise. Absent from a model built to [`Evaluate`](Mode::Evaluate).
///
/// **Shapes**: `[N, C, H, W]`, kept. PyTorch's takes `[C, H, W]` too, and says that it is not sure what that means.
///
/// Neighbouring pixels of a feature map say nearly the same, so that to drop them one by one hides little. The rate is a
/// setting of the graph as [`Dropout`]'s is.
///
/// **Source**: Tompson et al., *Efficient object localization using convolutional networks* (2015); PyTorch's `nn.Dropout2d`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout2d {
    /// The probability of silence, in `[0, 1]`; default 0.5.
    pub p: f64,
}

impl Default for Dropout2d {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

fn in_range(op: &'static str, p: f64) -> Result<(), GraphError> {
    if !(0.0..=1.0).contains(&p) {
        return Err(GraphError::Range { op, field: "p", range: "in [0, 1]", found: crate::error::number(p) });
    }
    Ok(())
}

impl Layer for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        in_range("dropout", self.p)?;
        match b.mode() {
            Mode::Train => {
                let name = b.full_name("p");
                b.graph().dropout(x, &name, self.p)
            }
            Mode::Evaluate => Ok(x),
        }
    }
}

impl Layer for Dropout2d {
    fn name(&self) -> &'static str {
        "dropout2d"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        in_range("dropout2d", self.p)?;
        // Refused in both modes alike: a model that can be used can be trained.
        if b.shape(x).rank() != 4 {
            return Err(operand::misshapen("dropout2d", "x", "[N, C, H, W]".into(), b.shape(x)));
        }
        match b.mode() {
            Mode::Train => {
                let name = b.full_name("p");
                b.graph().dropout2d(x, &name, self.p)
            }
            Mode::Evaluate => Ok(x),
        }
    }
}
