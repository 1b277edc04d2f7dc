use serde_json::{Map, Value};

/// One YAML document, with `---` before it.
pub(crate) fn document(value: &Value) -> String {
    let sorted = sorted(value);
    // An image's reference stays on the line of its key, where everyone looks for it.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    // JSON is YAML too, so that there is always a text.
    let text = serde_saphyr::to_string_with_options(&sorted, options).unwrap_or_else(|_| sorted.to_string());
    format!("---\n{}\n", text.trim_end())
}

/// With the keys in order: another crate of a build may have switched serde_json to the order of insertion.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// JSON for people, with the keys in order.
#[cfg(feature = "chart")]
pub(crate) fn json(value: &Value) -> String {
    format!("{:#}\n", sorted(value))
}
