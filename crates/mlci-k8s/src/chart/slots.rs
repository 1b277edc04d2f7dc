//! Objects with template expressions in the places where values are the user's.
//!
//! The objects are those that are applied without Helm. A place becomes a word that occurs nowhere else, the object is
//! written as YAML, and the word is replaced by its expression: so all that is no value stays word for word the same.

use serde_json::{Map, Value};

/// Begins every word that stands for an expression. A legal name, so that it can stand for the workload's too.
const WORD: &str = "mlci-slot-";

/// What stands in a place.
#[derive(Debug, Clone)]
enum Expression {
    /// In place of one value: `key: EXPRESSION`.
    Inline(String),
    /// In place of a key with its value: whole lines, with `@KEY@` for the key and `@INDENT@` for the number of columns
    /// below it.
    Lines(String),
}

/// The places of a chart.
#[derive(Debug, Default)]
pub(super) struct Slots {
    expressions: Vec<Expression>,
}

impl Slots {
    fn add(&mut self, expression: Expression) -> String {
        self.expressions.push(expression);
        format!("{WORD}{}-", self.expressions.len() - 1)
    }

    /// A word for an expression that is one value.
    pub(super) fn inline(&mut self, expression: impl Into<String>) -> Value {
        Value::String(self.add(Expression::Inline(expression.into())))
    }

    /// A word for lines that stand in place of a key and its value. They begin at the key's indentation.
    pub(super) fn lines(&mut self, lines: impl Into<String>) -> Value {
        Value::String(self.add(Expression::Lines(lines.into())))
    }

    /// The text of an object, with every word replaced.
    pub(super) fn text(&self, object: &Value) -> String {
        let document = crate::yaml::document(object);
        // A text of the object's own that looks like an expression stays a text.
        let document = document.trim_start_matches("---\n").replace("{{", "{{ \"{{\" }}");
        let mut text = String::new();
        for line in document.lines() {
            let found = self.expressions.iter().enumerate().find_map(|(index, expression)| {
                let word = format!("{WORD}{index}-");
                line.contains(&word).then_some((word, expression))
            });
            match found {
                None => text.push_str(line),
                Some((word, Expression::Inline(expression))) => text.push_str(&line.replace(&word, expression)),
                Some((_, Expression::Lines(lines))) => text.push_str(&in_place(line, lines)),
            }
            text.push('\n');
        }
        text
    }
}

/// Lines in place of `KEY: WORD`, from the key's column on.
fn in_place(line: &str, lines: &str) -> String {
    let inner = line.trim_start();
    // Behind a dash, the lines would have no column of their own.
    debug_assert!(!inner.starts_with('-'), "{line}");
    let (margin, key) = (line.len() - inner.len(), inner.split(':').next().unwrap_or_default());
    let lines = lines.replace("@KEY@", key).replace("@INDENT@", &(margin + 2).to_string());
    lines.lines().map(|line| format!("{:margin$}{line}", "")).collect::<Vec<_>>().join("\n")
}

/// Puts `new` into every place that holds `old`.
pub(super) fn replace(value: &mut Value, old: &Value, new: &Value) {
    if value == old {
        *value = new.clone();
        return;
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| replace(value, old, new)),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, old, new)),
        _ => {}
    }
}

/// Sets a key of the object at a JSON pointer; there is no such object: nothing is set.
pub(super) fn set(value: &mut Value, pointer: &str, key: &str, new: Value) {
    if let Some(map) = value.pointer_mut(pointer).and_then(Value::as_object_mut) {
        map.insert(key.to_owned(), new);
    }
}

/// An object without these keys.
pub(super) fn without(value: &mut Value, pointer: &str, keys: &[&str]) {
    if let Some(map) = value.pointer_mut(pointer).and_then(Value::as_object_mut) {
        let kept: Map<String, Value> =
            std::mem::take(map).into_iter().filter(|(key, _)| !keys.contains(&key.as_str())).collect();
        *map = kept;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_become_expressions_and_the_rest_stays() {
        let mut slots = Slots::default();
        let lines = "{{- with .b }}\n@KEY@:\n  {{ indent @INDENT@ . }}\n{{- end }}";
        let (number, lines) = (slots.inline("{{ .a }}"), slots.lines(lines));
        let mut object = json!({ "x": { "a": 1, "b": {}, "list": [1, "{{ two"] }, "z": 1 });
        set(&mut object, "/x", "a", number);
        set(&mut object, "/x", "b", lines);
        set(&mut object, "/nowhere", "b", json!(0));
        without(&mut object, "", &["z"]);
        assert_eq!(
            slots.text(&object),
            "x:\n  a: {{ .a }}\n  {{- with .b }}\n  b:\n    {{ indent 4 . }}\n  {{- end }}\n  list:\n  - 1\n  - \"{{ \"{{\" }} two\"\n"
        );
    }

    #[test]
    fn the_eleventh_word_is_not_the_first_with_a_digit() {
        let mut slots = Slots::default();
        let words: Vec<_> = (0..11).map(|number| slots.inline(format!("<{number}>"))).collect();
        assert_eq!(slots.text(&json!({ "a": words[10], "b": words[1] })), "a: <10>\nb: <1>\n");
    }

    #[test]
    fn replaced_everywhere() {
        let mut object = json!({ "a": { "s": 1 }, "b": [{ "s": 1 }, { "s": 2 }] });
        replace(&mut object, &json!({ "s": 1 }), &json!("word"));
        assert_eq!(object, json!({ "a": "word", "b": ["word", { "s": 2 }] }));
    }
}
