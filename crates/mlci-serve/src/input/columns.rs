//! MLflow's `inputs`: rows, or columns by name.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    Field, Reader,
    record::{Key, KeySeed, Rows},
    value::Single,
};
use crate::refusal::Refusal;

/// A list of rows, or an object of columns.
pub(super) struct Inputs<'a, 's>(pub(super) &'a mut Reader<'s>);

impl<'de> DeserializeSeed<'de> for Inputs<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inputs<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows or an object of columns")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        Rows(self.0).visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.0;
        let mut guess = 0;
        let mut seen = vec![false; reader.layout.width()];
        let mut first = None;
        while let Some(key) = map.next_key_seed(KeySeed { reader, guess, reserved: None })? {
            let Key::Feature(feature) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Some(seen) = seen.get_mut(feature)
                && std::mem::replace(seen, true)
            {
                let name = reader.layout.name(feature);
                let refusal = Refusal::input(format!("the column `{name}` is there twice")).field(name);
                return Err(reader.fail(refusal.expected("every column once")));
            }
            reader.field = Field::Feature(feature);
            reader.row = 0;
            let column = map.next_value_seed(Column { reader, feature, write: first.is_some() })?;
            let before = *first.get_or_insert(feature);
            reader.take_column(feature, before, &column).map_err(|refusal| reader.fail(refusal))?;
            guess = feature + 1;
        }
        reader.refuse_absent(&seen).map_err(|refusal| reader.fail(refusal))?;
        reader.fill_absent(&seen);
        Ok(())
    }
}

impl Reader<'_> {
    /// Ends a column. The first one, `first`, gives the number of rows and comes as a list; the others are in place.
    fn take_column(&mut self, feature: usize, first: usize, column: &Values) -> Result<(), Refusal> {
        let width = self.layout.width();
        if feature == first {
            self.rows = column.count;
            self.values = vec![f64::NAN; column.count * width];
            for (row, value) in self.values.chunks_exact_mut(width).zip(&column.kept) {
                if let Some(slot) = row.get_mut(feature) {
                    *slot = *value;
                }
            }
        } else if column.count != self.rows {
            let (name, other) = (self.layout.name(feature), self.layout.name(first));
            let (count, rows) = (column.count, self.rows);
            return Err(Refusal::input(format!("the column `{name}` has {count} values, `{other}` has {rows}"))
                .field(name)
                .expected("columns of the same length"));
        }
        Ok(())
    }

    /// Fills in the columns that have not been seen, each of which has a fill.
    pub(super) fn fill_absent(&mut self, seen: &[bool]) {
        let layout = self.layout;
        for row in self.values.chunks_exact_mut(layout.width()) {
            for (feature, (value, seen)) in row.iter_mut().zip(seen).enumerate() {
                if let Some(fill) = layout.fill(feature).filter(|_| !seen) {
                    *value = fill;
                }
            }
        }
    }
}

/// A column that was read: how many values, and the values where they are not in place yet.
#[derive(Default)]
struct Values {
    count: usize,
    kept: Vec<f64>,
}

/// The values of one feature: a list of values, of lists of one value, or a bare value.
struct Column<'a, 's> {
    reader: &'a mut Reader<'s>,
    feature: usize,
    /// Whether the number of rows is known, so that values go to their place at once.
    write: bool,
}

impl<'de> DeserializeSeed<'de> for Column<'_, '_> {
    type Value = Values;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Values, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Column<'_, '_> {
    fn add(&mut self, values: &mut Values, value: f64) {
        if self.write {
            let slot = values.count * self.reader.layout.width() + self.feature;
            // Values beyond the last row are only counted: the length is refused at the end of the column.
            if let Some(slot) = self.reader.values.get_mut(slot) {
                *slot = value;
            }
        } else {
            values.kept.push(value);
        }
        values.count += 1;
    }

    /// The one value that `read` reads.
    fn only<E: de::Error>(mut self, read: impl FnOnce(Single<'_, '_>) -> Result<f64, E>) -> Result<Values, E> {
        let value = read(Single(self.reader))?;
        let mut values = Values::default();
        self.add(&mut values, value);
        Ok(values)
    }
}

impl<'de> Visitor<'de> for Column<'_, '_> {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Values, A::Error> {
        let mut values = Values::default();
        while let Some(value) = seq.next_element_seed(Cell(self.reader))? {
            self.add(&mut values, value);
            self.reader.row = values.count;
        }
        Ok(values)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Values, E> {
        self.only(|single| single.visit_f64(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Values, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Values, E> {
        self.visit_f64(value as f64)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Values, E> {
        self.only(|single| single.visit_str(value))
    }
}

/// A value, or a list of one value.
struct Cell<'a, 's>(&'a mut Reader<'s>);

impl<'de> DeserializeSeed<'de> for Cell<'_, '_> {
    type Value = f64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell<'_, '_> {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
        Single(self.0).visit_f64(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
        Single(self.0).visit_i64(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
        Single(self.0).visit_u64(value)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<f64, E> {
        Single(self.0).visit_bool(value)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<f64, E> {
        Single(self.0).visit_str(value)
    }

    fn visit_unit<E: de::Error>(self) -> Result<f64, E> {
        Single(self.0).visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<f64, A::Error> {
        let reader = self.0;
        let value = seq.next_element_seed(Single(reader))?;
        match value {
            Some(value) if seq.next_element::<IgnoredAny>()?.is_none() => Ok(value),
            _ => {
                let refusal = reader.mistyped("a list of another length than 1");
                Err(reader.fail(refusal))
            }
        }
    }
}
