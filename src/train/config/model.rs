//! `[model]`.

use super::layers;
use super::read::{self, Section, unknown};
use crate::error::ConfigError;
use crate::loss::Loss;
use crate::nn::{LayerSpec, Value};
use crate::shape::Shape;

/// `[model]`: what learns, and what it makes small.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The shape of one example; default `None`: the data's.
    pub input: Option<Shape>,
    /// The layers; default `flatten`, twice `linear` of 256, `relu`, `dropout` of 0.3, then `linear` of 10.
    pub layers: Vec<LayerSpec>,
    /// The loss on the data; default cross-entropy.
    pub loss: Loss,
    /// The penalty's factor, finite (in f32 too) and at least 0; default 0.
    pub l2: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        let linear = |out| LayerSpec::new("linear").and_then(|l| l.with("out", Value::Count(out)));
        let dropout = || LayerSpec::new("dropout").and_then(|l| l.with("p", Value::Real(0.3)));
        let relu = || LayerSpec::new("relu");
        let layers =
            [LayerSpec::new("flatten"), linear(256), relu(), dropout(), linear(256), relu(), dropout(), linear(10)];
        let layers = layers.into_iter().map(|l| l.expect("the default layers are registered")).collect();
        Self { input: None, layers, loss: Loss::CrossEntropy, l2: 0.0 }
    }
}

impl ModelConfig {
    pub(super) fn read(section: &Section<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let axis = |(i, value)| read::count(format!("{}[{i}]", section.key("input")), value, 1);
        let input = match section.list("input")? {
            Some(axes) => Some(Shape::from(axes.iter().enumerate().map(axis).collect::<Result<Vec<_>, _>>()?)),
            None => None,
        };
        let layers = match section.list("layers")? {
            Some(items) => layers::read(&section.key("layers"), items)?,
            None => default.layers,
        };
        let loss = match section.text("loss")? {
            Some(name) => name.parse().map_err(|_| unknown(section.key("loss"), "loss", name, losses()))?,
            None => default.loss,
        };
        let l2 = section.number("l2")?.unwrap_or(default.l2);
        let l2 = section.within("l2", "finite and at least 0, in f32 too", l2, (l2 as f32).is_finite() && l2 >= 0.0)?;
        Ok(Self { input, layers, loss, l2 })
    }
}

/// The default layers as a TOML file would hold them, so that a `--set` can reach into them.
pub(super) fn default_layers() -> toml::Value {
    let layers = ModelConfig::default().layers;
    toml::Value::Array(layers.iter().filter_map(|layer| layer.to_string().parse().ok()).collect())
}

fn losses() -> Vec<String> {
    Loss::ALL.iter().map(|loss| loss.name().into()).collect()
}
