use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use mlci_core::FileError;

use crate::{
    error::Result,
    store::{Store, blocking},
};

impl Store {
    /// Removes what killed processes left of their unfinished writes in a directory store, and says how many files
    /// that were. In other stores there is nothing to do.
    ///
    /// A write goes to a file `NAME#1` beside its target, which takes its name when it is complete, so these files are
    /// never read and only take space. `older_than` must be longer than any write takes, since one that is under way
    /// fails if its file is removed; an hour is ample.
    ///
    /// # Errors
    /// [`Error::Folder`](crate::Error::Folder), naming the file or folder.
    pub async fn sweep_partial(&self, older_than: Duration) -> Result<usize> {
        let Some(folder) = self.folder.clone() else { return Ok(0) };
        // A clock that is out of all bounds makes every file young.
        let now = SystemTime::try_from(self.now()).unwrap_or(SystemTime::UNIX_EPOCH);
        let swept = blocking({
            let folder = folder.clone();
            move || sweep(&folder, now, older_than)
        });
        Ok(swept.await.map_err(FileError::at("sweep", &folder))??)
    }
}

fn sweep(folder: &Path, now: SystemTime, older_than: Duration) -> Result<usize, FileError> {
    let mut swept = 0;
    for entry in fs::read_dir(folder).map_err(FileError::at("list", folder))? {
        let entry = entry.map_err(FileError::at("list", folder))?;
        let path = entry.path();
        // Not followed through symbolic links: they may lead out of the store.
        let kind = entry.file_type().map_err(FileError::at("look at", &path))?;
        if kind.is_dir() {
            swept += sweep(&path, now, older_than)?;
        } else if kind.is_file() && is_staged(&entry.file_name().to_string_lossy()) {
            swept += usize::from(remove_if_old(&path, now, older_than).map_err(FileError::at("remove", &path))?);
        }
    }
    Ok(swept)
}

fn remove_if_old(path: &Path, now: SystemTime, older_than: Duration) -> io::Result<bool> {
    let remove = || {
        let modified = fs::symlink_metadata(path)?.modified()?;
        // A file from the future is as young as can be.
        if now.duration_since(modified).unwrap_or_default() < older_than {
            return Ok(false);
        }
        fs::remove_file(path).map(|()| true)
    };
    match remove() {
        // Its writer finished, or another sweep was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result,
    }
}

/// How object_store's `LocalFileSystem` names unfinished files; it refuses such names for objects.
fn is_staged(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
