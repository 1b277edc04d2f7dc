//! The data, read once a command.

use std::fs;

use mlci_core::{Digest, FileError};
use mlci_train::{Gathered, MissingPolicy, ReadOptions};

use super::{Pipeline, init};
use crate::{
    config::{self, Missing},
    data_file::DataCopy,
    error::{Error, Outcome, Result},
};

/// What reading the data has come to.
pub(crate) struct ReadData {
    pub(crate) gathered: Gathered,
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
}

impl Pipeline {
    /// The copy of the data, made once a command.
    pub(crate) fn copy_of_data(&self, make: impl FnOnce() -> Result<DataCopy>) -> Result<&DataCopy> {
        init(&self.data_copy, make)
    }

    /// What a pass over the data leaves of it.
    pub(crate) fn gathered(&self) -> Result<&ReadData> {
        init(&self.gathered, || {
            let data = &self.config().data;
            let path = self.data_file()?;
            let options = self.config().train.options(self.config().gate.threshold);
            let read = mlci_train::gather_file(&path, &read_options(data), &options);
            let (gathered, digest) = read.map_err(|error| {
                let message = format!("the data `{}` cannot be used", data.path);
                let outcome = if error.source.is_configuration() { Outcome::Invalid } else { Outcome::Fail };
                Error::new(outcome, message).because(error.source)
            })?;
            let bytes = fs::metadata(&path).map_err(FileError::at("read", &path))?.len();
            Ok(ReadData { gathered, digest, bytes })
        })
    }

    /// As [`Self::gathered`], of data that is known to have this digest.
    pub(crate) fn gathered_of(&self, digest: &Digest) -> Result<&ReadData> {
        let read = self.gathered()?;
        if read.digest == *digest {
            return Ok(read);
        }
        Err(Error::fail(format!("the data `{}` was changed while it was used", self.config().data.path))
            .help("run it again once nobody writes to it"))
    }
}

pub(crate) fn read_options(data: &config::Data) -> ReadOptions {
    let mut options = ReadOptions::new(&data.target);
    // Checked to be ASCII when the configuration was read.
    options.delimiter = u8::try_from(data.delimiter).unwrap_or(b',');
    options.missing = match data.missing {
        Missing::Stop => MissingPolicy::Stop,
        Missing::Drop => MissingPolicy::Drop,
    };
    options.features = data.features.clone();
    options.exclude = data.exclude.clone();
    options.id = data.id.clone();
    // Checked to be ASCII, as the delimiter was.
    options.comment = data.comment.and_then(|comment| u8::try_from(comment).ok());
    options.columns = data.columns.iter().map(|(name, column)| (name.clone(), column.into())).collect();
    options
}
