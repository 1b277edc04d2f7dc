use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mlci_core::Digest;

use crate::{
    Error, Layout, Result,
    blob::Temporary,
    image::Parts,
    layer::{self, Content, Expected, Packed},
};

/// The files of an image, outside it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unpacked {
    /// The server: `mlci-serve`, executable.
    pub server: PathBuf,
    /// The model: `model/model.mlci`.
    pub model: PathBuf,
}

impl Layout {
    /// Writes the files of an image into the folder `into`, which is made if it is missing.
    ///
    /// Every byte is checked on the way: manifest, configuration and layers against their digests, archives against the
    /// configuration, files against the labels. An archive may hold exactly what [`Layout::build`] puts into one, and as
    /// much as the manifest says, at most 8 GiB; anything else in it (other paths, links, devices, further entries) is
    /// an error, and no name from an archive is used as a path. Each file takes its place in one step, after all checks,
    /// so a server that runs from an earlier unpacking goes on undisturbed.
    ///
    /// # Errors
    /// [`Error::NoImage`]; [`Error::Damaged`] for a blob that its digest does not fit; [`Error::Foreign`] for other
    /// content; [`Error::Layout`] and [`Error::Storage`]. The files are then as they were before.
    pub fn unpack(&self, digest: &Digest, into: &Path) -> Result<Unpacked> {
        let _lock = self.lock_for_reading()?;
        let parts = self.listed_parts(digest)?;
        let mut files = Vec::new();
        for expected in parts.expected() {
            let mut file = Temporary::create(into)?;
            self.read_layer(&expected, |bytes| file.write(bytes))?;
            set_mode(&file, expected.content.mode())?;
            files.push((expected.content, file));
        }
        // Before the first file is replaced, so that a failure here changes none.
        for folder in Content::ALL.iter().filter_map(|content| Path::new(content.path()).parent()) {
            if folder != Path::new("") {
                real_folder(&into.join(folder))?;
            }
        }
        for (content, file) in files {
            file.persist(&into.join(content.path()))?;
        }
        Ok(Unpacked { server: into.join(Content::Server.path()), model: into.join(Content::Model.path()) })
    }

    /// Reads an image completely and checks what [`Layout::unpack`] would check.
    ///
    /// # Errors
    /// As for [`Layout::unpack`].
    pub fn verify(&self, digest: &Digest) -> Result<()> {
        let _lock = self.lock_for_reading()?;
        let parts = self.listed_parts(digest)?;
        self.check(&parts.manifest.config.digest, parts.manifest.config.size)?;
        for entry in self.index()?.entries_of(digest) {
            self.check_length(digest, entry.size)?;
        }
        parts.expected().into_iter().try_for_each(|expected| self.read_layer(&expected, |_| Ok(())))
    }

    fn read_layer(&self, expected: &Expected<'_>, sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Packed { descriptor, .. } = expected.packed;
        // First, so that nothing is decompressed that is not what was built.
        self.check(&descriptor.digest, descriptor.size)?;
        layer::read(expected, &self.blob(&descriptor.digest), sink)
    }
}

impl Parts {
    fn expected(&self) -> [Expected<'_>; 2] {
        let [server, model] = &self.layers;
        let [server_file, model_file] = self.files;
        [
            Expected { content: Content::Server, packed: server, file: server_file },
            Expected { content: Content::Model, packed: model, file: model_file },
        ]
    }
}

/// Makes a folder, and does not take a link for one: it could lead elsewhere.
fn real_folder(folder: &Path) -> Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(folder).map_err(Error::storage("read", folder))?;
            if metadata.is_dir() { Ok(()) } else { Err(Error::storage("create the folder", folder)(error)) }
        }
        Err(error) => Err(Error::storage("create", folder)(error)),
    }
}

/// Sets the mode, whatever the umask is.
#[cfg(unix)]
fn set_mode(file: &Temporary, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.file()
        .set_permissions(fs::Permissions::from_mode(mode))
        .map_err(Error::storage("set the permissions of", file.path()))
}

#[cfg(not(unix))]
fn set_mode(_: &Temporary, _: u32) -> Result<()> {
    Ok(())
}
