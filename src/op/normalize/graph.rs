//! Builders.

use super::{Normalize, in_range};
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};
use crate::op::moments::{By, Over};
use crate::op::operand;

impl Graph {
    /// `(x − μ) / √(σ² + ε) · weight + bias` with the statistics given: a model's running ones, say. See [`Normalize`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`], [`GraphError::Dtype`]; [`GraphError::Range`] for an ε not above 0 in f32, or groups that do not divide the
    /// channels.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::{moments::Over, normalize::Normalize}};
    /// let mut g = Graph::new();
    /// let [x, moments, w, b] =
    ///     [g.input("x", [4, 3])?, g.input("moments", [2, 3])?, g.parameter("w", [3])?, g.parameter("b", [3])?];
    /// let y = g.normalize(x, moments, w, b, Over::Batch, 1e-5)?;
    /// assert_eq!(g.shape(y).to_string(), "[4, 3]");
    ///
    /// // Mean 2, variance 3, ε 1.
    /// let (x, moments) = (Arg::Real(&[2, 1].into(), &[0.0, 6.0]), Arg::Real(&[2, 1].into(), &[2.0, 3.0]));
    /// let (weight, bias) = (Arg::Real(&[1].into(), &[10.0]), Arg::Real(&[1].into(), &[0.5]));
    /// let mut y = [0.0; 2];
    /// Normalize { over: Over::Batch, epsilon: 1.0 }.twin(&[x, moments, weight, bias], &mut y, &Context::default());
    /// assert_eq!(y, [-9.5, 20.5]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn normalize(
        &mut self,
        x: NodeId,
        moments: NodeId,
        weight: NodeId,
        bias: NodeId,
        over: Over,
        epsilon: f64,
    ) -> Result<NodeId, GraphError> {
        self.apply(Normalize { over, epsilon }, &[x, moments, weight, bias])
    }

    /// x normalised by the batch's own statistics, channel by channel, and those statistics, `[2, C]`: means and biased variances.
    ///
    /// ```text
    /// x : [N, C] or [N, C, …]   weight, bias : [C]
    /// ```
    ///
    /// # Errors
    ///
    /// As [`normalize`](Self::normalize); [`GraphError::Shape`] where a channel has a single value, as in PyTorch: it would become 0
    /// whatever it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, device::{Feed, Feeds, cpu}, graph::Context};
    /// let mut g = Graph::new();
    /// let [x, w, b] = [g.input("x", [2, 1])?, g.input("w", [1])?, g.input("b", [1])?];
    /// let (y, moments) = g.batch_norm(x, w, b, 1.0)?;
    /// let root = 3f64.sqrt();
    /// let values = [(x, vec![1.0 - root, 1.0 + root]), (w, vec![2.0 / root]), (b, vec![5.0])];
    /// let feeds: Feeds = values.into_iter().map(|(id, v)| (id, Feed::Real(v))).collect();
    /// let found = cpu::evaluate(&g, &feeds, &[y, moments], &Context::default())?;
    /// let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    /// assert!(near(&found[0], &[4.0, 6.0]) && near(&found[1], &[1.0, 3.0]));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn batch_norm(
        &mut self,
        x: NodeId,
        weight: NodeId,
        bias: NodeId,
        epsilon: f64,
    ) -> Result<(NodeId, NodeId), GraphError> {
        let (op, shape) = ("batch_norm", self.shape(x).clone());
        in_range(op, epsilon)?;
        let layout = Over::Batch.layout(op, "x", &shape)?;
        if layout.view(By::Set).len < 2 {
            let wanted = "[N, C, …] with at least 2 values a channel: a single one has no variance to train with. \
                          Use another batch size, or leave a last one of one example out (`drop_last`)";
            return Err(operand::misshapen(op, "x", wanted.into(), &shape));
        }
        self.by_own(x, weight, bias, Over::Batch, epsilon)
    }

    /// x normalised example by example; weight and bias are of an example's shape: PyTorch's `LayerNorm(x.shape[1:])`.
    ///
    /// # Errors
    ///
    /// As [`normalize`](Self::normalize).
    pub fn layer_norm(
        &mut self,
        x: NodeId,
        weight: NodeId,
        bias: NodeId,
        epsilon: f64,
    ) -> Result<NodeId, GraphError> {
        Ok(self.by_own(x, weight, bias, Over::Example, epsilon)?.0)
    }

    /// x normalised by groups of C/groups neighbouring channels of an example; weight and bias are `[C]`. As many groups as channels are
    /// instance normalisation.
    ///
    /// # Errors
    ///
    /// As [`normalize`](Self::normalize).
    pub fn group_norm(
        &mut self,
        x: NodeId,
        weight: NodeId,
        bias: NodeId,
        groups: usize,
        epsilon: f64,
    ) -> Result<NodeId, GraphError> {
        Ok(self.by_own(x, weight, bias, Over::Groups(groups), epsilon)?.0)
    }

    fn by_own(
        &mut self,
        x: NodeId,
        weight: NodeId,
        bias: NodeId,
        over: Over,
        epsilon: f64,
    ) -> Result<(NodeId, NodeId), GraphError> {
        let moments = self.moments(x, over)?;
        Ok((self.normalize(x, moments, weight, bias, over, epsilon)?, moments))
    }
}
