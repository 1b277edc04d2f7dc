use std::{borrow::Cow, fmt};

use mlci_model::{Kind, Unseen, date_text, is_missing, parse_date};
use serde::{Deserialize, Serialize};

use super::{
    cell::{self, Cell, Form},
    rule::{Fill, Rule},
    tally::Tally,
};

/// What stands in a row in the place of a column, before it is known what the column is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field<'f> {
    /// A text whose white space is trimmed.
    Text(Cow<'f, [u8]>),
    /// A number from a format that has numbers.
    Number(f64, Form),
    /// Days since 1970-01-01 in UTC, from a format that has dates.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "CSV has texts alone"))]
    Days(f64),
}

impl<'f> Field<'f> {
    pub(super) fn text(field: &'f [u8]) -> Self {
        Self::Text(Cow::Borrowed(field.trim_ascii()))
    }

    /// How people would write it.
    pub(super) fn written(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number, _) => Cow::Owned(number.to_string().into_bytes()),
            Self::Days(days) => {
                Cow::Owned(date_text(*days).unwrap_or_else(|| format!("{days} days since 1970")).into_bytes())
            }
        }
    }

    /// Whether it marks a missing value, and no level that is declared.
    pub(super) fn is_missing(&self, rule: &Rule) -> bool {
        match self {
            Self::Text(text) => is_missing(text) && position_of(rule, text).is_none(),
            Self::Number(number, _) => number.is_nan(),
            Self::Days(_) => false,
        }
    }

    /// Its value in a column that is used.
    pub(super) fn read(&self, rule: &Rule, tally: &mut Tally) -> Cell {
        match (rule.kind, self) {
            (_, Self::Number(number, _)) if number.is_nan() => Cell::Missing,
            (Some(Kind::Category), field) => field.read_level(rule, tally),
            (Some(Kind::Date), Self::Text(text)) if is_missing(text) => Cell::Missing,
            (Some(Kind::Date), Self::Text(text)) => match std::str::from_utf8(text).ok().and_then(parse_date) {
                Some(days) => Cell::Number(days, form(days)),
                None => Cell::Text,
            },
            (Some(Kind::Date), Self::Number(..)) => Cell::Text,
            (_, Self::Days(days)) => Cell::Number(*days, form(*days)),
            (_, field) => field.parse(),
        }
    }

    /// Its value in a column of which nothing is known.
    pub(super) fn parse(&self) -> Cell {
        match self {
            Self::Text(text) => cell::parse(text),
            Self::Number(number, _) if number.is_nan() => Cell::Missing,
            Self::Number(number, _) if number.is_infinite() => Cell::NotFinite,
            Self::Number(number, form) => Cell::Number(*number, *form),
            Self::Days(_) => Cell::Text,
        }
    }

    fn read_level(&self, rule: &Rule, tally: &mut Tally) -> Cell {
        let text = self.written();
        match position_of(rule, &text) {
            Some(position) => level(position),
            None if is_missing(&text) => Cell::Missing,
            None if rule.takes_levels_of_data() => match std::str::from_utf8(&text) {
                Ok(text) => level(tally.levels.position(text)),
                Err(_) => Cell::Text,
            },
            // Of a row that the first pass has dropped, since it has found all others.
            None if rule.has_found_levels() => level(0),
            None if rule.unseen == Unseen::Base => {
                tally.unseen += 1;
                level(0)
            }
            None => Cell::Text,
        }
    }

    /// Adds to `bytes` what tells it from others: of a text, itself.
    pub(super) fn add_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Text(text) => bytes.extend(text.iter()),
            Self::Number(value, _) | Self::Days(value) => {
                // No text has this byte.
                bytes.push(0xff);
                bytes.extend(value.to_bits().to_le_bytes());
            }
        }
    }
}

/// What stands in for a missing value.
pub(super) fn filled(fill: &Fill, tally: &mut Tally) -> Cell {
    match fill {
        Fill::Value(value) => Cell::Number(*value, form(*value)),
        Fill::Level(name) => level(tally.levels.position(name)),
    }
}

/// The position of a level that is declared.
fn position_of(rule: &Rule, text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok().and_then(|text| rule.position(text))
}

fn level(position: usize) -> Cell {
    Cell::Number(position as f64, Form::Whole)
}

fn form(value: f64) -> Form {
    if value.fract() == 0.0 { Form::Whole } else { Form::Decimal }
}

/// What rows are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowUnit {
    /// Lines of a text, the header included.
    #[default]
    Line,
    /// Rows of a table, from 1.
    Row,
}

impl fmt::Display for RowUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Line => "line",
            Self::Row => "row",
        })
    }
}
