//! The list of layers in `[model]`.

use toml::Value;

use super::read::{Section, unknown};
use crate::error::{ConfigError, GraphError};
use crate::nn::layer::{self, Entry};
use crate::nn::{self, LayerSpec, Sequential};

/// Layers of the TOML form that a later version will know.
const PLANNED: &[&str] = &["batch_norm", "layer_norm"];

/// The layers of a list, each checked.
pub(super) fn read(path: &str, items: &[Value]) -> Result<Vec<LayerSpec>, ConfigError> {
    items.iter().enumerate().map(|(i, item)| one(format!("{path}[{i}]"), item)).collect()
}

fn one(path: String, item: &Value) -> Result<LayerSpec, ConfigError> {
    let section = Section::at(path, item)?;
    let key = section.key("type");
    let name = section.text("type")?.ok_or_else(|| ConfigError::Missing {
        key: key.clone(),
        expected: "the name of a layer, as `linear`".into(),
    })?;
    let Some(entry) = Entry::named(name) else {
        return Err(unknown(key, "layer", name, layer::all().map(|e| e.name.into()).collect(), PLANNED));
    };
    let mut known = vec!["type"];
    known.extend(entry.fields.iter().map(|field| field.name));
    section.only(&format!("layer `{name}`"), &known)?;
    let refused = |source: GraphError| layer_error(|field| section.key(field), source);
    let mut spec = LayerSpec::new(name).map_err(refused)?;
    for field in entry.fields {
        let given = match field.value {
            nn::Value::Count(_) => section.count(field.name, 0)?.map(nn::Value::Count),
            nn::Value::Real(_) => section.number(field.name)?.map(nn::Value::Real),
            nn::Value::Flag(_) => section.flag(field.name)?.map(nn::Value::Flag),
            nn::Value::Pair(_) => section.pair(field.name)?.map(|pair| nn::Value::Pair(Some(pair))),
        };
        match given {
            Some(value) => spec = spec.with(field.name, value).map_err(refused)?,
            None if field.required => {
                let expected = format!("layer `{name}` needs {}", field.value.describe());
                return Err(ConfigError::Missing { key: section.key(field.name), expected });
            }
            None => {}
        }
    }
    spec.layer().map_err(refused)?;
    Ok(spec)
}

fn layer_error(key: impl Fn(&str) -> String, source: GraphError) -> ConfigError {
    match source {
        GraphError::Range { field, range, found, .. } => {
            ConfigError::Range { key: key(field), range: range.into(), found }
        }
        source => ConfigError::Layer { key: key("type"), source },
    }
}

/// The model of these layers.
pub(super) fn build(specs: &[LayerSpec]) -> Result<Sequential, ConfigError> {
    let layer = |(i, spec): (usize, &LayerSpec)| {
        spec.layer().map_err(|source| layer_error(|field| format!("model.layers[{i}].{field}"), source))
    };
    specs.iter().enumerate().map(layer).collect()
}
