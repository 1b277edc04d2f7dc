use std::{collections::BTreeMap, fmt::Write as _};

use schemars::{Schema, schema_for};
use serde_json::Value;

use super::{Config, Loaded};

pub(super) fn schema() -> Schema {
    schema_for!(Config)
}

/// The JSON Schema of `mlci.toml`, for editors; ends with a line feed.
#[must_use]
pub fn json_schema() -> String {
    // A schema is a JSON value already.
    let mut text = serde_json::to_string_pretty(schema().as_value()).unwrap_or_default();
    text.push('\n');
    text
}

/// Every value in force, one a line as `key = value`, with where it came from behind `#`.
///
/// A value that came from a variable is shown as the variable.
#[must_use]
pub fn render(loaded: &Loaded) -> String {
    let mut flat = BTreeMap::new();
    if let Ok(value) = serde_json::to_value(&loaded.config) {
        flatten(&value, String::new(), &mut flat);
    }
    let mut out = String::new();
    for (key, value) in flat {
        let origin = loaded.origins.get(&key).map_or("default", String::as_str);
        let shown = loaded.redact(&value).unwrap_or(value);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{key} = {shown}  # {origin}");
    }
    out
}

fn flatten(value: &Value, path: String, flat: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(inner, path, flat);
            }
        }
        Value::Null => {}
        other => {
            flat.insert(path, other.to_string());
        }
    }
}
