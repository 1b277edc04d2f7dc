use std::{fmt, marker::PhantomData};

use mlci_core::{Digest, ModelName};
use object_store::path::Path;
use serde::{
    Serialize,
    de::{DeserializeOwned, Error as _, IgnoredAny},
};

use crate::{
    entry::{Entry, Envelope, Written, decode, nonce, object_name, parse_number},
    error::{Error, Result},
    store::{Store, all},
};

/// Numbered entries of one kind. The last one is the present state, the others are its history.
///
/// An entry is a JSON object that is created if absent under the next free number and never changed. So two writers
/// never get the same number, there are no gaps, and the order is that of the numbers: times and clocks play no part.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mlci_artifact::Error> {
/// use mlci_artifact::{Error, Store};
///
/// let releases = Store::in_memory().log::<String>(&["releases", "production"])?;
/// let first = releases.append(&"first".to_owned(), &[]).await?;
/// releases.append(&"second".to_owned(), &[]).await?;
///
/// // Whoever decided by the first entry learns that there is a second one.
/// let late = releases.append_after(Some(first.number), &"late".to_owned(), &[]).await;
/// assert!(matches!(late, Err(Error::Conflict { found: Some(2), .. })));
/// # Ok(())
/// # }
/// ```
pub struct Log<T> {
    store: Store,
    folder: Path,
    body: PhantomData<fn() -> T>,
}

pub(crate) enum Attempt<T> {
    Created(Entry<T>),
    Taken,
}

impl Store {
    /// The log under `logs/` and these path segments. Nothing is written before the first entry.
    ///
    /// # Errors
    /// [`Error::LogPath`] if there is no segment or one is not a legal name; no request is made then.
    pub fn log<T: Serialize + DeserializeOwned>(&self, path: &[&str]) -> Result<Log<T>> {
        let illegal = |segment: &str| segment.parse::<ModelName>().is_err() || segment.ends_with(".json");
        if path.is_empty() {
            return Err(Error::LogPath { segment: String::new() });
        }
        if let Some(&segment) = path.iter().find(|segment| illegal(segment)) {
            return Err(Error::LogPath { segment: segment.to_owned() });
        }
        Ok(self.log_at(&[&["logs"], path].concat()))
    }

    pub(crate) fn log_at<T>(&self, path: &[&str]) -> Log<T> {
        Log { store: self.clone(), folder: self.path(path), body: PhantomData }
    }

    /// The blobs that the entry at this path refers to.
    pub(crate) async fn references(&self, path: &Path, number: u64) -> Result<Vec<Digest>> {
        let bytes = self.get(path).await?.ok_or_else(|| vanished(self, path))?;
        Ok(decode::<IgnoredAny>(self, path, number, &bytes)?.references)
    }
}

impl<T: Serialize + DeserializeOwned> Log<T> {
    /// Appends an entry under the next free number. If another writer takes that number first, the next one is taken.
    ///
    /// `references` are the blobs that must be kept as long as this entry is there.
    ///
    /// The entry is there whole or not at all. If the call is cancelled or fails with [`Error::Store`], it may be
    /// there all the same: read the log before appending again.
    ///
    /// # Errors
    /// [`Error::MissingBlob`] if a reference is to no blob; nothing is written then (see [`Store::collect_garbage`]
    /// for the one exception). [`Error::Encode`], [`Error::DamagedEntry`], [`Error::UnknownFormat`], [`Error::Store`].
    pub async fn append(&self, body: &T, references: &[Digest]) -> Result<Entry<T>> {
        self.store.require_blobs(references).await?;
        let nonce = nonce();
        let mut number = self.next(self.last_number().await?)?;
        loop {
            match self.create(number, &nonce, body, references).await? {
                Attempt::Created(entry) => {
                    self.store.require_blobs(references).await?;
                    return Ok(entry);
                }
                Attempt::Taken => number = self.next(Some(number))?,
            }
        }
    }

    /// Appends an entry only if the last one still is number `last` (`None`: only if there is none).
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody appended meanwhile; nothing is written then. Else as [`Log::append`].
    pub async fn append_after(&self, last: Option<u64>, body: &T, references: &[Digest]) -> Result<Entry<T>> {
        let conflict = |found| Error::Conflict { object: self.store.place(&self.folder), expected: last, found };
        self.store.require_blobs(references).await?;
        // Checked first: an entry after a number that does not exist would leave a gap.
        let found = self.last_number().await?;
        if found != last {
            return Err(conflict(found));
        }
        match self.create(self.next(last)?, &nonce(), body, references).await? {
            Attempt::Created(entry) => {
                self.store.require_blobs(references).await?;
                Ok(entry)
            }
            Attempt::Taken => Err(conflict(self.last_number().await?)),
        }
    }

    /// Every entry, ascending.
    ///
    /// # Errors
    /// [`Error::DamagedEntry`], [`Error::UnknownFormat`], [`Error::Store`].
    pub async fn entries(&self) -> Result<Vec<Entry<T>>> {
        all(self.numbers().await?.into_iter().map(|number| self.read(number))).await
    }

    /// The last entry. One listing and one read, however long the log is.
    ///
    /// # Errors
    /// As [`Log::entries`]; an unreadable last entry is an error, never passed over.
    pub async fn last(&self) -> Result<Option<Entry<T>>> {
        match self.last_number().await? {
            Some(number) => self.read(number).await.map(Some),
            None => Ok(None),
        }
    }

    /// The number of the last entry. One listing, no read.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn last_number(&self) -> Result<Option<u64>> {
        Ok(self.numbers().await?.last().copied())
    }

    /// The numbers of the entries, ascending. Objects with other names are not ours and not looked at.
    pub(crate) async fn numbers(&self) -> Result<Vec<u64>> {
        let (objects, _) = self.store.children(&self.folder).await?;
        let mut numbers: Vec<_> = objects.iter().filter_map(|name| parse_number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(crate) async fn get(&self, number: u64) -> Result<Option<Entry<T>>> {
        let path = self.path(number);
        match self.store.get(&path).await? {
            Some(bytes) => Ok(Some(decode(&self.store, &path, number, &bytes)?.into())),
            None => Ok(None),
        }
    }

    pub(crate) async fn read(&self, number: u64) -> Result<Entry<T>> {
        self.get(number).await?.ok_or_else(|| vanished(&self.store, &self.path(number)))
    }

    /// Tries to write the entry with this number.
    pub(crate) async fn create(&self, number: u64, nonce: &str, body: &T, references: &[Digest]) -> Result<Attempt<T>> {
        let path = self.path(number);
        let encode = |source| Error::Encode { object: self.store.place(&path), source };
        let bytes = Written::new(number, self.store.now(), nonce, references, body).encode().map_err(encode)?;
        // Read back before it is written: an entry that cannot be read would block the log.
        let envelope: Envelope<T> = serde_json::from_slice(&bytes).map_err(encode)?;
        for _ in 0..3 {
            if self.store.create(&path, bytes.clone()).await? {
                return Ok(Attempt::Created(envelope.into()));
            }
            if let Some(taken) = self.store.get(&path).await? {
                // A client that repeats a request whose answer was lost meets its own entry.
                let taken = decode::<IgnoredAny>(&self.store, &path, number, &taken)?;
                return Ok(if taken.nonce == nonce { Attempt::Created(envelope.into()) } else { Attempt::Taken });
            }
            // S3 answers so (409) to two writers at once, of which one or none has won.
        }
        Err(vanished(&self.store, &path))
    }

    pub(crate) fn next(&self, last: Option<u64>) -> Result<u64> {
        let last = last.unwrap_or(0);
        last.checked_add(1).ok_or_else(|| Error::DamagedEntry {
            object: self.store.place(&self.path(last)),
            source: serde_json::Error::custom("no number can follow this one"),
        })
    }

    fn path(&self, number: u64) -> Path {
        self.folder.clone().join(object_name(number))
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), folder: self.folder.clone(), body: PhantomData }
    }
}

impl<T> fmt::Debug for Log<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("store", &self.store).field("folder", &self.folder).finish()
    }
}

fn vanished(store: &Store, path: &Path) -> Error {
    let cause = "it was listed or said to exist, but cannot be found";
    store.error("read", path)(object_store::Error::NotFound { path: path.to_string(), source: cause.into() })
}
