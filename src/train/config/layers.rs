//! The list of layers in `[model]`.

use toml::Value;

use super::read::{Section, owned, unknown, wrong_type};
use crate::error::{ConfigError, GraphError};
use crate::nn::layer::{self, Entry};
use crate::nn::{self, Initializer, LayerSpec, Sequential};

/// How many blocks may stand within one another. TOML's reader takes some 35 levels of what [`super::write`] puts on one line, and
/// a run must be read back.
const DEEPEST: usize = 16;

/// The layers of a list, each checked.
pub(super) fn read(path: &str, items: &[Value]) -> Result<Vec<LayerSpec>, ConfigError> {
    within(path, items, 0)
}

/// Those inside of `depth` blocks.
fn within(path: &str, items: &[Value], depth: usize) -> Result<Vec<LayerSpec>, ConfigError> {
    if depth > DEEPEST {
        return Err(too_deep(path.into()));
    }
    items.iter().enumerate().map(|(i, item)| one(format!("{path}[{i}]"), item, depth)).collect()
}

fn too_deep(key: String) -> ConfigError {
    let range = format!("inside of at most {DEEPEST} blocks (put blocks one after the other instead)");
    ConfigError::Range { key, range, found: format!("a list inside of {}", DEEPEST + 1) }
}

fn one(path: String, item: &Value, depth: usize) -> Result<LayerSpec, ConfigError> {
    let section = Section::at(path, item)?;
    let key = section.key("type");
    let name = section.text("type")?.ok_or_else(|| ConfigError::Missing {
        key: key.clone(),
        expected: "the name of a layer, as `linear`".into(),
    })?;
    let Some(entry) = Entry::named(name) else {
        return Err(unknown(key, "layer", name, layer::all().map(|e| e.name.into()).collect()));
    };
    let mut known = vec!["type"];
    known.extend(entry.fields.iter().map(|field| field.name));
    section.only(&format!("layer `{name}`"), &known)?;
    let refused = |source: GraphError| layer_error(|field| section.key(field), source);
    let mut spec = LayerSpec::new(name).map_err(refused)?;
    for field in entry.fields {
        let given = match &field.value {
            nn::Value::Count(_) => section.count(field.name, 0)?.map(nn::Value::Count),
            nn::Value::Real(_) => section.number(field.name)?.map(nn::Value::Real),
            nn::Value::Flag(_) => section.flag(field.name)?.map(nn::Value::Flag),
            nn::Value::Pair(_) => section.pair(field.name)?.map(|pair| nn::Value::Pair(Some(pair))),
            nn::Value::Init(_) => initializer(&section, field.name)?.map(|init| nn::Value::Init(Some(init))),
            nn::Value::Layers(_) => {
                let list = section.list(field.name)?.map(|items| within(&section.key(field.name), items, depth + 1));
                list.transpose()?.map(nn::Value::Layers)
            }
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

/// How a parameter starts: a name, or a table of the name and its argument.
fn initializer(section: &Section<'_>, field: &str) -> Result<Option<Initializer>, ConfigError> {
    let parse = |key: String, name: &str| {
        let found = name.parse::<Initializer>();
        found.map_err(|_| unknown(key, "initialiser", name, owned(&Initializer::NAMES)))
    };
    let Some(value) = section.get(field) else { return Ok(None) };
    let key = section.key(field);
    if let Value::String(name) = value {
        return parse(key, name).map(Some);
    }
    let Value::Table(_) = value else {
        return Err(wrong_type(key, nn::Value::Init(None).describe(), value));
    };
    let table = Section::at(key, value)?;
    let expected = "the name of an initialiser, as `kaiming_normal`".into();
    let name = table.text("name")?.ok_or_else(|| ConfigError::Missing { key: table.key("name"), expected })?;
    let init = parse(table.key("name"), name)?;
    let argument = init.argument().map(|(argument, _)| argument);
    let known: Vec<&str> = ["name"].into_iter().chain(argument).collect();
    table.only(&format!("initialiser `{name}`"), &known)?;
    let Some(argument) = argument else { return Ok(Some(init)) };
    match table.number(argument)? {
        None => Ok(Some(init)),
        Some(x) => {
            let signed = matches!(argument, "a" | "value");
            let range = if signed { "finite in f32" } else { "finite in f32 and at least 0" };
            let x = table.within(argument, range, x, (x as f32).is_finite() && (signed || x >= 0.0))?;
            Ok(Some(init.with_argument(x)))
        }
    }
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
    check_depth("model.layers", specs, 0)?;
    let layer = |(i, spec): (usize, &LayerSpec)| {
        spec.layer().map_err(|source| layer_error(|field| format!("model.layers[{i}].{field}"), source))
    };
    specs.iter().enumerate().map(layer).collect()
}

/// Refuses blocks made by hand that could not be read back.
fn check_depth(path: &str, specs: &[LayerSpec], depth: usize) -> Result<(), ConfigError> {
    if depth > DEEPEST {
        return Err(too_deep(path.into()));
    }
    for (i, spec) in specs.iter().enumerate() {
        for (field, value) in spec.values() {
            if let nn::Value::Layers(inside) = value {
                check_depth(&format!("{path}[{i}].{field}"), inside, depth + 1)?;
            }
        }
    }
    Ok(())
}
