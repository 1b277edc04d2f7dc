use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
};

use mlci_core::Digest;

use super::{ReadError, ReadFileError, ReadOptions, text::Hashing};

/// What [`copy_rows`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// How many rows were written, the header not counted. Lines on which no row begins give none.
    pub rows: u64,
    /// The digest of the whole file that was read.
    pub digest: Digest,
}

/// Why [`copy_rows`] did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadFileError),
    /// What is read cannot be written.
    #[error("the copy cannot be written")]
    Write(#[source] io::Error),
}

/// Writes the header of a CSV file and those of its rows that begin on `lines`, which are ascending and counted as
/// [`Table::line`](crate::Table::line) does: to hand on the rows of one side of a [`split`](crate::split()) and none of
/// the other.
///
/// A row is the bytes that it has in the file, quotes and all; only compression, a byte order mark and comments go, and
/// every line end becomes `\n`, as for [`read_csv`](crate::read_csv). Memory: one row.
///
/// With the feature `parquet`, of a Parquet file another one is written, with all its columns, nested ones too, its
/// schema and its metadata, compressed by snappy. Memory: some rows of a column, and the pages of a row group.
///
/// # Errors
/// [`CopyError`].
pub fn copy_rows(
    path: &Path,
    options: &ReadOptions,
    lines: &[u64],
    out: impl Write + Send,
) -> Result<Copied, CopyError> {
    let at = |source| CopyError::Read(ReadFileError { path: path.to_owned(), source });
    let file = mlci_core::open_file(path).map_err(|error| at(ReadError::Io(error.source)))?;
    #[cfg(feature = "parquet")]
    if super::is_parquet(path)? {
        let rows = super::parquet::copy(file, lines, out, at)?;
        // Its columns are not read in the order of the bytes.
        let (digest, _) = mlci_core::digest_file(path).map_err(|error| at(ReadError::Io(error.source)))?;
        return Ok(Copied { rows, digest });
    }
    let mut bytes = Hashing::new(file);
    let mut text = BufReader::with_capacity(256 << 10, super::text_of(&mut bytes, options).map_err(at)?);
    let mut copy = Copy { lines, line: 1, header: true, rows: 0, out };
    let mut records = Records::new(options.delimiter);
    while let Some(record) = records.next(&mut text).map_err(|error| at(ReadError::of(error)))? {
        copy.take(record).map_err(CopyError::Write)?;
    }
    copy.out.flush().map_err(CopyError::Write)?;
    let rows = copy.rows;
    // The last record is there only after the last byte has been read.
    drop(text);
    Ok(Copied { rows, digest: bytes.finish() })
}

/// Cuts CSV into records by the rules of the csv crate, and keeps their bytes.
struct Records {
    rules: csv_core::Reader,
    record: Vec<u8>,
    // What the fields hold is of no interest here.
    fields: [u8; 4096],
    ends: [usize; 512],
}

impl Records {
    fn new(delimiter: u8) -> Self {
        let mut rules = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        let (mut fields, mut ends) = ([0; 4096], [0; 512]);
        // A byte order mark that is read first would be taken off; the one that is none of the text is off already.
        let _ = rules.read_record(b"\n", &mut fields, &mut ends);
        Self { rules, record: Vec::new(), fields, ends }
    }

    /// The next record with the empty lines before it and its line end; `None` at the end, before which empty lines may
    /// be left.
    fn next(&mut self, text: &mut impl BufRead) -> io::Result<Option<&[u8]>> {
        self.record.clear();
        loop {
            let bytes = match text.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let (result, read, _, _) = self.rules.read_record(bytes, &mut self.fields, &mut self.ends);
            self.record.extend_from_slice(bytes.get(..read).unwrap_or_default());
            text.consume(read);
            match result {
                csv_core::ReadRecordResult::Record => return Ok(Some(&self.record)),
                csv_core::ReadRecordResult::End => return Ok(None),
                csv_core::ReadRecordResult::InputEmpty
                | csv_core::ReadRecordResult::OutputFull
                | csv_core::ReadRecordResult::OutputEndsFull => {}
            }
        }
    }
}

struct Copy<'l, W> {
    /// The lines whose rows are still to come.
    lines: &'l [u64],
    /// The line that has been reached.
    line: u64,
    header: bool,
    rows: u64,
    out: W,
}

impl<W: Write> Copy<'_, W> {
    fn take(&mut self, record: &[u8]) -> io::Result<()> {
        let empty = record.iter().take_while(|byte| **byte == b'\n').count();
        let begin = self.line + empty as u64;
        self.line += memchr::memchr_iter(b'\n', record).count() as u64;
        let record = record.get(empty..).unwrap_or_default();
        while let Some((_, rest)) = self.lines.split_first().filter(|(line, _)| **line < begin) {
            self.lines = rest;
        }
        if self.header {
            self.header = false;
        } else if self.lines.first() == Some(&begin) {
            self.rows += 1;
        } else {
            return Ok(());
        }
        self.out.write_all(record)?;
        if record.last() == Some(&b'\n') { Ok(()) } else { self.out.write_all(b"\n") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read_csv, split};

    #[track_caller]
    fn check(file: &[u8], lines: &[u64], expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.csv");
        std::fs::write(&path, file).unwrap();
        let mut out = Vec::new();
        let copied = copy_rows(&path, &ReadOptions::new("y"), lines, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(copied.digest, Digest::of(file));
    }

    #[test]
    fn rows_are_copied_as_they_stand() {
        check(b"a,y\n1,2\n3,4\n5,6\n", &[2, 4], "a,y\n1,2\n5,6\n");
        check(b"\xef\xbb\xbf\"a\",y\r\n 1 ,\"2\"\r\n3,4", &[2, 3], "\"a\",y\n 1 ,\"2\"\n3,4\n");
        check(b"a,y\n1,2\n", &[], "a,y\n");
        check(b"a,y\n1,2\n", &[1, 7], "a,y\n");
        check(b"", &[2], "");
    }

    #[test]
    fn lines_are_counted_as_the_reader_does() {
        // Line breaks in quotes, empty lines, `\r` alone.
        check(b"a,y\n\"1\n\n1\",2\n3,4\n", &[5], "a,y\n3,4\n");
        check(b"\n\na,y\n\n\n1,2\n\n3,4\n\n", &[6], "a,y\n1,2\n");
        check(b"a,y\r1,2\r\"3\r\n\",4\r5,6", &[3, 5], "a,y\n\"3\n\",4\n5,6\n");
    }

    proptest::proptest! {
        /// What is copied is read as those rows and no others.
        #[test]
        fn a_copy_of_the_training_rows_is_the_training_rows(
            rows in proptest::collection::vec((0_u8..40, "[ab\"\n\r,]{0,4}", 0_usize..3), 2..40),
            ending in 0_usize..3,
        ) {
            let ending = ["\n", "\r\n", "\r"][ending];
            let mut file = format!("note,x,y{ending}");
            for (value, note, empty) in &rows {
                let note = note.replace('"', "\"\"");
                file += &format!("\"{note}\",{value},{value}{ending}{}", ending.repeat(*empty));
            }
            let mut options = ReadOptions::new("y");
            options.features = Some(vec!["x".to_owned()]);
            let table = read_csv(file.as_bytes(), &options).unwrap();
            let parts = split(&table, 1, 0.5);
            let hashes = |table: &crate::Table, rows: &[usize]| -> Vec<_> {
                rows.iter().map(|row| table.row_hash(*row)).collect()
            };
            let lines: Vec<u64> = parts.train.iter().filter_map(|row| table.line(*row)).collect();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("data.csv");
            std::fs::write(&path, &file).unwrap();
            let mut out = Vec::new();
            let copied = copy_rows(&path, &options, &lines, &mut out).unwrap();
            proptest::prop_assert_eq!(copied.rows, parts.train.len() as u64);
            if !parts.train.is_empty() {
                let copy = read_csv(&out[..], &options).unwrap();
                let all: Vec<usize> = (0..copy.rows()).collect();
                proptest::prop_assert_eq!(hashes(&copy, &all), hashes(&table, &parts.train));
            }
        }
    }
}
