use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use mlci_core::Digest;
use serde::de::DeserializeOwned;

use crate::{
    Error, Image, Result, Settings,
    blob::Temporary,
    document::{Config, Index, LayoutFile},
    image::Parts,
    layer::Content,
};

const LAYOUT_FILE: &str = "oci-layout";
const INDEX_FILE: &str = "index.json";
/// The version since 1.0 of the specification; 1.1 did not raise it.
const VERSION: &str = "1.0.0";

/// A folder with images: an OCI image layout (OCI Image Format Specification 1.1, "Image Layout").
///
/// Several processes and threads may use one folder at once. Every file appears in it complete or not at all, and
/// `index.json` last, so a process that is killed leaves at most unused files: the next [`build`](Layout::build) removes
/// temporary ones and carries on from what is there, and [`prune`](Layout::prune) removes the rest. Locks and temporary
/// files are in the sub-folder `.mlci`, which other tools ignore. Entries that other tools add to `index.json` stay.
///
/// What protects from damaged files: `build` reads each blob of an image that it reuses, and makes it again if it is not
/// what its digest says; [`unpack`](Layout::unpack) and [`verify`](Layout::verify) check every byte;
/// [`find_content`](Layout::find_content) looks at lengths only; [`images`](Layout::images), [`find`](Layout::find) and
/// [`tag`](Layout::tag) do not look at layers.
#[derive(Debug, Clone)]
pub struct Layout {
    pub(crate) folder: PathBuf,
}

impl Layout {
    /// Opens the layout in `folder`. If the folder is missing or empty, or its making was interrupted, it is made.
    ///
    /// A layout that is there is only read, so this works where nothing can be written.
    ///
    /// # Errors
    /// [`Error::NotAFolder`] for a file; [`Error::NotALayout`] for a folder of something else;
    /// [`Error::LayoutVersion`] for another version; [`Error::Layout`] for a missing or damaged `index.json`;
    /// [`Error::Storage`] if reading or writing failed.
    pub fn open(folder: &Path) -> Result<Self> {
        match fs::metadata(folder) {
            Ok(metadata) if !metadata.is_dir() => return Err(Error::NotAFolder { path: folder.to_owned() }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder).map_err(Error::storage("create", folder))?;
            }
            Err(error) => return Err(Error::storage("read", folder)(error)),
        }
        let layout = Self { folder: folder.to_owned() };
        if !layout.is_finished()? {
            layout.create()?;
        }
        layout.index()?;
        Ok(layout)
    }

    /// Where the layout is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The images that mlci made, in the order in which they were added.
    ///
    /// # Errors
    /// [`Error::Layout`] and [`Error::Storage`] as for [`Layout::open`]; [`Error::Damaged`] or [`Error::Foreign`] if a
    /// manifest or configuration is missing or not right.
    pub fn images(&self) -> Result<Vec<Image>> {
        let _lock = self.lock_for_reading()?;
        let index = self.index()?;
        index.images().iter().map(|digest| Ok(self.parts(digest)?.image(index.tags_of(digest)))).collect()
    }

    /// The image whose manifest has this digest, if it is there.
    ///
    /// # Errors
    /// As for [`Layout::images`].
    pub fn find(&self, digest: &Digest) -> Result<Option<Image>> {
        let _lock = self.lock_for_reading()?;
        let index = self.index()?;
        if !index.images().contains(digest) {
            return Ok(None);
        }
        Ok(Some(self.parts(digest)?.image(index.tags_of(digest))))
    }

    /// The image of a server and a model, by the digests of the files, with these settings, if it is there and its blobs
    /// have the right lengths. Otherwise [`Layout::build`] makes or repairs it.
    ///
    /// # Errors
    /// [`Error::Layout`] and [`Error::Storage`] as for [`Layout::open`].
    pub fn find_content(&self, server: &Digest, model: &Digest, settings: &Settings) -> Result<Option<Image>> {
        let _lock = self.lock_for_reading()?;
        let index = self.index()?;
        let candidates = index
            .manifests
            .iter()
            .filter(|entry| entry.holds(Content::Server, server) && entry.holds(Content::Model, model))
            .filter_map(|entry| entry.digest.parse().ok());
        for digest in candidates {
            let parts = match self.parts(&digest) {
                Ok(parts) => parts,
                Err(Error::Damaged { .. } | Error::Foreign { .. }) => continue,
                Err(error) => return Err(error),
            };
            let [of_server, of_model] = &parts.layers;
            let expected = Config::new(
                settings,
                [(Content::Server, *server, of_server.diff_id), (Content::Model, *model, of_model.diff_id)],
            );
            if parts.config == expected
                && parts.layers.iter().all(|layer| {
                    layer.is_current() && self.check_length(&layer.descriptor.digest, layer.descriptor.size).is_ok()
                })
            {
                return Ok(Some(parts.image(index.tags_of(&digest))));
            }
        }
        Ok(None)
    }

    pub(crate) fn index(&self) -> Result<Index> {
        let path = self.folder.join(INDEX_FILE);
        self.read_json(INDEX_FILE)?.ok_or(Error::Layout { path, problem: "is missing", source: None })
    }

    /// Replaces the index in one step. The lock of the index has to be held.
    pub(crate) fn write_index(&self, index: &Index) -> Result<()> {
        // Blobs go to the disk before the index that names them; not every system can sync a folder.
        if let Ok(blobs) = File::open(self.blobs()) {
            let _ = blobs.sync_all();
        }
        self.write_json(INDEX_FILE, index)
    }

    /// The parts of an image that is in the index.
    pub(crate) fn listed_parts(&self, digest: &Digest) -> Result<Parts> {
        if !self.index()?.images().contains(digest) {
            return Err(Error::NoImage { digest: *digest, folder: self.folder.clone() });
        }
        self.parts(digest)
    }

    /// Whether `oci-layout` is there, which is written last.
    fn is_finished(&self) -> Result<bool> {
        match self.read_json::<LayoutFile>(LAYOUT_FILE)? {
            None => Ok(false),
            Some(file) if file.image_layout_version == VERSION => Ok(true),
            Some(file) => Err(Error::LayoutVersion { folder: self.folder.clone(), version: file.image_layout_version }),
        }
    }

    fn create(&self) -> Result<()> {
        for entry in fs::read_dir(&self.folder).map_err(Error::storage("read", &self.folder))? {
            let found = entry.map_err(Error::storage("read", &self.folder))?.file_name().to_string_lossy().into_owned();
            if ![".mlci", "blobs", INDEX_FILE, LAYOUT_FILE].contains(&found.as_str()) {
                return Err(Error::NotALayout { folder: self.folder.clone(), found });
            }
        }
        let _lock = (self.lock_for_adding()?, self.lock_index()?);
        if self.is_finished()? {
            return Ok(());
        }
        fs::create_dir_all(self.blobs()).map_err(Error::storage("create", &self.blobs()))?;
        if self.read_json::<Index>(INDEX_FILE)?.is_none() {
            self.write_index(&Index::empty())?;
        }
        self.write_json(LAYOUT_FILE, &LayoutFile { image_layout_version: VERSION.to_owned() })
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::Layout {
                path,
                problem: "is not what the specification says",
                source: Some(source),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::storage("read", &path)(error)),
        }
    }

    fn write_json(&self, name: &str, value: &impl serde::Serialize) -> Result<()> {
        let path = self.folder.join(name);
        let bytes = serde_json::to_vec(value).map_err(|error| Error::storage("write", &path)(error.into()))?;
        let mut file = Temporary::create(&self.temporary_folder())?;
        file.write(&bytes)?;
        file.persist(&path)
    }
}
