use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mlci_core::Digest;
use object_store::{ObjectMeta, path::Path};
use serde::Serialize;

use crate::{
    entry::{nonce, parse_number},
    error::{Error, Result},
    store::{Store, all},
};

/// How [`Store::collect_garbage`] goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GarbageOptions {
    /// How long a blob is left alone before it goes to the trash, and again before it is deleted from there.
    pub grace: Duration,
    /// Only report what would be done.
    pub dry_run: bool,
}

impl Default for GarbageOptions {
    /// A grace of one day.
    fn default() -> Self {
        Self { grace: Duration::from_secs(24 * 60 * 60), dry_run: false }
    }
}

/// What [`Store::collect_garbage`] did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GarbageReport {
    /// The number of blobs that stay: referred to, or too young.
    pub kept: usize,
    /// Blobs moved to the trash.
    pub trashed: Vec<Digest>,
    /// Blobs moved back from the trash, since something refers to them.
    pub restored: Vec<Digest>,
    /// Blobs deleted from the trash.
    pub deleted: Vec<Digest>,
    /// The bytes freed by deleting copies from the trash.
    pub freed: u64,
}

impl Store {
    /// Removes blobs that nothing refers to: no version, no move of an alias, no entry of a log.
    ///
    /// It takes two runs, at least `grace` apart. The first moves a blob that is older than `grace` and unreferenced
    /// to the trash; a later one deletes it from there, or moves it back if something refers to it by then. A run that
    /// is killed or cancelled leaves nothing that the next one does not finish.
    ///
    /// # Why it cannot remove what is referenced
    ///
    /// A run first lists the trash and the blobs, then reads all references, then acts. References are never taken
    /// back, so only one that is written after the run has read them can be overlooked. Its writer looks for its blobs
    /// once more *after* writing it, and puts back what is gone.
    ///
    /// - A run that moves the blob puts a copy of its own, under a new name, into the trash before it deletes it from
    ///   the blobs. If that is done when the writer looks, the writer puts the blob back. Else the copy is in the
    ///   trash, where [`Store::get_blob`] finds it until the next run, which knows the reference, moves it back.
    /// - A run that deletes a copy from the trash had listed it before it read the references. So the blob that the
    ///   copy was made from was gone before the reference was written, and the one that the writer finds or puts back
    ///   is another, of which there will be another copy if it is moved. And of that one the same holds.
    ///
    /// This holds for any number of writers and runs at once, whatever time they take, with two limits. A run must not
    /// stand still for longer than `grace` between copying one blob and deleting it. And a writer that stands still for
    /// longer than `grace` between its last look before and its first look after writing may be too late: an append to
    /// a log then reports [`Error::MissingBlob`] although its entry is written; a publisher
    /// puts the blob back unless it dies just then, and publishing the same model again mends that.
    ///
    /// The age of an object is the time between its time stamp in the store and this machine's clock; a clock that is
    /// wrong shortens or lengthens the grace, no more.
    ///
    /// # Errors
    /// [`Error::DamagedEntry`] or [`Error::UnknownFormat`] if an entry cannot be read, since it may refer to anything:
    /// nothing is removed then. [`Error::DamagedBlob`] if a blob to be moved back is damaged, [`Error::Store`].
    ///
    /// [`Error::DamagedEntry`]: crate::Error::DamagedEntry
    /// [`Error::UnknownFormat`]: crate::Error::UnknownFormat
    /// [`Error::DamagedBlob`]: crate::Error::DamagedBlob
    /// [`Error::MissingBlob`]: crate::Error::MissingBlob
    /// [`Error::Store`]: crate::Error::Store
    pub async fn collect_garbage(&self, options: GarbageOptions) -> Result<GarbageReport> {
        let now = self.now().as_millisecond();
        let grace = i64::try_from(options.grace.as_millis()).unwrap_or(i64::MAX);
        let aged = |meta: &ObjectMeta| now.saturating_sub(meta.last_modified.timestamp_millis()) >= grace;

        // The order matters, see above.
        let trash = self.copies_in_trash().await?;
        let blobs = self.blobs().await?;
        let referenced = self.all_references().await?;

        let mut report = GarbageReport::default();
        let mut restored = BTreeSet::new();
        let mut deleted = BTreeSet::new();
        for (digest, meta) in &trash {
            let lost = referenced.contains(digest) && !blobs.contains_key(digest);
            if lost && restored.insert(*digest) && !options.dry_run {
                match self.require_blob(digest).await {
                    // It was in the trash when that was listed: another run has it in hand, and moves it back or on.
                    Err(Error::MissingBlob { .. }) => {}
                    other => other?,
                }
            }
            // The copies of what was put back are left to age as well: their makers may be about to delete the blob.
            if !lost && aged(meta) {
                if !referenced.contains(digest) {
                    deleted.insert(*digest);
                }
                if !options.dry_run {
                    self.delete(&meta.location).await?;
                }
                report.freed += meta.size;
            }
        }
        report.restored.extend(restored);
        report.deleted.extend(deleted);
        for (digest, meta) in &blobs {
            if referenced.contains(digest) || !aged(meta) {
                report.kept += 1;
                continue;
            }
            if !options.dry_run {
                self.trash(digest, &meta.location).await?;
            }
            report.trashed.push(*digest);
        }
        Ok(report)
    }

    /// Read and written rather than copied: a copy in a directory store is a hard link, which keeps the old time.
    async fn trash(&self, digest: &Digest, blob: &Path) -> Result<()> {
        if let Some(bytes) = self.get(blob).await? {
            self.overwrite(&self.trash_folder(digest).join(nonce()), bytes).await?;
            self.delete(blob).await?;
        }
        Ok(())
    }

    /// What is not where a blob of its name belongs is not ours, and left alone.
    async fn blobs(&self) -> Result<BTreeMap<Digest, ObjectMeta>> {
        let objects = self.list(&self.path(&["blobs"])).await?;
        let blob = |meta: ObjectMeta| {
            let digest = parse_hex(meta.location.filename()?)?;
            (meta.location == self.blob_path(&digest)).then_some((digest, meta))
        };
        Ok(objects.into_iter().filter_map(blob).collect())
    }

    async fn copies_in_trash(&self) -> Result<Vec<(Digest, ObjectMeta)>> {
        let objects = self.list(&self.path(&["trash"])).await?;
        let copy = |meta: ObjectMeta| {
            let folder = meta.location.parent()?;
            let digest = parse_hex(folder.filename()?)?;
            (folder == self.trash_folder(&digest)).then_some((digest, meta))
        };
        Ok(objects.into_iter().filter_map(copy).collect())
    }

    async fn all_references(&self) -> Result<BTreeSet<Digest>> {
        let mut entries = self.list(&self.path(&["models"])).await?;
        entries.extend(self.list(&self.path(&["logs"])).await?);
        // The index under `digests/` has names of another kind and adds nothing to the versions.
        let numbered: Vec<(Path, u64)> = entries
            .into_iter()
            .filter_map(|meta| parse_number(meta.location.filename()?).map(|number| (meta.location, number)))
            .collect();
        let lists = all(numbered.iter().map(|(path, number)| self.references(path, *number))).await?;
        Ok(lists.into_iter().flatten().collect())
    }
}

fn parse_hex(hex: &str) -> Option<Digest> {
    format!("sha256:{hex}").parse().ok()
}
