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

use mlci_model::{Column, Kind, Model, NoValue};
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
            Kind::Integer => "a whole number of at most 2^53".to_owned(),
            Kind::Category => format!("one of {}", listed(&column.levels)),
            Kind::Date => "a date, such as \"2024-02-29\" or \"2024-02-29T12:00:00Z\"".to_owned(),
            _ => "a finite number".to_owned(),
        };
        column.unit.as_ref().map_or_else(|| kind.clone(), |unit| format!("{kind} in {unit}"))
    }

    /// The names of the features, cut where there are many.
    fn names(&self) -> String {
        const SHOWN: usize = 20;
        let names: Vec<_> = self.columns.iter().take(SHOWN).map(|column| format!("`{}`", column.name)).collect();
        let rest = self.columns.len().saturating_sub(SHOWN);
        let names = names.join(", ");
        if rest > 0 { format!("{names} and {rest} more") } else { names }
    }

    /// What stands in for this feature where it is missing.
    fn fill(&self, feature: usize) -> Option<f64> {
        self.columns.get(feature)?.fill
    }

    /// Whether values of this feature are texts.
    fn is_text(&self, feature: usize) -> bool {
        self.columns.get(feature).is_some_and(|column| matches!(column.kind, Kind::Category | Kind::Date))
    }

    /// The value of this feature that a number stands for.
    fn number(&self, row: usize, feature: usize, number: f64) -> Result<f64, Refusal> {
        let Some(column) = self.columns.get(feature) else { return Ok(number) };
        column.value_of_number(number).map_err(|_| self.mistyped(row, feature, &number.to_string()))
    }

    /// The value of this feature that a text stands for. Numbers are no texts.
    fn text(&self, row: usize, feature: usize, text: &str) -> Result<f64, Refusal> {
        let Some(column) = self.columns.get(feature).filter(|_| self.is_text(feature)) else {
            return Err(self.mistyped(row, feature, &quoted(text)));
        };
        column.value_of(text).map_err(|why| {
            let hint = match why {
                NoValue::Missing => format!(", which counts as missing{NOT_MISSING}"),
                _ => nearest::suggestion(text, column.levels.iter().map(String::as_str)),
            };
            self.mistyped(row, feature, &format!("{}{hint}", quoted(text)))
        })
    }

    /// The value of this feature that a cell of CSV stands for.
    fn cell(&self, row: usize, feature: usize, text: &str) -> Result<f64, Refusal> {
        if self.is_text(feature) && !text.trim_ascii().is_empty() {
            return self.text(row, feature, text);
        }
        let Some(column) = self.columns.get(feature) else { return Ok(f64::NAN) };
        let text = text.trim_ascii();
        column.value_of(text).map_err(|why| {
            let got = match why {
                NoValue::Missing if text.is_empty() => format!("nothing{NOT_MISSING}"),
                NoValue::Missing => format!("{}, which counts as missing{NOT_MISSING}", quoted(text)),
                NoValue::NotFinite if text.bytes().any(|byte| byte.is_ascii_digit()) => TOO_LARGE.to_owned(),
                NoValue::NotFinite | NoValue::NotWhole => shorten(text),
                _ => quoted(text),
            };
            self.mistyped(row, feature, &got)
        })
    }

    /// The value of this feature where it is missing, as `got` says.
    fn missing(&self, row: usize, feature: usize, got: &str) -> Result<f64, Refusal> {
        self.fill(feature).ok_or_else(|| self.mistyped(row, feature, &format!("{got}{NOT_MISSING}")))
    }

    fn mistyped(&self, row: usize, feature: usize, got: &str) -> Refusal {
        Refusal::value(Some(row), self.name(feature), &self.expected(feature), got)
    }
}

/// The end of a message about a value that is missing, and has nothing to stand in for it.
const NOT_MISSING: &str = " (the model takes no missing values here)";
const TOO_LARGE: &str = "a number too large for a 64-bit float";

/// The first few levels of a category.
fn listed(levels: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = levels.iter().take(SHOWN).map(|level| format!("\"{}\"", shorten(level))).collect();
    if levels.len() > SHOWN {
        shown.push(format!("and {} more", levels.len() - SHOWN));
    }
    shown.join(", ")
}

fn quoted(text: &str) -> String {
    format!("the text \"{}\"", shorten(text))
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

    /// Ends the row that starts at `start`: what is missing is filled in, or the row is refused.
    fn close_row(&mut self, start: usize) -> Result<(), Refusal> {
        let layout = self.layout;
        let row = self.values.get_mut(start..).unwrap_or_default();
        let mut absent = row.iter_mut().enumerate().filter(|(_, value)| value.is_nan());
        let unfilled = absent.find_map(|(feature, value)| match layout.fill(feature) {
            Some(fill) => {
                *value = fill;
                None
            }
            None => Some(feature),
        });
        if let Some(feature) = unfilled {
            return Err(self.missing(feature, Some(self.row)));
        }
        self.rows += 1;
        Ok(())
    }

    /// Refuses features that have not been seen, unless something stands in for them.
    fn refuse_absent(&self, seen: &[bool]) -> Result<(), Refusal> {
        let absent = seen.iter().enumerate().find(|(feature, seen)| !**seen && self.layout.fill(*feature).is_none());
        absent.map_or(Ok(()), |(feature, _)| Err(self.missing(feature, None)))
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
        self.refuse_absent(&seen)?;
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
