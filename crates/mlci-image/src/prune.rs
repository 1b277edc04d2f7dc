use std::collections::BTreeSet;

use mlci_core::Digest;
use serde_json::Value;

use crate::{Layout, Result, blob::remove_files};

/// What [`Layout::prune`] removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Pruned {
    /// The images, by their manifests' digests.
    pub images: Vec<Digest>,
    /// How many blobs: manifests, configurations and layers.
    pub blobs: usize,
    /// How many temporary files that killed processes left behind.
    pub temporary: usize,
    /// The bytes of the removed files together.
    pub bytes: u64,
}

impl Layout {
    /// Removes the images of mlci that are not in `keep`, with their tags, the blobs that no image needs any more, and
    /// temporary files. Digests in `keep` that are not here are ignored; what other tools added stays.
    ///
    /// Waits until nobody builds or reads in this layout. The index goes first, so a killed `prune` leaves unused blobs,
    /// which the next one removes.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) if the manifest of an image that stays cannot be read, since nobody
    /// knows then what it needs: nothing is removed. [`Error::Layout`](crate::Error::Layout) and
    /// [`Error::Storage`](crate::Error::Storage) as for [`Layout::open`].
    pub fn prune(&self, keep: &[Digest]) -> Result<Pruned> {
        let _lock = (self.lock_for_removing()?, self.lock_index()?);
        let mut index = self.index()?;
        let images: Vec<_> = index.images().into_iter().filter(|digest| !keep.contains(digest)).collect();
        let names: BTreeSet<_> = images.iter().map(Digest::to_string).collect();
        index.manifests.retain(|entry| !names.contains(&entry.digest));

        let mut needed = BTreeSet::new();
        for digest in index.manifests.iter().filter_map(|entry| entry.digest.parse().ok()) {
            self.collect(&digest, &mut needed)?;
        }
        if !images.is_empty() {
            self.write_index(&index)?;
        }
        let unneeded = |name: &str| format!("sha256:{name}").parse().is_ok_and(|digest| !needed.contains(&digest));
        let (blobs, blob_bytes) = remove_files(&self.blobs(), unneeded)?;
        let (temporary, temporary_bytes) = self.remove_leftovers()?;
        Ok(Pruned { images, blobs, temporary, bytes: blob_bytes + temporary_bytes })
    }

    /// Adds a manifest or index and all that it refers to.
    fn collect(&self, digest: &Digest, needed: &mut BTreeSet<Digest>) -> Result<()> {
        if !needed.insert(*digest) {
            return Ok(());
        }
        // Whatever else an index may name (`artifactType`, say) is not followed.
        let Ok(document) = serde_json::from_slice::<Value>(&self.document(digest)?) else { return Ok(()) };
        let list = |key: &str| document.get(key).and_then(Value::as_array).into_iter().flatten();
        let digest_of = |descriptor: &Value| descriptor.get("digest")?.as_str()?.parse::<Digest>().ok();
        needed.extend(document.get("config").into_iter().chain(list("layers")).filter_map(digest_of));
        // Tools that copy one platform of an image may leave out the manifests of the others.
        list("manifests")
            .filter_map(digest_of)
            .filter(|digest| self.blob(digest).exists())
            .try_for_each(|digest| self.collect(&digest, needed))
    }
}
