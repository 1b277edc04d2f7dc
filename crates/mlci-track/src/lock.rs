//! Who lives is told by file locks: the system frees them with the process, however it ends, and unlike a process's
//! number they cannot pass to another. They lie beside the run's file, since a lock keeps readers out on Windows.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use mlci_core::FileError;

use crate::Result;

/// Keeps other processes from numbering runs or closing stale ones until it is dropped.
pub(crate) fn folder(folder: &Path) -> Result<File> {
    let path = folder.join(".lock");
    let file = open(&path)?;
    loop {
        match file.lock() {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FileError::at("lock", &path)(error).into()),
        }
    }
}

/// The sign that the process which writes a run is alive.
#[derive(Debug)]
pub(crate) struct Alive {
    path: PathBuf,
    // Holds the lock.
    _file: File,
}

impl Alive {
    /// Takes the lock of a run that is about to be made.
    pub(crate) fn take(run: &Path) -> Result<Self> {
        let path = path(run);
        let file = open(&path)?;
        file.try_lock().map_err(io::Error::from).map_err(FileError::at("lock", &path))?;
        Ok(Self { path, _file: file })
    }

    /// Gives the sign up, once the run has its end.
    pub(crate) fn release(self) {
        // A file that is left behind is no harm, and the next start removes it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a living process writes the run.
pub(crate) fn is_alive(run: &Path) -> Result<bool> {
    is_held(&path(run))
}

/// Removes a lock file that nobody holds. Only under the lock of the folder, or it could be one that is being made.
pub(crate) fn sweep(lock: &Path) -> Result<()> {
    if !is_held(lock)? {
        // As in `Alive::release`.
        let _ = fs::remove_file(lock);
    }
    Ok(())
}

fn is_held(lock: &Path) -> Result<bool> {
    let file = match OpenOptions::new().write(true).open(lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(FileError::at("open", lock)(error).into()),
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(FileError::at("lock", lock)(error).into()),
    }
}

fn path(run: &Path) -> PathBuf {
    run.with_extension("lock")
}

fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    Ok(file.map_err(FileError::at("create", path))?)
}
