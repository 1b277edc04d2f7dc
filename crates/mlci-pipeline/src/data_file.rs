//! The file with the data, wherever that is.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use mlci_artifact::{Read, RemoteObject, Scheme};
use mlci_core::{Digest, FileError, digest_file, write_atomic};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Context as _, Error, Result},
    event::Event,
    pipeline::Pipeline,
};

/// What is known of the copy here of an object in a store.
#[derive(Serialize, Deserialize)]
struct Copied {
    entity_tag: String,
    /// Of the copy: a file in a cache may be anything.
    digest: Digest,
}

/// The copy here of an object in a store.
pub(crate) struct DataCopy {
    path: PathBuf,
    digest: Digest,
}

impl Pipeline {
    /// The file with the data. An object in a store is copied to the cache, unless what is there is still its content;
    /// all of a command works on that copy.
    pub(crate) fn data_file(&self) -> Result<PathBuf> {
        Ok(match self.data_copy()? {
            Some(copy) => copy.path.clone(),
            None => self.resolve(&self.config().data.path),
        })
    }

    /// The digest of the data: the content decides, not the time stamp, and a change that restores it is a change.
    pub(crate) fn data_digest(&self) -> Result<Digest> {
        let path = &self.config().data.path;
        match self.data_copy()? {
            Some(copy) => Ok(copy.digest),
            None => {
                let digest = digest_file(&self.resolve(path)).map(|(digest, _)| digest);
                digest.map_err(|error| {
                    Error::from(error).help(format!("[data] path = \"{path}\" names the file with the data"))
                })
            }
        }
    }

    fn data_copy(&self) -> Result<Option<&DataCopy>> {
        let path = &self.config().data.path;
        if Scheme::of(path).is_none() {
            return Ok(None);
        }
        let make = || {
            let folder = self.workdir().cache().join("data").join(Digest::of(path.as_bytes()).hex());
            self.copied(path, &folder)
        };
        self.copy_of_data(make).map(Some)
    }

    fn copied(&self, url: &str, folder: &Path) -> Result<DataCopy> {
        let (copy, note) = (folder.join("content"), folder.join("copied.json"));
        let known = known(&copy, &note);
        let copy_of = |digest| DataCopy { path: copy.clone(), digest };
        let object = RemoteObject::at(url)?;
        fs::create_dir_all(folder).map_err(FileError::at("create", folder))?;
        // Swept with the cache's other halves if this is killed.
        let file = tempfile::Builder::new().prefix(".data").suffix(".tmp").tempfile_in(folder);
        let mut file = file.map_err(FileError::at("create a file in", folder))?;
        let tag = known.as_ref().map(|known| known.entity_tag.as_str());
        let mut digest = Digest::builder();
        let read = self.block_on(object.read(tag, |block| {
            digest.stream(block);
            file.write_all(block).map_err(FileError::at("write", &copy))
        }))?;
        let (entity_tag, bytes, digest) = match (read, known) {
            (Read::Whole { entity_tag, bytes }, _) => (entity_tag, bytes, digest.finish()),
            (_, Some(known)) => return Ok(copy_of(known.digest)),
            // Only who names a tag is told that nothing has changed.
            (_, None) => {
                return Err(Error::fail(format!("`{url}` is said to be unchanged, and there is no copy of it")));
            }
        };
        self.event(&Event::Progress {
            name: "data".to_owned(),
            message: format!("copied {:.1} MB from {url}", bytes as f64 / 1e6),
        });
        // In this order: a note that is left never says of another content that it is the object's.
        mlci_core::remove(&note)?;
        file.persist(&copy).map_err(|error| FileError::at("write", &copy)(error.error))?;
        if let Some(entity_tag) = entity_tag {
            let copied = Copied { entity_tag, digest };
            let text = serde_json::to_vec(&copied).context(|| "the note of a copy cannot be written".to_owned())?;
            write_atomic(&note, &text)?;
        }
        Ok(copy_of(digest))
    }
}

/// What the note says, if the copy is as it says.
fn known(copy: &Path, note: &Path) -> Option<Copied> {
    let known: Copied = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
    let (digest, _) = digest_file(copy).ok()?;
    (digest == known.digest).then_some(known)
}
