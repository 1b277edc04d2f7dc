//! MLflow's scoring formats (MLflow documentation, "Deploy MLflow Model as a Local Inference Server", "Accepted Input
//! Formats"): `dataframe_split`, `dataframe_records`, `instances` and `inputs`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Batch, Extras, Layout, Reader, columns::Inputs, record::Rows, shorten};
use crate::{nearest, refusal::Refusal};

const FORMATS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];
/// What MLflow and TensorFlow Serving clients send along, which changes nothing here.
const IGNORED: [&str; 2] = ["params", "signature_name"];

pub(crate) fn read(layout: &Layout, body: &[u8]) -> Result<Batch, Refusal> {
    let mut reader = Reader::new(layout, Extras::Ignore);
    let again = reader.read_json(body, |reader, json| json.deserialize_map(Top(reader)))?;
    // The rows came before the names of their columns, which are known now.
    if again {
        reader.read_json(body, |reader, json| json.deserialize_map(Top(reader)))?;
    }
    reader.finish()
}

/// Whether the text has to be read once more.
type Again = bool;

struct Top<'a, 's>(&'a mut Reader<'s>);

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = Again;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with one of the keys {}", FORMATS.join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Again, A::Error> {
        let reader = self.0;
        let (mut found, mut again) = (None::<String>, false);
        while let Some(key) = map.next_key::<String>()? {
            if IGNORED.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if let Some(before) = found.filter(|_| FORMATS.contains(&key.as_str())) {
                return Err(reader.fail(
                    Refusal::input(format!("`{key}` beside `{before}`: a request has one of them"))
                        .field(&key)
                        .expected(&one_of()),
                ));
            }
            match key.as_str() {
                "dataframe_split" => again = map.next_value_seed(Split(reader))?,
                "dataframe_records" | "instances" => map.next_value_seed(Rows(reader))?,
                "inputs" => map.next_value_seed(Inputs(reader))?,
                _ => {
                    let hint = nearest::suggestion(&key, FORMATS.into_iter());
                    let key = shorten(&key);
                    let refusal = Refusal::input(format!("the key `{key}` has no meaning here{hint}"));
                    return Err(reader.fail(refusal.field(&key).expected(&one_of())));
                }
            }
            found = Some(key);
        }
        if found.is_none() {
            return Err(reader.fail(Refusal::input("the object is empty".to_owned()).expected(&one_of())));
        }
        Ok(again)
    }
}

fn one_of() -> String {
    format!("one of {}", FORMATS.map(|format| format!("`{format}`")).join(", "))
}

/// `{"columns": [...], "data": [[...]], "index": [...]}`, as pandas writes it, in any order.
struct Split<'a, 's>(&'a mut Reader<'s>);

impl<'de> DeserializeSeed<'de> for Split<'_, '_> {
    type Value = Again;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Again, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Split<'_, '_> {
    type Value = Again;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `columns` and `data`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Again, A::Error> {
        let reader = self.0;
        let (mut columns, mut data, mut skipped) = (false, false, false);
        while let Some(key) = map.next_key::<String>()? {
            let seen = match key.as_str() {
                "columns" => &mut columns,
                "data" => &mut data,
                "index" => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => {
                    let key = shorten(&key);
                    let hint = nearest::suggestion(&key, ["columns", "data", "index"].into_iter());
                    let refusal = Refusal::input(format!("`dataframe_split` has no key `{key}`{hint}")).field(&key);
                    return Err(reader.fail(refusal.expected("`columns` and `data`")));
                }
            };
            if std::mem::replace(seen, true) {
                let refusal = Refusal::input(format!("`dataframe_split` has the key `{key}` twice")).field(&key);
                return Err(reader.fail(refusal.expected("`columns` and `data`, once each")));
            }
            if key == "columns" {
                let names: Vec<String> = map.next_value()?;
                reader.set_header(names.iter().map(String::as_str)).map_err(|refusal| reader.fail(refusal))?;
            } else if reader.order.is_some() {
                map.next_value_seed(Rows(reader))?;
            } else {
                map.next_value::<IgnoredAny>()?;
                skipped = true;
            }
        }
        for (key, seen) in [("columns", columns), ("data", data)] {
            if !seen {
                let refusal = Refusal::input(format!("`dataframe_split` has no `{key}`")).field(key);
                return Err(reader.fail(refusal.expected("`columns` and `data`")));
            }
        }
        Ok(skipped)
    }
}
