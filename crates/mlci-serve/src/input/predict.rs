//! Plain JSON rows: an object of fields, a list of rows, or `{"rows": [...]}`.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};

use super::{
    Batch, Extras, Layout, Reader,
    record::{Key, KeySeed, Rows, record},
};
use crate::refusal::Refusal;

pub(crate) fn read(layout: &Layout, body: &[u8]) -> Result<Batch, Refusal> {
    let mut reader = Reader::new(layout, Extras::Refuse);
    reader.read_json(body, |reader, json| json.deserialize_any(Top(reader)))?;
    reader.finish()
}

struct Top<'a, 's>(&'a mut Reader<'s>);

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of fields, a list of rows, or {\"rows\": [...]}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        Rows(self.0).visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.0;
        let first = map.next_key_seed(KeySeed { reader, guess: 0, reserved: Some("rows") })?;
        if !matches!(first, Some(Key::Reserved)) {
            return record(reader, map, first);
        }
        map.next_value_seed(Rows(reader))?;
        if let Some(other) = map.next_key::<String>()? {
            let other = super::shorten(&other);
            return Err(reader.fail(
                Refusal::input(format!("`{other}` beside `rows`: put every row into the list"))
                    .field(&other)
                    .expected("`rows` alone"),
            ));
        }
        Ok(())
    }
}
