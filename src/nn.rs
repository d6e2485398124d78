//! Layers that own parameters, their initial values, and models made of them.
//!
//! A [`Model`] puts nodes into a graph through a [`Builder`], which gives the parameters PyTorch's names and remembers how
//! each starts. [`Sequential`] is a model that is a chain of [`Layer`]s; a closure over the builder is one of any form.
//! [`assemble`] closes the graph: minibatch, model, loss, penalty, gradients.
//!
//! ```
//! use thalweg::nn::{Flatten, Linear, Mode, Objective, Relu, Sequential, TargetKind, assemble, output_shape};
//! use thalweg::Shape;
//!
//! let model = Sequential::new().add(Flatten).add(Linear::new(32)).add(Relu).add(Linear::new(10));
//! let a = assemble(&model, &Shape::from([1, 8, 8]), TargetKind::Classes { classes: 10 }, &Objective::default(), 64, Mode::Train)?;
//! let names: Vec<_> = a.parameters.iter().map(|p| format!("{} {}", p.name, p.shape)).collect();
//! assert_eq!(names, ["1.weight [32, 64]", "1.bias [32]", "3.weight [10, 32]", "3.bias [10]"]);
//! # Ok::<(), thalweg::Error>(())
//! ```

mod assemble;
mod augment;
mod builder;
mod initializer;
pub mod layer;
mod sequential;

pub(crate) use assemble::examples;
pub use assemble::{Assembled, Model, Objective, TargetKind, assemble, output_shape};
pub use augment::{Augment, Augmented};
pub use builder::{BufferSpec, Builder, Mode, ParameterSpec, initial_parameters};
pub use initializer::{Initializer, UnknownInitializer};
pub use layer::activation::{Elu, Gelu, Identity, LeakyRelu, Relu, Sigmoid, Silu, Softplus, Tanh};
pub use layer::batch_norm::BatchNorm;
pub use layer::conv2d::Conv2d;
pub use layer::dropout::{Dropout, Dropout2d};
pub use layer::embedding::Embedding;
pub use layer::flatten::Flatten;
pub use layer::group_norm::GroupNorm;
pub use layer::layer_norm::LayerNorm;
pub use layer::linear::Linear;
pub use layer::maxout::Maxout;
pub use layer::pool2d::{AvgPool2d, GlobalAvgPool2d, MaxPool2d};
pub use layer::residual::Residual;
pub use layer::softmax::{LogSoftmax, Softmax};
pub use layer::{Field, Layer, LayerSpec, Value};
pub use sequential::Sequential;
