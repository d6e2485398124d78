//! `--set key=value`: a dotted path into the tables, and what to put there.

use toml::{Table, Value};

use super::read::describe;
use crate::error::ConfigError;

/// Puts `text` at `key`. It is read as a TOML value, and as a string where it is none (`--set optimizer.name=sgd`). Tables
/// on the way that do not exist are made.
pub(super) fn set(root: &mut Table, key: &str, text: &str) -> Result<(), ConfigError> {
    let steps = path(key).ok_or_else(|| ConfigError::OverrideKey { key: key.into() })?;
    let value = text.trim().parse::<Value>().unwrap_or_else(|_| Value::String(text.into()));
    let mut at = String::new();
    let mut place: Option<&mut Value> = None;
    for step in &steps {
        let next = match place {
            None => root.entry(step.clone()).or_insert_with(|| Value::Table(Table::new())),
            Some(Value::Table(table)) => table.entry(step.clone()).or_insert_with(|| Value::Table(Table::new())),
            Some(Value::Array(items)) => {
                let length = items.len();
                let item = step.parse::<usize>().ok().and_then(|i| items.get_mut(i));
                item.ok_or_else(|| ConfigError::OverrideIndex {
                    key: key.into(),
                    at: at.clone(),
                    index: step.clone(),
                    length,
                })?
            }
            Some(other) => {
                return Err(ConfigError::OverridePath { key: key.into(), at, found: describe(other) });
            }
        };
        at = if at.is_empty() { step.clone() } else { format!("{at}.{step}") };
        place = Some(next);
    }
    if let Some(place) = place {
        *place = value;
    }
    Ok(())
}

/// Whether a key leads into the list of layers, rather than replacing it.
pub(super) fn enters_layers(key: &str) -> bool {
    path(key).is_some_and(|steps| steps.len() > 2 && steps[0] == "model" && steps[1] == "layers")
}

/// `a.b[0].c` and `a.b.0.c` as their steps.
fn path(key: &str) -> Option<Vec<String>> {
    let mut steps = Vec::new();
    for part in key.trim().split('.') {
        let (name, places) = part.split_once('[').map_or((part, None), |(name, rest)| (name, Some(rest)));
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(bare) {
            return None;
        }
        steps.push(name.to_owned());
        for place in places.map(|p| p.split('[')).into_iter().flatten() {
            let place = place.strip_suffix(']')?;
            place.parse::<usize>().ok()?;
            steps.push(place.to_owned());
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let steps = |key| path(key).map(|p| p.join("/"));
        assert_eq!(steps("model.layers[0].out").as_deref(), Some("model/layers/0/out"));
        assert_eq!(steps("model.layers.0.out").as_deref(), Some("model/layers/0/out"));
        assert_eq!(steps("a[0][1]").as_deref(), Some("a/0/1"));
        for bad in ["", ".", "a.", "a..b", "a[", "a[]", "a[x]", "a[0]b", "a b"] {
            assert_eq!(steps(bad), None, "{bad}");
        }
    }
}
