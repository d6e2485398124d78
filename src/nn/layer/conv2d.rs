//! The convolution layer.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value, positive, positive_pair};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::{Builder, Initializer};
use crate::op;

pub(super) const LAYERS: &[Entry] = &[Entry {
    name: "conv2d",
    fields: &[
        Field::required("out", Value::Count(1)),
        Field::required("kernel", Value::Pair(Some([1; 2]))),
        Field::optional("stride", Value::Pair(Some([1; 2]))),
        Field::optional("padding", Value::Pair(Some([0; 2]))),
        Field::optional("dilation", Value::Pair(Some([1; 2]))),
        Field::optional("groups", Value::Count(1)),
        Field::optional("bias", Value::Flag(true)),
        Field::optional("weight_init", Value::Init(None)),
        Field::optional("bias_init", Value::Init(None)),
    ],
    make: |values| {
        let &[
            Value::Count(out),
            Value::Pair(kernel),
            Value::Pair(stride),
            Value::Pair(padding),
            Value::Pair(dilation),
            Value::Count(groups),
            Value::Flag(bias),
            Value::Init(weight_init),
            Value::Init(bias_init),
        ] = values
        else {
            unreachable!("values are of their fields' kinds")
        };
        let conv = Conv2d {
            stride: stride.unwrap_or([1; 2]),
            padding: padding.unwrap_or([0; 2]),
            dilation: dilation.unwrap_or([1; 2]),
            groups,
            bias,
            weight_init: weight_init.unwrap_or_default(),
            bias_init: bias_init.unwrap_or_default(),
            ..Conv2d::new(out, kernel.unwrap_or([1; 2]))
        };
        conv.check()?;
        Ok(Arc::new(conv))
    },
}];

/// A bank of filters and a bias: PyTorch's `nn.Conv2d`.
///
/// **Shapes**: `x [batch, in, H, W]` → `[batch, out, Ho, Wo]`; `weight [out, in/groups, kh, kw]`, `bias [out]`;
/// `Ho = ⌊(H + 2·padding − dilation·(kh − 1) − 1) / stride⌋ + 1`, `Wo` alike.
///
/// **Formula**: [`op::conv2d::Conv2d`]. Pairs are `[along H, along W]`; in TOML one number stands for two equal ones:
/// `{ type = "conv2d", out = 32, kernel = 3, padding = 1 }`.
///
/// ```
/// use thalweg::nn::{Conv2d, Flatten, Linear, MaxPool2d, Relu, Sequential, output_shape};
/// use thalweg::Shape;
/// let model = Sequential::new()
///     .add(Conv2d::new(32, [3, 3]).padding([1, 1]))
///     .add(Relu)
///     .add(MaxPool2d::new([2, 2]));
/// assert_eq!(output_shape(&model, &Shape::from([1, 28, 28]))?.to_string(), "[32, 14, 14]");
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// Filters, at least 1.
    pub out: usize,
    /// kh and kw, at least 1.
    pub kernel: [usize; 2],
    /// Steps between places, in `[1, 65535]`; default 1.
    pub stride: [usize; 2],
    /// Zeros on both sides, in `[0, 65535]`; default 0.
    pub padding: [usize; 2],
    /// Steps between taps, in `[1, 65535]`; default 1.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other, a divisor of `in` and `out`; default 1.
    pub groups: usize,
    /// Whether there is a bias; default true.
    pub bias: bool,
    /// How the weight starts; default PyTorch's, `U(−1/√n, 1/√n)` with `n = in/groups·kh·kw`.
    pub weight_init: Initializer,
    /// How the bias starts; default PyTorch's, the same distribution as the weight's.
    pub bias_init: Initializer,
}

impl Conv2d {
    /// `out` filters of `kernel`, with a bias.
    pub fn new(out: usize, kernel: [usize; 2]) -> Self {
        let op::conv2d::Conv2d { stride, padding, dilation, groups } = op::conv2d::Conv2d::default();
        let (weight_init, bias_init) = (Initializer::default(), Initializer::default());
        Self { out, kernel, stride, padding, dilation, groups, bias: true, weight_init, bias_init }
    }

    /// With another stride.
    pub fn stride(self, stride: [usize; 2]) -> Self {
        Self { stride, ..self }
    }

    /// With padding.
    pub fn padding(self, padding: [usize; 2]) -> Self {
        Self { padding, ..self }
    }

    /// With dilation.
    pub fn dilation(self, dilation: [usize; 2]) -> Self {
        Self { dilation, ..self }
    }

    /// In groups.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Without the bias.
    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// With another initial weight.
    pub fn weight_init(self, weight_init: Initializer) -> Self {
        Self { weight_init, ..self }
    }

    /// With another initial bias.
    pub fn bias_init(self, bias_init: Initializer) -> Self {
        Self { bias_init, ..self }
    }

    /// What can be said before there are images.
    fn check(&self) -> Result<(), GraphError> {
        positive("conv2d", "out", self.out)?;
        positive("conv2d", "groups", self.groups)?;
        positive_pair("conv2d", "kernel", self.kernel)?;
        positive_pair("conv2d", "stride", self.stride)?;
        positive_pair("conv2d", "dilation", self.dilation)
    }
}

impl Layer for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        self.check()?;
        let found = b.shape(x).clone();
        let &[_, input, _, _] = found.axes() else {
            return Err(GraphError::Shape { op: "conv2d", operand: "x", expected: "[batch, in, H, W]".into(), found });
        };
        if ![input, self.out].iter().all(|channels| channels.is_multiple_of(self.groups)) {
            let (field, range) = ("groups", "a divisor of `out` and of the images' channels");
            let found = format!("{} for {} of {input} channels", self.groups, self.out);
            return Err(GraphError::Range { op: "conv2d", field, range, found });
        }
        let [kh, kw] = self.kernel;
        let shape = [self.out, input / self.groups, kh, kw];
        let fan_in = shape[1..].iter().fold(1, |n: usize, &axis| n.saturating_mul(axis));
        let weight = b.parameter_with_fan("weight", shape, self.weight_init, fan_in)?;
        let bias = match self.bias {
            true => Some(b.parameter_with_fan("bias", [self.out], self.bias_init, fan_in)?),
            false => None,
        };
        let &Self { stride, padding, dilation, groups, .. } = self;
        b.graph().conv2d(x, weight, bias, op::conv2d::Conv2d { stride, padding, dilation, groups })
    }
}
