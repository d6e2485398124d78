//! Windows of images to one number each.

use std::sync::Arc;

use super::{Entry, Field, Layer, Value, positive_pair};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::nn::Builder;
use crate::op;

macro_rules! pools {
    ($($(#[$doc:meta])* $layer:ident, $name:literal, $method:ident;)*) => {
        pub(super) const LAYERS: &[Entry] = &[
            $(Entry {
                name: $name,
                fields: &[
                    Field::required("kernel", Value::Pair(Some([2; 2]))),
                    Field::optional("stride", Value::Pair(None)),
                    Field::optional("padding", Value::Pair(Some([0; 2]))),
                ],
                make: |values| {
                    let &[Value::Pair(kernel), Value::Pair(stride), Value::Pair(padding)] = values else {
                        unreachable!("values are of their fields' kinds")
                    };
                    let padding = padding.unwrap_or([0; 2]);
                    let pool = $layer { stride, padding, ..$layer::new(kernel.unwrap_or([2; 2])) };
                    pool.check()?;
                    Ok(Arc::new(pool))
                },
            },)*
            Entry { name: "global_avg_pool2d", fields: &[], make: |_| Ok(Arc::new(GlobalAvgPool2d)) },
        ];

        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $layer {
            /// The window along H and W, at least 1.
            pub kernel: [usize; 2],
            /// Steps between windows along H and W, in `[1, 65535]`; the kernel where `None` (the default).
            pub stride: Option<[usize; 2]>,
            /// Padding on both sides along H and W, at most half the kernel; default 0.
            pub padding: [usize; 2],
        }

        impl $layer {
            /// Windows side by side.
            pub fn new(kernel: [usize; 2]) -> Self {
                Self { kernel, stride: None, padding: [0; 2] }
            }

            /// With another stride.
            pub fn stride(self, stride: [usize; 2]) -> Self {
                Self { stride: Some(stride), ..self }
            }

            /// With padding.
            pub fn padding(self, padding: [usize; 2]) -> Self {
                Self { padding, ..self }
            }

            /// What can be said before there are images.
            fn check(&self) -> Result<(), GraphError> {
                positive_pair($name, "kernel", self.kernel)?;
                positive_pair($name, "stride", self.stride.unwrap_or(self.kernel))
            }
        }

        impl Layer for $layer {
            fn name(&self) -> &'static str {
                $name
            }
            fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
                let &Self { kernel, stride, padding } = self;
                b.graph().$method(x, op::$method::$layer { kernel, stride: stride.unwrap_or(kernel), padding })
            }
        })*
    };
}

pools! {
    /// The largest of each window, PyTorch's `nn.MaxPool2d`: `[batch, C, H, W]` → `[batch, C, Ho, Wo]` with
    /// `Ho = ⌊(H + 2·padding − kernel) / stride⌋ + 1`. See [`op::max_pool2d::MaxPool2d`].
    MaxPool2d, "max_pool2d", max_pool2d;
    /// The mean of each window, padding counted, PyTorch's `nn.AvgPool2d`: `[batch, C, H, W]` → `[batch, C, Ho, Wo]` with
    /// `Ho = ⌊(H + 2·padding − kernel) / stride⌋ + 1`. See [`op::avg_pool2d::AvgPool2d`].
    AvgPool2d, "avg_pool2d", avg_pool2d;
}

/// The mean of each channel, PyTorch's `nn.AdaptiveAvgPool2d(1)`: `[batch, C, H, W]` → `[batch, C, 1, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct GlobalAvgPool2d;

impl Layer for GlobalAvgPool2d {
    fn name(&self) -> &'static str {
        "global_avg_pool2d"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        b.graph().global_avg_pool2d(x)
    }
}
