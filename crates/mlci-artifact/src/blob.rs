use bytes::Bytes;
use mlci_core::Digest;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    store::{Store, all, blocking},
};

/// A blob: bytes that are found by their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// The SHA-256 of the bytes.
    pub digest: Digest,
    /// The number of bytes.
    pub size: u64,
}

impl Blob {
    pub(crate) async fn of(bytes: &Bytes) -> Self {
        Self { digest: digest(bytes).await, size: bytes.len() as u64 }
    }
}

impl Store {
    /// Stores bytes under their digest. Bytes that are there already are not written again.
    ///
    /// A blob that nothing refers to is removed by [`Store::collect_garbage`] some time after its grace. A cancelled
    /// call leaves the whole blob or none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn put_blob(&self, bytes: Bytes) -> Result<Blob> {
        let blob = Blob::of(&bytes).await;
        self.put_known(blob, bytes).await?;
        Ok(blob)
    }

    pub(crate) async fn put_known(&self, blob: Blob, bytes: Bytes) -> Result<()> {
        let path = self.blob_path(&blob.digest);
        match self.head(&path).await? {
            Some(meta) if meta.size == blob.size => Ok(()),
            // Cut off by something else than the store; the right bytes are at hand.
            Some(_) => self.overwrite(&path, bytes).await,
            None => self.create(&path, bytes).await.map(drop),
        }
    }

    /// The bytes of a blob, verified.
    ///
    /// A blob that lies in the trash is put back (where writing is allowed) and returned.
    ///
    /// # Errors
    /// [`Error::MissingBlob`], [`Error::DamagedBlob`] if the bytes do not have this digest, [`Error::Store`].
    pub async fn get_blob(&self, digest: &Digest) -> Result<Bytes> {
        // More than what one run of the garbage collection can do between two looks: it puts a blob back before it takes
        // it out of the trash, so that it is always in one of the two, but several runs may move it again and again.
        const LOOKS: u32 = 4;
        let path = self.blob_path(digest);
        let mut failure = None;
        for _ in 0..LOOKS {
            if let Some(bytes) = self.get_verified(&path, digest).await? {
                return Ok(bytes);
            }
            for copy in self.list(&self.trash_folder(digest)).await? {
                match self.get_verified(&copy.location, digest).await {
                    Ok(Some(bytes)) => {
                        // A reader without the right to write still gets the bytes; the collection will put them back.
                        let _ = self.create(&path, bytes.clone()).await;
                        return Ok(bytes);
                    }
                    Ok(None) => {}
                    Err(error) => failure = Some(error),
                }
            }
        }
        Err(failure.unwrap_or_else(|| Error::MissingBlob { digest: *digest, object: self.place(&path) }))
    }

    /// Whether a blob is there. Its content is not read.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let path = self.blob_path(digest);
        Ok(self.head(&path).await?.is_some()
            || !self.list(&self.trash_folder(digest)).await?.is_empty()
            || self.head(&path).await?.is_some())
    }

    /// Makes sure that blobs about to be referred to are among the blobs, not in the trash.
    pub(crate) async fn require_blobs(&self, digests: &[Digest]) -> Result<()> {
        all(digests.iter().map(|digest| self.require_blob(digest))).await.map(drop)
    }

    pub(crate) async fn require_blob(&self, digest: &Digest) -> Result<()> {
        let path = self.blob_path(digest);
        if self.head(&path).await?.is_none() {
            let bytes = self.get_blob(digest).await?;
            self.create(&path, bytes).await?;
        }
        Ok(())
    }

    async fn get_verified(&self, path: &Path, expected: &Digest) -> Result<Option<Bytes>> {
        let Some(bytes) = self.get(path).await? else { return Ok(None) };
        let actual = digest(&bytes).await;
        if actual != *expected {
            return Err(Error::DamagedBlob { object: self.place(path), expected: *expected, actual });
        }
        Ok(Some(bytes))
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> Path {
        self.content_path("blobs", digest)
    }

    /// Where the copies of a blob are that lie in the trash.
    pub(crate) fn trash_folder(&self, digest: &Digest) -> Path {
        self.content_path("trash", digest)
    }

    fn content_path(&self, folder: &str, digest: &Digest) -> Path {
        let hex = digest.hex();
        // Folders of a 256th each: some file systems and many tools are slow with very large folders.
        let start = hex.get(..2).unwrap_or_default();
        self.path(&[folder, "sha256", start, &hex])
    }
}

/// Large contents are hashed where they hold up no other task.
async fn digest(bytes: &Bytes) -> Digest {
    const LARGE: usize = 1 << 20;
    if bytes.len() < LARGE {
        return Digest::of(bytes);
    }
    let shared = bytes.clone();
    // The pool refuses only while the runtime shuts down.
    blocking(move || Digest::of(&shared)).await.unwrap_or_else(|_| Digest::of(bytes))
}
