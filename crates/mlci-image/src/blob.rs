use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use mlci_core::Digest;

use crate::{Error, Layout, Result, tally::Tally};

/// What registries accept for a manifest (OCI Distribution Specification 1.1, "Pushing Manifests").
pub(crate) const DOCUMENT_LIMIT: u64 = 4 * 1024 * 1024;

/// A file in the making: removed when dropped, unless it was given its name.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    file: File,
    named: bool,
}

impl Temporary {
    /// Makes a new file in `folder`, which is made too.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);

        fs::create_dir_all(folder).map_err(Error::storage("create", folder))?;
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!(".mlci-{}-{number}.tmp", process::id()));
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { path, file, named: false }),
                // Left by a killed process, or in use in another container, where the same number is another process.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::storage("create", &path)(error)),
            }
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::storage("write", &self.path))
    }

    /// Writes to the disk, then takes the place of `path` in one step.
    pub(crate) fn persist(mut self, path: &Path) -> Result<()> {
        self.file.sync_all().map_err(Error::storage("write", path))?;
        fs::rename(&self.path, path).map_err(Error::storage("write", path))?;
        self.named = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Once it has its name, the old one may already be another process's.
        if !self.named {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Layout {
    /// Where the blob with this digest is, if the layout has it: a file to be read as a stream.
    #[must_use]
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.folder.join("blobs/sha256")
    }

    /// The folder with what is ours and not the specification's: locks and temporary files.
    pub(crate) fn private(&self) -> PathBuf {
        self.folder.join(".mlci")
    }

    pub(crate) fn temporary_folder(&self) -> PathBuf {
        self.private().join("tmp")
    }

    /// Reads a small blob, a manifest or configuration, and checks it.
    pub(crate) fn document(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.blob(digest);
        let damaged = |problem: &str| Error::Damaged { path: path.clone(), problem: problem.to_owned() };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("is missing")),
            Err(error) => return Err(Error::storage("open", &path)(error)),
        };
        let mut bytes = Vec::new();
        file.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes).map_err(Error::storage("read", &path))?;
        if bytes.len() as u64 > DOCUMENT_LIMIT {
            return Err(damaged("is too long for a manifest or configuration"));
        }
        if Digest::of(&bytes) != *digest {
            return Err(damaged("has other content than its digest says"));
        }
        Ok(bytes)
    }

    /// Writes a small blob unless it is there and intact; says whether it wrote.
    pub(crate) fn put_document(&self, bytes: &[u8]) -> Result<(Digest, bool)> {
        let digest = Digest::of(bytes);
        if self.document(&digest).is_ok() {
            return Ok((digest, false));
        }
        let mut file = Temporary::create(&self.temporary_folder())?;
        file.write(bytes)?;
        self.put(file, &digest)?;
        Ok((digest, true))
    }

    /// Puts a finished file, whose digest is known, among the blobs.
    pub(crate) fn put(&self, file: Temporary, digest: &Digest) -> Result<()> {
        let folder = self.blobs();
        fs::create_dir_all(&folder).map_err(Error::storage("create", &folder))?;
        file.persist(&self.blob(digest))
    }

    /// Checks that a blob is there with this length.
    pub(crate) fn check_length(&self, digest: &Digest, size: u64) -> Result<()> {
        let path = self.blob(digest);
        let problem = match fs::metadata(&path) {
            Ok(metadata) if metadata.len() == size => return Ok(()),
            Ok(metadata) => format!("has {} bytes and should have {size}", metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "is missing".to_owned(),
            Err(error) => return Err(Error::storage("read", &path)(error)),
        };
        Err(Error::Damaged { path, problem })
    }

    /// Checks that a blob is there with this length and content.
    pub(crate) fn check(&self, digest: &Digest, size: u64) -> Result<()> {
        self.check_length(digest, size)?;
        let path = self.blob(digest);
        let mut file = Tally::new(File::open(&path).map_err(Error::storage("open", &path))?);
        io::copy(&mut file, &mut io::sink()).map_err(Error::storage("read", &path))?;
        let (actual, _) = file.finish();
        if actual == *digest {
            return Ok(());
        }
        Err(Error::Damaged { path, problem: format!("has other content ({actual}) than its digest says") })
    }

    pub(crate) fn has_leftovers(&self) -> bool {
        fs::read_dir(self.temporary_folder()).is_ok_and(|mut files| files.next().is_some())
    }

    /// Removes all temporary files; gives their number and bytes. Nobody may be writing.
    pub(crate) fn remove_leftovers(&self) -> Result<(usize, u64)> {
        let folder = self.temporary_folder();
        remove_files(&folder, |_| true)
    }
}

/// Removes the files in a folder whose names are `unwanted`; gives their number and bytes. No folder, no files.
pub(crate) fn remove_files(folder: &Path, unwanted: impl Fn(&str) -> bool) -> Result<(usize, u64)> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        Err(error) => return Err(Error::storage("read", folder)(error)),
    };
    let (mut files, mut bytes) = (0, 0);
    for entry in entries {
        let entry = entry.map_err(Error::storage("read", folder))?;
        let path = entry.path();
        let metadata = entry.metadata().map_err(Error::storage("read", &path))?;
        if metadata.is_file() && entry.file_name().to_str().is_some_and(&unwanted) {
            fs::remove_file(&path).map_err(Error::storage("remove", &path))?;
            files += 1;
            bytes += metadata.len();
        }
    }
    Ok((files, bytes))
}
