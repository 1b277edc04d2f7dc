//! Who may do what at the same time, in one process or several.
//!
//! Whoever reads or adds blobs shares the lock of the blobs, so that nobody removes them meanwhile; whoever removes has
//! it alone. Whoever changes `index.json` has the lock of the index alone, and takes it second. Reading the index takes
//! none, since it is replaced in one step. The system releases a killed process's locks.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::PathBuf,
};

use crate::{Error, Layout, Result};

const BLOBS: &str = "blobs.lock";
const INDEX: &str = "index.lock";

/// A lock, released when it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Lock(#[expect(dead_code, reason = "closing the file releases the lock")] Option<File>);

impl Layout {
    /// For reading blobs. A layout that this user cannot write to needs no lock file to be read.
    pub(crate) fn lock_for_reading(&self) -> Result<Lock> {
        let path = self.lock_path(BLOBS);
        let file = match self.open_lock(&path) {
            Err(Error::Storage { source, .. })
                if matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
            {
                match File::open(&path) {
                    Ok(file) => file,
                    Err(_) => return Ok(Lock(None)),
                }
            }
            opened => opened?,
        };
        file.lock_shared().map_err(Error::storage("lock", &path))?;
        Ok(Lock(Some(file)))
    }

    /// For adding blobs. If nobody else does so at the moment, what killed processes left behind is removed first.
    pub(crate) fn lock_for_adding(&self) -> Result<Lock> {
        let path = self.lock_path(BLOBS);
        let file = self.open_lock(&path)?;
        if self.has_leftovers() {
            match file.try_lock() {
                Ok(()) => {
                    self.remove_leftovers()?;
                    file.unlock().map_err(Error::storage("unlock", &path))?;
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(Error::storage("lock", &path)(source)),
            }
        }
        file.lock_shared().map_err(Error::storage("lock", &path))?;
        Ok(Lock(Some(file)))
    }

    /// For removing blobs.
    pub(crate) fn lock_for_removing(&self) -> Result<Lock> {
        self.lock_alone(BLOBS)
    }

    /// For changing the index. One of the other locks has to be held.
    pub(crate) fn lock_index(&self) -> Result<Lock> {
        self.lock_alone(INDEX)
    }

    fn lock_alone(&self, name: &str) -> Result<Lock> {
        let path = self.lock_path(name);
        let file = self.open_lock(&path)?;
        file.lock().map_err(Error::storage("lock", &path))?;
        Ok(Lock(Some(file)))
    }

    fn open_lock(&self, path: &PathBuf) -> Result<File> {
        let folder = self.private();
        fs::create_dir_all(&folder).map_err(Error::storage("create", &folder))?;
        // Never truncated or removed: a lock on a removed file excludes nobody.
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(Error::storage("open", path))
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.private().join(name)
    }
}
