use std::fmt;

use mlci_model::{Kind, parse_date};

use super::RowUnit;

/// Text that is not UTF-8 and has no zero bytes is nearly always in one byte a character.
pub(super) const TO_UTF8: &str =
    "the text looks like Latin-1 or Windows-1252: save it as UTF-8, or iconv -f WINDOWS-1252 -t UTF-8";

/// A row or value that cannot be used. Lines count from 1, the header included, as editors count them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// A row has more or fewer fields than the header.
    Ragged {
        /// The line on which the row begins.
        line: u64,
        /// How many fields the header has.
        expected: usize,
        /// How many the row has.
        found: usize,
    },
    /// A row is not UTF-8.
    NotUtf8 {
        /// The line on which the row begins.
        line: u64,
    },
    /// A quote is never closed, so that the rest of the data would be one field.
    UnclosedQuote {
        /// The line on which the row begins.
        line: u64,
    },
    /// Every field of a row is missing.
    OnlyMissing {
        /// The line.
        line: u64,
        /// What it counts.
        unit: RowUnit,
    },
    /// A value is missing.
    Missing {
        /// Where.
        at: Place,
    },
    /// A value is infinite, or too large for an `f64`.
    NotFinite {
        /// Where.
        at: Place,
    },
    /// A value is no number, in a column of numbers.
    NotANumber {
        /// Where.
        at: Place,
    },
    /// A whole number beyond 2^53 would not keep its digits as an `f64`.
    BeyondExact {
        /// Where.
        at: Place,
    },
    /// A value is not whole or beyond 2^53, in a column that is declared as integer.
    NotInteger {
        /// Where.
        at: Place,
    },
    /// A value is outside the bounds that are declared for its column, or none of those that are allowed.
    OutOfBounds {
        /// Where.
        at: Place,
        /// What is allowed.
        allowed: String,
    },
    /// A text is no level of its column.
    UnknownLevel {
        /// Where.
        at: Place,
        /// The level that it is most like.
        nearest: Option<String>,
    },
    /// A text is neither a date nor a point in time, in a column of dates.
    NotADate {
        /// Where.
        at: Place,
    },
    /// A value stands in another row too, in a column that is declared as unique.
    NotUnique {
        /// Where.
        at: Place,
        /// The line of the first row that has it.
        first: u64,
    },
    /// More of a column is missing than is declared.
    TooManyMissing {
        /// The first that is.
        at: Place,
        /// How many rows lack it.
        missing: u64,
        /// How many rows there are.
        rows: u64,
        /// The largest share allowed.
        allowed: f64,
    },
}

/// What is wrong with a row or value, to count by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// [`Problem::Ragged`]
    Ragged,
    /// [`Problem::NotUtf8`]
    NotUtf8,
    /// [`Problem::UnclosedQuote`]
    UnclosedQuote,
    /// [`Problem::OnlyMissing`]
    OnlyMissing,
    /// [`Problem::Missing`]
    Missing,
    /// [`Problem::NotFinite`]
    NotFinite,
    /// [`Problem::NotANumber`]
    NotANumber,
    /// [`Problem::BeyondExact`]
    BeyondExact,
    /// [`Problem::NotInteger`]
    NotInteger,
    /// [`Problem::OutOfBounds`]
    OutOfBounds,
    /// [`Problem::UnknownLevel`]
    UnknownLevel,
    /// [`Problem::NotADate`]
    NotADate,
    /// [`Problem::NotUnique`]
    NotUnique,
    /// [`Problem::TooManyMissing`]
    TooManyMissing,
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ragged => "of another number of fields",
            Self::NotUtf8 => "not UTF-8",
            Self::UnclosedQuote => "with an open quote",
            Self::OnlyMissing => "with every value missing",
            Self::Missing => "missing",
            Self::NotFinite => "not finite",
            Self::NotANumber => "not a number",
            Self::BeyondExact => "beyond 2^53",
            Self::NotInteger => "not whole",
            Self::OutOfBounds => "not allowed",
            Self::UnknownLevel => "no level",
            Self::NotADate => "no date",
            Self::NotUnique => "not unique",
            Self::TooManyMissing => "too much missing",
        })
    }
}

/// How often something is wrong with a column, and where first.
#[derive(Debug, Clone, PartialEq)]
pub struct ProblemCount {
    /// The column; `None`: whole rows.
    pub column: Option<String>,
    /// What is wrong.
    pub kind: ProblemKind,
    /// How often.
    pub count: u64,
    /// The first few, in the order of the lines.
    pub first: Vec<Problem>,
}

/// Where a value stands, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line on which its row begins, or the number of the row.
    pub line: u64,
    /// What that counts.
    pub unit: RowUnit,
    /// The name of its column.
    pub column: String,
    /// The text of the cell, cut where it is long.
    pub value: String,
}

impl Place {
    pub(super) fn new(line: u64, unit: RowUnit, column: &str, cell: &[u8]) -> Self {
        const SHOWN: usize = 40;
        let text = String::from_utf8_lossy(cell);
        let mut value: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
        if text.chars().nth(SHOWN).is_some() {
            value.push('…');
        }
        Self { line, unit, column: column.to_owned(), value }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, column `{}`: ", self.unit, self.line, self.column)?;
        if self.value.is_empty() { f.write_str("an empty cell") } else { write!(f, "`{}`", self.value) }
    }
}

impl Problem {
    /// The line on which the row begins.
    #[must_use]
    pub fn line(&self) -> u64 {
        match self {
            Self::Ragged { line, .. }
            | Self::NotUtf8 { line }
            | Self::UnclosedQuote { line }
            | Self::OnlyMissing { line, .. } => *line,
            Self::Missing { at }
            | Self::NotFinite { at }
            | Self::NotANumber { at }
            | Self::BeyondExact { at }
            | Self::NotInteger { at }
            | Self::OutOfBounds { at, .. }
            | Self::UnknownLevel { at, .. }
            | Self::NotADate { at }
            | Self::NotUnique { at, .. }
            | Self::TooManyMissing { at, .. } => at.line,
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::Ragged { .. } => ProblemKind::Ragged,
            Self::NotUtf8 { .. } => ProblemKind::NotUtf8,
            Self::UnclosedQuote { .. } => ProblemKind::UnclosedQuote,
            Self::OnlyMissing { .. } => ProblemKind::OnlyMissing,
            Self::Missing { .. } => ProblemKind::Missing,
            Self::NotFinite { .. } => ProblemKind::NotFinite,
            Self::NotANumber { .. } => ProblemKind::NotANumber,
            Self::BeyondExact { .. } => ProblemKind::BeyondExact,
            Self::NotInteger { .. } => ProblemKind::NotInteger,
            Self::OutOfBounds { .. } => ProblemKind::OutOfBounds,
            Self::UnknownLevel { .. } => ProblemKind::UnknownLevel,
            Self::NotADate { .. } => ProblemKind::NotADate,
            Self::NotUnique { .. } => ProblemKind::NotUnique,
            Self::TooManyMissing { .. } => ProblemKind::TooManyMissing,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ragged { line, expected, found } => write!(
                f,
                "line {line}: expected {expected} fields as in the header, found {found}: look for a missing or \
                 unquoted delimiter, or a quote that is not closed"
            ),
            Self::NotUtf8 { line } => write!(f, "line {line}: not valid UTF-8: {TO_UTF8}"),
            Self::UnclosedQuote { line } => write!(f, "line {line}: a quote is opened and never closed"),
            Self::OnlyMissing { line, unit } => write!(
                f,
                "{unit} {line}: every value is missing: delete the {unit}, or write `[data] missing = \"drop\"`"
            ),
            Self::Missing { at } => {
                write!(
                    f,
                    "{at} is a missing value: fill it in, or write `[data] missing = \"drop\"` to leave such rows out"
                )
            }
            Self::NotFinite { at } => write!(
                f,
                "{at} is not a finite number: correct it, or write `[data] missing = \"drop\"` to leave such rows out"
            ),
            Self::NotANumber { at } if at.value.contains(',') => {
                write!(f, "{at} is not a number: write a decimal point, and no separator between thousands")
            }
            Self::NotANumber { at } => write!(f, "{at} is not a number: correct it"),
            Self::BeyondExact { at } => write!(
                f,
                "{at} is a whole number beyond 2^53 and would lose digits: if it names rows, write `[data] id = \
                 {0:?}`; if it is no feature, `[data] exclude = [{0:?}]`; if rounding does not matter, \
                 `[data.columns.{0:?}] kind = \"float\"`",
                at.column
            ),
            Self::NotInteger { at } => write!(
                f,
                "{at} is not a whole number of at most 2^53, as `[data.columns.{:?}] kind = \"{}\"` declares",
                at.column,
                Kind::Integer
            ),
            Self::OutOfBounds { at, allowed } => {
                write!(f, "{at} is outside what `[data.columns.{:?}]` allows ({allowed})", at.column)
            }
            Self::UnknownLevel { at, nearest } => {
                write!(f, "{at} is none of `[data.columns.{:?}] levels`", at.column)?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
                    None => f.write_str(": add it, or write `unseen = \"base\"` to count it as the base level"),
                }
            }
            Self::NotADate { at } => {
                write!(f, "{at} is no date: write it as 2024-02-29, or with a time as 2024-02-29T12:00:00Z")
            }
            Self::NotUnique { at, first } => write!(
                f,
                "{at} stands in {} {first} too, and `[data.columns.{:?}] unique = true` allows each value once",
                at.unit, at.column
            ),
            Self::TooManyMissing { at, missing, rows, allowed } => write!(
                f,
                "{} {}, column `{}`: the first of {missing} missing values in {rows} rows, and \
                 `[data.columns.{:?}] max_missing = {allowed}` allows a share of {allowed}",
                at.unit, at.line, at.column, at.column
            ),
        }
    }
}

/// A column of text that is used as a feature or as the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextColumn {
    /// Its first value that is no number.
    pub first: Place,
    /// Whether it is the target.
    pub is_target: bool,
}

impl TextColumn {
    pub(super) fn explain(columns: &[Self]) -> String {
        let (targets, features): (Vec<&Self>, Vec<&Self>) = columns.iter().partition(|column| column.is_target);
        let mut parts = Vec::new();
        for column in targets {
            parts.push(format!(
                "the target is text ({}): a regression predicts numbers, so `[data] target` has to name a column of \
                 numbers; to tell two classes apart, write `[data.columns.{:?}] kind = \"category\"`",
                column.first, column.first.column
            ));
        }
        if !features.is_empty() {
            let places: Vec<String> = features.iter().map(|column| column.first.to_string()).collect();
            let names: Vec<String> = features.iter().map(|column| format!("{:?}", column.first.column)).collect();
            let kinds = features.iter().map(|column| {
                let kind = if parse_date(&column.first.value).is_some() { Kind::Date } else { Kind::Category };
                format!("`[data.columns.{:?}] kind = \"{kind}\"`", column.first.column)
            });
            parts.push(format!(
                "text is used as a feature only where its kind is declared ({}): write {}, or `[data] exclude = \
                 [{}]`, or list the columns to use in `[data] features`",
                places.join("; "),
                kinds.collect::<Vec<_>>().join(", "),
                names.join(", ")
            ));
        }
        parts.join("; ")
    }
}
