use std::io::{self, Read};

use memchr::memchr2;

use super::source::NoText;

/// Whole records of the data, in the order they came.
pub(super) struct Chunk {
    /// Records, each but possibly the last of the data ended by `\n`; empty lines among them.
    pub(super) bytes: Vec<u8>,
    /// The line of the data on which it begins, from 1.
    pub(super) line: u64,
    /// Whether the data ends with it.
    pub(super) is_last: bool,
}

/// Cuts data whose line ends are `\n` into chunks of a number of records, so that they can be read by several threads.
///
/// The edges go by the count of records alone: they are the same however the bytes come in. Memory: one chunk.
pub(super) struct Chunks<R> {
    inner: R,
    records: usize,
    delimiter: u8,
    /// Read and not handed out yet.
    buffer: Vec<u8>,
    line: u64,
    ended: bool,
    finished: bool,
}

/// The longest row: a quote that is never closed would have the whole data in memory.
pub(super) const LONGEST_ROW: usize = 64 << 20;

/// How much is asked of the reader at a time.
const PIECE: usize = 256 << 10;

impl<R: Read> Chunks<R> {
    /// Chunks of so many records of what `inner` gives, which begins on line `line`.
    pub(super) fn new(inner: R, records: usize, delimiter: u8, line: u64) -> Self {
        let records = records.max(1);
        Self { inner, records, delimiter, buffer: Vec::new(), line, ended: false, finished: false }
    }

    /// Lets the chunks to come have so many records.
    pub(super) fn of(&mut self, records: usize) {
        self.records = records.max(1);
    }

    /// The next chunk; `None` when nothing is left.
    pub(super) fn next(&mut self) -> io::Result<Option<Chunk>> {
        if self.finished {
            return Ok(None);
        }
        let end = self.end()?;
        // The rest goes to the next chunk, whose buffer is likely to become as large.
        let mut rest = Vec::with_capacity(self.buffer.capacity());
        rest.extend_from_slice(self.buffer.get(end..).unwrap_or_default());
        self.buffer.truncate(end);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        if self.buffer.is_empty() && !self.ended {
            self.fill()?;
        }
        self.finished = self.ended && self.buffer.is_empty();
        let line = self.line;
        self.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        Ok(Some(Chunk { bytes, line, is_last: self.finished }))
    }

    /// Where the records of the next chunk end in the buffer, which is filled as far as that.
    fn end(&mut self) -> io::Result<usize> {
        // Where the present record begins, and how far it has been looked at.
        let (mut begin, mut at, mut records) = (0, 0, 0);
        loop {
            match memchr2(b'\n', b'"', self.buffer.get(at..).unwrap_or_default()) {
                None => {
                    at = self.buffer.len();
                    self.refuse_long(begin)?;
                    if !self.fill()? {
                        return Ok(at);
                    }
                }
                Some(offset) if self.buffer.get(at + offset) == Some(&b'"') => {
                    return self.end_with_quotes(begin, records);
                }
                Some(offset) => {
                    let is_empty = at + offset == begin;
                    (begin, at) = (at + offset + 1, at + offset + 1);
                    records += usize::from(!is_empty);
                    if records == self.records {
                        return Ok(begin);
                    }
                }
            }
        }
    }

    /// As [`Self::end`], from a record on in which a quote may hide line ends; by the rules of the csv crate, which
    /// reads the records afterwards.
    fn end_with_quotes(&mut self, begin: usize, mut records: usize) -> io::Result<usize> {
        let mut reader = csv_core::ReaderBuilder::new().delimiter(self.delimiter).build();
        let (mut fields, mut ends) = (vec![0; 4096], vec![0; 512]);
        // As in front of every chunk: a byte order mark that is read first would be taken off.
        let _ = reader.read_record(b"\n", &mut fields, &mut ends);
        let (mut begin, mut at) = (begin, begin);
        loop {
            let input = self.buffer.get(at..).unwrap_or_default();
            if input.is_empty() {
                self.refuse_long(begin)?;
                if self.fill()? {
                    continue;
                }
            }
            let input = self.buffer.get(at..).unwrap_or_default();
            let (result, read, _, _) = reader.read_record(input, &mut fields, &mut ends);
            at += read;
            match result {
                csv_core::ReadRecordResult::Record => {
                    begin = at;
                    records += 1;
                    if records == self.records {
                        return Ok(at);
                    }
                }
                csv_core::ReadRecordResult::End => return Ok(at),
                // What the fields hold is of no interest here; their room is used again.
                csv_core::ReadRecordResult::InputEmpty
                | csv_core::ReadRecordResult::OutputFull
                | csv_core::ReadRecordResult::OutputEndsFull => {}
            }
        }
    }

    /// Refuses a row that begins at `begin` and has no end in a buffer that is longer than any row.
    fn refuse_long(&self, begin: usize) -> io::Result<()> {
        let row = self.buffer.get(begin..).unwrap_or_default();
        if row.len() <= LONGEST_ROW {
            return Ok(());
        }
        let before = self.buffer.get(..begin).unwrap_or_default();
        Err(NoText::LongRow(self.line + memchr::memchr_iter(b'\n', before).count() as u64).error())
    }

    /// Reads on; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let old = self.buffer.len();
        self.buffer.resize(old + PIECE, 0);
        let read = loop {
            match self.inner.read(self.buffer.get_mut(old..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(old + read.as_ref().copied().unwrap_or(0));
        self.ended = read? == 0;
        Ok(!self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte a read.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(1);
            self.0.read(&mut buffer[..count])
        }
    }

    fn all(reader: impl Read, records: usize) -> Vec<(String, u64, bool)> {
        let mut chunks = Chunks::new(reader, records, b',', 2);
        let next = || chunks.next().unwrap();
        std::iter::from_fn(next)
            .map(|chunk| (String::from_utf8(chunk.bytes).unwrap(), chunk.line, chunk.is_last))
            .collect()
    }

    #[track_caller]
    fn check(data: &str, records: usize, expected: &[(&str, u64)]) {
        let last = expected.len().saturating_sub(1);
        let expected: Vec<_> = expected
            .iter()
            .enumerate()
            .map(|(index, (text, line))| ((*text).to_owned(), *line, index == last))
            .collect();
        assert_eq!(all(data.as_bytes(), records), expected);
        assert_eq!(all(Drops(data.as_bytes()), records), expected, "one byte a read");
    }

    #[test]
    fn edges_go_by_records() {
        check("1\n2\n3\n4\n5\n", 2, &[("1\n2\n", 2), ("3\n4\n", 4), ("5\n", 6)]);
        check("1\n2", 2, &[("1\n2", 2)]);
        check("1\n2\n", 2, &[("1\n2\n", 2)]);
        check("1\n2\n3", 2, &[("1\n2\n", 2), ("3", 4)]);
    }

    #[test]
    fn empty_lines_are_none() {
        check("1\n\n\n2\n3\n", 2, &[("1\n\n\n2\n", 2), ("3\n", 6)]);
        check("1\n2\n\n", 2, &[("1\n2\n", 2), ("\n", 4)]);
    }

    #[test]
    fn quoted_line_ends_are_no_edges() {
        check("1,\"a\nb\"\n2,c\n3,d\n", 2, &[("1,\"a\nb\"\n2,c\n", 2), ("3,d\n", 5)]);
        check("1,\"a\"\"\n\"\n2\n", 1, &[("1,\"a\"\"\n\"\n", 2), ("2\n", 4)]);
        // A quote within a field that began without one is a character like others.
        check("5\" pipe\n6\n", 1, &[("5\" pipe\n", 2), ("6\n", 3)]);
        // Never closed: the rest is one record.
        check("1\n2,\"a\n3\n4\n", 2, &[("1\n2,\"a\n3\n4\n", 2)]);
    }

    /// Every record with its line, and whether it is open, read by way of chunks of so many records.
    fn records(data: &[u8], records: usize) -> Vec<(Vec<Vec<u8>>, u64, bool)> {
        let mut chunks = Chunks::new(data, records, b',', 1);
        let mut found = Vec::new();
        while let Some(chunk) = chunks.next().unwrap() {
            let mut reader = crate::read::records::Records::new(&chunk, b',');
            let mut record = csv::ByteRecord::new();
            while let Some(line) = reader.next(&mut record).unwrap() {
                found.push((record.iter().map(<[u8]>::to_vec).collect(), line.line, line.is_open));
            }
        }
        found
    }

    proptest::proptest! {
        #[test]
        fn where_the_edges_are_changes_nothing(text in "[a1,\"\n\u{feff}]{0,60}", count in 1_usize..5) {
            proptest::prop_assert_eq!(records(text.as_bytes(), count), records(text.as_bytes(), usize::MAX));
        }
    }
}
