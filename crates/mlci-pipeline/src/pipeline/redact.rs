//! What is told, without the values of variables.

use serde_json::Value;

use super::Pipeline;
use crate::{config::Loaded, event::Event};

impl Pipeline {
    /// A text without the values of variables.
    pub(crate) fn redact(&self, text: String) -> String {
        self.loaded.redact(&text).unwrap_or(text)
    }

    /// The event without the values of variables, where it has any.
    pub(super) fn redacted(&self, event: &Event) -> Option<Event> {
        fn walk(value: &mut Value, loaded: &Loaded, changed: &mut bool) {
            match value {
                Value::String(text) => {
                    if let Some(redacted) = loaded.redact(text) {
                        *text = redacted;
                        *changed = true;
                    }
                }
                Value::Array(items) => items.iter_mut().for_each(|item| walk(item, loaded, changed)),
                Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, loaded, changed)),
                _ => {}
            }
        }
        if !self.loaded.has_variables() {
            return None;
        }
        let mut value = serde_json::to_value(event).ok()?;
        let mut changed = false;
        walk(&mut value, &self.loaded, &mut changed);
        let text = match event {
            Event::Finished(finished) => finished.text.clone().map(|text| self.redact(text)),
            _ => None,
        };
        let mut redacted = (changed || text.is_some()).then(|| serde_json::from_value(value).ok())??;
        if let Event::Finished(finished) = &mut redacted {
            finished.text = text;
        }
        Some(redacted)
    }
}
