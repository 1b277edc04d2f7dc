use std::fmt;

use mlci_model::Kind;

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
    /// A value is outside the bounds that are declared for its column.
    OutOfBounds {
        /// Where.
        at: Place,
        /// The smallest value allowed.
        min: Option<f64>,
        /// The largest value allowed.
        max: Option<f64>,
    },
}

/// Where a value stands, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line on which its row begins.
    pub line: u64,
    /// The name of its column.
    pub column: String,
    /// The text of the cell, cut where it is long.
    pub value: String,
}

impl Place {
    pub(super) fn new(line: u64, column: &str, cell: &[u8]) -> Self {
        const SHOWN: usize = 40;
        let text = String::from_utf8_lossy(cell);
        let mut value: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
        if text.chars().nth(SHOWN).is_some() {
            value.push('…');
        }
        Self { line, column: column.to_owned(), value }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column `{}`: ", self.line, self.column)?;
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
            | Self::OnlyMissing { line } => *line,
            Self::Missing { at }
            | Self::NotFinite { at }
            | Self::NotANumber { at }
            | Self::BeyondExact { at }
            | Self::NotInteger { at }
            | Self::OutOfBounds { at, .. } => at.line,
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
            Self::NotUtf8 { line } => write!(f, "line {line}: not valid UTF-8: save the data as UTF-8"),
            Self::UnclosedQuote { line } => write!(f, "line {line}: a quote is opened and never closed"),
            Self::OnlyMissing { line } => {
                write!(f, "line {line}: every value is missing: delete the line, or write `[data] missing = \"drop\"`")
            }
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
            Self::OutOfBounds { at, min, max } => {
                write!(f, "{at} is outside what `[data.columns.{:?}]` allows (", at.column)?;
                match (min, max) {
                    (Some(min), Some(max)) => write!(f, "{min} to {max})"),
                    (Some(min), None) => write!(f, "at least {min})"),
                    (None, Some(max)) => write!(f, "at most {max})"),
                    (None, None) => write!(f, "anything)"),
                }
            }
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
                 numbers",
                column.first
            ));
        }
        if !features.is_empty() {
            let places: Vec<String> = features.iter().map(|column| column.first.to_string()).collect();
            let names: Vec<String> = features.iter().map(|column| format!("{:?}", column.first.column)).collect();
            parts.push(format!(
                "text cannot be used as a feature ({}): write `[data] exclude = [{}]`, or list the columns to use in \
                 `[data] features`",
                places.join("; "),
                names.join(", ")
            ));
        }
        parts.join("; ")
    }
}
