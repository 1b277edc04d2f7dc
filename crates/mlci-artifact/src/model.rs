use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use mlci_core::{Digest, ModelName};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{
    blob::Blob,
    entry::{Entry, FORMAT, nonce},
    error::{Error, Result},
    log::{Attempt, Log},
    store::{Store, all},
};

/// What is to become a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The digest of the principal file, which identifies the version.
    pub model: Digest,
    /// What is to be known about it: commit, run, data digest, configuration digest, metrics.
    pub annotations: BTreeMap<String, String>,
}

/// One version of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The model that it is a version of.
    pub name: ModelName,
    /// Its number; the first is 1.
    pub number: u64,
    /// The digest of the principal file.
    pub model: Digest,
    /// All files by name, the principal one among them.
    pub files: BTreeMap<String, Blob>,
    /// What the publisher noted.
    pub annotations: BTreeMap<String, String>,
    /// When it was published, by the publisher's clock.
    pub at: Timestamp,
}

/// The answer to [`Store::publish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The version.
    pub version: Version,
    /// Whether this call made it. If not, the same model had been published before.
    pub created: bool,
}

/// The body of a version's entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    model: Digest,
    files: BTreeMap<String, Blob>,
    annotations: BTreeMap<String, String>,
}

/// Points from a model's digest to its version's number.
#[derive(Serialize, Deserialize)]
struct Index {
    format: u64,
    number: u64,
}

enum Indexed {
    Version(Version),
    /// There is no index entry for this digest.
    Absent,
    /// It cannot be read, or the version that it points to is another model's or gone.
    Wrong,
}

impl Store {
    /// Publishes files as the next version of a model, unless `draft.model` is a version already: that one is returned
    /// then, as it is, and no second one appears.
    ///
    /// Publishers at the same time get different numbers, without gaps; if they publish the same model, one creates
    /// the version and the others get it.
    ///
    /// The version is there with all its files or not at all. A cancelled or failed call may have made it; publishing
    /// again is safe and tells.
    ///
    /// # Errors
    /// [`Error::NoPrincipal`], [`Error::FileName`], [`Error::DamagedEntry`] if the last version cannot be read, and
    /// [`Error::Store`].
    pub async fn publish(&self, name: &ModelName, draft: Draft, files: BTreeMap<String, Bytes>) -> Result<Published> {
        let Draft { model, annotations } = draft;
        let files = self.digested(name, model, files).await?;
        let log = self.version_log(name);
        // This order makes digests unique without reading every version: see the comment on `find_up_to`.
        let mut last = log.last_number().await?;
        if let Some(version) = self.find_up_to(name, last, &model).await? {
            return self.published_before(version, &files).await;
        }
        for (blob, bytes) in files.values() {
            self.put_known(*blob, bytes.clone()).await?;
        }
        if let Some(last) = last {
            self.index(&self.read_version(name, last).await?).await?;
        }

        let files_of = files.iter().map(|(file, (blob, _))| (file.clone(), *blob)).collect();
        let manifest = Manifest { model, files: files_of, annotations };
        let references: BTreeSet<_> = manifest.files.values().map(|blob| blob.digest).collect();
        let references: Vec<_> = references.into_iter().collect();
        let nonce = nonce();
        let entry = loop {
            let number = log.next(last)?;
            match log.create(number, &nonce, &manifest, &references).await? {
                Attempt::Created(entry) => break entry,
                Attempt::Taken => {
                    let other = self.read_version(name, number).await?;
                    self.index(&other).await?;
                    if other.model == model {
                        return self.published_before(other, &files).await;
                    }
                    last = Some(number);
                }
            }
        };
        // A garbage collection may have found these blobs unreferenced just before the manifest was there.
        for (blob, bytes) in files.values() {
            self.put_known(*blob, bytes.clone()).await?;
        }
        let version = Version::new(name, entry);
        self.index(&version).await?;
        Ok(Published { version, created: true })
    }

    async fn published_before(&self, version: Version, files: &BTreeMap<String, (Blob, Bytes)>) -> Result<Published> {
        self.index(&version).await?;
        // Mends a version whose blobs were lost; costs one look for each file else.
        let kept: BTreeSet<_> = version.files.values().map(|blob| blob.digest).collect();
        for (blob, bytes) in files.values().filter(|(blob, _)| kept.contains(&blob.digest)) {
            self.put_known(*blob, bytes.clone()).await?;
        }
        Ok(Published { version, created: false })
    }

    async fn digested(
        &self,
        name: &ModelName,
        model: Digest,
        files: BTreeMap<String, Bytes>,
    ) -> Result<BTreeMap<String, (Blob, Bytes)>> {
        if let Some(file) = files.keys().find(|file| !is_file_name(file)) {
            return Err(Error::FileName { file: file.clone() });
        }
        let files =
            all(files.into_iter().map(async |(file, bytes)| Ok((file, (Blob::of(&bytes).await, bytes))))).await?;
        let files: BTreeMap<_, _> = files.into_iter().collect();
        if files.values().all(|(blob, _)| blob.digest != model) {
            return Err(Error::NoPrincipal { name: name.clone(), model, files: files.into_keys().collect() });
        }
        Ok(files)
    }

    /// Every version of a model, ascending; none if the model is unknown. Reads every manifest: where the numbers are
    /// enough, ask for [`Store::version_numbers`].
    ///
    /// # Errors
    /// [`Error::DamagedEntry`], [`Error::UnknownFormat`], [`Error::Store`].
    pub async fn versions(&self, name: &ModelName) -> Result<Vec<Version>> {
        let numbers = self.version_numbers(name).await?;
        all(numbers.into_iter().map(|number| self.read_version(name, number))).await
    }

    /// The numbers of a model's versions, ascending. One listing, no read.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn version_numbers(&self, name: &ModelName) -> Result<Vec<u64>> {
        self.version_log(name).numbers().await
    }

    /// One version of a model. One read.
    ///
    /// # Errors
    /// [`Error::NotFound`], which lists those that exist, else as [`Store::versions`].
    pub async fn version(&self, name: &ModelName, number: u64) -> Result<Version> {
        match self.version_log(name).get(number).await? {
            Some(entry) => Ok(Version::new(name, entry)),
            None => {
                let existing = self.version_numbers(name).await?;
                Err(Error::NotFound { name: name.clone(), version: number, existing })
            }
        }
    }

    /// The version whose principal file has this digest. Two reads if there is one, else a listing and two reads.
    ///
    /// # Errors
    /// As [`Store::versions`].
    pub async fn find_version(&self, name: &ModelName, model: &Digest) -> Result<Option<Version>> {
        if let Indexed::Version(version) = self.indexed(name, model).await? {
            return Ok(Some(version));
        }
        let last = self.version_log(name).last_number().await?;
        self.find_up_to(name, last, model).await
    }

    /// The version with this digest among those up to `last`, which was listed before.
    ///
    /// A publisher makes the index entry of the last version before it creates the next one. So of the versions up to
    /// `last` only `last` itself can lack its index entry (its publisher died in between, or is about to make it), and
    /// looking at the index, after the listing, and then at `last` finds any of them. A publisher that finds none and
    /// creates `last + 1` knows that no version has its digest; one that loses that number looks at the winner.
    async fn find_up_to(&self, name: &ModelName, last: Option<u64>, model: &Digest) -> Result<Option<Version>> {
        let Some(last) = last else { return Ok(None) };
        match self.indexed(name, model).await? {
            Indexed::Version(version) => Ok(Some(version)),
            Indexed::Absent => Ok(Some(self.read_version(name, last).await?).filter(|last| last.model == *model)),
            // The index only saves reading. When it is of no use, what it was made from is read.
            Indexed::Wrong => Ok(self.versions(name).await?.into_iter().find(|version| version.model == *model)),
        }
    }

    async fn indexed(&self, name: &ModelName, model: &Digest) -> Result<Indexed> {
        let Some(bytes) = self.get(&self.index_path(name, model)).await? else { return Ok(Indexed::Absent) };
        let Some(number) = parse_index(&bytes) else { return Ok(Indexed::Wrong) };
        let version = self.version_log(name).get(number).await?.map(|entry| Version::new(name, entry));
        Ok(version.filter(|version| version.model == *model).map_or(Indexed::Wrong, Indexed::Version))
    }

    /// Makes the index entry of a version, or mends it.
    async fn index(&self, version: &Version) -> Result<()> {
        let path = self.index_path(&version.name, &version.model);
        let present = self.get(&path).await?;
        if present.as_ref().is_some_and(|bytes| parse_index(bytes) == Some(version.number)) {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&Index { format: FORMAT, number: version.number })
            .map_err(|source| Error::Encode { object: self.place(&path), source })?;
        match present {
            None => self.create(&path, bytes.into()).await.map(drop),
            Some(_) => self.overwrite(&path, bytes.into()).await,
        }
    }

    /// The bytes of a version's principal file, verified.
    ///
    /// # Errors
    /// [`Error::MissingBlob`], [`Error::DamagedBlob`], [`Error::Store`].
    pub async fn model_bytes(&self, version: &Version) -> Result<Bytes> {
        self.get_blob(&version.model).await
    }

    /// The models that have a version, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn models(&self) -> Result<Vec<ModelName>> {
        let (_, folders) = self.children(&self.path(&["models"])).await?;
        let mut models = Vec::new();
        // A folder may be empty: its first publisher died before it wrote the first version.
        for name in folders.iter().filter_map(|folder| folder.parse::<ModelName>().ok()) {
            if self.version_log(&name).last_number().await?.is_some() {
                models.push(name);
            }
        }
        models.sort_unstable();
        Ok(models)
    }

    async fn read_version(&self, name: &ModelName, number: u64) -> Result<Version> {
        self.version_log(name).read(number).await.map(|entry| Version::new(name, entry))
    }

    fn version_log(&self, name: &ModelName) -> Log<Manifest> {
        self.log_at(&["models", name.as_str(), "versions"])
    }

    fn index_path(&self, name: &ModelName, model: &Digest) -> Path {
        self.path(&["models", name.as_str(), "digests", &format!("{}.json", model.hex())])
    }
}

impl Version {
    fn new(name: &ModelName, entry: Entry<Manifest>) -> Self {
        let Manifest { model, files, annotations } = entry.body;
        Self { name: name.clone(), number: entry.number, model, files, annotations, at: entry.at }
    }
}

fn parse_index(bytes: &[u8]) -> Option<u64> {
    let index: Index = serde_json::from_slice(bytes).ok()?;
    (index.format == FORMAT).then_some(index.number)
}

/// Whoever unpacks a version writes its files under these names.
fn is_file_name(file: &str) -> bool {
    !matches!(file, "" | "." | "..")
        && file.len() <= 255
        && !file.contains(|c: char| matches!(c, '/' | '\\') || c.is_control())
}
