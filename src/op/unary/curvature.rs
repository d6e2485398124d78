//! Second derivatives, made of ops that there are.

use super::{Function, UnaryGradient};
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};

impl Function {
    /// `q · dφ/ds`, where `φ(s)` is [`derivative`](Self::derivative), of the output or the input as
    /// [`from_output`](Self::from_output) says. `None` where φ is constant but for kinks.
    pub(super) fn curvature(self, g: &mut Graph, s: NodeId, q: NodeId) -> Result<Option<NodeId>, GraphError> {
        let slope = |g: &mut Graph, function, s| g.apply(UnaryGradient { function }, &[s, q]);
        Ok(Some(match self {
            Self::Relu | Self::LeakyRelu { .. } | Self::Abs => return Ok(None),
            // φ = 1 above 0, s + α below.
            Self::Elu { .. } => {
                let above = slope(g, Self::Relu, s)?;
                g.sub(q, above)?
            }
            // φ = 1 − s²
            Self::Tanh => {
                let product = g.mul(q, s)?;
                g.scale(product, -2.0)?
            }
            // φ = s − s²
            Self::Sigmoid => {
                let twice = g.scale(s, 2.0)?;
                let product = g.mul(q, twice)?;
                g.sub(q, product)?
            }
            // φ = 1 − e⁻ˢ
            Self::Softplus => {
                let part = slope(g, self, s)?;
                g.sub(q, part)?
            }
            // φ′ = σ′ (2 + s (1 − 2σ))
            Self::Silu => {
                let sigmoid = g.sigmoid(s)?;
                let steep = slope(g, Self::Sigmoid, sigmoid)?;
                let product = g.mul(s, sigmoid)?;
                let twice = g.scale(product, 2.0)?;
                let part = g.sub(s, twice)?;
                let part = g.mul(steep, part)?;
                let steep = g.scale(steep, 2.0)?;
                g.add(steep, part)?
            }
            // φ′ = (2 − s²) e^(−s²/2) / √(2π)
            Self::Gelu => {
                let square = g.square(s)?;
                let half = g.scale(square, -0.5)?;
                let bell = g.exp(half)?;
                let bell = g.mul(q, bell)?;
                let bell = g.scale(bell, 0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2)?;
                let part = g.mul(bell, square)?;
                let twice = g.scale(bell, 2.0)?;
                g.sub(twice, part)?
            }
            // φ = s
            Self::Exp => q,
            // φ = 1/s, and ½/s
            Self::Ln | Self::Sqrt => {
                let once = g.div(q, s)?;
                let twice = g.div(once, s)?;
                g.scale(twice, if self == Self::Ln { -1.0 } else { -0.5 })?
            }
            // φ = 2s
            Self::Square => g.scale(q, 2.0)?,
        }))
    }
}
