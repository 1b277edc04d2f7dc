use std::{fmt, io, path::PathBuf};

use mlci_model::Value;

use super::{Compression, Problem, ProblemCount, TextColumn, chunks::LONGEST_ROW, levels::Levels, source::NoText};

/// Data that cannot be read as a table. The text says what to change in the data or in `mlci.toml`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The reader failed.
    #[error("the data cannot be read")]
    Io(#[source] io::Error),
    /// Compressed data ends too early, or is not what was compressed.
    #[error("the data is compressed by {format}, and damaged or cut off: make the file anew")]
    Damaged {
        /// The format.
        format: Compression,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The data is no CSV in UTF-8, by its first bytes.
    #[error("the data is {what}, and has to be CSV in UTF-8{}", remedy(what))]
    NotText {
        /// What it is instead.
        what: &'static str,
    },
    /// Parquet that cannot be read.
    #[error("the Parquet data cannot be read: it is damaged, cut off, or written in a way that is not known here")]
    Parquet(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A column of Parquet that is used has not one value a row.
    #[error("`{column}` is {what}, and cannot be a feature or the target: write `[data] exclude = [{column:?}]`")]
    Unreadable {
        /// The column.
        column: String,
        /// What it is.
        what: &'static str,
    },
    /// Columns in memory have different lengths.
    #[error("`{column}` has {found} values and `{first}` has {expected}: each row has to have one of either")]
    Length {
        /// The column.
        column: String,
        /// How many values it has.
        found: usize,
        /// The first column.
        first: String,
        /// How many that one has.
        expected: usize,
    },
    /// A row is so long that a quote is more likely never closed.
    #[error(
        "line {line}: the row that begins here is longer than {} MiB: look for a quote that is not closed",
        LONGEST_ROW >> 20
    )]
    LongRow {
        /// The line.
        line: u64,
    },
    /// There is not even a header.
    #[error("the data is empty: the first line has to name the columns")]
    Empty,
    /// There is a header and nothing else.
    #[error("the data has a header and no rows")]
    NoRows,
    /// Every row was left out.
    #[error(
        "all {read} rows were dropped, since each lacks a value{}",
        worst.as_ref().map_or_else(String::new, |(column, missing)| if column == target {
            format!(" (the target `{column}` in {missing} of them)")
        } else {
            format!(" (`{column}` in {missing} of them: if it can be spared, write `[data] exclude = [{column:?}]`)")
        })
    )]
    AllDropped {
        /// How many rows there were.
        read: u64,
        /// The column that lacks most values, and how many.
        worst: Option<(String, u64)>,
        /// The target, which cannot be left out.
        target: String,
    },
    /// The delimiter cannot be one.
    #[error("{:?} cannot separate fields: `[data] delimiter` is an ASCII character, not a quote or a line end",
        char::from(*delimiter))]
    InvalidDelimiter {
        /// The delimiter asked for.
        delimiter: u8,
    },
    /// The byte that comments begin with cannot be one.
    #[error("{:?} cannot begin comments: `[data] comment` is an ASCII character, not a quote, a line end or the \
        delimiter", char::from(*comment))]
    InvalidComment {
        /// The byte asked for.
        comment: u8,
    },
    /// The header is one field that contains another usual delimiter.
    #[error(
        "the header is the one column `{}`: if {found:?} separates fields, write `[data] delimiter = {found:?}`",
        short(header)
    )]
    WrongDelimiter {
        /// The header.
        header: String,
        /// The delimiter that it seems to have.
        found: char,
    },
    /// The header is not UTF-8.
    #[error("the header is not valid UTF-8: {}", super::problem::TO_UTF8)]
    HeaderNotUtf8,
    /// A column has no name.
    #[error("column {position} of the header has no name: every column needs one")]
    EmptyName {
        /// Which column, from 1.
        position: usize,
    },
    /// Two columns have the same name.
    #[error("the header names `{}` twice (columns {first} and {second}): rename one of them", short(name))]
    DuplicateName {
        /// The name.
        name: String,
        /// The first column with it, from 1.
        first: usize,
        /// The second.
        second: usize,
    },
    /// The configuration names a column that the data does not have.
    #[error("{key} names `{name}`, which is not a column of the data; {}", suggestion(nearest.as_deref(), columns))]
    UnknownColumn {
        /// Where it is named.
        key: Key,
        /// The name.
        name: String,
        /// The most similar name that exists.
        nearest: Option<String>,
        /// All names that exist.
        columns: Vec<String>,
    },
    /// The configuration gives a column two roles.
    #[error("`{column}` {}", if first == second { format!("is listed twice in {first}") }
        else { format!("is named by both {first} and {second}: take it out of one of them") })]
    Conflict {
        /// The column.
        column: String,
        /// One place that names it.
        first: Key,
        /// The other.
        second: Key,
    },
    /// The bounds of a column contradict each other.
    #[error("`[data.columns.{column:?}]`: no value is at least {min} and at most {max}")]
    InvalidBounds {
        /// The column.
        column: String,
        /// The smallest value allowed.
        min: Value,
        /// The largest.
        max: Value,
    },
    /// What is declared about a column makes no sense.
    #[error("`[data.columns.{column:?}]`: {why}")]
    InvalidColumn {
        /// The column.
        column: String,
        /// What is wrong with it.
        why: String,
    },
    /// A category has so many levels that it is hardly one.
    #[error(
        "the category `{}` has more than {} levels, and each is a column of the model: it looks like an identifier; \
         write `[data] id = {0:?}` or `[data] exclude = [{0:?}]`, or list its levels in `[data.columns.{0:?}] levels`",
        short(column),
        Levels::LIMIT
    )]
    TooManyLevels {
        /// The column.
        column: String,
    },
    /// The target of a classifier has not two levels.
    #[error("{}", classes(target, levels))]
    Classes {
        /// The target.
        target: String,
        /// Its levels.
        levels: Vec<String>,
    },
    /// There is nothing to predict from.
    #[error("no features are left beside the target: `[data] features` or more columns are needed")]
    NoFeatures,
    /// Columns that are used hold text.
    #[error("{}", TextColumn::explain(columns))]
    TextColumns {
        /// The columns, in the order of the header.
        columns: Vec<TextColumn>,
    },
    /// Rows or values cannot be used.
    #[error("{}", explain(problems, counts, *total))]
    Problems {
        /// The first few, in the order of the lines.
        problems: Vec<Problem>,
        /// How often what is wrong with which column, in the order of the header; whole rows first.
        counts: Vec<ProblemCount>,
        /// How many there are in all.
        total: u64,
    },
}

impl ReadError {
    /// What a reader of the text failed with.
    pub(super) fn of(error: io::Error) -> Self {
        match error.downcast::<NoText>() {
            Ok(NoText::Damaged(format, why)) => Self::Damaged { format, source: io::Error::other(why) },
            Ok(NoText::Other(what)) => Self::NotText { what },
            Ok(NoText::LongRow(line)) => Self::LongRow { line },
            Err(error) => Self::Io(error),
        }
    }

    /// Whether the options are wrong, and not the data.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::InvalidDelimiter { .. }
                | Self::InvalidComment { .. }
                | Self::WrongDelimiter { .. }
                | Self::UnknownColumn { .. }
                | Self::Conflict { .. }
                | Self::InvalidBounds { .. }
                | Self::InvalidColumn { .. }
                | Self::TooManyLevels { .. }
        )
    }
}

/// A file that cannot be read as a table.
#[derive(Debug, thiserror::Error)]
#[error("cannot use `{}` as data", path.display())]
pub struct ReadFileError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: ReadError,
}

/// A key of the `[data]` table in `mlci.toml` that names columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Key {
    /// `[data] target`
    Target,
    /// `[data] features`
    Features,
    /// `[data] exclude`
    Exclude,
    /// `[data] id`
    Id,
    /// `[data.columns]`
    Columns,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Target => "`[data] target`",
            Self::Features => "`[data] features`",
            Self::Exclude => "`[data] exclude`",
            Self::Id => "`[data] id`",
            Self::Columns => "`[data.columns]`",
        })
    }
}

fn remedy(what: &str) -> String {
    match what {
        "UTF-16" | "UTF-32" => format!(": iconv -f {what} -t UTF-8"),
        "Parquet" => ": this program was built without the feature `parquet`, or reads it from a pipe".to_owned(),
        _ => ": export it as that".to_owned(),
    }
}

/// The beginning of a name that is no name a person would give.
fn short(name: &str) -> String {
    const SHOWN: usize = 60;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

fn suggestion(nearest: Option<&str>, columns: &[String]) -> String {
    const SHOWN: usize = 20;
    if let Some(nearest) = nearest {
        return format!("did you mean `{nearest}`?");
    }
    let shown: Vec<String> = columns.iter().take(SHOWN).map(|column| format!("`{}`", short(column))).collect();
    let rest = columns.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("the columns are {}{more}", shown.join(", "))
}

/// The first few levels, for messages.
pub(crate) fn some(levels: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = levels.iter().take(SHOWN).map(|level| format!("`{}`", short(level))).collect();
    if levels.len() > SHOWN {
        shown.push(format!("and {} more", levels.len() - SHOWN));
    }
    shown.join(", ")
}

fn classes(target: &str, levels: &[String]) -> String {
    match levels {
        [level] => {
            format!("the target `{target}` is `{}` in all rows: there is nothing to learn", short(level))
        }
        _ => format!(
            "the target `{target}` has {} classes ({}), and a classifier tells two apart: unite some, or leave rows out",
            levels.len(),
            some(levels)
        ),
    }
}

fn explain(problems: &[Problem], counts: &[ProblemCount], total: u64) -> String {
    let mut text = match total {
        1 => "1 problem in the data:".to_owned(),
        _ => format!("{total} problems in the data:"),
    };
    for problem in problems {
        text.push_str(&format!("\n  {problem}"));
    }
    let rest = total.saturating_sub(problems.len() as u64);
    if rest > 0 {
        text.push_str(&format!("\n  and {rest} more; in all {}", tallied(counts)));
    }
    text
}

/// `` `a`: 3 missing, 1 not finite; rows: 2 not UTF-8 ``
fn tallied(counts: &[ProblemCount]) -> String {
    const SHOWN: usize = 20;
    let mut parts: Vec<(Option<&str>, Vec<String>)> = Vec::new();
    for found in counts {
        let column = found.column.as_deref();
        let count = format!("{} {}", found.count, found.kind);
        match parts.last_mut() {
            Some((last, texts)) if *last == column => texts.push(count),
            _ => parts.push((column, vec![count])),
        }
    }
    let more = parts.len().saturating_sub(SHOWN);
    let shown = parts.into_iter().take(SHOWN).map(|(column, texts)| {
        let of = column.map_or_else(|| "rows".to_owned(), |column| format!("`{}`", short(column)));
        format!("{of}: {}", texts.join(", "))
    });
    let mut text = shown.collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} columns more"));
    }
    text
}
