use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::Digest;

/// A file that could not be read or written, with what was being done to it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FileError {
    /// What was being done, as a verb.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: `fs::read(path).map_err(FileError::at("read", path))`.
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

/// Writes a file so that a reader, a crash or a full disk sees either the old content or the new, never a part.
///
/// The bytes go to a temporary file in the same folder (`.NAME.PID-N.tmp`), are synced, and take the name by a rename.
/// The folder is made if it is missing.
///
/// # Errors
/// [`FileError`] naming the path. The temporary file is removed then; a killed process may leave one behind.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);

    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(FileError::at("create", folder))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Two containers that share the folder may have the same process id, so the name is only taken where it is free.
    let (temporary, mut file) = loop {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!(".{name}.{}-{number}.tmp", process::id()));
        match File::create_new(&temporary) {
            Ok(file) => break (temporary, file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(FileError::at("write", path)(error)),
        }
    };
    let mut write = || {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        FileError { action: "write", path: path.to_owned(), source }
    })
}

/// Removes a file, link or folder with all that is in it; that there is none is no error. Links are not followed.
///
/// # Errors
/// [`FileError`] naming the path.
pub fn remove(path: &Path) -> Result<(), FileError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Opens a file for reading, and only a file: a named pipe or a device would be waited for, or read, for ever.
///
/// # Errors
/// [`FileError`] naming the path.
pub fn open_file(path: &Path) -> Result<File, FileError> {
    let open = || {
        if fs::metadata(path)?.is_file() {
            File::open(path)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
        }
    };
    open().map_err(FileError::at("open", path))
}

/// The digest of a file's content and its length in bytes, read in blocks of 64 KiB.
///
/// # Errors
/// [`FileError`] naming the path.
pub fn digest_file(path: &Path) -> Result<(Digest, u64), FileError> {
    let mut file = open_file(path)?;
    let mut builder = Digest::builder();
    let mut block = vec![0; 64 * 1024];
    let mut length = 0;
    loop {
        let count = match file.read(&mut block) {
            Ok(0) => return Ok((builder.finish(), length)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(FileError::at("read", path)(error)),
        };
        builder.stream(block.get(..count).unwrap_or_default());
        length += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_names_the_path_and_cleans_up() {
        let folder = tempfile::tempdir().unwrap();
        // A folder stands where the file should go, so that the rename fails.
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"x").unwrap();
        let error = write_atomic(&path, b"new").unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_digest_of_a_file_is_the_digest_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes = vec![7; 200_000];
        fs::write(&path, &bytes).unwrap();
        assert_eq!(digest_file(&path).unwrap(), (Digest::of(&bytes), 200_000));
        assert!(digest_file(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
    }
}
