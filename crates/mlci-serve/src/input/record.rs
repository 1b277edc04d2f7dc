use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    Field, Reader,
    value::{Single, count_rest},
};
use crate::refusal::Refusal;

/// A list of rows.
pub(super) struct Rows<'a, 's>(pub(super) &'a mut Reader<'s>);

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Row(self.0))?.is_some() {}
        Ok(())
    }
}

/// One row: an object of fields, a list of values, or a bare value where the model has one feature.
struct Row<'a, 's>(&'a mut Reader<'s>);

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.row = self.0.rows;
        self.0.field = Field::Unknown;
        deserializer.deserialize_any(self)
    }
}

impl Row<'_, '_> {
    fn wrong<E: de::Error>(self, got: &str) -> E {
        let row = self.0.row;
        let expected = "an object of fields or a list of values";
        self.0.fail(Refusal::at(Some(row), format!("expected {expected}, got {got}")).expected(expected))
    }

    /// A row of the one value that `read` reads.
    fn only<E: de::Error>(self, read: impl FnOnce(Single<'_, '_>) -> Result<f64, E>) -> Result<(), E> {
        let reader = self.0;
        reader.field = Field::Feature(0);
        let value = read(Single(reader))?;
        let start = reader.open_row();
        reader.put(start, 0, value).and_then(|()| reader.close_row(start)).map_err(|refusal| reader.fail(refusal))
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of fields or a list of values")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        record(self.0, map, None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let reader = self.0;
        let start = reader.open_row();
        let columns = reader.order.as_ref().map_or(reader.layout.width(), Vec::len);
        for column in 0..columns {
            let feature = reader.order.as_ref().map_or(Some(column), |order| order.get(column).copied().flatten());
            let there = if let Some(feature) = feature {
                reader.field = Field::Feature(feature);
                let value = seq.next_element_seed(Single(reader))?;
                if let Some(value) = value {
                    reader.put(start, feature, value).map_err(|refusal| reader.fail(refusal))?;
                }
                value.is_some()
            } else {
                seq.next_element::<IgnoredAny>()?.is_some()
            };
            if !there {
                let refusal = reader.ragged(column);
                return Err(reader.fail(refusal));
            }
        }
        let more = count_rest(seq)?;
        if more > 0 {
            let refusal = reader.ragged(columns + more);
            return Err(reader.fail(refusal));
        }
        reader.close_row(start).map_err(|refusal| reader.fail(refusal))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        if self.0.layout.width() != 1 {
            return Err(self.wrong(&format!("the number {value}")));
        }
        self.only(|single| single.visit_f64(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        Err(self.wrong(&value.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        if self.0.layout.width() != 1 || !self.0.layout.is_text(0) {
            return Err(self.wrong("a text"));
        }
        self.only(|value| value.visit_str(text))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(self.wrong("null"))
    }
}

/// What a key of an object names.
pub(super) enum Key {
    Feature(usize),
    /// A name that the model does not know, which the reader has let pass.
    Ignored,
    /// The reserved key that was asked for.
    Reserved,
}

/// Reads a key without copying it.
pub(super) struct KeySeed<'a, 's> {
    pub(super) reader: &'a mut Reader<'s>,
    pub(super) guess: usize,
    /// A key with a meaning of its own, unless a feature has that name.
    pub(super) reserved: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_, '_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_, '_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Key, E> {
        match self.reader.layout.position(name, self.guess) {
            Some(feature) => Ok(Key::Feature(feature)),
            None if self.reserved == Some(name) => Ok(Key::Reserved),
            None => self.reader.unknown(name).map(|()| Key::Ignored).map_err(|refusal| self.reader.fail(refusal)),
        }
    }
}

/// Reads an object of fields as one row. `first` is its first key, where that has been read.
pub(super) fn record<'de, A: MapAccess<'de>>(
    reader: &mut Reader<'_>,
    mut map: A,
    first: Option<Key>,
) -> Result<(), A::Error> {
    let start = reader.open_row();
    let mut key = first;
    let mut guess = 0;
    loop {
        let name = match key.take() {
            Some(key) => Some(key),
            None => map.next_key_seed(KeySeed { reader, guess, reserved: None })?,
        };
        let Some(name) = name else { break };
        if let Key::Feature(feature) = name {
            reader.field = Field::Feature(feature);
            let value = map.next_value_seed(Single(reader))?;
            reader.put(start, feature, value).map_err(|refusal| reader.fail(refusal))?;
            guess = feature + 1;
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    reader.close_row(start).map_err(|refusal| reader.fail(refusal))
}
