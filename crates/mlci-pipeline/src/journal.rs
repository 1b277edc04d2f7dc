//! What stages have done, by the digest of what they did it with.

use std::{fs, io, path::PathBuf};

use mlci_core::{Digest, FileError, write_atomic};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Context as _, Result};

/// The version of the records. Records of another are left alone and their stage runs again.
const FORMAT: u32 = 1;

/// One file a stage and digest: `STAGE/DIGEST.json`, written once the stage is done.
///
/// A record is believed, so the folder is for the machine that writes it: a CI cache must not restore it from a fork.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    folder: PathBuf,
}

/// What a stage did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record<T> {
    format: u32,
    /// How long it took.
    pub(crate) seconds: f64,
    /// What came of it.
    pub(crate) output: T,
}

impl Journal {
    /// The journal in this folder, which need not exist yet.
    #[must_use]
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, stage: &str, inputs: &Digest) -> PathBuf {
        self.folder.join(stage).join(format!("{}.json", inputs.hex()))
    }

    /// What the stage did with these inputs, if it did and its record can be read. A record that cannot be read is
    /// no reason to stop: the stage runs again and writes it anew.
    ///
    /// # Errors
    /// When the file is there but the disk does not give it.
    pub(crate) fn get<T: DeserializeOwned>(&self, stage: &str, inputs: &Digest) -> Result<Option<Record<T>>> {
        let path = self.path(stage, inputs);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::at("read", &path)(error).into()),
        };
        let record = serde_json::from_slice::<Record<T>>(&bytes).ok();
        Ok(record.filter(|record| record.format == FORMAT))
    }

    /// Records what the stage did with these inputs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn put<T: Serialize>(&self, stage: &str, inputs: &Digest, seconds: f64, output: &T) -> Result<()> {
        let record = Record { format: FORMAT, seconds, output };
        let bytes = serde_json::to_vec(&record).context(|| format!("cannot record the stage `{stage}`"))?;
        Ok(write_atomic(&self.path(stage, inputs), &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_by_its_inputs() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().to_owned());
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        journal.put("train", &one, 0.5, &vec![1, 2]).unwrap();
        assert_eq!(journal.get::<Vec<u8>>("train", &one).unwrap().unwrap().output, [1, 2]);
        assert!(journal.get::<Vec<u8>>("train", &two).unwrap().is_none());
        assert!(journal.get::<Vec<u8>>("gate", &one).unwrap().is_none());
    }

    #[test]
    fn a_record_that_cannot_be_read_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().to_owned());
        let inputs = Digest::of(b"1");
        for text in ["", "{", r#"{"format":9,"seconds":1.0,"output":[]}"#, r#"{"format":1,"seconds":1.0,"output":"x"}"#]
        {
            write_atomic(&journal.path("train", &inputs), text.as_bytes()).unwrap();
            assert!(journal.get::<Vec<u8>>("train", &inputs).unwrap().is_none(), "{text}");
        }
    }
}
