//! The layers. One file and one name in `layers!` make a layer: its fields are what the TOML form, its defaults, its
//! errors and `run.toml` read.

use std::fmt::{self, Debug};
use std::sync::Arc;

use super::{Builder, Initializer, Sequential};
use crate::error::GraphError;
use crate::graph::NodeId;
use crate::op::unary::Activation;

/// A piece of a model with one input and one output, which makes the parameters it needs.
pub trait Layer: Debug + Send + Sync {
    /// Its name, as in the TOML form.
    fn name(&self) -> &'static str;

    /// Puts it over `x`, of shape `[batch, ..]`.
    ///
    /// # Errors
    ///
    /// What the ops' shape rules and the layer's own ranges refuse.
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError>;

    /// Where the layer takes row numbers and no real numbers: how many rows there are.
    fn index_count(&self) -> Option<usize> {
        None
    }

    /// The element-wise function that this layer is, where it is nothing else.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// As [`build`](Self::build) followed by `f`, in one op; `None`, and nothing built, where that is not to be had.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    fn build_fused(&self, b: &mut Builder<'_>, x: NodeId, f: Activation) -> Result<Option<NodeId>, GraphError> {
        let _ = (b, x, f);
        Ok(None)
    }
}

/// What a field of a layer holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Count(usize),
    /// A real number.
    Real(f64),
    /// Yes or no.
    Flag(bool),
    /// Two whole numbers, along H and along W, or one for both; `None` where the layer's other fields say it.
    Pair(Option<[usize; 2]>),
    /// How a parameter starts; `None` for the layer's default, PyTorch's.
    Init(Option<Initializer>),
    /// Layers one after another.
    Layers(Vec<LayerSpec>),
}

impl Value {
    /// The kind of value, in words.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Count(_) => "a whole number",
            Self::Real(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Pair(_) => "a whole number or a list of two",
            Self::Init(_) => "the name of an initialiser, or a table with its `name` and numbers",
            Self::Layers(_) => "a list of layers",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => write!(f, "{n}"),
            // Debug keeps the point of `1.0`.
            Self::Real(x) => write!(f, "{x:?}"),
            Self::Flag(b) => write!(f, "{b}"),
            Self::Pair(Some([a, b])) if a == b => write!(f, "{a}"),
            Self::Pair(Some(pair)) => write!(f, "{pair:?}"),
            Self::Init(Some(init)) => f.write_str(&init.to_toml()),
            Self::Pair(None) | Self::Init(None) => f.write_str("none"),
            Self::Layers(layers) => {
                f.write_str("[")?;
                for (i, layer) in layers.iter().enumerate() {
                    write!(f, "{}{layer}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// A field of a layer: its name, and a value that says its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// As in the TOML form and the layer's struct.
    pub name: &'static str,
    /// Its default; where the field is `required`, an example of its kind.
    pub value: Value,
    /// Whether it must be given.
    pub required: bool,
}

impl Field {
    /// A field that must be given, of the kind of `example`.
    pub const fn required(name: &'static str, example: Value) -> Self {
        Self { name, value: example, required: true }
    }

    /// A field that may be left out.
    pub const fn optional(name: &'static str, default: Value) -> Self {
        Self { name, value: default, required: false }
    }
}

/// The layer of these values, or why they are refused.
pub type Make = fn(&[Value]) -> Result<Arc<dyn Layer>, GraphError>;

/// A layer's place in the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name, as in the TOML form.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// The layer of these values, one a field, in their order and of their kinds.
    pub make: Make,
}

impl Entry {
    /// The entry of that name.
    pub fn named(name: &str) -> Option<&'static Entry> {
        all().find(|entry| entry.name == name)
    }
}

macro_rules! layers {
    ($($file:ident),* $(,)?) => {
        $(pub mod $file;)*
        const FILES: &[&[Entry]] = &[$($file::LAYERS),*];
    };
}

layers!(
    linear, conv2d, pool2d, activation, batch_norm, layer_norm, group_norm, maxout, dropout, embedding, flatten,
    residual, softmax,
);

/// Every layer that the TOML form knows.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    FILES.iter().flat_map(|file| file.iter())
}

/// A layer as data: the name of its kind and the values of its fields. What a TOML file holds, and what it is written
/// back from.
///
/// ```
/// use thalweg::nn::{LayerSpec, Value};
/// let spec = LayerSpec::new("linear")?.with("out", Value::Count(10))?;
/// assert_eq!(spec.to_string(), r#"{ type = "linear", out = 10, bias = true }"#);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LayerSpec {
    entry: &'static Entry,
    values: Vec<Value>,
}

impl PartialEq for LayerSpec {
    fn eq(&self, other: &Self) -> bool {
        self.entry.name == other.entry.name && self.values == other.values
    }
}

impl LayerSpec {
    /// The layer of that name with its defaults (and the examples of the fields that must be given).
    ///
    /// # Errors
    ///
    /// [`GraphError::Range`] if there is no such layer.
    pub fn new(name: &str) -> Result<Self, GraphError> {
        let entry = Entry::named(name).ok_or_else(|| GraphError::Range {
            op: "layer",
            field: "type",
            range: "the name of a layer",
            found: name.into(),
        })?;
        Ok(Self { entry, values: entry.fields.iter().map(|field| field.value.clone()).collect() })
    }

    /// With one field set.
    ///
    /// # Errors
    ///
    /// [`GraphError::Range`] if the layer has no such field or it is of another kind.
    pub fn with(mut self, field: &str, value: Value) -> Result<Self, GraphError> {
        let wrong = |field, range, found| GraphError::Range { op: self.entry.name, field, range, found };
        let Some(i) = self.entry.fields.iter().position(|f| f.name == field) else {
            return Err(wrong("field", "one that the layer has", field.into()));
        };
        let known = &self.entry.fields[i];
        if std::mem::discriminant(&known.value) != std::mem::discriminant(&value) {
            return Err(wrong(known.name, known.value.describe(), value.to_string()));
        }
        self.values[i] = value;
        Ok(self)
    }

    /// Its registry entry.
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// Its fields' values.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.entry.fields.iter().map(|field| field.name).zip(&self.values)
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// [`GraphError::Range`] for a value outside the documented range.
    pub fn layer(&self) -> Result<Arc<dyn Layer>, GraphError> {
        (self.entry.make)(&self.values)
    }
}

impl fmt::Display for LayerSpec {
    /// As the TOML form writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ type = \"{}\"", self.entry.name)?;
        // What is left open is left out: TOML has no word for it.
        let open = |value: &Value| match value {
            Value::Pair(None) | Value::Init(None) => true,
            Value::Layers(layers) => layers.is_empty(),
            _ => false,
        };
        for (name, value) in self.values().filter(|(_, value)| !open(value)) {
            write!(f, ", {name} = {value}")?;
        }
        f.write_str(" }")
    }
}

/// The chain of these layers; an error says which of them is at fault.
fn sequence(specs: &[LayerSpec]) -> Result<Sequential, GraphError> {
    specs.iter().map(LayerSpec::layer).collect()
}

/// Refuses a count of 0.
fn positive(op: &'static str, field: &'static str, n: usize) -> Result<(), GraphError> {
    if n == 0 {
        return Err(GraphError::Range { op, field, range: "at least 1", found: n.to_string() });
    }
    Ok(())
}

/// Refuses a pair with a 0.
fn positive_pair(op: &'static str, field: &'static str, pair: [usize; 2]) -> Result<(), GraphError> {
    if pair.contains(&0) {
        return Err(GraphError::Range { op, field, range: "at least 1", found: Value::Pair(Some(pair)).to_string() });
    }
    Ok(())
}
