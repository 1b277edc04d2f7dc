use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::{Field, Reader, TOO_LARGE, quoted};
use crate::refusal::Refusal;

/// Reads one value, at the place where the reader stands: a number, or the text of a level or of a date.
pub(super) struct Single<'a, 's>(pub(super) &'a mut Reader<'s>);

impl<'de> DeserializeSeed<'de> for Single<'_, '_> {
    type Value = f64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Single<'_, '_> {
    fn wrong<E: de::Error>(self, got: &str) -> E {
        let refusal = self.0.mistyped(got);
        self.0.fail(refusal)
    }

    fn is_text(&self) -> bool {
        matches!(self.0.field, Field::Feature(feature) if self.0.layout.is_text(feature))
    }

    /// A level that is written like a number or like true or false. What is none is refused as what came, not as a text.
    fn written<E: de::Error>(self, text: &str) -> Result<f64, E> {
        let found = match self.0.field {
            Field::Feature(feature) => self.0.layout.text(self.0.row, feature, text).ok(),
            _ => None,
        };
        found.ok_or_else(|| self.wrong(text))
    }
}

impl<'de> Visitor<'de> for Single<'_, '_> {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
        match self.0.field {
            Field::Feature(feature) => self.0.layout.number(self.0.row, feature, value),
            _ => Ok(value),
        }
        .map_err(|refusal| self.0.fail(refusal))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
        if self.is_text() { self.written(&value.to_string()) } else { self.visit_f64(value as f64) }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
        if self.is_text() { self.written(&value.to_string()) } else { self.visit_f64(value as f64) }
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<f64, E> {
        if self.is_text() { self.written(&value.to_string()) } else { Err(self.wrong(&value.to_string())) }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<f64, E> {
        match self.0.field {
            Field::Feature(feature) => {
                self.0.layout.text(self.0.row, feature, value).map_err(|refusal| self.0.fail(refusal))
            }
            _ => Err(self.wrong(&quoted(value))),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<f64, E> {
        match self.0.field {
            Field::Feature(feature) => {
                self.0.layout.missing(self.0.row, feature, "null").map_err(|refusal| self.0.fail(refusal))
            }
            _ => Err(self.wrong("null")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<f64, A::Error> {
        Err(self.wrong("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<f64, A::Error> {
        Err(self.wrong("an object"))
    }
}

/// Counts what is left of a list.
pub(super) fn count_rest<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<usize, A::Error> {
    let mut count = 0;
    while seq.next_element::<IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}

impl Reader<'_> {
    /// The refusal of a value of another type, at the place where the reader stands.
    pub(super) fn mistyped(&self, got: &str) -> Refusal {
        match &self.field {
            Field::Feature(feature) => self.layout.mistyped(self.row, *feature, got),
            Field::Tensor(name) => Refusal::value(Some(self.row), name, "a finite number", got),
            Field::Unknown => {
                Refusal::at(Some(self.row), format!("expected a finite number, got {got}")).expected("a finite number")
            }
        }
    }

    /// Reads a whole JSON text by `seed`, which writes into this reader.
    pub(super) fn read_json<'de, T>(
        &mut self,
        body: &'de [u8],
        seed: impl FnOnce(&mut Self, &mut serde_json::Deserializer<serde_json::de::SliceRead<'de>>) -> serde_json::Result<T>,
    ) -> Result<T, Refusal> {
        let body = super::without_mark(body);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::input("the body is empty".to_owned()).expected("JSON"));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        seed(self, &mut deserializer)
            .and_then(|value| deserializer.end().map(|()| value))
            .map_err(|error| self.refusal.take().unwrap_or_else(|| self.explain(body, &error)))
    }

    /// Turns an error of the JSON parser into a refusal that says where.
    fn explain(&self, body: &[u8], error: &serde_json::Error) -> Refusal {
        if error.classify() == Category::Data {
            return Refusal::input(format!("the JSON does not fit: {error}"));
        }
        if error.to_string().starts_with("number out of range") {
            return self.mistyped(TOO_LARGE);
        }
        if let Some(token) = literal(body, error) {
            return self.mistyped(&format!("{token}, which is no JSON"));
        }
        let cut = if error.is_eof() { " (is the body cut off?)" } else { "" };
        Refusal::input(format!("the body is not valid JSON: {error}{cut}")).expected("JSON (RFC 8259)")
    }
}

/// The literal that Python's `json` writes for a number that is not finite, where the parser stumbled over it.
fn literal(body: &[u8], error: &serde_json::Error) -> Option<&'static str> {
    let line = body.split(|byte| *byte == b'\n').nth(error.line().checked_sub(1)?)?;
    // The column counts bytes from 1 and stands on the offending byte: after a minus, on what follows it.
    let (before, after) = line.split_at_checked(error.column().saturating_sub(1))?;
    ["NaN", "Infinity"]
        .into_iter()
        .find(|token| after.starts_with(token.as_bytes()))
        .map(|token| if token == "Infinity" && before.ends_with(b"-") { "-Infinity" } else { token })
}
