//! Checks the keys of a file against the published JSON Schema, so that the two cannot drift apart.

use schemars::Schema;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::error::Fault;

type Object = Map<String, Value>;

/// The first key that the schema does not have, with the nearest that it has.
pub(super) fn check(table: &DeTable<'_>, schema: &Schema) -> Result<(), Fault> {
    let Some(root) = schema.as_value().as_object() else { return Ok(()) };
    Walk { definitions: root.get("$defs").and_then(Value::as_object) }.table(table, root, "")
}

struct Walk<'s> {
    definitions: Option<&'s Object>,
}

impl<'s> Walk<'s> {
    fn table(&self, table: &DeTable<'_>, schema: &'s Object, path: &str) -> Result<(), Fault> {
        let schema = self.resolve(schema);
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let inner = match (properties.and_then(|known| known.get(name)), others) {
                (Some(Value::Object(inner)), _) | (None, Some(Value::Object(inner))) => inner,
                (None, Some(Value::Bool(false))) => {
                    let known: Vec<&str> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                    return Err(unknown(name, path, &known, key.span()));
                }
                _ => continue,
            };
            if let DeValue::Float(float) = value.get_ref()
                && float.as_str().trim_start_matches(['+', '-']).starts_with(['n', 'i'])
            {
                let message = format!("`{}` is {}", join(path, name), float.as_str());
                return Err(Fault::at(value.span(), message).help("write a number, or leave the key out"));
            }
            let is_table = self.resolve(inner).get("type").and_then(Value::as_str) == Some("object");
            match value.get_ref() {
                DeValue::Table(table) => self.table(table, inner, &join(path, name))?,
                // serde would take the items of a list for the keys of a table, in their order.
                _ if is_table => {
                    let whole = join(path, name);
                    return Err(Fault::at(value.span(), format!("`{whole}` is no table"))
                        .help(format!("write [{whole}] and its keys below")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Follows `$ref`, and takes the object out of the `anyOf [object, null]` that an optional table becomes.
    fn resolve(&self, schema: &'s Object) -> &'s Object {
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix("#/$defs/"));
        let target = reference.and_then(|name| self.definitions?.get(name)?.as_object());
        let alternative = || {
            let list = schema.get("anyOf").or_else(|| schema.get("allOf"))?.as_array()?;
            list.iter().find_map(Value::as_object)
        };
        match target.or_else(alternative) {
            Some(inner) => self.resolve(inner),
            None => schema,
        }
    }
}

fn unknown(name: &str, path: &str, known: &[&str], span: std::ops::Range<usize>) -> Fault {
    let whole = join(path, name);
    let place = if path.is_empty() { "at the top level".to_owned() } else { format!("in [{path}]") };
    let fault = Fault::at(span, format!("unknown key `{whole}`"));
    match nearest(name, known) {
        Some(near) => fault.help(format!("did you mean `{}`?", join(path, near))),
        None => fault.help(format!("known keys {place}: {}", known.join(", "))),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The candidate most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
