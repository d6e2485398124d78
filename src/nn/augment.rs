//! Views of the training images: what stands between a minibatch and the first layer.

use super::{Builder, Mode, Model};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::op::operand;

/// How the images of a minibatch are changed at random while training, on the device, anew at each step; the default changes
/// nothing.
///
/// Every image is shifted by up to `crop_padding` pixels each way, then mirrored left to right with probability ½ if
/// `horizontal_flip`: [`op::augment::Augment`](crate::op::augment::Augment) has the formula. The draws are functions of seed, step
/// and place in the minibatch, so that a resumed run goes on with the same bits. A model built to evaluate sees the images as
/// they are.
///
/// **Source**: `torchvision.transforms.RandomCrop(size of the image, padding = crop_padding)` and `RandomHorizontalFlip()`,
/// with draws of this crate's generator.
///
/// # Examples
///
/// ```
/// use thalweg::Shape;
/// use thalweg::nn::{Augment, Flatten, Linear, Mode, Objective, Sequential, TargetKind, assemble};
///
/// let model = Sequential::new().add(Flatten).add(Linear::new(10));
/// let augment = Augment { crop_padding: 2, horizontal_flip: true, ..Augment::default() };
/// let classes = TargetKind::Classes { classes: 10 };
/// let build = |mode| assemble(&augment.over(&model), &Shape::from([1, 8, 8]), classes.clone(), &Objective::default(), 4, mode);
/// let (train, evaluate) = (build(Mode::Train)?, build(Mode::Evaluate)?);
/// assert!(train.graph.to_string().contains("augment") && !evaluate.graph.to_string().contains("augment"));
/// // The parameters keep their names.
/// assert_eq!(train.parameters[0].name, "1.weight");
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Augment {
    /// The largest shift, in pixels; below the image's height and width; default 0: none.
    pub crop_padding: usize,
    /// Whether half of the images are mirrored left to right; default false.
    pub horizontal_flip: bool,
    /// What comes in from outside: a value for each of at most 4 channels, one for all, or none (the default) for 0. Of
    /// standardised data it is what black became:
    /// [`Standardisation::of_zero`](crate::data::Standardisation::of_zero).
    pub fill: Vec<f64>,
}

impl Augment {
    /// Whether nothing is changed.
    pub fn is_none(&self) -> bool {
        self.crop_padding == 0 && !self.horizontal_flip
    }

    /// `model`, given changed images while it trains; the names of its parameters stay.
    pub fn over<'a>(&'a self, model: &'a dyn Model) -> Augmented<'a> {
        Augmented { augment: self, model }
    }

    /// Puts the changes over `x`, `[N, C, H, W]`.
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if `x` holds no images, [`GraphError::Range`] for a field out of its range.
    pub fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        let found = b.shape(x).clone();
        let &[_, channels, _, _] = found.axes() else {
            let expected = "[N, C, H, W]: images [C, H, W], which `model.input` may make of each example".into();
            return Err(operand::misshapen("augment", "x", expected, &found));
        };
        // Without a shift nothing comes in.
        let fill = if self.crop_padding == 0 { &[] } else { self.fill.as_slice() };
        if fill.len() > 1 && (fill.len() != channels || channels > 4) {
            return Err(GraphError::Range {
                op: "augment",
                field: "fill",
                range: "no value, one, or one for each of at most 4 channels; `data.standardise` makes one for each index of the \
                        first axis of an example, which must be the model's channels: set `data.augment.crop_padding` to 0 or \
                        `data.standardise` to false, or give images [C, H, W] without making them by `model.input`",
                found: format!("{} for {channels} channels", fill.len()),
            });
        }
        let flip = if self.horizontal_flip { 0.5 } else { 0.0 };
        b.graph().augment(x, self.crop_padding, flip, fill)
    }
}

/// A model that is given changed images while it trains; made by [`Augment::over`].
#[derive(Clone, Copy)]
pub struct Augmented<'a> {
    augment: &'a Augment,
    model: &'a dyn Model,
}

impl Model for Augmented<'_> {
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        let x = match b.mode() {
            Mode::Train if !self.augment.is_none() => self.augment.build(b, x)?,
            Mode::Train | Mode::Evaluate => x,
        };
        self.model.build(b, x)
    }

    fn index_count(&self) -> Option<usize> {
        self.model.index_count()
    }
}
