use std::{io::Read, path::Path};

use csv::{ByteRecord, ReaderBuilder};
use mlci_core::Digest;

use crate::Table;

mod assemble;
mod cell;
mod error;
mod options;
mod plan;
mod problem;
mod rows;
mod tally;
mod text;

pub use self::{
    error::{Key, ReadError, ReadFileError},
    options::{ColumnOptions, MissingPolicy, ReadOptions},
    problem::{Place, Problem, TextColumn},
};
use self::{
    plan::Plan,
    rows::Rows,
    text::{Hashing, Text},
};

/// Reads CSV (RFC 4180) whose first line names the columns.
///
/// A byte order mark is skipped, line ends may be `\n`, `\r\n` or `\r`, empty lines are skipped, white space around
/// fields is trimmed. Missing is a cell that is empty or `NA`, `N/A`, `NaN`, `null` or `None` in any case of letters,
/// quoted or not. Every cell of a feature or of the target is a finite number, or its row is handled by
/// [`ReadOptions::missing`], or it is an error; other columns are not checked. The table depends on the bytes only,
/// not on how they arrive.
///
/// Memory: 8 bytes for each value of a numeric column and 16 a row, and the longest row.
///
/// # Errors
/// [`ReadError`]: wrong options, a header that does not fit them, or [`ReadError::Problems`] with the first few
/// problems in the rows and how many there are.
pub fn read_csv(reader: impl Read, options: &ReadOptions) -> Result<Table, ReadError> {
    read(Text::new(reader), options).map(|(table, _)| table)
}

/// Reads a CSV file as [`read_csv`] does. The digest of its bytes comes with it, from the same pass.
///
/// # Errors
/// [`ReadFileError`] naming the path.
pub fn read_csv_file(path: &Path, options: &ReadOptions) -> Result<(Table, Digest), ReadFileError> {
    let at = |source| ReadFileError { path: path.to_owned(), source };
    let file = mlci_core::open_file(path).map_err(|error| at(ReadError::Io(error.source)))?;
    // The table is there only after the last byte has been read.
    let (table, text) = read(Text::new(Hashing::new(file)), options).map_err(at)?;
    Ok((table, text.into_inner().finish()))
}

/// The names of a CSV file's columns, read as [`read_csv_file`] reads them.
///
/// # Errors
/// [`ReadFileError`]: the file cannot be read, its header is no header, or it has another delimiter than this one.
pub fn read_header(path: &Path, delimiter: u8) -> Result<Vec<String>, ReadFileError> {
    let at = |source| ReadFileError { path: path.to_owned(), source };
    let file = mlci_core::open_file(path).map_err(|error| at(ReadError::Io(error.source)))?;
    let (_, record) = begin(Text::new(file), delimiter).map_err(at)?;
    plan::header(&record, delimiter).map_err(at)
}

/// The reader behind the header, and the header.
fn begin<R: Read>(text: Text<R>, delimiter: u8) -> Result<(csv::Reader<Text<R>>, ByteRecord), ReadError> {
    if !delimiter.is_ascii() || matches!(delimiter, b'"' | b'\n' | b'\r') {
        return Err(ReadError::InvalidDelimiter { delimiter });
    }
    // `flexible`: a row of another length is for us to report, with the others that there may be.
    let mut csv = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(64 * 1024)
        .from_reader(text);
    let mut record = ByteRecord::new();
    if !csv.read_byte_record(&mut record).map_err(io)? {
        return Err(ReadError::Empty);
    }
    if is_open(&csv, &record) {
        return Err(ReadError::Problems { problems: vec![Problem::UnclosedQuote { line: 1 }], total: 1 });
    }
    Ok((csv, record))
}

/// Whether the data has ended within quotes: a last field with a line feed in it is quoted, but no quote ends the data.
fn is_open<R: Read>(csv: &csv::Reader<Text<R>>, record: &ByteRecord) -> bool {
    let text = csv.get_ref();
    let broken = record.iter().next_back().is_some_and(|field| field.contains(&b'\n'));
    text.ended() && broken && text.last() != Some(b'"')
}

fn read<R: Read>(text: Text<R>, options: &ReadOptions) -> Result<(Table, Text<R>), ReadError> {
    let (mut csv, mut record) = begin(text, options.delimiter)?;
    let mut rows = Rows::new(Plan::new(&record, options)?, options.missing);
    while csv.read_byte_record(&mut record).map_err(io)? {
        // The crate's position of a record is where it began to look for one, before any empty lines; so the line is
        // counted back from the end: a line feed has been read there, unless the end of the data was met instead.
        let breaks = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let at_end = csv.get_ref().ended();
        let line = csv.position().line().saturating_sub(breaks + u64::from(!at_end));
        if is_open(&csv, &record) {
            rows.refuse(Problem::UnclosedQuote { line });
        } else {
            rows.add(line, &record);
        }
    }
    Ok((rows.finish()?, csv.into_inner()))
}

fn io(error: csv::Error) -> ReadError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ReadError::Io(error),
        // Byte records of any length have no other way to fail.
        other => ReadError::Io(std::io::Error::other(format!("{other:?}"))),
    }
}
