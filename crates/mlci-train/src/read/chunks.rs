use std::io::{self, Read};

use super::source::NoText;

/// Whole records of the data, in the order they came.
pub(super) struct Chunk {
    /// Records, each but possibly the last of the data ended by `\n`; empty lines among them.
    pub(super) bytes: Vec<u8>,
    /// The line of the data on which it begins, from 1.
    pub(super) line: u64,
    /// How many line ends it has.
    pub(super) lines: usize,
    /// Whether the data ends with it, and within quotes.
    pub(super) is_open: bool,
    /// Whether there may be a quote in it; if not, each line is a record.
    pub(super) has_quotes: bool,
}

/// Cuts data whose line ends are `\n` into chunks of whole records, so that they can be read by several threads.
///
/// Memory: one chunk, and those that are given back.
pub(super) struct Chunks<R> {
    inner: R,
    size: usize,
    delimiter: u8,
    /// Read and not handed out yet, as far as `filled`; all of it is initialised, so that it need not be again.
    buffer: Vec<u8>,
    filled: usize,
    /// Buffers that were given back.
    spare: Vec<Vec<u8>>,
    line: u64,
    ended: bool,
    finished: bool,
    is_open: bool,
}

/// The longest row: a quote that is never closed would have the whole data in memory.
pub(super) const LONGEST_ROW: usize = 64 << 20;

/// How much more than a chunk is asked of the reader.
const MORE: usize = 16 << 10;

impl<R: Read> Chunks<R> {
    /// Chunks of about so many bytes, and of a record at least, of what `inner` gives, which begins on line `line`.
    pub(super) fn new(inner: R, size: usize, delimiter: u8, line: u64) -> Self {
        Self {
            inner,
            size: size.max(1),
            delimiter,
            buffer: Vec::new(),
            filled: 0,
            spare: Vec::new(),
            line,
            ended: false,
            finished: false,
            is_open: false,
        }
    }

    /// Lets the chunks to come have about so many bytes.
    pub(super) fn of(&mut self, size: usize) {
        self.size = size.max(1);
    }

    /// Takes back the bytes of a chunk, for their room.
    pub(super) fn recycle(&mut self, bytes: Vec<u8>) {
        self.spare.push(bytes);
    }

    /// The next chunk; `None` when nothing is left.
    pub(super) fn next(&mut self) -> io::Result<Option<Chunk>> {
        if self.finished {
            return Ok(None);
        }
        let (end, has_quotes) = self.end()?;
        // The rest goes to the next chunk.
        let rest = self.buffer.get(end..self.filled).unwrap_or_default();
        let mut next = self.spare.pop().unwrap_or_default();
        next.resize(next.len().max(rest.len()), 0);
        if let Some(room) = next.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
        }
        self.filled = rest.len();
        let mut bytes = std::mem::replace(&mut self.buffer, next);
        bytes.truncate(end);
        if self.filled == 0 && !self.ended {
            self.fill()?;
        }
        self.finished = self.ended && self.filled == 0;
        let line = self.line;
        let lines = memchr::memchr_iter(b'\n', &bytes).count();
        self.line += lines as u64;
        Ok(Some(Chunk { bytes, line, lines, is_open: self.is_open, has_quotes }))
    }

    /// Where the records of the next chunk end in the buffer, which is filled as far as that; and whether there may be
    /// a quote among them.
    fn end(&mut self) -> io::Result<(usize, bool)> {
        while self.filled < self.size && self.fill()? {}
        let window = self.buffer.get(..self.filled.min(self.size)).unwrap_or_default();
        if memchr::memchr(b'"', window).is_none() {
            if self.ended && self.filled <= self.size {
                return Ok((self.filled, false));
            }
            if let Some(end) = memchr::memrchr(b'\n', window) {
                return Ok((end + 1, false));
            }
        }
        self.end_with_quotes().map(|end| (end, true))
    }

    /// As [`Self::end`], where a quote may hide line ends, or a record is longer than a chunk; by the rules of the csv
    /// crate, which reads the records afterwards.
    fn end_with_quotes(&mut self) -> io::Result<usize> {
        let mut reader = csv_core::ReaderBuilder::new().delimiter(self.delimiter).build();
        let (mut fields, mut ends) = (vec![0; 4096], vec![0; 512]);
        // As in front of every chunk: a byte order mark that is read first would be taken off.
        let _ = reader.read_record(b"\n", &mut fields, &mut ends);
        let (mut begin, mut at) = (0, 0);
        loop {
            if at == self.filled {
                self.refuse_long(begin)?;
                if self.fill()? {
                    continue;
                }
                self.is_open = is_in_quotes(reader);
                return Ok(at);
            }
            let input = self.buffer.get(at..self.filled).unwrap_or_default();
            let (result, read, _, _) = reader.read_record(input, &mut fields, &mut ends);
            at += read;
            match result {
                csv_core::ReadRecordResult::Record => {
                    begin = at;
                    if at >= self.size {
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
        let row = self.buffer.get(begin..self.filled).unwrap_or_default();
        if row.len() <= LONGEST_ROW {
            return Ok(());
        }
        // Empty lines before it count as part of it.
        let begin = begin + row.iter().take_while(|byte| **byte == b'\n').count();
        let before = self.buffer.get(..begin).unwrap_or_default();
        Err(NoText::LongRow(self.line + memchr::memchr_iter(b'\n', before).count() as u64).error())
    }

    /// Reads on; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        // Room for a chunk, or, for a record that is longer, for twice as much as there is.
        let room = (self.size.max(2 * self.filled)) + MORE;
        if self.buffer.len() < room && self.buffer.len() - self.filled < MORE {
            self.buffer.resize(room, 0);
        }
        let read = loop {
            match self.inner.read(self.buffer.get_mut(self.filled..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.filled += read;
        self.ended = read == 0;
        Ok(!self.ended)
    }
}

/// Whether what this reader has read ends within quotes: then a character and a line end behind it would be part of them.
fn is_in_quotes(mut reader: csv_core::Reader) -> bool {
    let (mut fields, mut ends) = ([0; 16], [0; 16]);
    let mut rest = b"x\n".as_slice();
    loop {
        let (result, read, _, _) = reader.read_record(rest, &mut fields, &mut ends);
        rest = rest.get(read..).unwrap_or_default();
        match result {
            csv_core::ReadRecordResult::Record => return false,
            csv_core::ReadRecordResult::InputEmpty | csv_core::ReadRecordResult::End => return true,
            csv_core::ReadRecordResult::OutputFull | csv_core::ReadRecordResult::OutputEndsFull => {}
        }
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

    fn all(reader: impl Read, size: usize) -> Vec<(String, u64, bool)> {
        let mut chunks = Chunks::new(reader, size, b',', 2);
        let mut found = Vec::new();
        while let Some(chunk) = chunks.next().unwrap() {
            let text = String::from_utf8(chunk.bytes.clone()).unwrap();
            found.push((text, chunk.line, chunk.has_quotes));
            chunks.recycle(chunk.bytes);
        }
        found
    }

    #[track_caller]
    fn check(data: &str, size: usize, expected: &[(&str, u64, bool)]) {
        let expected: Vec<_> =
            expected.iter().map(|(text, line, has_quotes)| ((*text).to_owned(), *line, *has_quotes)).collect();
        assert_eq!(all(data.as_bytes(), size), expected);
        assert_eq!(all(Drops(data.as_bytes()), size), expected, "one byte a read");
    }

    #[test]
    fn edges_are_where_records_end() {
        check("1\n2\n3\n4\n5\n", 5, &[("1\n2\n", 2, false), ("3\n4\n", 4, false), ("5\n", 6, false)]);
        check("1\n2", 4, &[("1\n2", 2, false)]);
        check("1\n2\n", 4, &[("1\n2\n", 2, false)]);
        check("1\n2\n3", 4, &[("1\n2\n", 2, false), ("3", 4, false)]);
        check("1\n\n\n2\n3\n", 4, &[("1\n\n\n", 2, false), ("2\n3\n", 5, false)]);
        // A record that is longer than a chunk.
        check("1,2,3,4\n5\n", 3, &[("1,2,3,4\n", 2, true), ("5\n", 3, false)]);
    }

    #[test]
    fn quoted_line_ends_are_no_edges() {
        check("1,\"a\nb\"\n2,c\n3,d\n", 6, &[("1,\"a\nb\"\n", 2, true), ("2,c\n", 4, false), ("3,d\n", 5, false)]);
        check("1,\"a\"\"\n\"\n2\n", 3, &[("1,\"a\"\"\n\"\n", 2, true), ("2\n", 4, false)]);
        // A quote within a field that began without one is a character like others.
        check("5\" pipe\n6\n", 3, &[("5\" pipe\n", 2, true), ("6\n", 3, false)]);
        // Never closed: the rest is one record.
        check("1\n2,\"a\n3\n4\n", 6, &[("1\n2,\"a\n3\n4\n", 2, true)]);
    }

    /// Every record with its line, and whether it is open, read by way of chunks of so many bytes.
    fn records(data: &[u8], size: usize) -> Vec<(Vec<Vec<u8>>, u64, bool)> {
        let mut chunks = Chunks::new(data, size, b',', 1);
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

    #[test]
    fn a_quote_that_the_end_of_the_data_leaves_open() {
        let is_open = |data: &str, size| {
            let records = records(data.as_bytes(), size);
            let (last, others) = records.split_last().unwrap();
            assert!(others.iter().all(|(.., is_open)| !is_open), "{data:?}");
            last.2
        };
        for size in [1, 4, 1 << 20] {
            for data in
                ["\"", "1,\"", "1,\"2", "\"1\"\n\"2\",\"20", "1\n\"2\n", "1,\"a\n\"\"", "1,\"a\"\"b", "1,\"a\n\"\"\n"]
            {
                assert!(is_open(data, size), "{data:?} by {size}");
            }
            for data in
                ["\"\"", "1,\"2\"", "1,\"2\"\n", "1,\"a\nb\"x", "1,\"a\nb\"", "1,\"a\n\"\"\"", "1,5\"", "\"1\"\n\n\n"]
            {
                assert!(!is_open(data, size), "{data:?} by {size}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn where_the_edges_are_changes_nothing(text in "[a1,\"\n\u{feff}]{0,60}", size in 1_usize..30) {
            proptest::prop_assert_eq!(records(text.as_bytes(), size), records(text.as_bytes(), 1 << 20));
        }
    }
}
