use std::{io::Read, path::Path};

use csv::ByteRecord;
use mlci_core::Digest;

use crate::Table;

mod assemble;
mod cell;
mod chunks;
mod comments;
mod copy;
mod ends;
mod error;
mod field;
mod first;
mod gather;
mod levels;
mod memory;
mod number;
mod options;
pub(crate) mod order;
pub(crate) mod parallel;
#[cfg(feature = "parquet")]
mod parquet;
mod plain;
mod plan;
mod problem;
mod records;
mod rows;
mod rule;
mod source;
mod tally;
mod text;
mod violations;

use self::{
    chunks::{Chunk, Chunks},
    comments::Comments,
    plan::Plan,
    records::{Line, Records},
    rows::Rows,
    text::{Hashing, Text},
};
pub use self::{
    copy::{Copied, CopyError, copy_rows},
    error::{Key, ReadError, ReadFileError},
    field::RowUnit,
    gather::{gather, gather_file},
    memory::{Values, read_columns},
    options::{ColumnOptions, MissingPolicy, ReadOptions},
    problem::{Place, Problem, ProblemCount, ProblemKind, TextColumn},
    source::Compression,
};
pub(crate) use self::{
    error::some,
    levels::{Levels, replace},
};

/// Reads CSV (RFC 4180) whose first line names the columns.
///
/// It may be compressed by gzip or zstd, which its first bytes tell. A byte order mark is skipped, line ends may be
/// `\n`, `\r\n` or `\r`, empty lines and comments ([`ReadOptions::comment`]) are skipped, white space around fields is
/// trimmed. Missing is a cell that is empty or `NA`, `N/A`, `NaN`, `null` or `None` in any case of letters, quoted or
/// not. Every cell of a feature or of the target has a value by what is known of its column
/// ([`ReadOptions::columns`]), or its row is handled by [`ReadOptions::missing`], or it is an error; other columns are
/// not checked. The table depends on the bytes only, not on how they arrive.
///
/// Several threads work on it, as many as there are processors; that changes nothing in what comes out.
///
/// Memory: 8 bytes for each value of a numeric column and 16 a row, and for each thread two chunks of 256 KiB, or
/// the longest row, of at most 64 MiB; for compressed data its window, of at most 128 MiB; and 32 bytes for each value of
/// a column that has to be unique.
///
/// # Errors
/// [`ReadError`]: wrong options, a header that does not fit them, or [`ReadError::Problems`] with the first few
/// problems in the rows and how many there are.
pub fn read_csv(reader: impl Read + Send, options: &ReadOptions) -> Result<Table, ReadError> {
    let (mut chunks, header) = begin(reader, options)?;
    let plan = Plan::new(plan::header(&header, options.delimiter)?, RowUnit::Line, options)?;
    chunks.of(CHUNK);
    let of_chunk = |chunk: Chunk| rows_of(&chunk, &plan, options);
    let mut rows = Rows::new(&plan, options.missing);
    parallel::in_order(|| chunks.next().map_err(ReadError::of), of_chunk, |next| rows.append(next))?;
    rows.finish()
}

/// Reads a CSV file as [`read_csv`] does. The digest of its bytes comes with it, from the same pass; of compressed data,
/// as they are in the file.
///
/// # Errors
/// [`ReadFileError`] naming the path.
pub fn read_csv_file(path: &Path, options: &ReadOptions) -> Result<(Table, Digest), ReadFileError> {
    let at = |source| ReadFileError { path: path.to_owned(), source };
    let mut file = mlci_core::open_file(path).map(Hashing::new).map_err(|error| at(ReadError::Io(error.source)))?;
    // The table is there only after the last byte has been read.
    let table = read_csv(&mut file, options).map_err(at)?;
    Ok((table, file.finish()))
}

/// Reads a file that is CSV, as [`read_csv_file`] does, or, with the feature `parquet`, Parquet: its first bytes tell.
///
/// Of Parquet, places in errors are rows, from 1, and a null or NaN is missing. Dates and points in time are
/// [`Kind::Date`](mlci_model::Kind::Date) without a declaration; booleans are 0 and 1, or `false` and `true` where the
/// column is declared as a category; whole numbers beyond 2^53 and decimals keep their digits. Nested columns can only
/// be left out. [`Table::row_hash`] is of the values, and not that of the same rows in CSV.
///
/// # Errors
/// [`ReadFileError`] naming the path.
pub fn read_file(path: &Path, options: &ReadOptions) -> Result<(Table, Digest), ReadFileError> {
    #[cfg(feature = "parquet")]
    if is_parquet(path)? {
        let at = |source| ReadFileError { path: path.to_owned(), source };
        let file = mlci_core::open_file(path).map_err(|error| at(ReadError::Io(error.source)))?;
        let table = parquet::read(file, options).map_err(at)?;
        // Its columns are not read in the order of the bytes.
        let (digest, _) = mlci_core::digest_file(path).map_err(|error| at(ReadError::Io(error.source)))?;
        return Ok((table, digest));
    }
    read_csv_file(path, options)
}

#[cfg(feature = "parquet")]
fn is_parquet(path: &Path) -> Result<bool, ReadFileError> {
    let at = |source| ReadFileError { path: path.to_owned(), source: ReadError::Io(source) };
    let file = mlci_core::open_file(path).map_err(|error| at(error.source))?;
    let (magic, _) = source::peek::<4, _>(file).map_err(at)?;
    Ok(magic == parquet::MAGIC)
}

/// Reads what is in memory as [`read_file`] reads what is in a file, such as an object that the caller has fetched.
///
/// # Errors
/// As [`read_csv`].
#[cfg_attr(not(feature = "parquet"), expect(clippy::needless_pass_by_value, reason = "Parquet is read from its bytes"))]
pub fn read_bytes(bytes: Vec<u8>, options: &ReadOptions) -> Result<(Table, Digest), ReadError> {
    let digest = Digest::of(&bytes);
    #[cfg(feature = "parquet")]
    if bytes.starts_with(parquet::MAGIC) {
        return Ok((parquet::read(bytes::Bytes::from(bytes), options)?, digest));
    }
    Ok((read_csv(bytes.as_slice(), options)?, digest))
}

/// The names of a CSV file's columns, read as [`read_csv_file`] reads them.
///
/// # Errors
/// [`ReadFileError`]: the file cannot be read, its header is no header, or it has another delimiter than this one.
pub fn read_header(path: &Path, delimiter: u8) -> Result<Vec<String>, ReadFileError> {
    let at = |source| ReadFileError { path: path.to_owned(), source };
    let file = mlci_core::open_file(path).map_err(|error| at(ReadError::Io(error.source)))?;
    let options = ReadOptions { delimiter, ..ReadOptions::new("") };
    let (_, record) = begin(file, &options).map_err(at)?;
    plan::header(&record, delimiter).map_err(at)
}

/// Text with line ends `\n`, without mark and comments.
type Plain<'r> = Box<dyn Read + Send + 'r>;

/// The text of the data.
fn text_of<'r>(reader: impl Read + Send + 'r, options: &ReadOptions) -> Result<Plain<'r>, ReadError> {
    let ReadOptions { delimiter, comment, .. } = *options;
    let is_structure = |byte: u8| !byte.is_ascii() || matches!(byte, b'"' | b'\n' | b'\r');
    if is_structure(delimiter) {
        return Err(ReadError::InvalidDelimiter { delimiter });
    }
    if let Some(comment) = comment.filter(|comment| is_structure(*comment) || *comment == delimiter) {
        return Err(ReadError::InvalidComment { comment });
    }
    let text = Text::new(source::open(reader).map_err(ReadError::of)?);
    Ok(match comment {
        Some(comment) => Box::new(Comments::new(text, comment, delimiter)),
        None => Box::new(text),
    })
}

/// What comes behind the header, and the header.
fn begin<'r>(
    reader: impl Read + Send + 'r,
    options: &ReadOptions,
) -> Result<(Chunks<Plain<'r>>, ByteRecord), ReadError> {
    let (plain, delimiter) = (text_of(reader, options)?, options.delimiter);
    let mut chunks = Chunks::new(plain, 1, delimiter, 1);
    let mut record = ByteRecord::new();
    // Empty lines before the header are chunks of their own.
    while let Some(chunk) = chunks.next().map_err(ReadError::of)? {
        match Records::new(&chunk, delimiter).next(&mut record)? {
            None => {}
            Some(Line { is_open: true, line }) => {
                let problems = vec![Problem::UnclosedQuote { line }];
                return Err(ReadError::Problems { problems, counts: Vec::new(), total: 1 });
            }
            Some(_) => return Ok((chunks, record)),
        }
    }
    Err(ReadError::Empty)
}

/// How many bytes a chunk has: enough to be worth a hand-over, and few enough to stay in a cache.
const CHUNK: usize = 256 << 10;

fn rows_of<'p>(chunk: &Chunk, plan: &'p Plan, options: &ReadOptions) -> Result<Rows<'p>, ReadError> {
    let mut rows = Rows::new(plan, options.missing);
    if !chunk.has_quotes {
        plain::add(&mut rows, chunk, options.delimiter);
        return Ok(rows);
    }
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
