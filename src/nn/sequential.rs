//! A chain of layers.

use std::sync::Arc;

use super::{Builder, Layer, Model};
use crate::error::GraphError;
use crate::graph::NodeId;

/// Layers one after another: PyTorch's `nn.Sequential`, with its parameter names (`0.weight`: the index counts every
/// layer, those without parameters too).
///
/// An activation that can be computed with the layer before it is, in one op; names and values stay.
///
/// ```
/// use thalweg::nn::{Linear, Sequential, Tanh};
/// let model = Sequential::new().add(Linear::new(8)).add(Tanh).add(Linear::new(1));
/// assert_eq!(model.layers().len(), 3);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sequential {
    layers: Vec<Arc<dyn Layer>>,
}

impl Sequential {
    /// No layer yet: the identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one layer more at the end.
    #[expect(clippy::should_implement_trait, reason = "appends a layer; nothing is summed")]
    pub fn add(mut self, layer: impl Layer + 'static) -> Self {
        self.layers.push(Arc::new(layer));
        self
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Arc<dyn Layer>] {
        &self.layers
    }

    /// The first layer's [`Layer::index_count`].
    pub fn index_count(&self) -> Option<usize> {
        self.layers.first().and_then(|layer| layer.index_count())
    }

    /// Puts the chain over `x`.
    ///
    /// # Errors
    ///
    /// [`GraphError::Layer`], which says which layer refused what.
    pub fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        let mut y = x;
        let mut i = 0;
        while let Some(layer) = self.layers.get(i) {
            let input = b.shape(y).clone();
            let next = self.layers.get(i + 1).and_then(|next| next.activation());
            let (node, used) = b
                .scope(&i.to_string(), |b| {
                    if let Some(f) = next
                        && let Some(fused) = layer.build_fused(b, y, f)?
                    {
                        return Ok((fused, 2));
                    }
                    Ok((layer.build(b, y)?, 1))
                })
                .map_err(|source: GraphError| GraphError::Layer {
                    index: i,
                    layer: layer.name().into(),
                    input,
                    source: Box::new(source),
                })?;
            y = node;
            i += used;
        }
        Ok(y)
    }
}

impl FromIterator<Arc<dyn Layer>> for Sequential {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Layer>>>(layers: I) -> Self {
        Self { layers: layers.into_iter().collect() }
    }
}

impl Layer for Sequential {
    fn name(&self) -> &'static str {
        "sequential"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        Sequential::build(self, b, x)
    }
    fn index_count(&self) -> Option<usize> {
        Sequential::index_count(self)
    }
}

impl Model for Sequential {
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        Sequential::build(self, b, x)
    }
    fn index_count(&self) -> Option<usize> {
        Sequential::index_count(self)
    }
}
