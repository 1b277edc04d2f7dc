use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use mlci_core::FileError;
use serde::{Deserialize, Serialize};

use crate::{Entry, Error, FORMAT_VERSION, Result, line::Line};

/// Lines of a run's file that could not be used. They stay in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The numbers, from 1, of lines that are damaged. A line that is torn because its writer died is one of them once
    /// something was added after it.
    pub damaged: Vec<u64>,
    /// How many lines hold an event of a kind that this version does not know.
    pub unknown: u64,
}

impl Skipped {
    /// Whether every line was used.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.damaged.is_empty() && self.unknown == 0
    }
}

/// The events of one run in the order in which they were logged, read line by line: an iterator.
///
/// An unfinished line at the end, which a writer may be writing or have died over, is left out. After an error it ends.
#[derive(Debug)]
pub struct Entries {
    path: PathBuf,
    // None once the end or an error was met.
    input: Option<BufReader<File>>,
    buffer: Vec<u8>,
    line: u64,
    skipped: Skipped,
}

impl Entries {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(FileError::at("open", path))?;
        let input = Some(BufReader::with_capacity(64 * 1024, file));
        Ok(Self { path: path.to_owned(), input, buffer: Vec::new(), line: 0, skipped: Skipped::default() })
    }

    /// What was passed over so far.
    #[must_use]
    pub const fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    pub(crate) fn into_skipped(self) -> Skipped {
        self.skipped
    }

    fn read(&mut self) -> Result<Option<Entry>> {
        let Some(input) = &mut self.input else { return Ok(None) };
        loop {
            self.buffer.clear();
            if input.read_until(b'\n', &mut self.buffer).map_err(FileError::at("read", &self.path))? == 0 {
                return Ok(None);
            }
            self.line += 1;
            let text = self.buffer.trim_ascii();
            // Two writers that both mend a torn line leave an empty one.
            if text.is_empty() {
                continue;
            }
            if self.line == 1 {
                check_format(&self.path, text)?;
            }
            match Line::parse(text) {
                Line::Entry(entry) => return Ok(Some(entry)),
                Line::Unknown => self.skipped.unknown += 1,
                Line::Damaged if self.buffer.ends_with(b"\n") => self.skipped.damaged.push(self.line),
                // What is here is all there was. By now there may be more, and its rest read as a line would be damage.
                Line::Damaged => return Ok(None),
            }
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.input = None;
        }
        next
    }
}

/// A later format may look different in everything but the number of its version.
fn check_format(path: &Path, text: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Head {
        format: u64,
    }

    match serde_json::from_slice::<Head>(text) {
        Ok(Head { format }) if format > u64::from(FORMAT_VERSION) => {
            Err(Error::Newer { path: path.to_owned(), found: format })
        }
        _ => Ok(()),
    }
}
