use std::path::Path;

use mlci_train::{MissingPolicy, Problem, ReadError, ReadFileError, ReadOptions};

use crate::error::{Error, Result};

/// What a look at the data has shown: the answers with which it can be read.
pub(super) struct Survey {
    pub(super) options: ReadOptions,
    /// The columns of text, which are left out until somebody declares what they are.
    pub(super) texts: Vec<String>,
    /// The columns of whole numbers that are too large to be exact, as identifiers often are.
    pub(super) large: Vec<String>,
    /// How many rows are used.
    pub(super) rows: usize,
    /// How many features there are.
    pub(super) features: usize,
    /// How many rows lack a value.
    pub(super) dropped: u64,
}

/// Reads the data, and where it cannot be read as it is, answers what the reader asks for: another delimiter, columns
/// to leave out, rows to drop. What needs a person is an error.
pub(super) fn survey(path: &Path, shown: &str, target: Option<&str>) -> Result<Survey> {
    let unusable =
        |error: ReadFileError| Error::invalid(format!("the data `{shown}` cannot be used")).because(error.source);
    let (delimiter, header) = header(path).map_err(unusable)?;
    let target = match (target, header.last()) {
        (Some(target), _) => target.to_owned(),
        (None, Some(last)) => last.clone(),
        (None, None) => return Err(unusable(ReadFileError { path: path.to_owned(), source: ReadError::Empty })),
    };
    let mut options = ReadOptions::new(target);
    options.delimiter = delimiter;
    let (mut texts, mut large) = (Vec::new(), Vec::new());
    // Each round leaves out a column or begins to drop rows, so there are not more rounds than columns and one.
    for _ in 0..=header.len() + 1 {
        let error = match mlci_train::read_csv_file(path, &options) {
            Ok((table, _)) => {
                let report = table.report();
                let (rows, features) = (table.rows(), table.schema().features.len());
                let dropped = report.rows_read.saturating_sub(report.rows_kept);
                return Ok(Survey { options, texts, large, rows, features, dropped });
            }
            Err(error) => error,
        };
        let found = match &error.source {
            ReadError::TextColumns { columns } if columns.iter().all(|column| !column.is_target) => {
                texts.extend(columns.iter().map(|column| column.first.column.clone()));
                columns.iter().map(|column| column.first.column.clone()).collect()
            }
            ReadError::TextColumns { .. } => {
                let numbers = "name a column of numbers: init --target COLUMN";
                return Err(unusable(error).help(format!("{numbers}; the columns are {}", header.join(", "))));
            }
            ReadError::Problems { problems, .. } => {
                let beyond = problems.iter().filter_map(|problem| match problem {
                    Problem::BeyondExact { at } if at.column != options.target => Some(at.column.clone()),
                    _ => None,
                });
                let mut beyond: Vec<String> = beyond.collect();
                beyond.dedup();
                large.extend(beyond.iter().cloned());
                let missing = problems.iter().any(|problem| {
                    matches!(problem, Problem::Missing { .. } | Problem::NotFinite { .. } | Problem::OnlyMissing { .. })
                });
                if beyond.is_empty() && missing && options.missing == MissingPolicy::Stop {
                    options.missing = MissingPolicy::Drop;
                    continue;
                }
                beyond
            }
            _ => Vec::new(),
        };
        if found.is_empty() {
            return Err(unusable(error));
        }
        options.exclude.extend(found);
    }
    Err(Error::invalid(format!("the data `{shown}` changed while it was looked at")))
}

/// The names of the columns, and what separates them.
fn header(path: &Path) -> Result<(u8, Vec<String>), ReadFileError> {
    let delimiter = b',';
    match mlci_train::read_header(path, delimiter) {
        Err(ReadFileError { source: ReadError::WrongDelimiter { found, .. }, .. }) => {
            let delimiter = u8::try_from(found).unwrap_or(delimiter);
            Ok((delimiter, mlci_train::read_header(path, delimiter)?))
        }
        other => Ok((delimiter, other?)),
    }
}
