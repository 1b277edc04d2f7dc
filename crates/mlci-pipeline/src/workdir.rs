//! `.mlci/`, beside the configuration: what the pipeline keeps between runs. It holds no secret.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    process,
};

use mlci_core::{Digest, FileError};

use crate::error::{Error, Result};

/// The folder's name.
pub(crate) const FOLDER: &str = ".mlci";

/// The folders of `.mlci/`.
#[derive(Debug, Clone)]
pub struct Workdir {
    root: PathBuf,
}

/// Held while a command changes something; two such commands in one checkout would undo each other.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl Workdir {
    /// The `.mlci/` in `folder`, as an absolute path, so that children with other working folders can use it.
    ///
    /// # Errors
    /// When the working folder is gone.
    pub fn new(folder: &Path) -> Result<Self> {
        let root = std::path::absolute(folder.join(FOLDER)).map_err(FileError::at("locate", folder))?;
        Ok(Self { root })
    }

    /// Makes the folder, which ignores itself, so that a repository without an ignore line stays clean.
    pub(crate) fn create(&self) -> Result<()> {
        fs::create_dir_all(&self.root).map_err(FileError::at("create", &self.root))?;
        let ignore = self.root.join(".gitignore");
        if !ignore.exists()
            && let Err(error) = mlci_core::write_atomic(&ignore, b"*\n")
            // Another command has it there by now, and has swept the half of this one away.
            && !ignore.exists()
        {
            return Err(error.into());
        }
        Ok(())
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Results of stages, by the digest of their inputs.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The file of a model that was trained here.
    #[must_use]
    pub fn model(&self, digest: &Digest) -> PathBuf {
        self.root.join("models").join(format!("{}.mlci", digest.hex()))
    }

    /// The ONNX model that a command of the team's own left, and that the model with this digest was made of.
    #[must_use]
    pub fn onnx(&self, digest: &Digest) -> PathBuf {
        self.root.join("models").join(format!("{}.onnx", digest.hex()))
    }

    /// What the training command is given and leaves.
    #[must_use]
    pub fn train(&self) -> PathBuf {
        self.root.join("train")
    }

    /// What the model with this digest predicted for the held-out rows.
    #[must_use]
    pub fn evaluation(&self, digest: &Digest) -> PathBuf {
        self.root.join("models").join(format!("{}.evaluation.json", digest.hex()))
    }

    /// The state of a project's environments with the target `process`, one folder each. Several configurations may
    /// stand in one folder.
    #[must_use]
    pub fn environments(&self, project: &str) -> PathBuf {
        self.root.join("environments").join(project)
    }

    /// Reports: the newest, and those of each run.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.root.join("report")
    }

    /// What children of the stages printed.
    #[must_use]
    pub fn log(&self, stage: &str) -> PathBuf {
        self.root.join("logs").join(format!("{stage}.log"))
    }

    /// What can be made again at any time.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Takes the lock, or says who has it. It is given back when the process ends, however it ends.
    ///
    /// # Errors
    /// When another process has it, or the folder cannot be written.
    pub fn lock(&self) -> Result<Lock> {
        self.create()?;
        let path = self.root.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(FileError::at("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder =
                    if holder.trim().is_empty() { "another mlci".to_owned() } else { holder.trim().to_owned() };
                return Err(Error::fail(format!("{holder} is at work in `{}`", self.root.display()))
                    .help("wait until it is done, or work in another checkout"));
            }
            Err(TryLockError::Error(source)) => return Err(FileError::at("lock", &path)(source).into()),
        }
        // Only told to people; the lock is what counts.
        let text = format!("mlci (process {})\n", process::id());
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        Ok(Lock(file))
    }

    /// Removes temporary files that a killed process left in the folders that only the holder of the lock writes, and
    /// in the cache, where a note that is swept from under its writer is only written again.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn sweep(&self, _lock: &Lock) -> Result<()> {
        let folders =
            [self.journal(), self.cache(), self.root.join("models"), self.report(), self.root.join("environments")];
        for folder in folders {
            sweep(&folder, 3)?;
        }
        sweep(&self.root, 0)
    }
}

fn sweep(folder: &Path, depth: u32) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::at("read", folder)(error).into()),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(".tmp") {
            mlci_core::remove(&path)?;
        } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep(&path, depth - 1)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_to_lock_is_told_who_was_first() {
        let folder = tempfile::tempdir().unwrap();
        let workdir = Workdir::new(folder.path()).unwrap();
        let held = workdir.lock().unwrap();
        let error = workdir.lock().unwrap_err();
        assert!(error.message.starts_with(&format!("mlci (process {}) is at work", process::id())), "{error}");
        drop(held);
        assert!(workdir.lock().is_ok());
    }

    #[test]
    fn only_temporary_files_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let workdir = Workdir::new(folder.path()).unwrap();
        let lock = workdir.lock().unwrap();
        let stage = workdir.journal().join("train");
        fs::create_dir_all(&stage).unwrap();
        fs::write(stage.join(".a.json.1-0.tmp"), b"half").unwrap();
        fs::write(stage.join("a.json"), b"whole").unwrap();
        workdir.sweep(&lock).unwrap();
        let left: Vec<_> = fs::read_dir(&stage).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a.json"]);
    }
}
