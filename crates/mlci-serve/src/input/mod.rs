//! From a request's body to rows: one module a format, all writing into a [`Reader`].

mod columns;
pub(crate) mod csv;
pub(crate) mod infer;
pub(crate) mod mlflow;
pub(crate) mod predict;
mod record;
mod tensor;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashMap;

use mlci_model::{Column, Kind, Model};
use serde::de;

use crate::{nearest, refusal::Refusal};

/// The columns of a model, prepared for looking names up.
#[derive(Debug)]
pub(crate) struct Layout {
    columns: Vec<Column>,
    positions: HashMap<String, usize>,
}

impl Layout {
    pub(crate) fn of(model: &Model) -> Self {
        let columns = model.schema().features.clone();
        let positions = columns.iter().enumerate().map(|(index, column)| (column.name.clone(), index)).collect();
        Self { columns, positions }
    }

    fn width(&self) -> usize {
        self.columns.len()
    }

    fn name(&self, feature: usize) -> &str {
        self.columns.get(feature).map_or("", |column| &column.name)
    }

    /// Clients send fields in the same order in every row, most often the schema's, so `guess` is tried first.
    fn position(&self, name: &str, guess: usize) -> Option<usize> {
        if self.columns.get(guess).is_some_and(|column| column.name == name) {
            return Some(guess);
        }
        self.positions.get(name).copied()
    }

    /// ``(did you mean `x`?)``, or nothing.
    fn suggestion(&self, name: &str) -> String {
        nearest::suggestion(name, self.columns.iter().map(|column| column.name.as_str()))
    }

    /// What a value of this feature has to be.
    fn expected(&self, feature: usize) -> String {
        let Some(column) = self.columns.get(feature) else { return "a finite number".to_owned() };
        let kind = match column.kind {
            Kind::Integer => "a whole number of at most 2^53",
            _ => "a finite number",
        };
        column.unit.as_ref().map_or_else(|| kind.to_owned(), |unit| format!("{kind} in {unit}"))
    }

    /// The names of the features, cut where there are many.
    fn names(&self) -> String {
        const SHOWN: usize = 20;
        let names: Vec<_> = self.columns.iter().take(SHOWN).map(|column| format!("`{}`", column.name)).collect();
        let rest = self.columns.len().saturating_sub(SHOWN);
        let names = names.join(", ");
        if rest > 0 { format!("{names} and {rest} more") } else { names }
    }

    /// Refuses a value that this feature cannot have.
    fn check(&self, row: usize, feature: usize, value: f64) -> Result<(), Refusal> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let whole = self.columns.get(feature).is_none_or(|column| column.kind != Kind::Integer)
            || (value.fract() == 0.0 && value.abs() <= EXACT);
        if value.is_finite() && whole {
            return Ok(());
        }
        Err(self.mistyped(row, feature, &value.to_string()))
    }

    fn mistyped(&self, row: usize, feature: usize, got: &str) -> Refusal {
        Refusal::value(Some(row), self.name(feature), &self.expected(feature), got)
    }
}

/// What becomes of fields that the model does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extras {
    Refuse,
    /// As MLflow does, whose clients send whole data frames, target and index included.
    Ignore,
}

/// Rows that were read and checked, row-major.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    pub(crate) values: Vec<f64>,
    pub(crate) rows: usize,
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Unknown,
    Feature(usize),
    Tensor(String),
}

/// Collects rows, knows where it stands, and keeps the refusal that serde's errors have no room for.
///
/// A value that has not come yet is NaN: no value that is let in is.
struct Reader<'s> {
    layout: &'s Layout,
    extras: Extras,
    values: Vec<f64>,
    rows: usize,
    /// The row that is being read.
    row: usize,
    /// The field whose value is being read.
    field: Field,
    /// Which feature each column of a row given as a list is; `None` is the order of the schema.
    order: Option<Vec<Option<usize>>>,
    /// Unknown names of the first row, to find the one that was meant where a feature is missing.
    ignored: Vec<String>,
    refusal: Option<Refusal>,
}

impl<'s> Reader<'s> {
    fn new(layout: &'s Layout, extras: Extras) -> Self {
        let (values, ignored) = (Vec::new(), Vec::new());
        Self { layout, extras, values, rows: 0, row: 0, field: Field::Unknown, order: None, ignored, refusal: None }
    }

    /// Ends the reading: serde gets an error of its own, the refusal is kept.
    fn fail<E: de::Error>(&mut self, refusal: Refusal) -> E {
        self.refusal.get_or_insert(refusal);
        E::custom("refused")
    }

    /// A new row without values; its first slot.
    fn open_row(&mut self) -> usize {
        let start = self.values.len();
        self.values.resize(start + self.layout.width(), f64::NAN);
        self.row = self.rows;
        start
    }

    /// Puts a value into the row that starts at `start`.
    fn put(&mut self, start: usize, feature: usize, value: f64) -> Result<(), Refusal> {
        let Some(slot) = self.values.get_mut(start + feature) else { return Ok(()) };
        if !slot.is_nan() {
            let name = self.layout.name(feature);
            return Err(Refusal::at(Some(self.row), format!("the field `{name}` is there twice"))
                .field(name)
                .expected("every field once"));
        }
        *slot = value;
        Ok(())
    }

    /// Ends the row that starts at `start`, refusing it where a value is missing.
    fn close_row(&mut self, start: usize) -> Result<(), Refusal> {
        let row = self.values.get(start..).unwrap_or_default();
        if let Some(feature) = row.iter().position(|value| value.is_nan()) {
            return Err(self.missing(feature, Some(self.row)));
        }
        self.rows += 1;
        Ok(())
    }

    fn missing(&self, feature: usize, row: Option<usize>) -> Refusal {
        let name = self.layout.name(feature);
        let hint = nearest::suggestion(name, self.ignored.iter().map(String::as_str));
        let hint = hint.replace("did you mean", "is it");
        Refusal::at(row, format!("the field `{name}` is missing{hint}"))
            .field(name)
            .expected(&self.layout.expected(feature))
    }

    /// A name that no feature has: an error, or kept to be suggested later.
    fn unknown(&mut self, name: &str) -> Result<(), Refusal> {
        const KEPT: usize = 64;
        if self.extras == Extras::Refuse {
            let shown = shorten(name);
            let hint = self.layout.suggestion(name);
            return Err(Refusal::at(Some(self.rows), format!("the model has no field `{shown}`{hint}"))
                .field(&shown)
                .expected(&self.layout.names()));
        }
        if self.rows == 0 && self.ignored.len() < KEPT {
            self.ignored.push(shorten(name));
        }
        Ok(())
    }

    /// Sets which feature each column of a table with a header is.
    fn set_header<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Result<(), Refusal> {
        let mut order = Vec::new();
        let mut seen = vec![false; self.layout.width()];
        for (index, name) in names.enumerate() {
            let feature = self.layout.position(name, index);
            match feature.and_then(|feature| seen.get_mut(feature)) {
                Some(seen) if *seen => {
                    return Err(Refusal::input(format!("the column `{name}` is there twice"))
                        .field(name)
                        .expected("every column once"));
                }
                Some(seen) => *seen = true,
                None => self.unknown(name)?,
            }
            order.push(feature);
        }
        if let Some(feature) = seen.iter().position(|seen| !seen) {
            return Err(self.missing(feature, None));
        }
        self.order = Some(order);
        Ok(())
    }

    /// The refusal of the row being read, of `found` values.
    fn ragged(&self, found: usize) -> Refusal {
        let columns = self.order.as_ref().map_or(self.layout.width(), Vec::len);
        let expected = if self.order.is_some() {
            format!("{columns} values, one a column")
        } else {
            format!("{columns} values: {}", self.layout.names())
        };
        Refusal::at(Some(self.row), format!("expected {columns} values, got {found}")).expected(&expected)
    }

    fn finish(self) -> Result<Batch, Refusal> {
        if self.rows == 0 {
            return Err(Refusal::input("the request has no rows".to_owned()).expected("at least one row"));
        }
        Ok(Batch { values: self.values, rows: self.rows })
    }
}

/// Text from a client, cut for an error message.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().nth(SHOWN).is_none() {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

/// Some editors and exporters begin UTF-8 files with a byte order mark, which is no part of the content.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}
