use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder};

use super::{ReadError, chunks::Chunk};

/// The records of a chunk.
pub(super) struct Records<'c> {
    chunk: &'c Chunk,
    csv: csv::Reader<Bytes<'c>>,
}

/// What is known of a record beside its fields.
pub(super) struct Line {
    /// The line of the data on which it begins, from 1.
    pub(super) line: u64,
    /// Whether the data has ended within its quotes.
    pub(super) is_open: bool,
}

impl<'c> Records<'c> {
    pub(super) fn new(chunk: &'c Chunk, delimiter: u8) -> Self {
        // `flexible`: a row of another length is for us to report, with the others that there may be.
        let csv = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(64 * 1024)
            .from_reader(Bytes { empty_line: b"\n", rest: &chunk.bytes, ended: false });
        Self { chunk, csv }
    }

    /// The next record, read into the one given; `None` at the end of the chunk.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<Option<Line>, ReadError> {
        if !self.csv.read_byte_record(record).map_err(failed)? {
            return Ok(None);
        }
        // The crate's position of a record is where it began to look for one, before any empty lines; so the line is
        // counted back from the end: a line feed has been read there, unless the end of the data was met instead.
        let ended = self.csv.get_ref().ended;
        let breaks = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        // One more for the empty line in front, and one since both counts begin at 1.
        let back = breaks + u64::from(!ended) + 2;
        let line = (self.chunk.line + self.csv.position().line()).saturating_sub(back);
        // Of several records only the last meets the end of the chunk: there the rules of CSV would go on.
        Ok(Some(Line { line, is_open: ended && self.chunk.is_open }))
    }
}

/// The bytes of a chunk behind an empty line: the crate takes a byte order mark off whatever it reads first.
struct Bytes<'c> {
    empty_line: &'static [u8],
    rest: &'c [u8],
    /// Whether the end has been asked for and found.
    ended: bool,
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.empty_line.read(buffer)? {
            0 => self.rest.read(buffer)?,
            read => read,
        };
        self.ended = read == 0;
        Ok(read)
    }
}

fn failed(error: csv::Error) -> ReadError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ReadError::Io(error),
        // Byte records of any length have no other way to fail.
        other => ReadError::Io(io::Error::other(format!("{other:?}"))),
    }
}
