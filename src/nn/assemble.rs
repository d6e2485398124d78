//! From a model to a closed graph: minibatch, model, loss, penalty, gradients.

use super::{BufferSpec, Builder, Mode, ParameterSpec};
use crate::device::{StepGraph, Tensor};
use crate::error::GraphError;
use crate::graph::{Accumulate, Graph, NodeId};
use crate::loss::Loss;
use crate::shape::Shape;

/// What can be put into a graph over a minibatch: a [`Sequential`](super::Sequential), or a closure.
pub trait Model: Send + Sync {
    /// Puts the model over `x`, of shape `[batch, ..]`, and gives its output.
    ///
    /// # Errors
    ///
    /// What its layers and ops refuse.
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError>;

    /// Where an example is row numbers and no real numbers, as before an [`Embedding`](super::Embedding): how many rows there
    /// are. `x` is an input of indices then, and the data must be whole numbers below it.
    fn index_count(&self) -> Option<usize> {
        None
    }
}

/// The minibatch's node, of the kind that the model takes.
pub(crate) fn examples(graph: &mut Graph, model: &dyn Model, shape: Shape) -> Result<NodeId, GraphError> {
    match model.index_count() {
        Some(_) => graph.index_input("x", shape),
        None => graph.input("x", shape),
    }
}

impl<F> Model for F
where
    F: Fn(&mut Builder<'_>, NodeId) -> Result<NodeId, GraphError> + Send + Sync,
{
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        self(b, x)
    }
}

/// What a model should answer for one example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One of so many classes.
    Classes {
        /// How many there are.
        classes: usize,
    },
    /// Numbers.
    Values {
        /// Their shape, of one example.
        shape: Shape,
    },
}

/// What training makes small: `loss + Σ ½·l2·‖w‖²`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// The loss on the data; default cross-entropy.
    pub loss: Loss,
    /// The penalty's factor λ, at least 0, over the parameters of rank 2 and more (weights, not biases); default 0. An update
    /// rule's `weight_decay` is another thing: it is every parameter's, as in PyTorch.
    pub l2: f64,
}

impl Default for Objective {
    fn default() -> Self {
        Self { loss: Loss::default(), l2: 0.0 }
    }
}

/// A graph that can be trained or evaluated, and where its parts are.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The graph.
    pub graph: Graph,
    /// The minibatch's examples: input `x`, `[batch, ..]`; indices where the model has an [`index_count`](Model::index_count).
    pub features: NodeId,
    /// What to answer: input `y`, classes `[batch]` or numbers `[batch, ..]`.
    pub targets: NodeId,
    /// The model's output.
    pub output: NodeId,
    /// The loss on the minibatch, a scalar.
    pub data_loss: NodeId,
    /// The penalty, a scalar; `None` where λ = 0.
    pub penalty: Option<NodeId>,
    /// The sum of both, which is differentiated.
    pub loss: NodeId,
    /// The share of the minibatch's examples that are classified right, for losses over classes.
    pub accuracy: Option<NodeId>,
    /// The parameters, in the order of the flat buffer.
    pub parameters: Vec<ParameterSpec>,
    /// What is kept from step to step but not learnt (running statistics).
    pub buffers: Vec<BufferSpec>,
    /// Names of the counts of training steps that the model's files hold.
    pub counters: Vec<String>,
    /// The gradient of `loss` for each parameter, `None` where it does not depend on one; empty when built to evaluate.
    pub gradients: Vec<Option<NodeId>>,
    /// The setting, of value 1, that the gradients are weighted by.
    pub loss_scale: NodeId,
}

impl Assembled {
    /// The learnt tensors, as an engine is told of them.
    pub fn tensors(&self) -> Vec<Tensor> {
        self.parameters.iter().map(|p| Tensor { name: p.name.clone(), shape: p.shape.clone() }).collect()
    }

    /// What is kept without being learnt, as an engine is told of it.
    pub fn kept(&self) -> Vec<Tensor> {
        let kept = |b: &BufferSpec| Tensor { name: b.name.clone(), shape: self.graph.shape(b.node).clone() };
        self.buffers.iter().map(kept).collect()
    }

    /// The step of an engine: loss, data loss, penalty and accuracy are recorded, and buffers change where there are
    /// gradients.
    pub fn into_step(self) -> StepGraph {
        let trains = !self.gradients.is_empty();
        StepGraph {
            features: self.features,
            targets: self.targets,
            record: [Some(self.loss), Some(self.data_loss), self.penalty, self.accuracy],
            updates: if trains { self.buffers.iter().map(|b| b.next).collect() } else { Vec::new() },
            gradients: self.gradients,
            graph: self.graph,
        }
    }
}

/// Builds `model` over a minibatch of `batch` examples of shape `input`, with its loss, penalty and, to
/// [`Train`](Mode::Train), gradients.
///
/// The settings `l2` (where λ ≠ 0) and `loss_scale` can be changed without building again.
///
/// # Errors
///
/// What the model's layers refuse; [`GraphError::Range`] for an empty batch or a λ that is negative or not finite in f32;
/// [`GraphError::Dtype`] where the loss takes classes and the data have numbers, or the other way round;
/// [`GraphError::Shape`] where the output does not fit the targets.
///
/// # Examples
///
/// A model as a closure:
///
/// ```
/// use thalweg::Shape;
/// use thalweg::error::GraphError;
/// use thalweg::graph::NodeId;
/// use thalweg::nn::{Builder, Layer, Linear, Mode, Objective, TargetKind, assemble};
///
/// let skip = |b: &mut Builder<'_>, x: NodeId| -> Result<NodeId, GraphError> {
///     let h = b.scope("hidden", |b| Linear::new(4).build(b, x))?;
///     let h = b.graph().add(h, x)?;
///     b.scope("out", |b| Linear::new(3).build(b, h))
/// };
/// let a = assemble(&skip, &Shape::from([4]), TargetKind::Classes { classes: 3 }, &Objective::default(), 8, Mode::Train)?;
/// assert_eq!(a.parameters[2].name, "out.weight");
/// assert_eq!(a.gradients.len(), 4);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn assemble(
    model: &dyn Model,
    input: &Shape,
    targets: TargetKind,
    objective: &Objective,
    batch: usize,
    mode: Mode,
) -> Result<Assembled, GraphError> {
    if batch == 0 {
        return Err(GraphError::Range { op: "assemble", field: "batch", range: "at least 1", found: "0".into() });
    }
    let l2 = objective.l2;
    if !((l2 as f32).is_finite() && l2 >= 0.0) {
        let range = "finite and at least 0, in f32 too";
        return Err(GraphError::Range { op: "objective", field: "l2", range, found: crate::error::number(l2) });
    }
    let with_batch = |axes: &[usize]| Shape::from([&[batch], axes].concat());
    let mut graph = Graph::new();
    let features = examples(&mut graph, model, with_batch(input))?;
    let mut builder = Builder::new(&mut graph, mode);
    let output = model.build(&mut builder, features)?;
    let (parameters, buffers, counters) = builder.into_parts();
    fits(&graph, output, &targets, objective.loss, batch)?;
    let targets = match &targets {
        TargetKind::Classes { .. } => graph.index_input("y", [batch])?,
        TargetKind::Values { shape } => graph.input("y", with_batch(shape))?,
    };
    let data_loss = objective.loss.build(&mut graph, output, targets)?;
    let accuracy = match objective.loss.takes_classes() {
        true => Some(graph.accuracy(output, targets)?),
        false => None,
    };
    let mut penalty = None;
    if l2 > 0.0 {
        let lambda = graph.setting("l2", l2)?;
        for weight in parameters.iter().filter(|p| p.shape.rank() >= 2) {
            let term = graph.l2(weight.node, lambda)?;
            penalty = Some(match penalty {
                Some(sum) => graph.apply(Accumulate, &[sum, term])?,
                None => term,
            });
        }
    }
    let loss = match penalty {
        Some(penalty) => graph.apply(Accumulate, &[data_loss, penalty])?,
        None => data_loss,
    };
    let loss_scale = graph.setting("loss_scale", 1.0)?;
    let nodes: Vec<NodeId> = parameters.iter().map(|p| p.node).collect();
    let gradients = match mode {
        Mode::Train => graph.gradients(loss, loss_scale, &nodes)?,
        Mode::Evaluate => Vec::new(),
    };
    Ok(Assembled {
        graph,
        features,
        targets,
        output,
        data_loss,
        penalty,
        loss,
        accuracy,
        parameters,
        buffers,
        counters,
        gradients,
        loss_scale,
    })
}

/// The shape of the model's output for one example, without the batch axis.
///
/// # Errors
///
/// What the model's layers refuse.
pub fn output_shape(model: &dyn Model, input: &Shape) -> Result<Shape, GraphError> {
    let mut graph = Graph::new();
    let x = examples(&mut graph, model, Shape::from([&[1], input.axes()].concat()))?;
    let output = model.build(&mut Builder::new(&mut graph, Mode::Evaluate), x)?;
    Ok(Shape::from(graph.shape(output).get(1..).unwrap_or_default()))
}

/// Refuses an output that the loss cannot compare with the targets, in words that name the data.
fn fits(graph: &Graph, output: NodeId, targets: &TargetKind, loss: Loss, batch: usize) -> Result<(), GraphError> {
    let (classes, numbers) = ("classes (indices)", "real numbers");
    let mismatch = |expected, found| GraphError::Dtype { op: loss.name(), operand: "targets", expected, found };
    let (wanted, why) = match targets {
        TargetKind::Classes { .. } if !loss.takes_classes() => return Err(mismatch(numbers, classes)),
        TargetKind::Values { .. } if loss.takes_classes() => return Err(mismatch(classes, numbers)),
        TargetKind::Classes { classes } => (
            Shape::from([batch, *classes]),
            format!("the data have {classes} classes, and the last layer gives a score to each"),
        ),
        TargetKind::Values { shape } => (
            Shape::from([&[batch], shape.axes()].concat()),
            format!("the data have targets of shape {shape}, and the last layer answers in it"),
        ),
    };
    let found = graph.shape(output).clone();
    // More scores than the data have classes are fine: some classes may just not occur in them.
    let enough = matches!((targets, &found[..]), (TargetKind::Classes { classes }, [rows, scores]) if *rows == batch && scores >= classes);
    if found != wanted && !enough {
        let flatten = if found.rank() > wanted.rank() { "; is a `flatten` missing?" } else { "" };
        let expected = format!("{wanted} ({why}{flatten})");
        return Err(GraphError::Shape { op: loss.name(), operand: "output of the model", expected, found });
    }
    Ok(())
}
