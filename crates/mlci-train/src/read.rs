use std::{io::Read, path::Path};

use csv::ByteRecord;
use mlci_core::Digest;

use crate::Table;

mod assemble;
mod cell;
mod chunks;
mod copy;
mod error;
mod options;
mod parallel;
mod plan;
mod problem;
mod records;
mod rows;
mod tally;
mod text;

use self::{
    chunks::{Chunk, Chunks},
    plan::Plan,
    records::{Line, Records},
    rows::Rows,
    text::{Hashing, Text},
};
pub use self::{
    copy::{Copied, CopyError, copy_rows},
    error::{Key, ReadError, ReadFileError},
    options::{ColumnOptions, MissingPolicy, ReadOptions},
    problem::{Place, Problem, TextColumn},
};

/// Reads CSV (RFC 4180) whose first line names the columns.
///
/// A byte order mark is skipped, line ends may be `\n`, `\r\n` or `\r`, empty lines are skipped, white space around
/// fields is trimmed. Missing is a cell that is empty or `NA`, `N/A`, `NaN`, `null` or `None` in any case of letters,
/// quoted or not. Every cell of a feature or of the target is a finite number, or its row is handled by
/// [`ReadOptions::missing`], or it is an error; other columns are not checked. The table depends on the bytes only,
/// not on how they arrive.
///
/// Several threads work on it, as many as there are processors; that changes nothing in what comes out.
///
/// Memory: 8 bytes for each value of a numeric column and 16 a row, and for each thread two chunks of 65,536 cells, or
/// the longest row.
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

/// What comes behind the header, and the header.
fn begin<R: Read>(text: Text<R>, delimiter: u8) -> Result<(Chunks<Text<R>>, ByteRecord), ReadError> {
    if !delimiter.is_ascii() || matches!(delimiter, b'"' | b'\n' | b'\r') {
        return Err(ReadError::InvalidDelimiter { delimiter });
    }
    let mut chunks = Chunks::new(text, 1, delimiter, 1);
    let Some(chunk) = chunks.next().map_err(ReadError::Io)? else { return Err(ReadError::Empty) };
    let mut records = Records::new(&chunk, delimiter);
    let mut record = ByteRecord::new();
    match records.next(&mut record)? {
        None => Err(ReadError::Empty),
        Some(Line { is_open: true, .. }) => {
            Err(ReadError::Problems { problems: vec![Problem::UnclosedQuote { line: 1 }], total: 1 })
        }
        Some(_) => Ok((chunks, record)),
    }
}

fn read<R: Read>(text: Text<R>, options: &ReadOptions) -> Result<(Table, Text<R>), ReadError> {
    let (mut chunks, header) = begin(text, options.delimiter)?;
    let plan = Plan::new(&header, options)?;
    // A chunk is large enough to be worth a hand-over, and small enough to stay in a cache.
    const CELLS: usize = 1 << 16;
    chunks.of(CELLS.div_ceil(plan.names.len().max(1)));
    let of_chunk = |chunk: Chunk| rows_of(&chunk, &plan, options);
    let mut rows = Rows::new(&plan, options.missing);
    parallel::in_order(|| chunks.next().map_err(ReadError::Io), of_chunk, |next| rows.append(next))?;
    Ok((rows.finish()?, chunks.into_inner()))
}

fn rows_of<'p>(chunk: &Chunk, plan: &'p Plan, options: &ReadOptions) -> Result<Rows<'p>, ReadError> {
    let mut rows = Rows::new(plan, options.missing);
    let mut records = Records::new(chunk, options.delimiter);
    let mut record = ByteRecord::new();
    while let Some(Line { line, is_open }) = records.next(&mut record)? {
        if is_open {
            rows.refuse(Problem::UnclosedQuote { line });
        } else {
            rows.add(line, &record);
        }
    }
    Ok(rows)
}
