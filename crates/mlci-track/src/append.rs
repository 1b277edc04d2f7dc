use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    path::Path,
};

use crate::{Entry, Event, line::Line};

/// Adds lines to a run's file, one write each with the line feed last: what a crash leaves is at most one torn line at
/// the end, and lines of several writers do not mix.
#[derive(Debug)]
pub(crate) struct Appender<W> {
    out: W,
    // Whether the last line may lack its line feed.
    torn: bool,
}

impl Appender<File> {
    /// A file that must not be there yet.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let out = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Self { out, torn: false })
    }

    /// A file that is there, perhaps with a torn line at its end.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut out = OpenOptions::new().read(true).append(true).open(path)?;
        let mut last = [b'\n'];
        if out.seek(SeekFrom::End(0))? > 0 {
            out.seek(SeekFrom::End(-1))?;
            out.read_exact(&mut last)?;
        }
        Ok(Self { out, torn: last != [b'\n'] })
    }

    /// Waits until what was written would survive a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.out.sync_data()
    }
}

impl<W: Write> Appender<W> {
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = Vec::with_capacity(160);
        if self.torn {
            line.push(b'\n');
        }
        serde_json::to_writer(&mut line, entry)?;
        line.push(b'\n');
        // After a failed write nobody knows how much of the line is there.
        self.torn = true;
        self.out.write_all(&line)?;
        self.torn = false;
        Ok(())
    }
}

/// Whether the end of a run stands near the end of its file: only tags come after it. `false` is not certain.
pub(crate) fn ends_near_the_end(path: &Path) -> io::Result<bool> {
    const NEAR: u64 = 4096;
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(NEAR)))?;
    let mut tail = Vec::new();
    file.take(NEAR).read_to_end(&mut tail)?;
    // The first piece may be half a line; it does not parse then.
    Ok(tail
        .split(|byte| *byte == b'\n')
        .rev()
        .any(|line| matches!(Line::parse(line), Line::Entry(Entry { event: Event::End { .. }, .. }))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and is full then, until it gets more room.
    struct Disk {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            self.room -= count;
            self.content.extend(&bytes[..count]);
            if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn entry(key: &str) -> Entry {
        let event = Event::Tag { key: key.to_owned(), value: String::new() };
        Entry { event, time: "2026-01-02T03:04:05Z".parse().unwrap() }
    }

    /// However much of a line fits on a full disk, the lines before and after it can be read.
    #[test]
    fn a_full_disk_costs_one_line() {
        let whole = serde_json::to_vec(&entry("b")).unwrap().len();
        for room in 0..=whole {
            let mut log = Appender { out: Disk { content: vec![], room: usize::MAX }, torn: false };
            log.append(&entry("a")).unwrap();
            log.out.room = room;
            assert_eq!(log.append(&entry("b")).unwrap_err().kind(), io::ErrorKind::StorageFull);
            log.out.room = usize::MAX;
            log.append(&entry("c")).unwrap();
            log.append(&entry("d")).unwrap();

            let mut keys = String::new();
            for line in log.out.content.split(|byte| *byte == b'\n') {
                if let Line::Entry(Entry { event: Event::Tag { key, .. }, .. }) = Line::parse(line) {
                    keys += &key;
                }
            }
            // Where all but the line feed fitted, the line is whole after all.
            assert_eq!(keys, if room == whole { "abcd" } else { "acd" }, "{room}");
        }
    }
}
